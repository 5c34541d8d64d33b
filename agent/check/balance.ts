/**
 * Balance of a transformer area: parent against children, hour by hour over two weeks.
 * Test 9 of peers-features.md C: a non-negative regression of the parent on its children; a child whose coefficient is 2 or 1/2
 * names the meter and its true ratio. The only test that finds what archive and register agree on and the transformer does not.
 */
import { round } from './finding.ts'
import { cholesky, inverseDiagonal, solveNonNegative } from './least-squares.ts'
import { namedFactors, nearestCt } from './ratio-factors.ts'

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
  /** what the plain sum leaves of the parent, share */
  readonly residual: number
}

export interface MeterRatio {
  readonly ct: number
  readonly pt: number
  /** no transformer could be wrong: a single-phase meter, or several summed */
  readonly direct?: boolean
}

const total = (rows: readonly BalanceRow[], pick: (row: BalanceRow) => number) =>
  rows.reduce((sum, row) => sum + pick(row), 0)

/** Loss of an area over rows: 1 - sum of children / parent. */
export function lossOf(rows: readonly BalanceRow[]): number {
  const parent = total(rows, row => row.parent)
  return parent <= 0 ? Number.NaN : 1 - total(rows, row => row.children.reduce((a, b) => a + b, 0)) / parent
}

/**
 * Coefficients of children against their parent, and the ratios that the balance contradicts.
 * The regression shows each child's coefficient; the verdict comes from hypotheses "this one meter is off by this factor", each
 * held against the plain sum of the children. One free number instead of one a child: it works where children are alike.
 * @param ratios CT and PT of each child, of the parent last
 */
export function judgeBalance(
  rows: readonly BalanceRow[],
  ratios: readonly MeterRatio[],
  sigmas: number
): BalanceResult {
  const children = rows[0]?.children.length ?? 0
  const loss = lossOf(rows)
  if (children === 0 || rows.length < Math.max(60, 2 * children))
    return { coefficients: [], verdicts: [], loss, rows: rows.length, residual: Number.NaN }
  const coefficients = regress(rows, children)
  const verdicts: BalanceVerdict[] = []
  let now = rows
  let rest = plainResidual(rows)
  for (let found = 0; found < MOST_WRONG; found++) {
    const best = bestHypothesis(now, ratios, verdicts)
    if (!best || best.residual > 0.75 * rest || best.rival < 1.15 * best.residual) break
    // logarithm of the likelihood ratio, halved for neighbouring hours that err alike
    const sure = (residual: number) => (rows.length / 2) * Math.log(residual / best.residual)
    if (sure(rest) < 2 * sigmas || sure(best.rival) < sigmas) break
    // mended, the plain sum must explain the parent: otherwise something else is wrong here
    if (best.residual > 0.05) break
    const coefficient = coefficients.find(c => c.index === best.who)
    now = mend(now, best.who, best.factor)
    verdicts.push({
      who: best.who === children ? 'parent' : best.who,
      factor: round(best.factor, 6),
      coefficient: round(coefficient?.value ?? 1 / best.factor),
      error: round(coefficient?.error ?? 0),
      lossAfter: round(lossOf(now), 3),
      // which factor it is must be as plain as which meter it is
      certain: best.residual < Math.min(0.65 * rest, 0.035) && sure(best.next) > sigmas
    })
    rest = best.residual
  }
  return { coefficients, verdicts, loss, rows: rows.length, residual: rest }
}

const MOST_WRONG = 3

interface Hypothesis {
  readonly who: number
  readonly factor: number
  readonly residual: number
  /** least residual of another factor of the same meter */
  readonly next: number
  /** least residual of a hypothesis about another meter */
  readonly rival: number
}

function bestHypothesis(
  rows: readonly BalanceRow[],
  ratios: readonly MeterRatio[],
  done: readonly BalanceVerdict[]
): Hypothesis | undefined {
  const least: { who: number; factor: number; residual: number; next: number }[] = []
  ratios.forEach((ratio, who) => {
    if (
      ratio.direct ||
      done.some(one => one.who === who || (one.who === 'parent' && who === ratios.length - 1))
    )
      return
    const tried = likelyFactors(ratio)
      .map(({ value }) => ({ factor: value, residual: plainResidual(mend(rows, who, value)) }))
      .sort((a, b) => a.residual - b.residual)
    const [best] = tried
    if (!best) return
    const next = tried.find(one => Math.abs(Math.log(one.factor / best.factor)) > 0.1)
    least.push({ who, ...best, next: next?.residual ?? Number.POSITIVE_INFINITY })
  })
  least.sort((a, b) => a.residual - b.residual)
  const [first, second] = least
  return first && { ...first, rival: second?.residual ?? Number.POSITIVE_INFINITY }
}

/** Factors after which the transformer is a standard one; all of them where none is. */
function likelyFactors(ratio: MeterRatio): readonly { readonly value: number }[] {
  const all = namedFactors(ratio.ct, ratio.pt)
  const legal = all.filter(({ value }) => {
    const ct = ratio.ct / value
    return ct > 0.99 && Math.min(nearestCt(ct, 5).off, nearestCt(ct, 1).off) < 0.01
  })
  return legal.length > 0 ? legal : all
}

/** Rows with one recorded energy divided by a factor. `who` equal to the count of children is the parent. */
function mend(rows: readonly BalanceRow[], who: number, factor: number): BalanceRow[] {
  return rows.map(row =>
    who === row.children.length
      ? { parent: row.parent / factor, children: row.children }
      : { parent: row.parent, children: row.children.map((x, n) => (n === who ? x / factor : x)) }
  )
}

/** Root mean square of what the plain sum of the children leaves of the parent, over the parent's. Losses: constant, 0 to 6 %, and square. */
function plainResidual(rows: readonly BalanceRow[]): number {
  const n = rows.length
  let scale = 1e-9
  const sums = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    const { children } = rows[i] as BalanceRow
    let sum = 0
    for (let k = 0; k < children.length; k++) sum += children[k] as number
    sums[i] = sum
    scale = Math.max(scale, Math.abs(sum))
  }
  const ata = new Float64Array(9)
  const atb = new Float64Array(3)
  let parents = 0
  for (let i = 0; i < n; i++) {
    const s = (sums[i] as number) / scale
    const { parent } = rows[i] as BalanceRow
    const gap = parent - (sums[i] as number)
    parents += parent * parent
    const x = [1, s, s * s]
    for (let a = 0; a < 3; a++) {
      atb[a] = (atb[a] as number) + (x[a] as number) * gap
      for (let b = 0; b < 3; b++)
        ata[a * 3 + b] = (ata[a * 3 + b] as number) + (x[a] as number) * (x[b] as number)
    }
  }
  const solved = solveNonNegative(ata, atb, 3)
  const most = 0.06 * scale
  const linear = Math.min(most, solved[1] as number)
  const square = Math.min(most, solved[2] as number)
  let constant = 0
  for (let i = 0; i < n; i++) {
    const s = (sums[i] as number) / scale
    constant += (rows[i] as BalanceRow).parent - (sums[i] as number) - linear * s - square * s * s
  }
  constant = Math.max(0, Math.min(0.05 * scale, constant / n))
  let rest = 0
  for (let i = 0; i < n; i++) {
    const s = (sums[i] as number) / scale
    rest +=
      ((rows[i] as BalanceRow).parent - (sums[i] as number) - constant - linear * s - square * s * s) ** 2
  }
  return Math.sqrt(rest / Math.max(1e-9, parents))
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
