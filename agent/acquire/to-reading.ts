import { itemById } from '../../proto/items.ts'
import {
  composeQuality,
  type GapReason,
  gapRecord,
  type ItemValue,
  type QualityFlag,
  type RatioStamp,
  type Reading,
  SOURCE,
  type SourceName
} from '../../proto/reading.ts'
import { slotEndMs } from '../../proto/slot.ts'
import type { MeterAnswer, MeterPoint, ReadFault, ReadValue } from '../ports.ts'

/** Where and when a reading belongs. */
export interface ReadingPlace {
  readonly slot: number
  readonly version: number
  readonly slotSeconds: number
  readonly source: SourceName
  /** false while the agent's clock was not trusted */
  readonly clockTrusted: boolean
  /** the meter's clock minus ours when it was last read; undefined when it never was */
  readonly driftMs?: number | undefined
}

/** DL/T 645-2007 7.5: a clock further off than this is beyond what a broadcast may mend; what it stamps is in the wrong slot. */
export const CLOCK_LIMIT_MS = 300_000

/** The archive's ratio of a meter as it stands in a reading. */
export function ratioStampOf(meter: MeterPoint): RatioStamp {
  return {
    version: meter.ratioVersion,
    ctPrimary: meter.ct.primary,
    ctSecondary: meter.ct.secondary,
    ptPrimary: meter.pt.primary,
    ptSecondary: meter.pt.secondary
  }
}

/**
 * The reading of one visit to a meter: every configured item once, null where it was asked for and not had.
 * A visit that brought no value at all is a gap record whose quality names the reason.
 */
export function toReading(answer: MeterAnswer, meter: MeterPoint, place: ReadingPlace): Reading {
  const had = answer.values.some(value => value.item !== null && value.value !== null)
  if (!had || answer.readAtMs === null) {
    return gapRecord(meter.id, place.slot, place.version, gapReasonFor(answer.faults), ratioStampOf(meter))
  }
  const end = slotEndMs(place.slot, place.slotSeconds)
  const values = valuesFor(meter, answer.values)
  const flags: QualityFlag[] = values.some(([, value]) => value === null) ? ['incomplete'] : []
  if (!place.clockTrusted) flags.push('clock')
  if (answer.values.some(value => value.coarse === true && value.item !== null && value.value !== null))
    flags.push('resolution')
  // what the agent read at its own time is in the right slot whatever the meter's clock says
  if (place.source !== 'live' && Math.abs(place.driftMs ?? 0) > CLOCK_LIMIT_MS) flags.push('meterClock')
  return {
    meter: meter.id,
    slot: place.slot,
    version: place.version,
    quality: composeQuality('none', flags),
    source: SOURCE[place.source],
    readAt: Math.round(answer.readAtMs - end),
    meterTime: answer.meterTimeMs === null ? null : Math.round((answer.meterTimeMs - end) / 1000),
    ratio: ratioStampOf(meter),
    values
  }
}

/** The configured items in order, plus catalogue items that were read beside them (clock, ratio registers). */
function valuesFor(meter: MeterPoint, read: readonly ReadValue[]): ItemValue[] {
  const had = new Map<number, number | null>()
  for (const id of meter.items) had.set(id, null)
  for (const value of read) {
    if (value.item === null) continue
    // a value once had is never put back to "not had" by a second, failed visit
    if (value.value !== null || !had.has(value.item)) had.set(value.item, value.value)
  }
  return [...had].filter(([id]) => itemById(id)).sort((a, b) => a[0] - b[0])
}

/** The reason of a gap record: the gravest of the faults that kept the values away. */
export function gapReasonFor(faults: readonly ReadFault[]): GapReason {
  const order: readonly GapReason[] = ['busDown', 'skipped', 'noTime', 'refused', 'garbage', 'silent']
  const kinds = new Set<string>(faults.map(fault => fault.kind))
  return order.find(reason => kinds.has(reason)) ?? (kinds.has('value') ? 'garbage' : 'silent')
}
