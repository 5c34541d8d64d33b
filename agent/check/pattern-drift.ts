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
 * Weekly medians that fall week by week: against the peers where there are enough. A meter alone may only be in another season:
 * then the fall must be larger, straighter, and the same at every hour, as a season's is not.
 */
export function judgeDrift(
  days: readonly DayFeatures[],
  limits: { readonly driftMin: number; readonly sigmas: number },
  peers: Peers | undefined
): PatternVerdict | undefined {
  const own = weeklyLogs(days)
  const alone = !peers || peers.weeks.length < 4
  const count = alone ? own.length : Math.min(own.length, peers.weeks.length)
  if (count < (alone ? 5 : 4)) return undefined
  const weeks: number[] = []
  for (let k = count; k > 0; k--)
    weeks.push(
      (own[own.length - k] as number) - (alone ? 0 : (peers.weeks[peers.weeks.length - k] as number))
    )
  const fall = (weeks[0] as number) - (weeks.at(-1) as number)
  const steps = weeks.slice(1).map((week, n) => (weeks[n] as number) - week)
  const least = alone ? 1.4 * limits.driftMin : limits.driftMin
  if (fall < least || steps.some(step => step < (alone ? 0.01 : -0.03)) || Math.max(...steps) > 0.5 * fall)
    return undefined
  // a drift is a straight line; holidays and seasons of another kind of customer are not
  const line = fitLine(weeks)
  const sigmas = line.slope >= 0 ? 0 : -line.slope / Math.max(line.error, 1e-4)
  if (line.r2 < (alone ? 0.95 : 0.9) || sigmas < limits.sigmas) return undefined
  if (alone && !fallsEvenly(days, count, fall)) return undefined
  return { cause: 'drift', missing: 1 - Math.exp(-fall), sigmas, days: 7 * count }
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
  const meanX = (n - 1) / 2
  const meanY = sumOf(y) / n
  let xx = 0
  let xy = 0
  let yy = 0
  y.forEach((value, x) => {
    xx += (x - meanX) ** 2
    xy += (x - meanX) * (value - meanY)
    yy += (value - meanY) ** 2
  })
  const slope = xy / xx
  const rest = Math.max(0, yy - slope * xy)
  return { slope, error: Math.sqrt(rest / Math.max(1, n - 2) / xx), r2: yy <= 0 ? 0 : 1 - rest / yy }
}
