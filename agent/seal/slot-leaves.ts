import { type GapReason, gapRecord, type RatioStamp, type Reading } from '../../proto/reading.ts'
import type { ReadingStore } from '../ports.ts'

/** A meter that every slot must account for. */
export interface RosterEntry {
  readonly meter: string
  /** the archive's ratio in force, stamped into gap records too */
  readonly ratio: RatioStamp | null
}

/** Source name under which gap records written by sealing are stored. */
export const SEAL_SOURCE = 'seal'

/** Meters of the roster that have no record of the slot yet. */
export function missingMeters(roster: readonly RosterEntry[], readings: readonly Reading[]): RosterEntry[] {
  const present = new Set(readings.map(({ meter }) => meter))
  return roster.filter(({ meter }) => !present.has(meter))
}

/** Records the gaps that nobody else recorded. @returns the slot's readings of the roster, in no particular order */
export function completeSlot(
  store: Pick<ReadingStore, 'appendReadings' | 'highestVersion' | 'unsealed'>,
  roster: readonly RosterEntry[],
  slot: number,
  reason: GapReason
): Reading[] {
  const present = store.unsealed(slot, slot)
  const gaps = missingMeters(roster, present).map(({ meter, ratio }) =>
    gapRecord(meter, slot, store.highestVersion(meter, slot) + 1, reason, ratio)
  )
  if (gaps.length > 0) store.appendReadings(SEAL_SOURCE, gaps)
  const meters = new Set(roster.map(({ meter }) => meter))
  const complete = gaps.length > 0 ? store.unsealed(slot, slot) : present
  return complete.filter(({ meter }) => meters.has(meter))
}

/** Meters of late readings: the roster's in its order, then those that left it, by name. */
export function supplementaryRoster(roster: readonly RosterEntry[], readings: readonly Reading[]): string[] {
  const wanted = new Set(readings.map(({ meter }) => meter))
  const known = roster.map(({ meter }) => meter).filter(meter => wanted.delete(meter))
  return [...known, ...[...wanted].sort()]
}
