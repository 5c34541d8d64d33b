import type { GatewayConfig } from '../../config/gateway-config.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { createLog } from '../../drivers/host/log.ts'
import { sweepBus } from '../acquire/sweep.ts'
import type { BusStatus, Clock, Log, MeterAnswer, MeterBus, MeterPoint } from '../ports.ts'
import { forgetfulStore, type LineHost, openMeterBus, openMeterBuses, requireOpen } from './lines.ts'

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

/**
 * Reads one meter over a port that no daemon holds.
 * @throws BusError when the port cannot be had
 */
export async function readOnce(
  settings: AdhocLine,
  meter: MeterPoint,
  signal: AbortSignal,
  timezone = 'Asia/Shanghai'
): Promise<MeterAnswer> {
  const host = quietHost()
  const bus = openMeterBus({ name: 'line', preamble: 4, ...settings }, timezone, host)
  try {
    await requireOpen(bus, host.clock)
    return await readPatiently(bus, meter, host, signal)
  } finally {
    await bus.close()
  }
}

/** Reads one meter with the patience of a technician, who goes before everybody else on the line. */
export async function readPatiently(
  bus: MeterBus,
  meter: MeterPoint,
  host: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal
): Promise<MeterAnswer> {
  const answers = await sweepBus(bus, [meter], host, {
    priority: 'technician',
    deadlineMs: Number.POSITIVE_INFINITY,
    signal,
    withRatio: false
  })
  let answer = answers.get(meter.id) as MeterAnswer
  // each visit to an unknown meter may speak another edition: a silent one is visited until all were tried
  for (let visit = 1; visit < TRIES && isUnheard(answer); visit++)
    answer = await bus.readMeter(meter, { priority: 'technician', signal })
  return answer
}

/** Nothing came, or not in time: the bus has learned by now how long a slow meter takes. */
const isUnheard = (answer: MeterAnswer) =>
  answer.values.length === 0 &&
  answer.faults.some(fault => fault.kind === 'silent' || fault.kind === 'garbage')

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
