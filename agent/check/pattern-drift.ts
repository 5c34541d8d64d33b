/** Slow drift: a meter that counts less from week to week. */
import {
  ALL_BANDS,
  type DayFeatures,
  type PatternVerdict,
  type Peers,
  sumOf,
  weeklyLogs
} from './pattern-days.ts'
import { kindOf } from './pattern-profile.ts'
import { median } from './statistics.ts'

/**
 * Weekly medians that fall week by week: against the peers where there are enough. A meter by itself may only be in another season:
 * then the fall must be larger, straighter, and the same at every hour, as a season's is not. Where many drift at once the peers
 * drift with them, so a meter is always looked at by itself too.
 */
export function judgeDrift(
  days: readonly DayFeatures[],
  limits: { readonly driftMin: number; readonly sigmas: number },
  peers: Peers | undefined
): PatternVerdict | undefined {
  const own = weeklyLogs(days)
  const against = peers && peers.weeks.length >= 4 ? peers.weeks : undefined
  return (
    (against && judgeWeeks(days, own, against, limits)) ??
    judgeWeeks(days, own, undefined, limits) ??
    judgeSteep(days.slice(-28), peers, limits.sigmas) ??
    (days.length > 21 ? judgeSteep(days.slice(-21), peers, limits.sigmas) : undefined)
  )
}

/** Days of a steep fall: at least, the most that a day may miss its line (ln), and what share of it the peers may share. */
const STEEP = { days: 18, rest: 0.09, peers: 0.3 }
/** The least depth of it (ln), and what a straight line must explain: of a meter by itself, and of one whose peers are known not to fall. */
const ALONE = { fall: 0.45, r2: 0.9 }
const BESIDE_PEERS = { fall: 0.35, r2: 0.8 }

/**
 * A fall so steep and straight, on all parts of the day alike, that no season makes it: told within weeks. Days of rest are measured
 * against their like, so that the level of a week-end is no part of the line.
 */
function judgeSteep(
  part: readonly DayFeatures[],
  peers: Peers | undefined,
  least: number
): PatternVerdict | undefined {
  if (part.length < STEEP.days) return undefined
  const total = alongDays(part, one => sumOf(one.bands))
  const line = total && fitLine(total)
  if (!line || line.rest > STEEP.rest) return undefined
  const fall = -line.slope * part.length
  const others = part.flatMap(one => peers?.days.get(one.day)?.total ?? [])
  const isBeside = others.length >= STEEP.days / 2
  const bound = isBeside ? BESIDE_PEERS : ALONE
  if (fall < bound.fall || line.r2 < bound.r2) return undefined
  if (isBeside && median(others.slice(-5)) - median(others.slice(0, 5)) < -STEEP.peers * fall)
    return undefined
  // neither a step nor an end of the fall: each third falls
  const third = Math.floor(part.length / 3)
  const middles = [0, third, part.length - third].map(from =>
    median((total as number[]).slice(from, from + third))
  )
  const steps = [
    (middles[0] as number) - (middles[1] as number),
    (middles[1] as number) - (middles[2] as number)
  ]
  if (Math.min(...steps) < 0.15 * fall) return undefined
  for (const b of ALL_BANDS) {
    const band = alongDays(part, one => one.bands[b] as number)
    const own = band && fitLine(band)
    if (!own || Math.abs(-own.slope * part.length - fall) > 0.45 * fall) return undefined
  }
  const sigmas = -line.slope / Math.max(1e-6, line.error)
  return sigmas < least
    ? undefined
    : { cause: 'drift', missing: 1 - Math.exp(-fall), sigmas, days: part.length }
}

/** ln of a quantity day by day, days of rest shifted by what they usually lack; undefined where it is nothing on some day. */
function alongDays(days: readonly DayFeatures[], pick: (one: DayFeatures) => number): number[] | undefined {
  const ln = days.map(one => Math.log(Math.max(1e-9, pick(one))))
  if (ln.some(value => value < Math.log(2e-9))) return undefined
  const kinds = days.map(one => kindOf(one.day))
  const shift = [0, 1, 2].map(kind => {
    if (kind === 0) return 0
    // against the working days next to it, so that the fall itself is no part of it
    const lacks = kinds.flatMap((own, n) => {
      if (own !== kind) return []
      const near = [2, 3].flatMap(far => [n - far, n + far]).filter(at => kinds[at] === 0)
      return near.length === 0
        ? []
        : [(ln[n] as number) - sumOf(near.map(at => ln[at] as number)) / near.length]
    })
    return lacks.length === 0 ? 0 : median(lacks)
  })
  return ln.map((value, n) => value - (shift[kinds[n] as number] as number))
}

function judgeWeeks(
  days: readonly DayFeatures[],
  own: readonly number[],
  peers: readonly number[] | undefined,
  limits: { readonly driftMin: number; readonly sigmas: number }
): PatternVerdict | undefined {
  const count = peers ? Math.min(own.length, peers.length) : own.length
  if (count < (peers ? 4 : 5)) return undefined
  const weeks = own
    .slice(-count)
    .map((week, n) => week - (peers ? (peers[peers.length - count + n] as number) : 0))
  const fall = (weeks[0] as number) - (weeks.at(-1) as number)
  const steps = weeks.slice(1).map((week, n) => (weeks[n] as number) - week)
  const least = peers ? limits.driftMin : 1.4 * limits.driftMin
  if (fall < least || steps.some(step => step < (peers ? -0.03 : 0.01)) || Math.max(...steps) > 0.5 * fall)
    return undefined
  // a drift is a straight line; holidays and seasons of another kind of customer are not
  const line = fitLine(weeks)
  const sigmas = line.slope >= 0 ? 0 : -line.slope / Math.max(line.error, 1e-4)
  if (line.r2 < (peers ? 0.9 : 0.95) || sigmas < limits.sigmas) return undefined
  if (!peers && !fallsEvenly(days, count, fall)) return undefined
  return { cause: 'drift', missing: 1 - Math.exp(-fall), sigmas, days: 7 * count }
}

/** how much better than a step a ramp must explain the days, and the fewest days of one */
const RAMP_SHARE = 0.7
const RAMP_DAYS = 6

/** Whether daily residuals, oldest first, went down along a ramp and not from one day to the next. */
export function isRamp(days: readonly number[]): boolean {
  let step = Number.POSITIVE_INFINITY
  let ramp = Number.POSITIVE_INFINITY
  for (let split = 3; split < days.length; split++) {
    step = Math.min(
      step,
      restOf(days, n => (n < split ? 0 : 1))
    )
    if (days.length - split >= RAMP_DAYS)
      ramp = Math.min(
        ramp,
        restOf(days, n => Math.max(0, n - split + 1))
      )
  }
  return ramp < RAMP_SHARE * step
}

/** Sum of squares that a shape leaves unexplained. */
function restOf(y: readonly number[], shape: (n: number) => number): number {
  const { xx, xy, yy } = squaresOf(
    y.map((_, n) => shape(n)),
    y
  )
  return yy - (xx > 0 ? xy ** 2 / xx : 0)
}

/** Sums of squares and products about the means. */
function squaresOf(x: readonly number[], y: readonly number[]): { xx: number; xy: number; yy: number } {
  const meanX = sumOf(x) / x.length
  const meanY = sumOf(y) / y.length
  let [xx, xy, yy] = [0, 0, 0]
  y.forEach((value, n) => {
    const dx = (x[n] as number) - meanX
    xx += dx ** 2
    xy += dx * (value - meanY)
    yy += (value - meanY) ** 2
  })
  return { xx, xy, yy }
}

/** Whether every three hours of the day lost about the same share between the first week and the last. */
function fallsEvenly(days: readonly DayFeatures[], weeks: number, fall: number): boolean {
  const log = (part: readonly DayFeatures[], b: number) =>
    median(part.map(one => Math.log((one.bands[b] as number) + 1e-6)))
  const start = days.length - 7 * weeks
  return ALL_BANDS.every(b => {
    const lost = log(days.slice(start, start + 7), b) - log(days.slice(-7), b)
    return Math.abs(lost - fall) < 0.35 * fall
  })
}

/** Least-squares line through equally spaced values, with the standard deviation that it leaves. */
function fitLine(y: readonly number[]): { slope: number; error: number; r2: number; rest: number } {
  const n = y.length
  const { xx, xy, yy } = squaresOf([...y.keys()], y)
  const slope = xy / xx
  const square = Math.max(0, yy - slope * xy)
  const rest = Math.sqrt(square / Math.max(1, n - 2))
  return { slope, error: rest / Math.sqrt(xx), r2: yy <= 0 ? 0 : 1 - square / yy, rest }
}
