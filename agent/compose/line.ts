import type { GatewayConfig } from '../../config/gateway-config.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { createLog } from '../../drivers/host/log.ts'
import { sweepBus } from '../acquire/sweep.ts'
import type { BusStatus, MeterAnswer, MeterPoint } from '../ports.ts'
import { forgetfulStore, type LineHost, openMeterBus, openMeterBuses } from './lines.ts'

/** Settings of a port that a command opens itself. */
export interface AdhocLine {
  readonly port: string
  readonly baud: number
  readonly parity: 'even' | 'none' | 'odd'
  readonly stopBits: 1 | 2
}

/** A command speaks through its output, not through the log. */
export function quietHost(): LineHost {
  const clock = createClock()
  return { clock, log: createLog({ level: 'silent', clock }), learned: forgetfulStore() }
}

/** Tries of a technician's read: he wants the value, and he can wait for it. */
const TRIES = 3

/** Reads one meter over a port that no daemon holds, with the patience of a technician. */
export async function readOnce(
  settings: AdhocLine,
  meter: MeterPoint,
  signal: AbortSignal
): Promise<MeterAnswer> {
  const host = quietHost()
  const bus = openMeterBus({ name: 'line', preamble: 4, ...settings }, 'Asia/Shanghai', host)
  try {
    const answers = await sweepBus(bus, [meter], host, {
      priority: 'technician',
      deadlineMs: Number.POSITIVE_INFINITY,
      signal,
      withRatio: false
    })
    let answer = answers.get(meter.id) as MeterAnswer
    // each visit to an unknown meter may speak another edition: a silent one is visited until all were tried
    for (let visit = 1; visit < TRIES && isSilent(answer); visit++)
      answer = await bus.readMeter(meter, { priority: 'technician', signal })
    return answer
  } finally {
    await bus.close()
  }
}

const isSilent = (answer: MeterAnswer) =>
  answer.values.length === 0 && answer.faults.some(fault => fault.kind === 'silent')

export interface SweepResult {
  readonly elapsedMs: number
  readonly answers: ReadonlyMap<string, MeterAnswer>
  readonly buses: readonly BusStatus[]
}

/** One sweep of every configured meter over all buses at once, with ports of its own: the acceptance test of a site. */
export async function sweepOnce(config: GatewayConfig, signal: AbortSignal): Promise<SweepResult> {
  const host = quietHost()
  const buses = openMeterBuses(config, host)
  const started = host.clock.monotonicMs()
  try {
    const swept = await Promise.all(
      buses.map(bus =>
        sweepBus(
          bus,
          config.meters.filter(meter => meter.bus === bus.name),
          host,
          { priority: 'slot', deadlineMs: Number.POSITIVE_INFINITY, signal }
        )
      )
    )
    return {
      elapsedMs: Math.round(host.clock.monotonicMs() - started),
      answers: new Map(swept.flatMap(answers => [...answers])),
      buses: buses.map(bus => bus.status())
    }
  } finally {
    await Promise.all(buses.map(bus => bus.close()))
  }
}
