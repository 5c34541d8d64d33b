import { itemById } from '../../proto/items.ts'
import { gapRecord, type Reading } from '../../proto/reading.ts'
import { slotEndMs } from '../../proto/slot.ts'
import type { MeterPoint, ProfileAnswer, ProfileRecord } from '../ports.ts'
import type { GapRange } from './backfill-plan.ts'
import { ratioStampOf, toReading } from './to-reading.ts'

/** A record counts for a slot when its stamp is this close to the slot's end. */
const STAMP_TOLERANCE_MS = 1_000
/** A meter whose clock is further off stamps other hours than ours: nothing is proved by a record that is not there. */
const HOLE_DRIFT_MS = 600_000
/** A record that was due this many slots ago is there, or never will be. */
const HOLE_AFTER_SLOTS = 2

export interface RecordsContext {
  readonly slotSeconds: number
  readonly nowMs: number
  /** the meter's clock minus ours; undefined when it was never read */
  readonly driftMs: number | undefined
}

/** What one answer means for the slots of a range. Versions are 0: the place in the store is given out when they are stored. */
export interface Filled {
  readonly readings: readonly Reading[]
  /** gap records of slots the meter's memory is proved to have nothing for */
  readonly holes: readonly Reading[]
  /** slots about which nothing is known yet */
  readonly open: readonly number[]
}

/** Sorts the records of an answer into the slots wanted, each by its own stamp. Nothing is interpolated. */
export function fillRange(
  meter: MeterPoint,
  range: GapRange,
  answer: ProfileAnswer,
  context: RecordsContext
): Filled {
  const bySlot = new Map<number, ProfileRecord>()
  for (const record of answer.records) {
    const slot = slotOfStamp(record.stampMs, context.slotSeconds)
    if (slot !== undefined && !bySlot.has(slot)) bySlot.set(slot, record)
  }
  const readings: Reading[] = []
  const holes: Reading[] = []
  const open: number[] = []
  for (const slot of range.slots) {
    const record = bySlot.get(slot)
    const worth = record ? worthOf(record, meter) : 'none'
    if (record && worth === 'values')
      readings.push(toProfileReading(meter, slot, record, answer.source, context))
    else if (worth !== 'unknown' && provesHole(slot, answer, context))
      holes.push(gapRecord(meter.id, slot, 0, 'notInProfile', ratioStampOf(meter)))
    else open.push(slot)
  }
  return { readings, holes, open }
}

/** The slot at whose end a stamp stands; undefined for a stamp between two. */
export function slotOfStamp(stampMs: number, slotSeconds: number): number | undefined {
  const slot = Math.round(stampMs / (slotSeconds * 1000)) - 1
  return Math.abs(stampMs - slotEndMs(slot, slotSeconds)) <= STAMP_TOLERANCE_MS ? slot : undefined
}

/** Energy registers among the items wanted of a meter. */
export function energyItems(meter: MeterPoint): number[] {
  return meter.items.filter(id => itemById(id).kind === 'energy')
}

/**
 * 'values': a reading. 'none': every register is FF, the meter's own way to say that it has no record.
 * 'unknown': the registers' part did not come through, only another part of the record did.
 */
function worthOf(record: ProfileRecord, meter: MeterPoint): 'values' | 'none' | 'unknown' {
  const wanted = new Set(energyItems(meter))
  const counted = record.values.filter(
    ({ item }) => item !== null && (wanted.size === 0 ? meter.items.includes(item) : wanted.has(item))
  )
  if (counted.some(({ value }) => value !== null)) return 'values'
  return counted.length > 0 ? 'none' : 'unknown'
}

/** Only an answer that came whole proves that something is not in it. */
function provesHole(slot: number, answer: ProfileAnswer, context: RecordsContext): boolean {
  if (answer.damagedBlocks > 0 || answer.faults.some(({ kind }) => kind !== 'refused')) return false
  const driftMs = context.driftMs ?? 0
  if (Math.abs(driftMs) > HOLE_DRIFT_MS) return false
  const sinceMs = context.nowMs - slotEndMs(slot, context.slotSeconds) - Math.abs(driftMs)
  return sinceMs >= HOLE_AFTER_SLOTS * context.slotSeconds * 1000
}

function toProfileReading(
  meter: MeterPoint,
  slot: number,
  record: ProfileRecord,
  source: ProfileAnswer['source'],
  { nowMs, slotSeconds, driftMs }: RecordsContext
): Reading {
  return toReading(
    { values: record.values, faults: [], readAtMs: nowMs, meterTimeMs: record.stampMs, frames: [] },
    meter,
    { slot, version: 0, slotSeconds, source, clockTrusted: true, driftMs }
  )
}
