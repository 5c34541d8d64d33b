/**
 * Balance of a transformer area: parent against children, hour by hour over two weeks.
 * Test 9 of peers-features.md C: a non-negative regression of the parent on its children; a child whose coefficient is 2 or 1/2
 * names the meter and its true ratio. The only test that finds what archive and register agree on and the transformer does not.
 */
import {
  type BalanceRow,
  type Columns,
  columnsOf,
  mend,
  plainResidual,
  residualIf,
  totalOf
} from './balance-columns.ts'
import { round } from './finding.ts'
import { cholesky, inverseDiagonal, solveNonNegative } from './least-squares.ts'
import { likelyFactors } from './ratio-factors.ts'
import { median } from './statistics.ts'

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
  const now = columnsOf(rows, children)
  let rest = plainResidual(now.parent, now.sums)
  for (let found = 0; found < MOST_WRONG; found++) {
    const best = bestHypothesis(now, ratios, verdicts)
    if (!best || best.residual > 0.75 * rest || best.rival < 1.15 * best.residual) break
    // logarithm of the likelihood ratio, halved for neighbouring hours that err alike
    const sure = (residual: number) => (rows.length / 2) * Math.log(residual / best.residual)
    if (sure(rest) < 2 * sigmas || sure(best.rival) < sigmas) break
    // mended, the plain sum must explain the parent: otherwise something else is wrong here
    if (best.residual > EXPLAINED) break
    const coefficient = coefficients.find(c => c.index === best.who)
    mend(now, best.who, best.factor)
    verdicts.push({
      who: best.who === children ? 'parent' : best.who,
      factor: round(best.factor, 6),
      coefficient: round(coefficient?.value ?? 1 / best.factor),
      error: round(coefficient?.error ?? 0),
      lossAfter: round(1 - totalOf(now.sums) / totalOf(now.parent), 3),
      // which factor it is must be as plain as which meter it is
      certain: best.residual < Math.min(0.65 * rest, 0.035) && sure(best.next) > sigmas
    })
    rest = best.residual
  }
  // one after the other finds nothing while the largest mistakes hide each other, or nearly cancel
  if (rest > EXPLAINED || verdicts.length === 0) {
    const joint = judgeTogether(columnsOf(rows, children), coefficients, ratios)
    const sure = joint ? (rows.length / 2) * Math.log(rest / joint.residual) : 0
    if (joint && (rest > EXPLAINED || sure > 2 * sigmas))
      return { coefficients, ...joint, loss, rows: rows.length }
  }
  return { coefficients, verdicts, loss, rows: rows.length, residual: rest }
}

/** Rows of the last days, and those from which these are looked at for themselves. */
const LATE_ROWS = 84
const MANY_ROWS = 144

/**
 * {@link judgeBalance} of all rows, unless the last days alone are certain of something else: a transformer that was changed on a
 * day makes the rows before it those of another meter.
 */
export function judgeLately(
  rows: readonly BalanceRow[],
  ratios: readonly MeterRatio[],
  sigmas: number
): BalanceResult {
  const all = judgeBalance(rows, ratios, sigmas)
  if (rows.length < MANY_ROWS) return all
  const late = judgeBalance(rows.slice(-LATE_ROWS), ratios, sigmas)
  const known = (one: BalanceVerdict) =>
    all.verdicts.some(other => other.who === one.who && other.factor === one.factor)
  // so few rows must leave nothing open: not which factor, and not what else the coefficient could be
  const plain = (one: BalanceVerdict) => one.certain && one.error < 0.03 * one.coefficient
  return late.verdicts.length > 0 && late.verdicts.every(plain) && !late.verdicts.every(known) ? late : all
}

/** Residual of the plain sum, share of the parent, that still counts as explained. */
const EXPLAINED = 0.05

/**
 * Several wrong ratios at once: every child whose coefficient is sharp and lies at a named factor is mended, and the plain sum must
 * then explain the parent. At most half of the children: an area that is wrong all over has another mistake.
 */
function judgeTogether(
  now: Columns,
  coefficients: readonly Coefficient[],
  ratios: readonly MeterRatio[]
): { readonly verdicts: BalanceVerdict[]; readonly residual: number } | undefined {
  const sharp = coefficients.filter(c => c.error < 0.04 * c.value)
  const usual = usualCoefficient(sharp)
  const wrong: { c: Coefficient; factor: number }[] = []
  for (const c of sharp) {
    const ratio = ratios[c.index]
    if (!ratio || ratio.direct || Math.abs(Math.log(c.value / usual)) < 0.35) continue
    const off = (factor: number) => Math.abs(Math.log((c.value * factor) / usual))
    const [best] = likelyFactors(ratio.ct, ratio.pt)
      .map(({ value }) => value)
      .sort((a, b) => off(a) - off(b))
    if (best === undefined || off(best) > 0.08 + (2 * c.error) / c.value) continue
    wrong.push({ c, factor: best })
  }
  if (wrong.length < 2 || wrong.length > now.children.length / 2) return undefined
  for (const { c, factor } of wrong) mend(now, c.index, factor)
  const residual = plainResidual(now.parent, now.sums)
  if (residual > EXPLAINED) return undefined
  const lossAfter = round(1 - totalOf(now.sums) / totalOf(now.parent), 3)
  const verdicts = wrong.map(
    ({ c, factor }): BalanceVerdict => ({
      who: c.index,
      factor: round(factor, 6),
      coefficient: round(c.value),
      error: round(c.error),
      lossAfter,
      certain: residual < 0.035
    })
  )
  return { verdicts, residual }
}

/** What a sound child's coefficient is here: one and the losses. */
function usualCoefficient(sharp: readonly Coefficient[]): number {
  const sound = sharp.map(c => c.value).filter(value => value > 0.95 && value < 1.25)
  return sound.length > 0 ? median(sound) : 1.03
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
  columns: Columns,
  ratios: readonly MeterRatio[],
  done: readonly BalanceVerdict[]
): Hypothesis | undefined {
  const least: { who: number; factor: number; residual: number; next: number }[] = []
  const scratch = new Float64Array(columns.parent.length)
  ratios.forEach((ratio, who) => {
    const name = who === ratios.length - 1 ? 'parent' : who
    if (ratio.direct || done.some(one => one.who === name)) return
    const tried = likelyFactors(ratio.ct, ratio.pt)
      .map(({ value }) => ({ factor: value, residual: residualIf(columns, who, value, scratch) }))
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
