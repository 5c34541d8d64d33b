/** In which zone the days of a file begin, where nobody says: by the hours at which its loads are low. */
import type { Reading } from '../../proto/reading.ts'
import { ID, ItemValues } from './item-values.ts'

/** days looked at */
const DAYS = 14
/** the quietest hours in a row, and how quiet they must be beside the whole day to say something */
const QUIET_HOURS = 6
const QUIET_SHARE = 0.75
/** the middle of the night's quiet, local time */
const NIGHT = { from: 0.5, to: 6.5 }

/** The earliest slot of readings in any order; 0 of none. */
export const firstSlot = (readings: readonly Reading[]): number =>
  readings.reduce((least, { slot }) => Math.min(least, slot), readings[0]?.slot ?? 0)

/**
 * Whether the loads of a file sleep by the clock of UTC and not by that of the zone, as where local times were written as if they were UTC.
 * Meters that feed back say nothing: their quiet hours are the sunny ones.
 * @param readings of one file, in any order
 * @param secondsOf the instant a slot began, s since 1970 UTC
 * @param utcOffsetMinutes of the zone that would be taken otherwise
 */
export function sleepsByUtc(
  readings: readonly Reading[],
  secondsOf: (slot: number) => number,
  utcOffsetMinutes: number
): boolean {
  const byMeter = new Map<string, Map<number, number>>()
  const generators = new Set<string>()
  const end = secondsOf(firstSlot(readings)) + DAYS * 86400
  for (const { meter, slot, values } of readings) {
    if (secondsOf(slot) >= end) continue
    const items = new ItemValues(values)
    if ((items.get(ID.exportTotal) ?? 0) > 0 || (items.get(ID.power) ?? 0) < 0) generators.add(meter)
    const register = items.get(ID.importTotal)
    if (register === undefined) continue
    const known = byMeter.get(meter)
    if (known) known.set(slot, register)
    else byMeter.set(meter, new Map([[slot, register]]))
  }
  let utc = 0
  let zone = 0
  for (const [meter, registers] of byMeter) {
    if (generators.has(meter)) continue
    const quiet = quietHour(registers, secondsOf)
    if (quiet === undefined) continue
    if (isNight(quiet)) utc++
    if (isNight(quiet + utcOffsetMinutes / 60)) zone++
  }
  return utc > zone
}

const isNight = (hour: number) => {
  const local = ((hour % 24) + 24) % 24
  return local >= NIGHT.from && local <= NIGHT.to
}

/** Middle of the quietest hours, UTC; undefined where a day has none or nothing is known of some hour. */
function quietHour(
  registers: ReadonlyMap<number, number>,
  secondsOf: (slot: number) => number
): number | undefined {
  const sums = new Array<number>(24).fill(0)
  const counts = new Array<number>(24).fill(0)
  for (const [slot, register] of registers) {
    const before = registers.get(slot - 1)
    if (before === undefined || register < before) continue
    // a register is read at the end of its slot: the step belongs to the slot itself
    const hour = Math.floor((((secondsOf(slot) % 86400) + 86400) % 86400) / 3600)
    sums[hour] = (sums[hour] as number) + register - before
    counts[hour] = (counts[hour] as number) + 1
  }
  if (counts.some(count => count === 0)) return undefined
  const means = sums.map((sum, hour) => sum / (counts[hour] as number))
  const total = means.reduce((a, b) => a + b, 0)
  let least = Number.POSITIVE_INFINITY
  let start = 0
  for (let from = 0; from < 24; from++) {
    let window = 0
    for (let n = 0; n < QUIET_HOURS; n++) window += means[(from + n) % 24] as number
    if (window < least) [least, start] = [window, from]
  }
  return least < (QUIET_SHARE * QUIET_HOURS * total) / 24 ? start + QUIET_HOURS / 2 : undefined
}
