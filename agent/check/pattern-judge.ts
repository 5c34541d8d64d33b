/**
 * The daily judgement of a meter's pattern: its last days against its weeks before, less what its peers did too.
 * Windows of 3 to 12 days: a steady meter is judged soon, an unsteady one late.
 */
import {
  ALL_BANDS,
  DARK_BANDS,
  type DayFeatures,
  type PatternVerdict,
  type Peers,
  type Residual,
  residualsOf,
  sumOf,
  variationOf
} from './pattern-days.ts'
import { isRamp, judgeDrift } from './pattern-drift.ts'
import { judgeNights, judgeSomeNights } from './pattern-night.ts'
import { judgePhases } from './pattern-phases.ts'
import { kindOf } from './pattern-profile.ts'
import type { PatternState } from './pattern-state.ts'
import { BASE_MIN, baseOf, corrected, fellItself, isNew, mostly, WINDOWS } from './pattern-windows.ts'
import type { MeterLimits } from './rule-book.ts'
import { median } from './statistics.ts'

export interface PatternLimits {
  readonly dropMin: number
  readonly nightMin: number
  readonly phaseMin: number
  readonly driftMin: number
  readonly sigmas: number
}

/** What the judgement must know of the meter besides its days. */
export interface PatternTraits {
  /** it has fed energy back: only its dark hours tell of its load */
  readonly exports: boolean
  /** other meters are under it: their loads make its pattern, the balance watches it */
  readonly parent: boolean
}

/**
 * Judges the last days against those before. `days` by rising day, the newest last.
 * @param since first day of a verdict that stands: days from then on are no baseline
 */
export function judgeDays(
  days: readonly DayFeatures[],
  limits: PatternLimits,
  peers: Peers | undefined,
  traits: PatternTraits = { exports: false, parent: false },
  since: number = Number.POSITIVE_INFINITY,
  newest: Residual | undefined = undefined
): PatternVerdict | undefined {
  const phase = judgePhases(days, limits, since)
  if (phase || traits.parent) return phase
  return (
    (looksLow(newest, limits) || since < Number.POSITIVE_INFINITY
      ? judgeLevel(days, limits, peers, traits, since)
      : undefined) ??
    judgeSomeNights(days, peers, traits.exports, since) ??
    (traits.exports ? undefined : judgeDrift(days, limits, peers))
  )
}

/** Whether the newest day is worth the full look: most days are not. */
function looksLow(newest: Residual | undefined, limits: PatternLimits): boolean {
  if (!newest) return true
  return (
    newest.total < -0.4 * limits.dropMin ||
    DARK_BANDS.some(b => (newest.bands[b] as number) < -0.2 * limits.nightMin)
  )
}

function judgeLevel(
  days: readonly DayFeatures[],
  limits: PatternLimits,
  peers: Peers | undefined,
  traits: PatternTraits,
  since: number
): PatternVerdict | undefined {
  const bands = traits.exports ? DARK_BANDS : ALL_BANDS
  const pick = traits.exports
    ? (r: Residual) => median(DARK_BANDS.map(b => r.bands[b] as number))
    : (r: Residual) => r.total
  for (const window of WINDOWS) {
    const split = days.length - window
    if (split < BASE_MIN) continue
    const base = baseOf(days, split, since)
    if (base.length < BASE_MIN) continue
    const recent = residualsOf(days.slice(split), base)
    const before = residualsOf(base, base)
    if (recent.length === 0) continue
    const sigmas = limits.sigmas * (base.length < 14 ? 1.3 : 1)
    const total = corrected(recent, before, peers, pick)
    const se = (1.25 * Math.max(0.08, total.sigma)) / Math.sqrt(window)
    const middle = median(total.recent)
    const all = mostly(total.recent, r => r < -0.6 * limits.dropMin)
    const isDeep = -middle >= limits.dropMin && -middle / se >= sigmas
    // a week and more of a steady meter, down from one day to the next: less depth is proof enough
    const isSharp =
      window >= 7 &&
      -middle >= 0.7 * limits.dropMin &&
      -middle / se >= 1.4 * sigmas &&
      isSudden(total.before, middle)
    // a verdict that stands keeps its baseline while the window moves on
    const sinceThen = () => {
      const after = days.filter(one => one.day > (base.at(-1) as DayFeatures).day)
      return corrected(residualsOf(after, base), before, peers, pick).recent
    }
    const dropped = (isDeep || isSharp) && all && fellItself(total.own, middle)
    const shaped =
      keepsShape(base, days.slice(split), bands, window) ||
      (window >= 5 && middle < NOTHING && neverIdle(base, bands))
    const rest = dropped && shaped ? restingDays(days, base, window) : undefined
    const isNews = rest === undefined ? isNew(total.before, total.recent, middle) : rest >= LONG_REST
    if (dropped && shaped && isNews)
      return {
        cause: isRamp([...total.before, ...sinceThen()]) ? 'drift' : 'drop',
        missing: 1 - Math.exp(middle),
        sigmas: -middle / se,
        days: window
      }
    const night = judgeNights(recent, before, peers, { ...limits, sigmas }, window)
    if (night) return night
  }
  return undefined
}

/** ln of 3 %: less than any house draws with everything switched off. */
const NOTHING = -3.5

/** A load without idle hours: one that goes to nothing for days is not just out of season. */
function neverIdle(base: readonly DayFeatures[], bands: readonly number[]): boolean {
  const usual = bands.map(b => median(base.map(one => one.bands[b] as number)))
  return Math.min(...usual) > 0.1 * (sumOf(usual) / usual.length)
}

/** days of rest in a row that are no holiday any more */
const LONG_REST = 12
/** share by which days of rest are alike, and under what share of the usual they must lie to be told from it */
const REST_ALIKE = 0.25
const REST_MOST = 0.6

/**
 * How many days in a row the meter has been as on its days of rest in the weeks before: a works that is closed, not one that is bypassed.
 * @returns undefined where the last days are as no day of rest was
 */
function restingDays(
  days: readonly DayFeatures[],
  base: readonly DayFeatures[],
  window: number
): number | undefined {
  const level = median(days.slice(-window).map(one => sumOf(one.bands)))
  const usual = median(base.map(one => sumOf(one.bands)))
  const alike = base.filter(one => Math.abs(sumOf(one.bands) - level) <= REST_ALIKE * level).length
  if (level > REST_MOST * usual || alike < 2) return undefined
  // days of rest that lack as much themselves: nobody rests from resting
  const resting = (part: readonly DayFeatures[]) =>
    part.filter(one => kindOf(one.day) > 0).map(one => sumOf(one.bands))
  const [now, ever] = [resting(days.slice(-window)), resting(base)]
  if (now.length > 0 && ever.length > 1 && median(now) < (1 - REST_ALIKE) * Math.min(...ever))
    return undefined
  return days.length - 1 - days.findLastIndex(one => sumOf(one.bands) > (1 + REST_ALIKE) * level)
}

/** Whether the days right before the window were still as ever: a season comes on slowly. */
const isSudden = (before: readonly number[], middle: number) => median(before.slice(-5)) > 0.3 * middle

/** Coefficient of variation of the day under which it has no shape to keep. */
const FLAT = 0.25

/**
 * An absence flattens the day to its base load, a bypass scales it: the coefficient of variation tells them apart.
 * A works that runs day and night has no such shape: three days off are then a holiday, a week is not.
 */
function keepsShape(
  base: readonly DayFeatures[],
  recent: readonly DayFeatures[],
  bands: readonly number[],
  window: number
): boolean {
  const variation = (part: readonly DayFeatures[]) =>
    variationOf(
      bands.map(b => median(part.map(one => one.bands[b] as number))),
      0
    )
  const usual = variation(base)
  return usual < FLAT ? window >= 7 : variation(recent) >= 0.6 * usual
}

/** Judges the days once a day. @param peers undefined where too few other meters are known */
export function judgePattern(
  state: PatternState,
  limits: MeterLimits,
  peers: Peers | undefined,
  traits: PatternTraits,
  newest: Residual | undefined
): void {
  if (!state.unjudged) return
  state.unjudged = false
  const verdict = judgeDays(
    state.days,
    {
      dropMin: limits.get('pattern', 'dropMin'),
      nightMin: limits.get('pattern', 'nightMin'),
      phaseMin: limits.get('pattern', 'phaseMin'),
      driftMin: limits.get('pattern', 'driftMin'),
      sigmas: limits.get('pattern', 'sigmas')
    },
    peers,
    traits,
    state.since ?? undefined,
    newest
  )
  state.verdict = verdict ?? null
  const last = state.days.at(-1)?.day ?? 0
  state.since = verdict ? (state.since ?? last - Math.min(verdict.days, 12) + 1) : null
}
