/** Runs a fleet through the check stage and keeps what was raised. */
import { CheckStage } from '../../agent/check/check-stage.ts'
import type { RuleBook } from '../../agent/check/rule-book.ts'
import type { LearnedStore } from '../../agent/ports.ts'
import type { Fleet } from './fleet.ts'

export interface Raised {
  readonly meter: string | null
  readonly rule: string
  /** slot of the run, from 0 */
  readonly at: number
  readonly cause: string | null
  readonly factor: number | null
  readonly numbers: Readonly<Record<string, number | string>>
}

export interface FleetRun {
  readonly raised: readonly Raised[]
  /** ms of the stage by slot */
  readonly slotMs: readonly number[]
  /** processor time of the stage, mean by slot after the first two days */
  readonly cpuMsPerSlot: number
  readonly meterMonths: number
}

const forgetful: LearnedStore = { get: () => undefined, set: () => {}, delete: () => {} }

export function runFleet(fleet: Fleet, rules: RuleBook): FleetRun {
  const stage = new CheckStage({
    meters: fleet.meters.map(meter => meter.point),
    rules,
    learned: forgetful,
    slotSeconds: fleet.slotSeconds,
    utcOffsetMinutes: 480
  })
  stage.start()
  const raised: Raised[] = []
  const slotMs: number[] = []
  let cpuUs = 0
  let measured = 0
  for (let n = 0; n < fleet.calendar.slots; n++) {
    const readings = fleet.readingsAt(n)
    const started = performance.now()
    const cpu = process.cpuUsage()
    const outs = [stage.onSlot(fleet.firstSlot + n, readings), stage.endSlot()]
    slotMs.push(performance.now() - started)
    const used = process.cpuUsage(cpu)
    if (n >= 200) {
      cpuUs += used.user + used.system
      measured++
    }
    for (const out of outs)
      for (const event of out.alarmEvents)
        if (event.kind === 'raised')
          raised.push({
            meter: event.meter,
            rule: event.rule,
            at: n,
            cause: event.evidence.cause,
            factor: event.evidence.factor,
            numbers: event.evidence.numbers
          })
  }
  const months = fleet.calendar.slots / fleet.calendar.slotsPerDay / 30
  return {
    raised,
    slotMs,
    cpuMsPerSlot: cpuUs / 1000 / Math.max(1, measured),
    meterMonths: fleet.meters.length * months
  }
}
