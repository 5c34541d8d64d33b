/**
 * The daily judgement of a meter's pattern: its last days against its weeks before, less what its peers did too.
 * Windows of 3 to 12 days: a steady meter is judged soon, an unsteady one late.
 */
import {
  BANDS,
  type DayFeatures,
  type PatternVerdict,
  type Peers,
  PHASES,
  type Residual,
  residualsOf,
  sumOf
} from './pattern-days.ts'
import { judgeDrift } from './pattern-drift.ts'
import type { PatternState } from './pattern-state.ts'
import type { MeterLimits } from './rule-book.ts'
import { median, spread } from './statistics.ts'

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

const WINDOWS = [3, 5, 7, 12]
const BASE_MIN = 7
/** 18 to 24 and 0 to 6 o'clock */
const DARK_BANDS = [0, 1, 6, 7]
const ALL_BANDS = Array.from({ length: BANDS }, (_, b) => b)

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
      : undefined) ?? (traits.exports ? undefined : judgeDrift(days, limits, peers))
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
    const dropped = -middle >= limits.dropMin && all && -middle / se >= sigmas
    const shaped =
      keepsShape(base, days.slice(split), bands) ||
      (window >= 5 && middle < NOTHING && neverIdle(base, bands))
    if (dropped && shaped && isNew(total.before, total.recent, middle))
      return { cause: 'drop', missing: 1 - Math.exp(middle), sigmas: -middle / se, days: window }
    const night = judgeBands(recent, before, peers, { ...limits, sigmas }, window)
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

/** Four weeks before the split, without the days of a verdict that stands. */
function baseOf(days: readonly DayFeatures[], split: number, since: number): DayFeatures[] {
  return days
    .slice(0, split)
    .filter(one => one.day < since)
    .slice(-28)
}

/**
 * Whether such a low was (nearly) never there before: pumps and holidays come back.
 * A low that lasts longer than any before it is new all the same.
 */
function isNew(before: readonly number[], recent: readonly number[], middle: number): boolean {
  const low = (r: number) => r < 0.7 * middle && r > 1.7 * middle
  const all = [...before, ...recent]
  let run = 0
  let longest = 0
  let alike = 0
  all.forEach((r, n) => {
    const is = n >= before.length ? r < 0.6 * middle : low(r)
    if (!is && run > 0) {
      longest = Math.max(longest, run)
      run = 0
    }
    if (!is) return
    run++
    if (n < before.length) alike++
  })
  return alike <= Math.max(1, 0.08 * before.length) || run >= longest + 3
}

/** An absence flattens the day to its base load, a bypass scales it: the coefficient of variation tells them apart. */
function keepsShape(
  base: readonly DayFeatures[],
  recent: readonly DayFeatures[],
  bands: readonly number[]
): boolean {
  const variation = (part: readonly DayFeatures[]) => {
    const mean = bands.map(b => median(part.map(one => one.bands[b] as number)))
    const middle = sumOf(mean) / mean.length
    return middle <= 0 ? 0 : Math.sqrt(sumOf(mean.map(x => (x - middle) ** 2)) / mean.length) / middle
  }
  return variation(recent) >= 0.6 * variation(base)
}

/** Bands of the night fall, those of the day stay: something is bypassed at those hours. */
function judgeBands(
  recent: readonly Residual[],
  before: readonly Residual[],
  peers: Peers | undefined,
  limits: PatternLimits,
  window: number
): PatternVerdict | undefined {
  const fallen: boolean[] = []
  const middles: number[] = []
  const sigmas: number[] = []
  for (let b = 0; b < BANDS; b++) {
    const band = corrected(recent, before, peers, r => r.bands[b] as number)
    const se = (1.25 * Math.max(0.1, band.sigma)) / Math.sqrt(window)
    const middle = median(band.recent)
    middles.push(middle)
    sigmas.push(-middle / se)
    fallen.push(
      -middle >= 0.6 * limits.nightMin &&
        -middle / se >= limits.sigmas &&
        mostly(band.recent, r => r < -0.3 * limits.nightMin) &&
        isNew(band.before, band.recent, middle)
    )
  }
  let run = 0
  let longest = 0
  for (let n = 0; n < 2 * BANDS; n++) {
    run = fallen[n % BANDS] ? run + 1 : 0
    longest = Math.max(longest, Math.min(run, BANDS))
  }
  const count = fallen.filter(Boolean).length
  // by day it would be a closed shop or a broken pump
  if (fallen.some((fell, b) => fell && !DARK_BANDS.includes(b))) return undefined
  if (count === 0 || count !== longest) return undefined
  // one band says enough where it is far down; neighbours are touched in part
  const lowest = -Math.min(...middles.filter((_, b) => fallen[b]))
  if (lowest < limits.nightMin * (count >= 2 ? 1 : 1.5)) return undefined
  const others = middles.filter((_, b) => !fallen[b])
  if (median(others) < -0.15 || others.filter(m => m < -0.3).length > 1) return undefined
  const inside = middles.filter((_, b) => fallen[b])
  return {
    cause: 'night-bypass',
    missing: 1 - Math.exp(median(inside)),
    sigmas: Math.min(...sigmas.filter((_, b) => fallen[b])),
    days: window
  }
}

/** Own residuals less what the peers explain. The share they explain is learned from the days before. */
function corrected(
  recent: readonly Residual[],
  before: readonly Residual[],
  peers: Peers | undefined,
  pick: (residual: Residual) => number
): { recent: number[]; before: number[]; sigma: number } {
  let cross = 0
  let square = 0
  if (peers)
    for (const one of before) {
      const peer = peers.days.get(one.day)
      if (!peer) continue
      cross += clip(pick(one)) * clip(pick(peer))
      square += clip(pick(peer)) ** 2
    }
  const share = Math.max(0, Math.min(1.3, (cross + 0.02) / (square + 0.02)))
  const less = (one: Residual) => {
    const peer = peers?.days.get(one.day)
    return pick(one) - (peer ? share * pick(peer) : 0)
  }
  const rest = before.map(less)
  // the middle of the spread and its shoulders; single days off (absences, holidays) are not the noise
  const sizes = rest.map(Math.abs).sort((x, y) => x - y)
  const shoulder = (sizes[Math.floor(0.65 * (sizes.length - 1))] ?? 0) / 0.935
  return { recent: recent.map(less), before: rest, sigma: Math.max(spread(rest, 0), shoulder) }
}

/** All of a short window, all but one or two of a long one. */
const mostly = (list: readonly number[], is: (x: number) => boolean) =>
  list.filter(is).length >= Math.ceil(0.85 * list.length)

const clip = (x: number) => Math.max(-1, Math.min(1, x))

/** One phase's current against the other two: deaf to season, holidays and the customer's habits of when. */
function judgePhases(
  days: readonly DayFeatures[],
  limits: PatternLimits,
  since: number
): PatternVerdict | undefined {
  for (const window of WINDOWS) {
    const split = days.length - window
    if (split < BASE_MIN) continue
    for (let p = 0; p < PHASES; p++) {
      const balance = (one: DayFeatures) => {
        const a = one.phases[p] as number
        const b = one.phases[(p + 1) % PHASES] as number
        const c = one.phases[(p + 2) % PHASES] as number
        const floor = 0.01 * (a + b + c)
        return b <= 0 || c <= 0 ? Number.NaN : Math.log(a + floor) - 0.5 * Math.log((b + floor) * (c + floor))
      }
      const base = baseOf(days, split, since).map(balance)
      if (base.length < BASE_MIN) break
      const recent = days.slice(split).map(balance)
      if (![...base, ...recent].every(Number.isFinite)) return undefined
      const usual = median(base)
      const step = median(recent) - usual
      const se = (1.25 * Math.max(0.04, spread(base, usual))) / Math.sqrt(window)
      const all = mostly(recent, x => x - usual < -0.6 * limits.phaseMin)
      if (-step >= limits.phaseMin && -step / se >= limits.sigmas && all)
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
