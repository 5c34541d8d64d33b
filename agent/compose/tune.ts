import type { GatewayConfig } from '../../config/gateway-config.ts'
import { openLine } from '../../drivers/bus/line-keeper.ts'
import { UNPACED, wireTiming } from '../../drivers/bus/timing.ts'
import { createClock } from '../../drivers/host/clock.ts'
import {
  type TunedMeter,
  type TuneReport,
  type TuneSubject,
  tuneLine
} from '../../drivers/meters/line-tune.ts'
import { loadProfile } from '../../drivers/meters/modbus-profiles.ts'
import { spansForJudgement } from '../../proto/modbus/identify.ts'
import type { MeterPoint } from '../ports.ts'
import type { AdhocLine } from './line.ts'

/** In all so many exchanges, however many meters there are. */
const MOST_EXCHANGES = 400
const FEWEST = 3

export interface TuneRequest {
  readonly line: AdhocLine
  readonly meters: readonly Pick<MeterPoint, 'protocol' | 'address' | 'profile'>[]
  /** exchanges a meter; fewer where there are many meters */
  readonly count: number
  readonly signal: AbortSignal
  readonly onMeter: (meter: TunedMeter) => void
}

export type TuneAnswer = Pick<AdhocLine, 'port' | 'baud' | 'parity'> & TuneReport

/**
 * Measures the meters of a line that no daemon holds.
 * @throws BusError when the port cannot be had or is lost, ProfileError when a profile cannot be read
 */
export async function tunePort(request: TuneRequest): Promise<TuneAnswer> {
  const { port, baud, parity } = request.line
  const subjects = request.meters.map(subjectOf)
  const line = await openLine({ name: 'line', ...request.line })
  try {
    const fair = Math.max(FEWEST, Math.floor(MOST_EXCHANGES / Math.max(1, subjects.length)))
    const report = await tuneLine({
      line,
      clock: createClock(),
      timing: line.paced ? wireTiming(request.line) : UNPACED,
      subjects,
      count: Math.min(request.count, fair),
      signal: request.signal,
      onMeter: request.onMeter
    })
    return { port, baud, parity, ...report }
  } finally {
    await line.close()
  }
}

function subjectOf({ protocol, address, profile }: TuneRequest['meters'][number]): TuneSubject {
  const span = profile === undefined ? undefined : spansForJudgement(loadProfile(profile))[0]
  return { protocol, address, ...(span && { span }) }
}

/** The line of a configured bus, with its meters; undefined when no bus has the port. */
export function configuredLine(
  config: GatewayConfig,
  port: string
): { readonly line: AdhocLine; readonly meters: readonly MeterPoint[] } | undefined {
  const bus = config.buses.find(one => one.port === port)
  return bus && { line: bus, meters: config.meters.filter(meter => meter.bus === bus.name) }
}
