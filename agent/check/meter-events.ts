/** Events the meter itself counted or shows in its status words (DL/T 645-2007 annex C). */
import type { MeterContext } from './context.ts'
import { type Finding, holds, violated } from './finding.ts'
import { ID } from './item-values.ts'

/** Counter item to rule. */
const COUNTERS: readonly { readonly item: number; readonly rule: string }[] = [
  { item: 412, rule: 'event-cover' },
  { item: 413, rule: 'event-cover' },
  { item: 414, rule: 'event-magnet' },
  { item: 415, rule: 'event-time-set' },
  { item: 417, rule: 'event-cleared' },
  { item: 418, rule: 'event-cleared' },
  { item: 419, rule: 'event-voltage-loss' },
  { item: 420, rule: 'event-sequence' },
  { item: 421, rule: 'event-sequence' },
  { item: 422, rule: 'event-tariff-set' }
]

/** Status word item, bit, rule. Words 4, 5, 6 are phases A, B, C; word 7 is the whole meter. */
const BITS: readonly { readonly item: number; readonly bit: number; readonly rule: string }[] = [
  { item: 401, bit: 2, rule: 'event-battery' },
  { item: 401, bit: 3, rule: 'event-battery' },
  { item: 404, bit: 0, rule: 'event-voltage-loss' },
  { item: 405, bit: 0, rule: 'event-voltage-loss' },
  { item: 406, bit: 0, rule: 'event-voltage-loss' },
  { item: 404, bit: 3, rule: 'event-current-loss' },
  { item: 405, bit: 3, rule: 'event-current-loss' },
  { item: 406, bit: 3, rule: 'event-current-loss' },
  { item: 404, bit: 7, rule: 'event-voltage-loss' },
  { item: 405, bit: 7, rule: 'event-voltage-loss' },
  { item: 406, bit: 7, rule: 'event-voltage-loss' },
  { item: 407, bit: 0, rule: 'event-sequence' },
  { item: 407, bit: 1, rule: 'event-sequence' }
]

/** One finding a rule with something to say; silence otherwise (an event rule has no steady "holds" without its item). */
export function checkEvents(c: MeterContext): Finding[] {
  const rose: Record<string, Record<string, number>> = {}
  const read: string[] = []
  const noteRead = (rule: string) => {
    if (!read.includes(rule)) read.push(rule)
  }
  for (const { item, rule } of COUNTERS) {
    const now = c.values.get(item)
    if (now === undefined) continue
    noteRead(rule)
    const before = c.history.counters[item]
    if (before !== undefined && now > before)
      rose[rule] = { ...rose[rule], [`item${item}`]: now, by: now - before }
  }
  for (const { item, bit, rule } of BITS) {
    const word = c.values.get(item)
    if (word === undefined) continue
    noteRead(rule)
    if ((word >> bit) & 1) rose[rule] = { ...rose[rule], [`item${item}`]: word }
  }
  const findings: Finding[] = []
  for (const rule of read) {
    const numbers = rose[rule]
    findings.push(numbers ? violated(rule, numbers) : holds(rule))
  }
  const failed = c.values.get(ID.powerDownCount)
  const before = c.history.counters[ID.powerDownCount]
  if (failed !== undefined && before !== undefined && failed > before)
    findings.push(violated('power-fail', { count: failed, by: failed - before }, { flag: 'powerFail' }))
  return findings
}

const KEPT = [
  ID.powerDownCount,
  ID.programmingCount,
  ID.demandClearedCount,
  ...COUNTERS.map(({ item }) => item)
]

export function noteCounters(c: MeterContext): void {
  for (const item of KEPT) {
    const value = c.values.get(item)
    if (value !== undefined) c.history.counters[item] = value
  }
}
