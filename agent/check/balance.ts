/**
 * Balance of a transformer area: parent against children, hour by hour over two weeks.
 * Test 9 of peers-features.md C: a non-negative regression of the parent on its children; a child whose coefficient is 2 or 1/2
 * names the meter and its true ratio. The only test that finds what archive and register agree on and the transformer does not.
 */
import { round } from './finding.ts'
import { cholesky, inverseDiagonal, solveNonNegative } from './least-squares.ts'
import { snapFactor } from './ratio-factors.ts'
import { median } from './statistics.ts'

export interface BalanceRow {
  readonly parent: number
  readonly children: readonly number[]
}

export interface Coefficient {
  readonly index: number
  /** parent's kWh per recorded kWh of the child */
  readonly value: number
  readonly error: number
}

export interface BalanceVerdict {
  /** 'parent' or the index of the child whose ratio is off */
  readonly who: 'parent' | number
  /** archive ratio over true ratio */
  readonly factor: number
  readonly coefficient: number
  readonly error: number
  /** loss of the area with the correction applied */
  readonly lossAfter: number
  readonly certain: boolean
}

export interface BalanceResult {
  readonly coefficients: readonly Coefficient[]
  readonly verdicts: readonly BalanceVerdict[]
  readonly loss: number
  readonly rows: number
}

const total = (rows: readonly BalanceRow[], pick: (row: BalanceRow) => number) =>
  rows.reduce((sum, row) => sum + pick(row), 0)

/** Loss of an area over rows: 1 - sum of children / parent. */
export function lossOf(rows: readonly BalanceRow[]): number {
  const parent = total(rows, row => row.parent)
  return parent <= 0 ? Number.NaN : 1 - total(rows, row => row.children.reduce((a, b) => a + b, 0)) / parent
}

/**
 * Coefficients of children against their parent, with standard errors, and the verdicts that follow.
 * @param ratios CT and PT of each child, of the parent last
 */
export function judgeBalance(
  rows: readonly BalanceRow[],
  ratios: readonly { readonly ct: number; readonly pt: number }[],
  sigmas: number
): BalanceResult {
  const children = rows[0]?.children.length ?? 0
  const loss = lossOf(rows)
  const none: BalanceResult = { coefficients: [], verdicts: [], loss, rows: rows.length }
  if (children === 0 || rows.length < Math.max(60, 4 * children)) return none
  const coefficients = regress(rows, children)
  if (coefficients.length === 0) return none
  const verdicts: BalanceVerdict[] = []
  const sure = coefficients.filter(c => c.error < 0.08 * Math.max(c.value, 0.04))
  const usual = median(sure.map(c => c.value))
  const own = ratios[children]
  if (
    sure.length >= 2 &&
    own &&
    Math.abs(Math.log(usual)) > 0.25 &&
    sure.every(c => Math.abs(c.value / usual - 1) < 0.12)
  ) {
    const named = snapFactor(usual / 1.03, 0.07, own.ct, own.pt)
    if (named)
      verdicts.push({
        who: 'parent',
        factor: round(named.value, 6),
        coefficient: round(usual),
        error: round(median(sure.map(c => c.error))),
        lossAfter: round(1 - ((1 - loss) * usual) / (usual / named.value), 3),
        certain: sure.length >= 3
      })
    return { coefficients, verdicts, loss, rows: rows.length }
  }
  // the others show what a right child looks like here: 1 plus the losses
  const suspects = sure
    .map(c => {
      const others = sure.filter(other => other.index !== c.index).map(other => other.value)
      const right = others.length >= 2 ? Math.min(1.15, Math.max(0.95, median(others))) : 1.03
      return { c, off: c.value / right, error: c.error / right }
    })
    .filter(({ off, error }) => Math.abs(Math.log(off)) > 0.25 && Math.abs(off - 1) > sigmas * error)
    .sort((a, b) => Math.abs(b.off - 1) / b.error - Math.abs(a.off - 1) / a.error)
  let now = rows
  let rest = plainResidual(now)
  for (const { c, off } of suspects) {
    const ratio = ratios[c.index]
    const named = ratio ? snapFactor(1 / off, 0.05, ratio.ct, ratio.pt) : undefined
    if (!named) continue
    const corrected = now.map(row => ({
      parent: row.parent,
      children: row.children.map((x, n) => (n === c.index ? x / named.value : x))
    }))
    // the proof: with this one ratio mended the plain sum of the children explains the parent far better
    const after = plainResidual(corrected)
    if (after > 0.7 * rest) continue
    verdicts.push({
      who: c.index,
      factor: round(named.value, 6),
      coefficient: round(c.value),
      error: round(c.error),
      lossAfter: round(lossOf(corrected), 3),
      certain: after < 0.6 * rest
    })
    now = corrected
    rest = after
  }
  return { coefficients, verdicts, loss, rows: rows.length }
}

/** What is left of the parent when the plain sum of its children, its square (losses in the lines) and a constant explain it. */
function plainResidual(rows: readonly BalanceRow[]): number {
  const sums = rows.map(row => row.children.reduce((a, b) => a + b, 0))
  const scale = Math.max(1e-9, ...sums.map(Math.abs))
  const columns = (s: number) => [1, s / scale, (s / scale) ** 2]
  const ata = new Float64Array(9)
  const atb = new Float64Array(3)
  rows.forEach((row, n) => {
    const x = columns(sums[n] as number)
    for (let a = 0; a < 3; a++) {
      atb[a] = (atb[a] as number) + (x[a] as number) * row.parent
      for (let b = 0; b < 3; b++)
        ata[a * 3 + b] = (ata[a * 3 + b] as number) + (x[a] as number) * (x[b] as number)
    }
  })
  const solved = solveNonNegative(ata, atb, 3)
  return rows.reduce((sum, row, n) => {
    const fitted = columns(sums[n] as number).reduce((acc, x, a) => acc + x * (solved[a] as number), 0)
    return sum + (row.parent - fitted) ** 2
  }, 0)
}

/** Regression with an intercept (what flows at no load), columns scaled to unit length. */
function regress(rows: readonly BalanceRow[], children: number): Coefficient[] {
  const n = children + 1
  const scale = new Float64Array(n)
  for (const row of rows) {
    for (let i = 0; i < children; i++) scale[i] = (scale[i] as number) + (row.children[i] as number) ** 2
    scale[children] = (scale[children] as number) + 1
  }
  const used: number[] = []
  for (let i = 0; i < n; i++) {
    scale[i] = Math.sqrt(scale[i] as number)
    if ((scale[i] as number) > 0) used.push(i)
  }
  const m = used.length
  const ata = new Float64Array(m * m)
  const atb = new Float64Array(m)
  const column = new Float64Array(m)
  for (const row of rows) {
    for (let a = 0; a < m; a++) {
      const i = used[a] as number
      column[a] = (i < children ? (row.children[i] as number) : 1) / (scale[i] as number)
    }
    for (let a = 0; a < m; a++) {
      const x = column[a] as number
      if (x === 0) continue
      atb[a] = (atb[a] as number) + x * row.parent
      for (let b = 0; b < m; b++) ata[a * m + b] = (ata[a * m + b] as number) + x * (column[b] as number)
    }
  }
  const factor = cholesky(ata, m)
  if (!factor) return []
  const x = solveNonNegative(ata, atb, m)
  let residual = 0
  let lagged = 0
  let last = 0
  for (const row of rows) {
    let fitted = 0
    for (let a = 0; a < m; a++) {
      const i = used[a] as number
      fitted += ((x[a] as number) * (i < children ? (row.children[i] as number) : 1)) / (scale[i] as number)
    }
    const off = row.parent - fitted
    residual += off * off
    lagged += off * last
    last = off
  }
  // neighbouring hours err alike: fewer independent rows than there are
  const alike = Math.max(0, Math.min(0.9, residual > 0 ? lagged / residual : 0))
  const variance = ((residual / Math.max(1, rows.length - m)) * (1 + alike)) / (1 - alike)
  const inverse = inverseDiagonal(factor, m)
  const out: Coefficient[] = []
  for (let a = 0; a < m; a++) {
    const i = used[a] as number
    if (i === children) continue
    out.push({
      index: i,
      value: (x[a] as number) / (scale[i] as number),
      error: Math.sqrt(variance * (inverse[a] as number)) / (scale[i] as number)
    })
  }
  return out
}
