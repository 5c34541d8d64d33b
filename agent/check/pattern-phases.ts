/** One phase bypassed: its current against the other two. */
import { type DayFeatures, type PatternVerdict, PHASES, sumOf } from './pattern-days.ts'
import { kindOf } from './pattern-profile.ts'
import { BASE_MIN, baseOf, mostly, WINDOWS } from './pattern-windows.ts'
import { median, spread } from './statistics.ts'

/** One phase's current against the other two: deaf to season, holidays and the customer's habits of when. */
export function judgePhases(
  days: readonly DayFeatures[],
  limits: { readonly phaseMin: number; readonly sigmas: number },
  since: number
): PatternVerdict | undefined {
  for (const window of WINDOWS) {
    const split = days.length - window
    if (split < BASE_MIN) continue
    const before = baseOf(days, split, since)
    if (before.length < BASE_MIN) continue
    // fewer phases than three have always been dark; one that goes dark is what is looked for
    if ([0, 1, 2].some(phase => median(before.map(one => one.phases[phase] as number)) <= 0)) return undefined
    for (let p = 0; p < PHASES; p++) {
      const balance = (one: DayFeatures) => {
        const a = one.phases[p] as number
        const b = one.phases[(p + 1) % PHASES] as number
        const c = one.phases[(p + 2) % PHASES] as number
        const floor = 0.01 * (a + b + c)
        return floor > 0 ? Math.log(a + floor) - 0.5 * Math.log((b + floor) * (c + floor)) : Number.NaN
      }
      const base = before.map(balance)
      const recent = days.slice(split).map(balance)
      if (![...base, ...recent].every(Number.isFinite)) return undefined
      const usual = median(base)
      const step = median(recent) - usual
      const se = (1.25 * Math.max(0.04, spread(base, usual))) / Math.sqrt(window)
      const all = mostly(recent, x => x - usual < -0.6 * limits.phaseMin)
      // where the others rose instead, nothing is missing here
      const own = (part: readonly DayFeatures[]) =>
        Math.log(median(part.map(one => one.phases[p] as number)) + 1e-9)
      const fell = own(days.slice(split)) - own(before) <= 0.4 * step
      if (
        -step >= limits.phaseMin &&
        -step / se >= limits.sigmas &&
        all &&
        fell &&
        othersStay(days, split, before, p, step)
      )
        return {
          cause: 'phase-bypass',
          missing: 1 - Math.exp(step),
          sigmas: -step / se,
          days: window,
          phase: 'ABC'[p] as string
        }
    }
  }
  return undefined
}

/**
 * Whether the other two phases go on about as on such days before. Where they fell too the consumer is closed, and what runs on then
 * is spread over the phases in its own way.
 */
function othersStay(
  days: readonly DayFeatures[],
  split: number,
  before: readonly DayFeatures[],
  p: number,
  step: number
): boolean {
  const others = (one: DayFeatures) => sumOf(one.phases) - (one.phases[p] as number)
  const moved = days.slice(split).map(one => {
    const alike = before.filter(other => kindOf(other.day) === kindOf(one.day))
    const usual = median((alike.length >= 2 ? alike : before).map(others))
    return usual > 0 ? Math.log(Math.max(1e-9, others(one)) / usual) : 0
  })
  return median(moved) > 0.6 * step
}
