/** One phase bypassed: its current against the other two. */
import { type DayFeatures, type PatternVerdict, PHASES, sumOf } from './pattern-days.ts'
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
        lacksAmongAlike(days.slice(split), before, p, balance, limits.phaseMin)
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

/** ln by which the other phases' current may differ on days that are alike. */
const ALIKE = 0.35

/**
 * Whether a phase lacks as much against days on which the other two carried about the same. Where they fell too the consumer may be
 * closed, and what runs on then is spread over the phases in its own way.
 */
function lacksAmongAlike(
  recent: readonly DayFeatures[],
  before: readonly DayFeatures[],
  p: number,
  balance: (one: DayFeatures) => number,
  least: number
): boolean {
  const others = (one: DayFeatures) => Math.log(Math.max(1e-9, sumOf(one.phases) - (one.phases[p] as number)))
  const steps = recent.flatMap(one => {
    const level = others(one)
    const alike = before.filter(other => Math.abs(others(other) - level) < ALIKE)
    return alike.length < 2 ? [] : [balance(one) - median(alike.map(balance))]
  })
  return steps.length >= 2 && -median(steps) >= 0.8 * least
}
