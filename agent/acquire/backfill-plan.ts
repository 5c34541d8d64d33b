import { GAP_REASON, type GapReason, gapReasonOf, isGap, type Reading } from '../../proto/reading.ts'

/** Consecutive slots of one meter that a load profile may still fill. */
export interface GapRange {
  readonly meter: string
  readonly fromSlot: number
  readonly toSlot: number
}

/** Reasons a later look into the meter's own memory can mend. A hole in the profile itself cannot. */
const MENDABLE: ReadonlySet<GapReason> = new Set([
  'silent',
  'refused',
  'garbage',
  'busDown',
  'skipped',
  'agentDown',
  'noTime',
  'clockUntrusted'
])

/**
 * The ranges worth re-reading among readings of several versions: newest first, so that today's bill data come before last week's.
 * @param maxSlots longest range, so that one request for back-fill never holds the line for long
 */
export function planBackfill(readings: readonly Reading[], maxSlots: number): GapRange[] {
  const open = [...latestVersions(readings).values()].filter(isMendable)
  open.sort((a, b) => (a.meter < b.meter ? -1 : a.meter > b.meter ? 1 : a.slot - b.slot))
  const ranges: GapRange[] = []
  for (const { meter, slot } of open) {
    const last = ranges.at(-1)
    if (last && last.meter === meter && last.toSlot + 1 === slot && slot - last.fromSlot < maxSlots) {
      ranges[ranges.length - 1] = { ...last, toSlot: slot }
    } else ranges.push({ meter, fromSlot: slot, toSlot: slot })
  }
  return ranges.sort((a, b) => b.toSlot - a.toSlot || (a.meter < b.meter ? -1 : 1))
}

function latestVersions(readings: readonly Reading[]): Map<string, Reading> {
  const latest = new Map<string, Reading>()
  for (const reading of readings) {
    const key = `${reading.meter}\n${reading.slot}`
    const known = latest.get(key)
    if (!known || known.version < reading.version) latest.set(key, reading)
  }
  return latest
}

function isMendable(reading: Reading): boolean {
  if (!isGap(reading)) return false
  const reason = gapReasonOf(reading.quality)
  return (
    reason !== undefined &&
    reason !== 'none' &&
    GAP_REASON[reason] !== GAP_REASON.notInProfile &&
    MENDABLE.has(reason)
  )
}
