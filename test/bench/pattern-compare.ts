/** `npm run bench -- checks --compare`: the shipped judgement of days beside its rivals, on the same fleets. */
import { CheckStage } from '../../agent/check/check-stage.ts'
import type { RuleBook } from '../../agent/check/rule-book.ts'
import { chooser } from './check-scenario.ts'
import { SCENARIOS } from './faults.ts'
import { type Fleet, makeFleet } from './fleet.ts'
import { cusum, type PatternRival, threeSigma } from './pattern-rivals.ts'

export interface Compared {
  readonly approach: string
  readonly scenario: string
  readonly injected: number
  readonly found: number
  readonly delayDays: number
  readonly falsePerMeterMonth: number
}

const THEFTS = ['bypass (drop)', 'night bypass', 'slow drift', 'phase bypass']

export function compare(rules: RuleBook, seed: number, fleets: number): Compared[] {
  const out: Compared[] = []
  const clean = tally(rules, seed + 5, fleets, undefined)
  for (const scenario of THEFTS) {
    const seen = tally(rules, seed, fleets, scenario)
    for (const [approach, hits] of seen.hits) {
      const sorted = [...hits].sort((a, b) => a - b)
      out.push({
        approach,
        scenario,
        injected: seen.injected,
        found: hits.length,
        delayDays: sorted[sorted.length >> 1] ?? 0,
        falsePerMeterMonth: (clean.wrong.get(approach) ?? 0) / clean.meterMonths
      })
    }
  }
  return out
}

interface Tally {
  injected: number
  meterMonths: number
  readonly hits: Map<string, number[]>
  readonly wrong: Map<string, number>
}

function tally(rules: RuleBook, seed: number, fleets: number, name: string | undefined): Tally {
  const scenario = SCENARIOS.find(one => one.name === name)
  const out: Tally = { injected: 0, meterMonths: 0, hits: new Map(), wrong: new Map() }
  for (let n = 0; n < fleets; n++) {
    const fleet = makeFleet({
      seed: seed * 991 + n * 17,
      days: scenario?.days ?? 60,
      areas: 4,
      children: 10,
      dayOfYear: (n * 97 + 20) % 365,
      ...(scenario ? { faultFor: chooser(scenario) } : {})
    })
    watch(fleet, rules, out)
  }
  return out
}

/** Runs a fleet and notes, for each approach, the first day within each fault and every raise outside of any. */
function watch(fleet: Fleet, rules: RuleBook, out: Tally): void {
  const stage = new CheckStage({
    meters: fleet.meters.map(meter => meter.point),
    rules,
    learned: { get: () => undefined, set: () => {}, delete: () => {} },
    slotSeconds: fleet.slotSeconds,
    utcOffsetMinutes: 480
  })
  stage.start()
  const rivals = new Map<string, PatternRival[]>()
  const standing = new Set<string>()
  const found = new Set<string>()
  const lastDay = new Map<string, number>()
  out.meterMonths += (fleet.meters.length * fleet.calendar.slots) / 2880
  out.injected += fleet.meters.filter(meter => meter.fault).length
  const mark = (approach: string, id: string, stands: boolean, n: number) => {
    const key = `${approach}/${id}`
    const before = standing.has(key)
    if (stands) standing.add(key)
    else standing.delete(key)
    if (!stands || before) return
    const fault = fleet.meters.find(meter => meter.point.id === id)?.fault
    if (fault && n >= fault.from) {
      if (!found.has(key)) out.hits.set(approach, [...(out.hits.get(approach) ?? []), (n - fault.from) / 96])
      found.add(key)
    } else out.wrong.set(approach, (out.wrong.get(approach) ?? 0) + 1)
  }
  for (let n = 0; n < fleet.calendar.slots; n++) {
    stage.onSlot(fleet.firstSlot + n, fleet.readingsAt(n))
    stage.endSlot()
    if (n % 96 !== 60) continue
    for (const { point } of fleet.meters) {
      const pattern = stage.historyOf(point.id)?.pattern
      const day = pattern?.days.at(-1)
      if (!pattern || !day || lastDay.get(point.id) === day.day) continue
      lastDay.set(point.id, day.day)
      const own = rivals.get(point.id) ?? [cusum(), threeSigma()]
      rivals.set(point.id, own)
      mark('windows, peers, shape', point.id, pattern.verdict !== null, n)
      for (const rival of own) mark(rival.name, point.id, rival.note(day), n)
    }
  }
}
