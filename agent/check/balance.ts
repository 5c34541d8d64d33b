/**
 * Balance of a transformer area: parent against children, hour by hour over two weeks.
 * Test 9 of peers-features.md C: a non-negative regression of the parent on its children; a child whose coefficient is 2 or 1/2
 * names the meter and its true ratio. The only test that finds what archive and register agree on and the transformer does not.
 */
import type { BalanceRow } from './balance-columns.ts'
import {
  type FactorContext,
  factorNear,
  isAmong,
  isExact,
  isNoRung,
  type MeterRatio,
  TINY
} from './balance-factor.ts'
import {
  choose,
  errorsOf,
  fitOf,
  type Products,
  productsOf,
  type StepFit,
  sureness
} from './balance-steps.ts'
import { round } from './finding.ts'
import { fitRows } from './least-squares.ts'
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
  /** the coefficient is just that of a factor by which archives are usually wrong: what a load does is not */
  readonly exact: boolean
}

export interface BalanceResult {
  readonly coefficients: readonly Coefficient[]
  readonly verdicts: readonly BalanceVerdict[]
  readonly loss: number
  readonly rows: number
  /** what is left of the parent with the coefficients found, share */
  readonly residual: number
  /** factors by which meters are off as the rows have it, named or not; the parent's index is the count of children */
  readonly off: ReadonlyMap<number, number>
}

const total = (rows: readonly BalanceRow[], pick: (row: BalanceRow) => number) =>
  rows.reduce((sum, row) => sum + pick(row), 0)

/** Loss of an area over rows: 1 - sum of children / parent. */
export function lossOf(rows: readonly BalanceRow[]): number {
  const parent = total(rows, row => row.parent)
  return parent <= 0 ? Number.NaN : 1 - total(rows, row => row.children.reduce((a, b) => a + b, 0)) / parent
}

/** What is known of the area besides its rows. */
export interface BalanceContext extends FactorContext {
  /** children whose energy another rule contradicts: they keep a coefficient of their own */
  readonly held?: readonly number[]
  /** those of them whose energy is not wrong by one factor: what such a child lacks may look like another one's */
  readonly erratic?: readonly number[]
  /** factor by which a phase of a child that leans would have it off, by child */
  readonly leaning?: ReadonlyMap<number, number>
}

/**
 * Coefficients of children against their parent, and the ratios that the balance contradicts. A child is named where the parent
 * follows it by a coefficient far from one that is sharp, the same at low and high load and early and late, where no other child
 * explains as much, and where the loss is that of an area once it is mended.
 * @param ratios CT and PT of each child, of the parent last
 */
export function judgeBalance(
  rows: readonly BalanceRow[],
  ratios: readonly MeterRatio[],
  sigmas: number,
  known: BalanceContext = {}
): BalanceResult {
  const children = rows[0]?.children.length ?? 0
  const loss = lossOf(rows)
  // where a column has nothing there is nothing to hold
  const held = known.held?.filter(i => rows.some(row => row.children[i] !== 0)) ?? []
  const context = { ...known, held }
  const nothing = { verdicts: [], loss, rows: rows.length, off: new Map<number, number>() }
  if (children === 0 || rows.length < Math.max(60, 2 * children))
    return { ...nothing, coefficients: [], residual: Number.NaN }
  const own = solve(rows, ratios, sigmas, context)
  const coefficients =
    !context.late || (own && own.wrong.length > 0) ? (own?.together ?? regress(rows, children)) : []
  if (!own) return { ...nothing, coefficients, residual: Number.NaN }
  const parent = parentOff(rows, ratios, sigmas, context, own)
  const { fit, products, wrong } = parent?.solved ?? own
  const named = parent
    ? []
    : wrong.flatMap(one => nameChild(one, fit, products, ratios, coefficients, sigmas, context) ?? [])
  const off = new Map(fit.chosen.map((i, n) => [i, 1 / Math.max(1e-6, fit.values[n] as number)]))
  for (const { who, factor } of named) off.set(who, factor)
  const lossAfter = lossWith(products.rows, off)
  if (parent) off.set(children, parent.verdict.factor)
  const plausible = fit.residual <= EXPLAINED && lossAfter > LOSS_LEAST && lossAfter < LOSS_MOST
  const all = parent ? [{ ...parent.verdict, sure: parent.sure, standard: false }] : named
  const erratic: readonly (number | 'parent')[] = context.erratic ?? []
  // a child that gives energy back to the parent: something else is wrong here, unless that is what is known of it
  const absurd = fit.values.some((value, n) => value < ABSURD && !erratic.includes(fit.chosen[n] as number))
  const explained = wrong.every(who => erratic.includes(who) || named.some(one => one.who === who))
  const clear = fit.residual < CLEAR
  const open = leavesOpen(own, context.erratic ?? [])
  // what a bypass lacks makes others' coefficients larger, none smaller: then it need not be sharp
  const isSharp = (value: number, error: number, standard: boolean) =>
    (clear && standard && value < 1 / LARGE) || error < (open ? FINE : SHARP) * value
  // what is missing of a bypassed load is a share of its own; just a factor it is by chance only
  const told = all.filter(one => one.exact || !erratic.includes(one.who))
  const verdicts = told.map(
    ({ sure, standard, ...one }): BalanceVerdict => ({
      ...one,
      lossAfter: round(lossAfter, 3),
      certain: sure && explained && isSharp(one.coefficient, one.error, standard) && fit.residual < 0.035
    })
  )
  return {
    coefficients,
    verdicts:
      plausible && !absurd ? verdicts.filter(one => one.certain || one.error < FINE * one.coefficient) : [],
    loss,
    rows: rows.length,
    residual: fit.residual,
    off
  }
}

/** Residual, share of the parent, that still counts as explained, and bounds of the loss once all is mended. */
const EXPLAINED = 0.05
const LOSS_LEAST = -0.01
const LOSS_MOST = 0.07
/** Share of the parent's energy up to which a child's, whatever it lacks, is too little to blame others for. */
const LEFT_OPEN = 0.02
/** Least distance (ln) from one of a coefficient that accuses. */
const OFF = 0.2
/** Most children beside the known ones that get a coefficient of their own. */
const MOST_CHOSEN = 8

/** Whether a child that records by no one factor may lack a share of the parent that cannot be told. */
function leavesOpen({ fit, products }: Solved, erratic: readonly number[]): boolean {
  if (erratic.length === 0) return false
  const errors = errorsOf(products, fit)?.errors ?? []
  return erratic.some(i => {
    const n = fit.chosen.indexOf(i)
    // nothing recorded: what it lacks is unknown
    if (n < 0) return true
    const value = Math.abs(fit.values[n] as number)
    if ((errors[n] as number) <= BLUNT * value) return false
    if (fit.residual >= CLEAR) return true
    const recorded = total(products.rows, row => Math.abs(row.children[i] as number))
    return (value + 2 * (errors[n] as number)) * recorded > LEFT_OPEN * products.mean * products.rows.length
  })
}

interface Solved {
  readonly products: Products
  readonly fit: StepFit
  /** chosen children far from one that could have a transformer, and are not known otherwise */
  readonly wrong: readonly number[]
  /** coefficients of all children at once, where they were asked */
  readonly together: readonly Coefficient[] | undefined
}

function solve(
  rows: readonly BalanceRow[],
  ratios: readonly MeterRatio[],
  sigmas: number,
  { held = [], leaning }: BalanceContext
): Solved | undefined {
  const products = productsOf(rows)
  const found = products && choosing(products, held, sigmas)
  if (!found) return undefined
  const { fit, together } = found
  const wrong = fit.chosen.filter((i, n) => {
    const ln = Math.log(Math.max(1e-6, fit.values[n] as number))
    if (Math.abs(ln) < OFF || ratios[i]?.direct) return false
    const phase = leaning?.get(i)
    return phase === undefined || Math.abs(ln + Math.log(phase)) > 0.12
  })
  return { products, fit, wrong, together }
}

/** Children step by step; where several are off no single step may explain enough, so that all at once propose. */
function choosing(
  products: Products,
  held: readonly number[],
  sigmas: number
): Pick<Solved, 'fit' | 'together'> | undefined {
  const most = Math.min(MOST_CHOSEN, Math.floor(products.children / 2))
  const stepwise = choose(products, held, most, sigmas)
  if (!stepwise) return undefined
  if (stepwise.chosen.length === held.length && stepwise.residual <= EXPLAINED)
    return { fit: stepwise, together: undefined }
  const together = regress(products.rows, products.children)
  const proposed = together
    .filter(c => !held.includes(c.index) && c.error < PROPOSED.blunt * c.value)
    .map(c => ({ ...c, sigmas: Math.abs(c.value - 1) / c.error }))
    .filter(c => Math.abs(Math.log(c.value)) > PROPOSED.off && c.sigmas > PROPOSED.sigmas)
    .sort((a, b) => b.sigmas - a.sigmas)
    .slice(0, most)
    .map(c => c.index)
  const other = proposed.length > 0 ? choose(products, held, most, sigmas, proposed) : undefined
  if (!other) return { fit: stepwise, together }
  const further = Math.max(1, other.chosen.length - stepwise.chosen.length)
  const isBetter = sureness(products.rows.length, stepwise.residual, other.residual) > sigmas * further
  return { fit: isBetter ? other : stepwise, together }
}

/** A child that all at once propose: standard error over coefficient at most, ln from one, and standard errors from one at least. */
const PROPOSED = { blunt: 0.15, off: 0.1, sigmas: 3 }

/** Loss with some children's energy divided by a factor. */
function lossWith(rows: readonly BalanceRow[], factors: ReadonlyMap<number, number>): number {
  let [parent, children] = [0, 0]
  for (const row of rows) {
    parent += row.parent
    for (let i = 0; i < row.children.length; i++)
      children += (row.children[i] as number) / (factors.get(i) ?? 1)
  }
  return parent <= 0 ? Number.NaN : 1 - children / parent
}

interface Named extends Omit<BalanceVerdict, 'who' | 'lossAfter' | 'certain'> {
  readonly who: number
  readonly sure: boolean
  /** the factor leaves a standard transformer */
  readonly standard: boolean
}

function nameChild(
  who: number,
  fit: StepFit,
  products: Products,
  ratios: readonly MeterRatio[],
  coefficients: readonly Coefficient[],
  sigmas: number,
  context: BalanceContext
): Named | undefined {
  const n = fit.chosen.indexOf(who)
  const value = fit.values[n] as number
  const rows = products.rows
  const error = errorsOf(products, fit)?.errors[n] ?? Number.POSITIVE_INFINITY
  if (isBlunt(value, error, fit.residual < CLEAR)) return undefined
  // all children at once must not say otherwise
  const whole = coefficients.find(c => c.index === who && c.error < TOLD * value)
  if (whole && Math.abs(whole.value - value) > 3 * Math.hypot(whole.error, error) + 0.1 * value)
    return undefined
  // what another child explains as well must not be laid to this one
  const rest = fit.chosen.filter(i => i !== who)
  const ratio = ratios[who] as MeterRatio
  const likely = likelyFactors(ratio.ct, ratio.pt).some(
    one => Math.abs(Math.log(one.value * value)) < ON_RUNG
  )
  const without = fitOf(products, rest)?.residual ?? Number.POSITIVE_INFINITY
  let rival = without
  for (let i = 0; i < products.children; i++) {
    if (fit.chosen.includes(i)) continue
    const other = fitOf(products, [...rest, i])
    if (other && !(likely && isNoRung(other.values.at(-1) as number, ratios[i])))
      rival = Math.min(rival, other.residual)
  }
  const apart = sureness(rows.length, rival, fit.residual)
  const most = apart > 2 * sigmas ? SURELY_APART : APART
  if (rival < most * fit.residual || apart < sigmas) return undefined
  if (!isSteady(who, value, fit, products)) return undefined
  const factor = factorNear(value, error, ratio, context)
  if (factor === undefined) return undefined
  return {
    who,
    factor: round(factor, 6),
    coefficient: round(value),
    error: round(error),
    exact: isExact(factor, value, error, ratio),
    standard: isAmong(likelyFactors(ratio.ct, ratio.pt), factor),
    sure: sureness(rows.length, without, fit.residual) > 2 * sigmas
  }
}

/** Standard error, share of the coefficient, above which nothing is named, and below which it is certain. */
const BLUNT = 0.06
const SHARP = 0.03
/** Residual below which next to nothing of the area is unexplained: the coefficients then err by no more than they say. */
const CLEAR = 0.011
/** Factor from which a meter records more than any error of the others would have it. */
const LARGE = 1.5

const isBlunt = (value: number, error: number, clear: boolean) =>
  error > (clear && value > 0 && value < TINY.most ? TINY.error : BLUNT * value)

/** How much more any other child must leave of the parent, and how much where chance cannot make it. */
const APART = 1.15
const SURELY_APART = 1.07
/** The same below which it is told though the rest of the area is not explained. */
const FINE = 0.015
/** The same below which all children at once tell something of this one. */
const TOLD = 0.1
/** Coefficient below which no child's can be. */
const ABSURD = -0.05

/** How near (ln) to a rung a coefficient is that counts as one. */
const ON_RUNG = 0.03

/** A transformer has one ratio: at low and at high load, early and late. */
function isSteady(who: number, value: number, fit: StepFit, products: Products): boolean {
  const { rows, mean } = products
  const own = rows.map(row => row.children[who] as number)
  const middle = median(own)
  for (const part of [(n: number) => (own[n] as number) > middle, (n: number) => n >= rows.length / 2]) {
    const column = Float64Array.from(own, (x, n) => (part(n) ? x / mean : 0))
    const apart = errorsOf(products, fit, column)
    if (apart && Math.abs(apart.extra) > Math.max(4 * apart.extraError, 0.1 * value)) return false
  }
  return true
}

/** Whether the parent's own ratio explains the gap better than as many children. */
function parentOff(
  rows: readonly BalanceRow[],
  ratios: readonly MeterRatio[],
  sigmas: number,
  context: BalanceContext,
  own: Solved
) {
  const ratio = ratios.at(-1)
  const loss = lossOf(rows)
  const sound =
    own.wrong.length === 0 && own.fit.residual <= EXPLAINED && loss > LOSS_LEAST && loss < LOSS_MOST
  if (!ratio || ratio.direct || sound) return undefined
  let best: { solved: Solved; factor: number } | undefined
  for (const { value: factor } of likelyFactors(ratio.ct, ratio.pt)) {
    const mended = 1 - factor * (1 - loss)
    if (mended < -0.2 || mended > 0.25) continue
    const solved = solve(
      rows.map(row => ({ ...row, parent: row.parent / factor })),
      ratios,
      sigmas,
      context
    )
    if (solved && (!best || solved.fit.residual < best.solved.fit.residual)) best = { solved, factor }
  }
  if (!best || best.solved.wrong.length > 0 || best.solved.fit.residual > EXPLAINED) return undefined
  // as many children as that takes, and one in the parent's stead
  const held = context.held ?? []
  const rival = choose(own.products, held, 1 + best.solved.fit.chosen.length - held.length, sigmas)
  if (!rival) return undefined
  const { residual } = best.solved.fit
  const sure = sureness(rows.length, rival.residual, residual)
  if (rival.residual < 1.15 * residual || sure < sigmas) return undefined
  const verdict = {
    who: 'parent' as const,
    factor: round(best.factor, 6),
    coefficient: round(1 / best.factor),
    error: 0,
    exact: false
  }
  return { verdict, solved: best.solved, sure: sure > 2 * sigmas }
}

/** Rows of the last days that are looked at for themselves. */
const LATE_ROWS = [84, 108, 132, 168, 204, 252, 300] as const

/**
 * {@link judgeBalance} of all rows, unless the last days alone are certain of something else: a transformer that was changed on a
 * day makes the rows before it those of another meter.
 */
export function judgeLately(
  rows: readonly BalanceRow[],
  ratios: readonly MeterRatio[],
  sigmas: number,
  context: BalanceContext = {}
): BalanceResult {
  const all = judgeBalance(rows, ratios, sigmas, context)
  const lately = (kept: number) => judgeBalance(rows.slice(-kept), ratios, sigmas, { ...context, late: true })
  const newest = rows.length > LATE_ROWS[0] ? lately(LATE_ROWS[0]) : undefined
  // most areas are sound, of all rows and of the last
  if (!newest || (!isDoubtful(all) && !isDoubtful(newest))) return all
  let best = all
  for (const kept of [...LATE_ROWS].reverse()) {
    if (kept >= rows.length) continue
    const late = kept === LATE_ROWS[0] ? newest : lately(kept)
    if (late.verdicts.length === 0 || !late.verdicts.every(one => one.certain)) continue
    if (isMore(late, best)) best = late
  }
  return best
}

const isDoubtful = ({ residual, off }: BalanceResult) =>
  !(residual <= EXPLAINED) || [...off.values()].some(factor => Math.abs(Math.log(factor)) >= OFF)

/** Whether the later rows know more: another meter, or the same with half of what was left. */
function isMore(late: BalanceResult, than: BalanceResult): boolean {
  if (than.verdicts.length === 0 || !than.verdicts.every(one => one.certain)) return true
  const known = late.verdicts.filter(one =>
    than.verdicts.some(other => other.who === one.who && other.factor === one.factor)
  )
  return known.length < late.verdicts.length && late.residual < 0.8 * than.residual
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
  const take = (n: number, column: Float64Array) => {
    const row = rows[n] as BalanceRow
    used.forEach((i, a) => {
      column[a] = (i < children ? (row.children[i] as number) : 1) / (scale[i] as number)
    })
    return row.parent
  }
  const fit = fitRows(rows.length, used.length, take, { nonNegative: true })
  if (!fit) return []
  const out: Coefficient[] = []
  used.forEach((i, a) => {
    if (i === children) return
    out.push({
      index: i,
      value: (fit.x[a] as number) / (scale[i] as number),
      error: (fit.errors[a] as number) / (scale[i] as number)
    })
  })
  return out
}
