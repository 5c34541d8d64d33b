/**
 * The last six weeks of a meter as a few numbers a day: eight three-hour sums and the mean phase currents.
 * From these: sudden drop, night bypass, slow drift, one phase bypassed. Peers take season and holidays out.
 */
import { isRestDay } from './pattern-profile.ts'
import { median, spread } from './statistics.ts'

export const BANDS = 8
const PHASES = 3
/** numbers kept a day */
export const FEATURES = BANDS + PHASES
export const KEPT_DAYS = 42

export interface DayFeatures {
  readonly day: number
  /** kWh primary by three-hour band, local time; per slot had, so that a gap is no drop */
  readonly bands: readonly number[]
  /** mean current by phase, meter's side; 0 where the meter has none */
  readonly phases: readonly number[]
}

/** Sums of the running day. */
export interface OpenDay {
  day: number
  sum: number[]
  slots: number[]
  amps: number[]
  ampSlots: number
}

export function openDay(day: number): OpenDay {
  return {
    day,
    sum: new Array(BANDS).fill(0),
    slots: new Array(BANDS).fill(0),
    amps: new Array(PHASES).fill(0),
    ampSlots: 0
  }
}

/** The features of a day; undefined when too much of it is missing to stand for a day. */
export function closeDay(open: OpenDay, slotsPerBand: number): DayFeatures | undefined {
  if (open.slots.some(count => count < 0.5 * slotsPerBand)) return undefined
  return {
    day: open.day,
    bands: open.sum.map((sum, n) => sum / (open.slots[n] as number)),
    phases: open.amps.map(sum => (open.ampSlots > 0 ? sum / open.ampSlots : 0))
  }
}

/** Logarithm of each band and of the whole against what days of that kind usually have. */
export interface Residual {
  readonly day: number
  readonly bands: readonly number[]
  readonly total: number
}

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)

/** Baseline of a day: medians over earlier days of the same kind (working or rest), of all where there are too few. */
function baseline(
  days: readonly DayFeatures[],
  rest: boolean
): { bands: number[]; total: number } | undefined {
  const same = days.filter(one => isRestDay(one.day) === rest)
  const used = same.length >= 2 ? same : days
  if (used.length < 2) return undefined
  const bands: number[] = []
  for (let b = 0; b < BANDS; b++) bands.push(median(used.map(one => one.bands[b] as number)))
  return { bands, total: median(used.map(one => sumOf(one.bands))) }
}

/** Residuals of days against a baseline made of `base`. Bands that carry nothing (under 2 % of the day) are 0. */
export function residualsOf(days: readonly DayFeatures[], base: readonly DayFeatures[]): Residual[] {
  const work = baseline(base, false)
  const rest = baseline(base, true)
  if (!work || !rest) return []
  return days.map(one => {
    const usual = isRestDay(one.day) ? rest : work
    const floor = 0.02 * (usual.total + 1e-9)
    return {
      day: one.day,
      bands: one.bands.map((value, b) => {
        const expected = usual.bands[b] as number
        return expected < floor ? 0 : Math.log((value + floor / 4) / (expected + floor / 4))
      }),
      total: Math.log((sumOf(one.bands) + floor / 4) / (usual.total + floor / 4))
    }
  })
}

/** What the other meters did: medians of their residuals by day, and of their weekly logarithms, newest last, first week 0. */
export interface Peers {
  readonly days: ReadonlyMap<number, Residual>
  readonly weeks: readonly number[]
}

/** Residual of the newest day against the weeks before it, for the other meters to compare with. */
export function newestResidual(days: readonly DayFeatures[]): Residual | undefined {
  const end = days.length - 1
  const base = days.slice(Math.max(0, end - 35), end >= 14 ? end - 7 : end)
  return base.length < 5 ? undefined : residualsOf(days.slice(end), base)[0]
}

/** Median of the logarithm of the day's total, week by week, newest last; whole weeks only, so that week-ends weigh the same. */
export function weeklyLogs(days: readonly DayFeatures[]): number[] {
  const weeks: number[] = []
  for (let end = days.length; end >= 7; end -= 7)
    weeks.unshift(median(days.slice(end - 7, end).map(one => Math.log(sumOf(one.bands) + 1e-6))))
  return weeks
}

export interface PatternLimits {
  readonly dropMin: number
  readonly nightMin: number
  readonly phaseMin: number
  readonly driftMin: number
  readonly sigmas: number
}

export interface PatternVerdict {
  readonly cause: 'drop' | 'night-bypass' | 'drift' | 'phase-bypass'
  /** share of the usual that is missing, 0..1 */
  readonly missing: number
  readonly sigmas: number
  readonly days: number
  readonly phase?: string
}

const WINDOWS = [3, 5, 7]
const BASE_MIN = 7

/** Judges the last days against those before. `days` by rising day, the newest last. */
export function judgeDays(
  days: readonly DayFeatures[],
  limits: PatternLimits,
  peers: Peers | undefined
): PatternVerdict | undefined {
  return (
    judgePhases(days, limits) ??
    judgeLevel(days, limits, peers) ??
    (peers ? judgeDrift(days, limits, peers) : undefined)
  )
}

function judgeLevel(
  days: readonly DayFeatures[],
  limits: PatternLimits,
  peers: Peers | undefined
): PatternVerdict | undefined {
  for (const window of WINDOWS) {
    const split = days.length - window
    if (split < BASE_MIN) continue
    const base = days.slice(Math.max(0, split - 28), split)
    const recent = residualsOf(days.slice(split), base)
    const before = residualsOf(base, base)
    if (recent.length === 0) continue
    const total = corrected(recent, before, peers, r => r.total)
    const noise = Math.max(0.08, total.sigma)
    const middle = median(total.recent)
    const se = (1.25 * noise) / Math.sqrt(window)
    const all = total.recent.every(r => r < -0.6 * limits.dropMin)
    if (-middle >= limits.dropMin && all && -middle / se >= limits.sigmas && keepsShape(days, split))
      return { cause: 'drop', missing: 1 - Math.exp(middle), sigmas: -middle / se, days: window }
    const night = judgeBands(recent, before, peers, limits, window)
    if (night) return night
  }
  return undefined
}

/** An absence flattens the day to its base load, a bypass scales it: the coefficient of variation tells them apart. */
function keepsShape(days: readonly DayFeatures[], split: number): boolean {
  const variation = (part: readonly DayFeatures[]) => {
    const mean: number[] = []
    for (let b = 0; b < BANDS; b++) mean.push(median(part.map(one => one.bands[b] as number)))
    const middle = sumOf(mean) / BANDS
    return middle <= 0 ? 0 : Math.sqrt(sumOf(mean.map(x => (x - middle) ** 2)) / BANDS) / middle
  }
  const before = variation(days.slice(Math.max(0, split - 28), split))
  return variation(days.slice(split)) >= 0.6 * before
}

/** Two bands in a row or more fall, the others stay: something is bypassed at those hours. */
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
      -middle >= limits.nightMin &&
        -middle / se >= limits.sigmas &&
        band.recent.every(r => r < -0.5 * limits.nightMin)
    )
  }
  let run = 0
  let longest = 0
  for (let n = 0; n < 2 * BANDS; n++) {
    run = fallen[n % BANDS] ? run + 1 : 0
    longest = Math.max(longest, Math.min(run, BANDS))
  }
  const count = fallen.filter(Boolean).length
  if (longest < 2 || count > 5 || count !== longest) return undefined
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
): { recent: number[]; sigma: number } {
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
  return { recent: recent.map(less), sigma: spread(before.map(less), 0) }
}

const clip = (x: number) => Math.max(-1, Math.min(1, x))

/** One phase's current against the other two: deaf to season, holidays and the customer's habits of when. */
function judgePhases(days: readonly DayFeatures[], limits: PatternLimits): PatternVerdict | undefined {
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
      const base = days.slice(Math.max(0, split - 28), split).map(balance)
      const recent = days.slice(split).map(balance)
      if (![...base, ...recent].every(Number.isFinite)) return undefined
      const usual = median(base)
      const step = median(recent) - usual
      const se = (1.25 * Math.max(0.04, spread(base, usual))) / Math.sqrt(window)
      const all = recent.every(x => x - usual < -0.6 * limits.phaseMin)
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

/** Weekly medians that fall week by week against the peers. Without peers a season looks the same: no verdict. */
function judgeDrift(
  days: readonly DayFeatures[],
  limits: PatternLimits,
  peers: Peers
): PatternVerdict | undefined {
  const own = weeklyLogs(days)
  const count = Math.min(own.length, peers.weeks.length)
  if (count < 4) return undefined
  const weeks: number[] = []
  for (let k = count; k > 0; k--)
    weeks.push((own[own.length - k] as number) - (peers.weeks[peers.weeks.length - k] as number))
  const fall = (weeks[0] as number) - (weeks.at(-1) as number)
  const steps = weeks.slice(1).map((week, n) => (weeks[n] as number) - week)
  const noise = days.map(one => Math.log(sumOf(one.bands) + 1e-6)).map((x, n, all) => x - (all[n - 7] ?? x))
  const se = (1.25 * Math.max(0.06, spread(noise.slice(7), 0) / Math.SQRT2)) / Math.sqrt(7)
  if (fall < limits.driftMin || steps.some(step => step < -0.03) || Math.max(...steps) > 0.6 * fall)
    return undefined
  if (fall / (se * Math.SQRT2) < limits.sigmas) return undefined
  return { cause: 'drift', missing: 1 - Math.exp(-fall), sigmas: fall / (se * Math.SQRT2), days: 7 * count }
}
