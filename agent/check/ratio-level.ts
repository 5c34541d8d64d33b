/**
 * Test 10 of peers-features.md C, the lasting step: from one day to the next a meter records just twice, or half, of what it did, by
 * day and by night alike. A transformer was exchanged behind an archive that stayed; a load that comes or goes has its hours.
 */
import type { LevelStep, MeterHistory } from './history.ts'
import { BANDS, bandLogs, type DayFeatures, residualsOf, sumOf, usualsOf } from './pattern-days.ts'
import { kindOf } from './pattern-profile.ts'
import { snapFactor } from './ratio-factors.ts'
import { median, spread } from './statistics.ts'

/** Days after the step that are looked at, and days before it that must be known. */
const WINDOWS = [4, 6, 9]
const BEFORE = { least: 10, most: 28 }
/** ln from which a step is one, and by which it may miss its factor, a day the step, and a band of the day the factor. */
const STEP = { least: 0.6, miss: 0.035, day: 0.15, band: 0.1 }
/** A step that is just its factor: days, wander of the days before, and what it and any part of the day may miss it by (ln). */
const EXACT = { days: 6, wander: 0.08, miss: 0.02, band: 0.05 }
/** Wander of the days before (ln) from which none is told. */
const MOST_WANDER = 0.12
/** ln by which the days must have left the level for it to be over. */
const OVER = 0.35
/** Days with an outage that are remembered, and of the last ten how many make them nothing special. */
const OUTAGES = { kept: 4, usual: 3 }

/** Remembers a local day with a gap or an outage. */
export function noteOutage(history: MeterHistory, day: number): void {
  const { ratio } = history
  const known = ratio.outages ?? []
  if (known.at(-1) !== day) ratio.outages = [...known, day].slice(-OUTAGES.kept)
}

/** Judges the days once a day: the step that stands is kept until its level is left. */
export function judgeStep(history: MeterHistory): void {
  const { ratio, pattern } = history
  const { days } = pattern
  const stands = ratio.step
  if (stands) {
    const since = days.filter(one => one.day >= stands.day).slice(-7)
    if (since.length > 3 && Math.abs(Math.log(highDay(since) / stands.kwh)) > OVER) delete ratio.step
    return
  }
  for (const window of WINDOWS) {
    const step = stepOf(days, window)
    // a bypass may halve as well; it takes no outage, and hardly leaves just one half at every hour from working hours on
    if (step && (step.ratio > 1 || step.exact || isAtOutage(ratio.outages ?? [], step.day))) {
      const { exact: _, ...kept } = step
      ratio.step = kept
      return
    }
  }
}

/** kWh of the second highest day: what a working day has, in any four days and more. */
function highDay(days: readonly DayFeatures[]): number {
  const sums = days.map(one => sumOf(one.bands)).sort((a, b) => b - a)
  return Math.max(1e-9, sums[1] ?? 0)
}

function isAtOutage(outages: readonly number[], day: number): boolean {
  const lately = outages.filter(one => day - one <= 10)
  return lately.length <= OUTAGES.usual && outages.some(one => day - one >= 0 && day - one <= 1)
}

function stepOf(
  days: readonly DayFeatures[],
  window: number
): (LevelStep & { readonly exact: boolean }) | undefined {
  const split = days.length - window
  // the day of the step itself is of both levels
  const before = days.slice(Math.max(0, split - 1 - BEFORE.most), Math.max(0, split - 1))
  const after = days.slice(split)
  if (before.length < BEFORE.least) return undefined
  const usual = median(before.map(one => sumOf(one.bands)))
  const kwh = median(after.map(one => sumOf(one.bands)))
  if (!(usual > 0) || Math.abs(Math.log(kwh / usual)) < STEP.least / 2) return undefined
  const now = residualsOf(after, before)
  const then = residualsOf(before, before)
  if (now.length === 0 || then.length === 0) return undefined
  const by = median(now.map(one => one.total))
  const wander = spread(
    then.map(one => one.total),
    0
  )
  if (Math.abs(by) < STEP.least || wander > MOST_WANDER) return undefined
  const named = snapFactor(Math.exp(by), STEP.miss + wander / 2, 1, 1)
  if (!named || Math.abs(Math.log(named.value)) > 1.7) return undefined
  const factor = Math.log(named.value)
  const stays = now.every(one => Math.abs(one.total - by) < STEP.day + 2 * wander)
  const sudden = then.slice(-3).every(one => Math.abs(one.total) < 0.35 * Math.abs(by))
  if (!stays || !sudden || !isUniform(after, before, factor, STEP.band)) return undefined
  const exact =
    window >= EXACT.days &&
    wander < EXACT.wander &&
    Math.abs(by - factor) < EXACT.miss &&
    isUniform(after, before, factor, EXACT.band) &&
    days.slice(split - 2, split).some(one => isMixed(one, before, by))
  return {
    day: (after[0] as DayFeatures).day,
    ratio: Math.exp(by),
    factor: named.value,
    wander: Math.max(wander, 0.01),
    kwh: highDay(after),
    exact
  }
}

/** Whether a day is of both levels: fitters come by day, while a load that is given up ends with a day. */
function isMixed(day: DayFeatures, before: readonly DayFeatures[], by: number): boolean {
  const alike = before.filter(one => kindOf(one.day) === kindOf(day.day))
  if (alike.length === 0) return false
  const share = Math.log(sumOf(day.bands) / median(alike.map(one => sumOf(one.bands)))) / by
  return share > MIXED && share < 1 - MIXED
}

/** Share of the step from which a day is of both levels. */
const MIXED = 0.2

/** Whether every part of the day stepped by the factor, within what it wanders by itself. */
function isUniform(
  after: readonly DayFeatures[],
  before: readonly DayFeatures[],
  factor: number,
  within: number
): boolean {
  const usuals = usualsOf(before)
  let told = 0
  for (let b = 0; b < BANDS; b++) {
    const now = bandLogs(after, usuals, b)
    if (now.length < after.length / 2) continue
    const usual = spread(bandLogs(before, usuals, b), 0)
    if (Math.abs(median(now) - factor) > within + (1.5 * usual) / Math.sqrt(now.length)) return false
    told++
  }
  return told >= BANDS / 2
}
