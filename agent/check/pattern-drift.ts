/** Slow drift: a meter that counts less from week to week. */
import {
  ALL_BANDS,
  type DayFeatures,
  type PatternVerdict,
  type Peers,
  sumOf,
  weeklyLogs
} from './pattern-days.ts'
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
  return (against && judgeWeeks(days, own, against, limits)) ?? judgeWeeks(days, own, undefined, limits)
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

/** Least-squares line through equally spaced values. */
function fitLine(y: readonly number[]): { slope: number; error: number; r2: number } {
  const n = y.length
  const { xx, xy, yy } = squaresOf([...y.keys()], y)
  const slope = xy / xx
  const rest = Math.max(0, yy - slope * xy)
  return { slope, error: Math.sqrt(rest / Math.max(1, n - 2) / xx), r2: yy <= 0 ? 0 : 1 - rest / yy }
}
