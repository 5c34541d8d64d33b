/** `check --replay`: the checks over a file of readings, as if they came in slot by slot. */
import { gapRecord, isGap, type Reading } from '../../proto/reading.ts'
import type { LearnedStore, MeterPoint } from '../ports.ts'
import type { AlarmEvent } from './alarm-engine.ts'
import { CheckStage, type SubjectFinding } from './check-stage.ts'
import { inferParents } from './infer-parents.ts'
import { episodes, type Observation, type ReplayFinding } from './replay-findings.ts'
import type { GivenMeter } from './replay-input.ts'
import type { RuleBook } from './rule-book.ts'

export interface ReplayReport {
  readonly meters: number
  readonly readings: number
  readonly slotSeconds: number
  /** minutes east of UTC at which its days begin */
  readonly utcOffsetMinutes: number
  readonly slotFrom: number
  readonly slotTo: number
  readonly findings: readonly ReplayFinding[]
  readonly alarms: readonly AlarmEvent[]
  /** violated without becoming an alarm: counts of slots by meter and rule */
  readonly observations: readonly Observation[]
}

export interface ReplayOptions {
  readonly rules: RuleBook
  readonly slotSeconds: number
  /** seconds to add to slot x slotSeconds for the instant a slot began; 0 where slots count from 1970 */
  readonly originS?: number
  readonly utcOffsetMinutes: number
  /** configured meters; those not named are taken from the readings */
  readonly meters?: readonly MeterPoint[]
}

/** Runs the checks over readings in any order. A slot a meter is missing from, between its first and last, counts as a gap. */
export function replayReadings(
  readings: readonly Reading[],
  options: ReplayOptions,
  given: ReadonlyMap<string, GivenMeter> = new Map()
): ReplayReport {
  const { slotSeconds, originS = 0 } = options
  const { bySlot, late, duplicates, spans } = arrange(readings)
  const meters = metersOf(readings, options.meters ?? [], given)
  const known = inferParents(meters, readings)
  const stage = new CheckStage({
    meters: known,
    rules: options.rules,
    learned: forgetful(),
    slotSeconds,
    utcOffsetMinutes: options.utcOffsetMinutes + originS / 60
  })
  stage.start()
  const alarms: AlarmEvent[] = []
  const found: SubjectFinding[] = [...duplicates]
  const slots = [...bySlot.keys()].sort((a, b) => a - b)
  const first = slots[0] ?? 0
  const last = slots.at(-1) ?? -1
  for (let slot = first; slot <= last; slot++) {
    const present = bySlot.get(slot)
    const row: Reading[] = []
    for (const meter of known) {
      const span = spans.get(meter.id)
      if (!span || slot < span.from || slot > span.to) continue
      row.push(present?.get(meter.id) ?? gapRecord(meter.id, slot, 1, 'silent', null))
    }
    for (const out of [stage.onSlot(slot, row), stage.endSlot()]) {
      alarms.push(...out.alarmEvents)
      found.push(...out.findings)
    }
    const filled = late.get(slot)
    if (filled) stage.onBackfill(filled)
  }
  return {
    meters: known.length,
    readings: readings.length,
    slotSeconds,
    utcOffsetMinutes: options.utcOffsetMinutes,
    slotFrom: first,
    slotTo: last,
    ...episodes(found, alarms, options),
    alarms
  }
}

/** First versions by slot and meter, later ones apart, and contents that contradict each other under one name. */
function arrange(readings: readonly Reading[]) {
  const bySlot = new Map<number, Map<string, Reading>>()
  const late = new Map<number, Reading[]>()
  const duplicates: SubjectFinding[] = []
  const spans = new Map<string, { from: number; to: number }>()
  for (const reading of readings) {
    const span = spans.get(reading.meter) ?? { from: reading.slot, to: reading.slot }
    spans.set(reading.meter, { from: Math.min(span.from, reading.slot), to: Math.max(span.to, reading.slot) })
    const row = bySlot.get(reading.slot) ?? new Map<string, Reading>()
    bySlot.set(reading.slot, row)
    const before = row.get(reading.meter)
    if (!before) row.set(reading.meter, reading)
    else if (before.version !== reading.version) {
      const [older, newer] = before.version < reading.version ? [before, reading] : [reading, before]
      row.set(reading.meter, older)
      // a gap that was filled later is best checked with its values
      if (isGap(older) && !isGap(newer)) late.set(reading.slot, [...(late.get(reading.slot) ?? []), newer])
    } else
      duplicates.push({
        rule: 'duplicate',
        verdict: 'violated',
        level: 2,
        numbers: { version: reading.version },
        cause: JSON.stringify(before.values) === JSON.stringify(reading.values) ? 'repeated' : 'contradicts',
        meter: reading.meter,
        bus: null,
        slot: reading.slot
      })
  }
  return { bySlot, late, duplicates, spans }
}

const NO_TRANSFORMER = { primary: 1, secondary: 1 }

function metersOf(
  readings: readonly Reading[],
  configured: readonly MeterPoint[],
  given: ReadonlyMap<string, GivenMeter>
): MeterPoint[] {
  const meters = new Map(configured.map(meter => [meter.id, filledIn(meter, given.get(meter.id))]))
  for (const reading of readings) {
    if (meters.has(reading.meter) || (reading.ratio === null && isGap(reading))) continue
    const more = given.get(reading.meter)
    const { ratio } = reading
    meters.set(reading.meter, {
      id: reading.meter,
      bus: more?.bus ?? 'replay',
      protocol: 'dlt645',
      address: '',
      profile: undefined,
      items: [],
      rawItems: [],
      ratedKva: more?.ratedKva,
      ct: ratio ? { primary: ratio.ctPrimary, secondary: ratio.ctSecondary } : (more?.ct ?? NO_TRANSFORMER),
      pt: ratio ? { primary: ratio.ptPrimary, secondary: ratio.ptSecondary } : (more?.pt ?? NO_TRANSFORMER),
      ratioVersion: ratio?.version ?? 1,
      parent: more?.parent,
      rules: {},
      location: undefined
    })
  }
  return [...meters.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** The configuration wins; what it leaves open the file may tell. */
function filledIn(meter: MeterPoint, more: GivenMeter | undefined): MeterPoint {
  return {
    ...meter,
    ratedKva: meter.ratedKva ?? more?.ratedKva,
    parent: meter.parent ?? more?.parent
  }
}

function forgetful(): LearnedStore {
  return { get: () => undefined, set: () => {}, delete: () => {} }
}
