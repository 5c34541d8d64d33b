/** Values that stand still: frozen interfaces, and a load drawn with a ruler (consecutive-value tests of VEE). */
import type { MeterContext } from './context.ts'
import { type Finding, holds, noEvidence, round, violated } from './finding.ts'
import { isDrawn, noteLevel } from './flat-increments.ts'
import type { StillState } from './history.ts'
import { ID, type ItemValues, totalPower } from './item-values.ts'
import { powerIntegral } from './load.ts'
import { sumOf, variationOf } from './pattern-days.ts'

const MOVING = [...ID.voltage, ...ID.current, ID.power]
/** Pairs of readings after which it is known whether this meter's voltage moves at all. */
const LEARN_PAIRS = 16

/** One number for the moving digits of a reading; undefined where too few of them could move. */
function digitsOf(values: ItemValues, items: readonly number[]): number | undefined {
  let hash = 0
  let count = 0
  let flowing = false
  for (const item of items) {
    const value = values.get(item)
    if (value === undefined || value === 0) continue
    count++
    if (item > 310) flowing = true
    hash = (Math.imul(hash, 0x01000193) ^ value ^ item) >>> 0
  }
  return (flowing && count >= 3) || (items === ID.voltage && count > 0) ? hash : undefined
}

/** Rule flat-line. A meter whose voltage never moves (a rig, a coarse register) gives no evidence. */
export function checkFlatLine(c: MeterContext): Finding {
  const { still, seen, level } = c.history
  // short slots of a test rig: an hour at least
  const limit = Math.max(c.limits.get('flat-line', 'slots'), 1 / c.slotHours)
  if (still.slots + 1 > limit && still.moved > 0.9 * still.pairs && still.pairs >= LEARN_PAIRS)
    return violated('flat-line', { slots: still.slots + 1, limit }, { flag: 'consistency', cause: 'frozen' })
  const isCoarse = still.increment < MANY_COUNTS * c.history.resolution
  const loadLimit = Math.max(
    c.limits.get('flat-line', 'loadSlots') * (isCoarse ? 2 : 1),
    1.5 * still.longestLoad + 8,
    8 / c.slotHours
  )
  if (seen * c.slotHours > 120 && still.load >= loadLimit)
    return violated(
      'flat-line',
      { slots: still.load, limit: loadLimit },
      { flag: 'consistency', cause: 'load' }
    )
  const drawnLimit = Math.max(c.limits.get('flat-line', 'drawnSlots'), 6 / c.slotHours)
  if (isDrawn(level, drawnLimit))
    return violated(
      'flat-line',
      { slots: level.run + 1, limit: drawnLimit, kwh: level.size / 1000, offKwh: round(level.lead / 1000) },
      { flag: 'consistency', cause: 'load' }
    )
  const flat = levelDays(c)
  if (flat)
    return violated('flat-line', { days: LEVEL.days, ...flat }, { flag: 'consistency', cause: 'load' })
  return still.digits < 0 && still.load === 0
    ? noEvidence('flat-line', 'no values of the moment')
    : holds('flat-line')
}

/** Days that are level within and among each other, days before, the most that a level day varies, what counts as none, and how much more each of those varied. */
const LEVEL = { days: 3, before: 7, most: 0.004, none: 0.0015, varied: 3 }

/**
 * Days drawn with a ruler where every day before had its hours, a Sunday's base too: the register counts on, but not what the
 * consumer draws.
 */
function levelDays(c: MeterContext): { variation: number; leastVariation: number } | undefined {
  const { days } = c.history.pattern
  const split = days.length - LEVEL.days
  if (split < LEVEL.before) return undefined
  const last = days.slice(split)
  // most days have their hours: the first of them decides
  if (last.some(one => variationOf(one.bands) > LEVEL.most)) return undefined
  const variation = Math.max(...last.map(one => variationOf(one.bands)))
  const totals = last.map(one => sumOf(one.bands))
  if (Math.max(...totals) > (1 + LEVEL.most) * Math.min(...totals)) return undefined
  const others = days.slice(0, split).map(one => variationOf(one.bands))
  // level days right before these are of the same fault, and the day on which it began is of both
  while (others.length > 0 && (others.at(-1) as number) <= LEVEL.most) others.pop()
  others.pop()
  const least = Math.min(...others)
  if (others.length < LEVEL.before || least < LEVEL.varied * Math.max(LEVEL.none, variation)) return undefined
  return { variation: round(variation), leastVariation: round(least) }
}

/** Takes the reading into the counters of this rule. */
export function noteFlatLine(c: MeterContext): void {
  const { still, resolution } = c.history
  if (c.live) noteDigits(still, c.values)
  noteLevel(c)
  const { step } = c
  if (step.kind !== 'step' || step.import === undefined || step.slots !== 1 || step.event) return
  // the same count of counts, give or take the one that the cut-off makes: two neighbours, not three
  const least = Math.min(step.import, still.increment)
  const most = Math.max(step.import, still.most)
  const alike = most - least <= resolution && step.import >= LEAST_COUNTS * resolution
  if (!alike) {
    if (still.load > 0)
      still.longestLoad = Math.max(0.99 * still.longestLoad, Math.min(still.load, LONGEST_LEARNED))
    still.load = 0
    still.increment = step.import
    still.most = step.import
    return
  }
  still.increment = least
  still.most = most
  const shown = againstPower(c, step.import)
  // of a load large enough to vary, or one that the power contradicts
  if (shown === 'other' || (shown === 'unknown' && step.import >= FEW_COUNTS * resolution)) still.load++
}

/** a run that was longer is no habit */
const LONGEST_LEARNED = 48
/** Fewer counts a slot say something only in longer runs, and fewer yet nothing. */
const MANY_COUNTS = 20
const FEW_COUNTS = 10
/** Fewer counts a slot are alike by the cut-off alone. */
const LEAST_COUNTS = 5

/**
 * Whether the power of the moment explains the increment: a pump runs level for days, its power moves by a little all the same and its
 * energy follows. 'other' where the power tells of another energy; 'unknown' where it stands still too or is not read.
 */
function againstPower(c: MeterContext, increment: number): 'same' | 'other' | 'unknown' {
  const now = c.live ? totalPower(c.values) : undefined
  const before = c.history.power
  if (now === undefined || before === null) return 'unknown'
  const integral = powerIntegral(c, before, now)
  const off = Math.abs(increment - integral)
  if (off > Math.max(0.3 * increment, 4 * c.history.resolution)) return 'other'
  const moves = Math.abs(Math.abs(now) - before) > 0.0005 * before
  return moves && off < 0.1 * increment ? 'same' : 'unknown'
}

function noteDigits(still: StillState, values: ItemValues): void {
  const digits = digitsOf(values, MOVING)
  const volts = digitsOf(values, ID.voltage)
  if (digits === undefined || volts === undefined) return
  if (still.digits >= 0) {
    const same = digits === still.digits
    still.slots = same ? still.slots + 1 : 0
    // while all stands still nothing is learned about what moves
    if (!same && still.pairs < 1000) {
      still.pairs++
      if (volts !== still.volts) still.moved++
    }
  }
  still.digits = digits
  still.volts = volts
}
