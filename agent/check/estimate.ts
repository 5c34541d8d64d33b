/**
 * Estimates for slots that are lost for good: records of their own, beside the gap records and never in their place.
 * California VEE rules: interpolation for gaps of up to two hours; a longer one is left to the centre.
 */
import { composeQuality, type ItemValue, isGap, type Reading, SOURCE } from '../../proto/reading.ts'

export interface Estimate {
  readonly method: 'interpolation'
  /** the readings it stands on: the last before and the first after the gap */
  readonly fromSlot: number
  readonly toSlot: number
  /** source 'estimate', version 0: it is no version of the measured record and is not sealed as one */
  readonly readings: readonly Reading[]
}

const LONGEST_S = 7200

/**
 * Estimates the registers between two readings of a meter by equal increments; the sum of the slots stays the register difference.
 * @returns undefined where the gap is longer than two hours, a register went back, or one of the two is a gap record
 */
export function estimateGap(before: Reading, after: Reading, slotSeconds: number): Estimate | undefined {
  const slots = after.slot - before.slot
  if (before.meter !== after.meter || slots < 2 || isGap(before) || isGap(after)) return undefined
  if ((slots - 1) * slotSeconds > LONGEST_S) return undefined
  const ends = new Map(after.values)
  const registers: { item: number; from: number; to: number }[] = []
  for (const [item, from] of before.values) {
    const to = ends.get(item)
    if (item >= 220 || from === null || to === null || to === undefined) continue
    if (to < from) return undefined
    registers.push({ item, from, to })
  }
  if (registers.length === 0) return undefined
  const readings: Reading[] = []
  for (let n = 1; n < slots; n++) {
    const values: ItemValue[] = registers.map(({ item, from, to }) => [
      item,
      from + Math.floor(((to - from) * n) / slots)
    ])
    readings.push({
      meter: before.meter,
      slot: before.slot + n,
      version: 0,
      quality: composeQuality('none', ['incomplete']),
      source: SOURCE.estimate,
      readAt: null,
      meterTime: null,
      ratio: before.ratio,
      values
    })
  }
  return { method: 'interpolation', fromSlot: before.slot, toSlot: after.slot, readings }
}
