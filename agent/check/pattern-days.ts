/**
 * The last six weeks of a meter as a few numbers a day: eight three-hour sums and the mean phase currents.
 * From these: sudden drop, night bypass, slow drift, one phase bypassed. Peers take season and holidays out.
 */
import { kindOf } from './pattern-profile.ts'
import { median } from './statistics.ts'

export const BANDS = 8
export const PHASES = 3
export const ALL_BANDS = Array.from({ length: BANDS }, (_, b) => b)
/** 18 to 24 and 0 to 6 o'clock */
export const DARK_BANDS = [0, 1, 6, 7]
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

export const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)

/** Coefficient of variation of the parts of a day. @param empty that of a day without energy */
export function variationOf(bands: readonly number[], empty = 1): number {
  const mean = sumOf(bands) / bands.length
  if (!(mean > 0)) return empty
  return Math.sqrt(sumOf(bands.map(x => (x - mean) ** 2)) / bands.length) / mean
}

interface Baseline {
  readonly bands: readonly number[]
  readonly total: number
}

/** Medians over earlier days of the same kind; of all rest days, then of all days, where there are too few. */
function baseline(days: readonly DayFeatures[], kind: number): Baseline | undefined {
  let used = days.filter(one => kindOf(one.day) === kind)
  if (used.length < 2) used = days.filter(one => kindOf(one.day) > 0 === kind > 0)
  if (used.length < 2) used = [...days]
  if (used.length < 2) return undefined
  const bands: number[] = []
  for (let b = 0; b < BANDS; b++) bands.push(median(used.map(one => one.bands[b] as number)))
  return { bands, total: median(used.map(one => sumOf(one.bands))) }
}

/** What days of each kind usually have; undefined where there are too few of all. */
export const usualsOf = (base: readonly DayFeatures[]) => [0, 1, 2].map(kind => baseline(base, kind))

/** Share of a day under which a part of it carries nothing. */
const NOTHING = 0.02

/**
 * ln of a part of days over what it usually has on such days; days on which it carries nothing are left out.
 * @param usuals of the days before: {@link usualsOf}
 */
export function bandLogs(
  days: readonly DayFeatures[],
  usuals: ReturnType<typeof usualsOf>,
  band: number
): number[] {
  return days.flatMap(one => {
    const usual = usuals[kindOf(one.day)]
    const expected = usual?.bands[band] ?? 0
    if (!usual || expected <= 0 || expected < NOTHING * usual.total) return []
    return [Math.log(Math.max(1e-9, one.bands[band] as number) / expected)]
  })
}

/** Residuals of days against a baseline made of `base`. Bands that carry nothing are 0. */
export function residualsOf(days: readonly DayFeatures[], base: readonly DayFeatures[]): Residual[] {
  const usuals = usualsOf(base)
  const out: Residual[] = []
  for (const one of days) {
    const usual = usuals[kindOf(one.day)]
    if (!usual) return []
    const floor = NOTHING * (usual.total + 1e-9)
    out.push({
      day: one.day,
      bands: one.bands.map((value, b) => {
        const expected = usual.bands[b] as number
        return expected < floor ? 0 : Math.log((value + floor / 4) / (expected + floor / 4))
      }),
      total: Math.log((sumOf(one.bands) + floor / 4) / (usual.total + floor / 4))
    })
  }
  return out
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

export interface PatternVerdict {
  readonly cause: 'drop' | 'night-bypass' | 'drift' | 'phase-bypass'
  /** share of the usual that is missing, 0..1 */
  readonly missing: number
  readonly sigmas: number
  readonly days: number
  readonly phase?: string
  /** nights of those days with too little, where it is not all */
  readonly nights?: number
}
