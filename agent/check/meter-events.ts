/** Events the meter itself counted or shows in its status words (DL/T 645-2007 annex C). */
import type { MeterContext } from './context.ts'
import { type Finding, violated } from './finding.ts'
import { ID } from './item-values.ts'

/** Counter item to rule. */
const COUNTERS: readonly (readonly [item: number, rule: string])[] = [
  [412, 'event-cover'],
  [413, 'event-cover'],
  [414, 'event-magnet'],
  [415, 'event-time-set'],
  [417, 'event-cleared'],
  [418, 'event-cleared'],
  [419, 'event-voltage-loss'],
  [420, 'event-sequence'],
  [421, 'event-sequence'],
  [422, 'event-tariff-set']
]

/** Status word item, bit, rule. Words 4, 5, 6 are phases A, B, C; word 7 is the whole meter. */
const BITS: readonly (readonly [item: number, bit: number, rule: string])[] = [
  [401, 2, 'event-battery'],
  [401, 3, 'event-battery'],
  [404, 0, 'event-voltage-loss'],
  [405, 0, 'event-voltage-loss'],
  [406, 0, 'event-voltage-loss'],
  [404, 3, 'event-current-loss'],
  [405, 3, 'event-current-loss'],
  [406, 3, 'event-current-loss'],
  [404, 7, 'event-voltage-loss'],
  [405, 7, 'event-voltage-loss'],
  [406, 7, 'event-voltage-loss'],
  [407, 0, 'event-sequence'],
  [407, 1, 'event-sequence']
]

/** One finding a rule with something to say; silence otherwise (an event rule has no steady "holds" without its item). */
export function checkEvents(c: MeterContext): Finding[] {
  const rose = new Map<string, Record<string, number>>()
  const read = new Set<string>()
  for (const [item, rule] of COUNTERS) {
    const now = c.values.get(item)
    if (now === undefined) continue
    read.add(rule)
    const before = c.history.counters[item]
    if (before !== undefined && now > before)
      rose.set(rule, { ...rose.get(rule), [`item${item}`]: now, by: now - before })
  }
  for (const [item, bit, rule] of BITS) {
    const word = c.values.get(item)
    if (word === undefined) continue
    read.add(rule)
    if ((word >> bit) & 1) rose.set(rule, { ...rose.get(rule), [`item${item}`]: word })
  }
  const findings: Finding[] = []
  for (const rule of read) {
    const numbers = rose.get(rule)
    findings.push(numbers ? violated(rule, numbers) : { rule, verdict: 'holds', level: 0, numbers: {} })
  }
  const failed = c.values.get(ID.powerDownCount)
  const before = c.history.counters[ID.powerDownCount]
  if (failed !== undefined && before !== undefined && failed > before)
    findings.push(violated('power-fail', { count: failed, by: failed - before }, { flag: 'powerFail' }))
  return findings
}

export function noteCounters(c: MeterContext): void {
  for (const item of [
    ID.powerDownCount,
    ID.programmingCount,
    ID.demandClearedCount,
    ...COUNTERS.map(x => x[0])
  ]) {
    const value = c.values.get(item)
    if (value !== undefined) c.history.counters[item] = value
  }
}
