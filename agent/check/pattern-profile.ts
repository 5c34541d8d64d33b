/**
 * The usual load of a meter by time of week: level and spread for 48 half hours of working days, Saturdays and Sundays,
 * learned by clipped averaging, and how far the meter strays from it by itself (the record). 600 octets a meter.
 */

const HALF_HOURS = 48
const BINS = 3 * HALF_HOURS

export interface Profile {
  /** kW or kVA, primary */
  readonly level: Float32Array
  /** mean absolute deviation x 1.25 */
  readonly spread: Float32Array
  readonly count: Uint8Array
  /** Highest score the meter reached by itself in a short burst, decaying over months. */
  record: number
  /** Highest score of hours on end, decaying over days: a day worked out of turn says nothing of bursts. */
  habit: number
  /** slots in a row above the limit */
  streak: number
  /** slots in a row well above the band, and the highest score among them: a burst or a habit, when they end */
  away: number
  pending: number
  /** slots noted */
  seen: number
}

export function emptyProfile(): Profile {
  return {
    level: new Float32Array(BINS),
    spread: new Float32Array(BINS),
    count: new Uint8Array(BINS),
    record: 0,
    habit: 0,
    streak: 0,
    away: 0,
    pending: 0,
    seen: 0
  }
}

/** Bin of a slot. @param kind of the day, see {@link kindOf}; holidays look like rest days to nobody, the spread takes them up */
export function binOf(localSeconds: number, kind: DayKind): number {
  const half = Math.floor((((localSeconds % 86400) + 86400) % 86400) / 1800)
  return kind * HALF_HOURS + half
}

/** 0 working day, 1 Saturday, 2 Sunday: many work on one of the two. */
export type DayKind = 0 | 1 | 2

/** Kind of a local day number (day 0 was a Thursday). */
export function kindOf(day: number): DayKind {
  const weekday = (((day + 4) % 7) + 7) % 7
  return weekday === 0 ? 2 : weekday === 6 ? 1 : 0
}

export interface Expectation {
  readonly top: number
  readonly low: number
  readonly spread: number
  /** visits of the bin, the least of the neighbours */
  readonly count: number
}

/**
 * Level and spread around the bin: habits shift by a half hour without meaning anything.
 * @param reach bins to the neighbour: more than one where slots are longer than a bin
 */
export function expect(profile: Profile, bin: number, reach = 1): Expectation {
  const base = bin - (bin % HALF_HOURS)
  let top = 0
  let low = Number.POSITIVE_INFINITY
  let spread = 0
  let count = 255
  for (let d = -reach; d <= reach; d += reach) {
    const n = base + ((bin - base + d + HALF_HOURS) % HALF_HOURS)
    const level = profile.level[n] as number
    top = Math.max(top, level)
    low = Math.min(low, level)
    spread = Math.max(spread, profile.spread[n] as number)
    count = Math.min(count, profile.count[n] as number)
  }
  return { top, low, spread, count }
}

/** The bins of the same hour on the other two kinds of day. */
export const otherKinds = (bin: number): number[] => [
  (bin + HALF_HOURS) % BINS,
  (bin + 2 * HALF_HOURS) % BINS
]

/** The band that takes in both; as often seen as the better known of the two. */
export const widened = (a: Expectation, b: Expectation): Expectation => ({
  top: Math.max(a.top, b.top),
  low: Math.min(a.low, b.low),
  spread: Math.max(a.spread, b.spread),
  count: Math.max(a.count, b.count)
})

/**
 * The unit deviations are counted in: the geometric mean of the spread at this hour and of one for the whole meter, so that
 * a burst in a quiet hour is less news than the quiet alone would make it.
 * @param floor least spread that counts
 */
export function scaleOf(usual: Expectation, floor: number): number {
  const here = Math.max(usual.spread, 0.08 * usual.top, floor)
  return Math.sqrt(here * Math.max(2.5 * floor, usual.spread))
}

/** How many units the load lies above its band; negative below it, 0 inside. */
export function scoreOf(load: number, usual: Expectation, floor: number): number {
  const unit = scaleOf(usual, floor)
  if (unit <= 0) return 0
  if (load > usual.top) return (load - usual.top) / unit
  if (load < usual.low) return (load - usual.low) / unit
  return 0
}

/** Learns one load. Outliers move level and spread only by a clipped step, so that one spike is not learned. */
export function learn(profile: Profile, bin: number, load: number, floor: number): void {
  const n = profile.count[bin] as number
  const level = profile.level[bin] as number
  const spread = profile.spread[bin] as number
  const gain = Math.max(1 / (n + 1), 0.06)
  const limit = n < 3 ? Number.POSITIVE_INFINITY : 4 * Math.max(spread, 0.08 * level, floor)
  const off = Math.max(-limit, Math.min(limit, load - level))
  profile.level[bin] = level + gain * off
  profile.spread[bin] = n === 0 ? 0 : spread + gain * (1.25 * Math.abs(off) - spread)
  profile.count[bin] = Math.min(255, n + 1)
  profile.seen++
}

/** How far the meter has strayed from its usual week by itself, in scores. */
export const strayOf = (profile: Profile) => Math.max(profile.record, profile.habit, profile.pending)

/**
 * Takes a score into the record of the meter.
 * @param well score from which on the load is well away from its usual band
 * @param slots15 length of the slot in quarters of an hour
 */
export function noteStray(profile: Profile, score: number, well: number, slots15: number): void {
  profile.record *= RECORD_DECAY ** slots15
  profile.habit *= HABIT_DECAY ** slots15
  if (score > well) {
    profile.away++
    profile.pending = Math.max(profile.pending, score)
    return
  }
  if (profile.away * slots15 >= BURST_QUARTERS) profile.habit = Math.max(profile.habit, profile.pending)
  else profile.record = Math.max(profile.record, profile.pending)
  profile.away = 0
  profile.pending = 0
  profile.record = Math.max(profile.record, score)
}

/** a slot of a quarter: half in seven weeks, half in two and a half days */
const RECORD_DECAY = 0.99985
const HABIT_DECAY = 0.997
/** three hours: what lasts longer is no burst */
const BURST_QUARTERS = 12

const LOG_STEPS = 1400
const LOG_SHIFT = 23

/** Positive number as 16 bits, logarithmic, 0.07 % fine. */
export function packLog(value: number): number {
  if (!(value > 1e-10)) return 0
  return Math.max(1, Math.min(65535, Math.round((Math.log(value) + LOG_SHIFT) * LOG_STEPS)))
}

export function unpackLog(code: number): number {
  return code === 0 ? 0 : Math.exp(code / LOG_STEPS - LOG_SHIFT)
}

export function packNumbers(values: ArrayLike<number>): string {
  const bytes = new Uint8Array(values.length * 2)
  for (let i = 0; i < values.length; i++) {
    const code = packLog(values[i] as number)
    bytes[2 * i] = code >> 8
    bytes[2 * i + 1] = code & 255
  }
  return btoa(String.fromCharCode(...bytes))
}

/** @throws when the text is no base 64 */
export function unpackNumbers(text: string): Float32Array {
  const bytes = atob(text)
  const out = new Float32Array(bytes.length >> 1)
  for (let i = 0; i < out.length; i++)
    out[i] = unpackLog((bytes.charCodeAt(2 * i) << 8) | bytes.charCodeAt(2 * i + 1))
  return out
}
