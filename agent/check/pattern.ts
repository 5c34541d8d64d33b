/** Pattern model of one meter: spikes against its usual week, and the daily judgement of its last six weeks. */
import type { CheckOptions, MeterContext } from './context.ts'
import { type Finding, judge, noEvidence, round, violated } from './finding.ts'
import { amps, ID } from './item-values.ts'
import { leastKva, slotKva, startsByItself } from './load.ts'
import { closeDay, KEPT_DAYS, openDay } from './pattern-days.ts'
import {
  binOf,
  type Expectation,
  expect,
  kindOf,
  learn,
  noteStray,
  otherKinds,
  scaleOf,
  scoreOf,
  strayOf,
  widened
} from './pattern-profile.ts'
import { dayOf } from './sum-check.ts'

/** kVA of the slot, signed: generation fed back is negative. */
function patternLoad(c: MeterContext): number | undefined {
  const load = slotKva(c)
  if (load === undefined) return undefined
  return c.meanKw !== undefined && c.meanKw < 0 ? -load : load
}

/** What a leap of the registers would be as a load: rule physical tells it, and that a load of such a size is hidden in it. */
function leapKw({ step, slotHours, ct, pt }: MeterContext): number | undefined {
  return step.event === 'leap' && step.kind === 'doubt'
    ? ((step.moved / 1000) * ct * pt) / (step.slots * slotHours)
    : undefined
}

function binAt(c: MeterContext, options: CheckOptions): number {
  const seconds = c.reading.slot * options.slotSeconds + options.utcOffsetMinutes * 60
  return binOf(seconds, kindOf(dayOf(c.reading.slot, options)))
}

/** slots of a quarter of an hour: two days' visits of a half hour, three days, a week, and when a high load is a new habit */
const TAUGHT_VISITS = 4
const SEEN_DAYS = 288
const TAUGHT = 672
const LASTING = 6

/** Length of the slot in quarters of an hour. */
const quartersOf = (c: MeterContext) => 4 * c.slotHours

/** How long the meter was watched, over the week that teaches its pattern. */
const taughtShare = (c: MeterContext) => (c.history.pattern.profile.seen * quartersOf(c)) / TAUGHT

function usualOf(c: MeterContext, bin: number): Expectation {
  return expect(c.history.pattern.profile, bin, Math.max(1, Math.round(quartersOf(c) / 2)))
}

/** The same; of a Saturday or Sunday that was seen once, what the other days do at that hour is usual too. */
function usualOfAnyDay(c: MeterContext, bin: number): Expectation {
  const own = usualOf(c, bin)
  if (own.count === 0 || isVisited(c, own)) return own
  return otherKinds(bin)
    .map(other => usualOf(c, other))
    .filter(one => isVisited(c, one))
    .reduce(widened, own)
}

const isVisited = (c: MeterContext, usual: Expectation) =>
  usual.count >= Math.max(2, TAUGHT_VISITS / quartersOf(c))

/** share of that week after which the meter's peak says something, and by how much less it says until the week is over */
const FIRST_DAY = 96 / TAUGHT
const UNTAUGHT = 1.3

/** times the limit from which on a quarter of the peak is enough: the hour is idle otherwise */
const FAR = 2

/** 1.5 while nothing is known yet, 1 after two weeks. */
const youth = (c: MeterContext) => Math.max(0, 1 - taughtShare(c) / 2)

/** The loads this meter shows around this time of week; undefined until it is taught (about a week). */
export function usualBand(c: MeterContext, options: CheckOptions): { top: number; low: number } | undefined {
  const { profile } = c.history.pattern
  const usual = usualOfAnyDay(c, binAt(c, options))
  if (!isVisited(c, usual) || taughtShare(c) < 1) return undefined
  const own = c.limits.get('spike', 'recordFactor') * strayOf(profile)
  const reach = Math.max(4, own) * scaleOf(usual, spreadFloor(c))
  // nothing well above all that the meter drew in the last months is usual at any hour
  const most = c.limits.get('swing', 'peakFactor') * c.history.peak * (1 + 0.5 * youth(c))
  return { top: Math.min(usual.top + reach, most), low: Math.max(0, usual.low - reach) }
}

/** Rules `spike`, `high-low` and `pattern`. */
export function checkPattern(c: MeterContext, options: CheckOptions): Finding[] {
  return [checkSpike(c, options), checkHighLow(c, options), patternFinding(c)]
}

/** V6: the slot against the usual band of its hour, both ways. Marks the reading; what lasts is for `pattern` to tell. */
function checkHighLow(c: MeterContext, options: CheckOptions): Finding {
  const load = patternLoad(c)
  if (load === undefined || c.step.slots > 2) return noEvidence('high-low', 'no load')
  const usual = usualOf(c, binAt(c, options))
  if (taughtShare(c) < 1 || !isVisited(c, usual)) return noEvidence('high-low', 'pattern not yet known')
  const score = scoreOf(load, usual, spreadFloor(c))
  const numbers = () => ({
    loadKva: round(load),
    lowKva: round(usual.low),
    highKva: round(usual.top),
    score: round(score)
  })
  return judge('high-low', Math.abs(score) / c.limits.get('high-low', 'scoreMin'), numbers, {
    flag: 'pattern'
  })
}

function checkSpike(c: MeterContext, options: CheckOptions): Finding {
  if (options.parent) return noEvidence('spike', 'told by the meters under it')
  const load = patternLoad(c) ?? leapKw(c)
  if (load === undefined || c.step.slots > 2) return noEvidence('spike', 'no load')
  const usual = usualOf(c, binAt(c, options))
  if (taughtShare(c) < FIRST_DAY) return noEvidence('spike', 'pattern not yet known')
  if (startsByItself(c) && load <= c.limits.get('swing', 'peakFactor') * c.history.peak)
    return noEvidence('spike', 'starts and stops by itself')
  const floor = spreadFloor(c)
  // a day of the week seen once only has the meter's peak to go by; a kettle at an odd hour is no spike, half the peak of a works is
  const isKnown = taughtShare(c) >= 1 && isVisited(c, usual)
  const least = Math.max(leastKva(c), c.limits.get('spike', 'least') * (c.meter.ratedKva ?? 0))
  const score = isKnown && load >= least ? scoreOf(load, usual, floor) : 0
  const limit = spikeLimit(c)
  const share = c.limits.get('spike', 'share') * c.history.peak
  const isLarge = load >= share || (load >= share / 2 && score >= FAR * limit)
  // the first working day of a meter that was watched over a week-end only is no record of anything
  const beyond = usual.count > 0 ? load / Math.max(peakLimit(c), least) : 0
  const level = Math.max(isLarge ? score / limit : 0, beyond)
  const numbers = () => ({
    loadKva: round(load),
    usualKva: round(usual.top),
    spreadKva: round(usual.spread),
    score: round(score),
    limit: round(limit),
    peakKva: round(c.history.peak)
  })
  return judge('spike', level, numbers, {
    flag: 'pattern'
  })
}

/** Load that is news at any hour: well above the highest the meter drew in the last months. */
function peakLimit(c: MeterContext): number {
  const young = taughtShare(c) < 1 ? UNTAUGHT : 1
  return young * c.limits.get('spike', 'peakFactor') * c.history.peak * (1 + 0.5 * youth(c))
}

/** Above the rule's least score and the meter's own record; higher while the meter is young. */
function spikeLimit(c: MeterContext): number {
  const own = c.limits.get('spike', 'recordFactor') * strayOf(c.history.pattern.profile)
  return Math.max(c.limits.get('spike', 'scoreMin'), own) * (1 + 1.5 * youth(c))
}

/** Loads under a few percent of the meter's own peak are noise of small appliances. */
function spreadFloor(c: MeterContext): number {
  return c.limits.get('spike', 'floor') * c.history.peak
}

function patternFinding(c: MeterContext): Finding {
  const { verdict, days, since } = c.history.pattern
  const { archive } = c.history
  // kWh in another unit from that day on: rule ratio says whether rightly
  if (verdict && archive.day > 0 && since !== null && Math.abs(since - archive.day) <= 2)
    return noEvidence('pattern', 'archive ratio changed')
  if (verdict)
    return violated(
      'pattern',
      {
        missingPercent: round(100 * verdict.missing),
        sigmas: round(verdict.sigmas),
        days: verdict.days,
        ...(verdict.phase ? { phase: verdict.phase } : {}),
        ...(verdict.nights ? { nights: verdict.nights } : {})
      },
      { flag: 'pattern', cause: verdict.cause }
    )
  return days.length < 10
    ? noEvidence('pattern', 'pattern not yet known')
    : { rule: 'pattern', verdict: 'holds', level: 0, numbers: {} }
}

/** Learns the slot. */
export function notePattern(c: MeterContext, options: CheckOptions): void {
  const state = c.history.pattern
  const load = patternLoad(c)
  const seconds = c.reading.slot * options.slotSeconds + options.utcOffsetMinutes * 60
  const day = dayOf(c.reading.slot, options)
  if (state.open.day !== day) {
    const done = closeDay(state.open, 10800 / options.slotSeconds)
    if (done) {
      state.days.push(done)
      if (state.days.length > KEPT_DAYS) state.days.shift()
      state.unjudged = true
    }
    state.open = openDay(day)
  }
  if (load === undefined) return
  const band = Math.floor((((seconds % 86400) + 86400) % 86400) / 10800)
  state.open.sum[band] = (state.open.sum[band] as number) + Math.max(0, load) * c.slotHours
  state.open.slots[band] = (state.open.slots[band] as number) + 1
  ID.current.forEach((item, n) => {
    state.open.amps[n] = (state.open.amps[n] as number) + Math.abs(amps(c.values, item) ?? 0)
  })
  state.open.ampSlots++
  noteProfile(c, options, load)
}

function noteProfile(c: MeterContext, options: CheckOptions, load: number): void {
  if (c.step.slots > 2) return
  const { profile } = c.history.pattern
  const bin = binAt(c, options)
  const floor = spreadFloor(c)
  const usual = usualOf(c, bin)
  const isSeen = profile.seen * quartersOf(c) >= SEEN_DAYS
  const score = isSeen && usual.count >= 2 ? scoreOf(load, usual, floor) : 0
  const limit = spikeLimit(c)
  const taught = taughtShare(c)
  const news = (taught >= FIRST_DAY && load > peakLimit(c)) || (taught >= 1 && score > limit)
  profile.streak = news ? profile.streak + 1 : 0
  // a short spike raises the record a little, so that a habit that comes back stops being news; what lasts is no spike
  const spike = news && profile.streak * quartersOf(c) < LASTING
  if (isSeen) {
    const own = c.limits.get('spike', 'recordFactor') * profile.record
    const well = 0.5 * Math.max(c.limits.get('spike', 'scoreMin'), own)
    noteStray(profile, spike ? Math.min(score, 1.2 * limit) : score, well, quartersOf(c))
  }
  notePeak(c, spike ? Math.min(load, 1.1 * c.history.peak) : load)
  learn(profile, bin, Math.max(0, load), floor)
}

function notePeak(c: MeterContext, load: number): void {
  c.history.peak = Math.max(c.history.peak * PEAK_DECAY ** quartersOf(c), load)
}

/** a quarter of an hour: a quarter less in a month */
const PEAK_DECAY = 0.9999
