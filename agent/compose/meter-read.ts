import type { BusConfig, GatewayConfig } from '../../config/gateway-config.ts'
import { fromHex } from '../../proto/bytes.ts'
import type { LiveStatus } from '../control/status.ts'
import type { MeterAnswer, MeterPoint } from '../ports.ts'
import { askIfRunning } from './control.ts'
import { type AdhocLine, quietHost, readOnce, type SweepResult, sweepOnce } from './line.ts'

/** A visit behind a technician's other commands and a transaction under way. */
const PATIENCE_MS = 60_000

/**
 * Reads a meter of the configuration: through the daemon where one runs, else over the port itself.
 * @param meter as configured, with the items wanted
 * @throws BusError when the port cannot be had; ControlError when the daemon refuses
 */
export async function readConfigured(
  config: GatewayConfig,
  meter: MeterPoint,
  signal: AbortSignal
): Promise<MeterAnswer> {
  const answer = await readThroughDaemon(config, meter, signal)
  if (answer) return answer
  const bus = config.buses.find(({ name }) => name === meter.bus) as BusConfig
  return readOnce(bus, meter, signal, config.timezone)
}

/**
 * Reads a meter named on the command line. Where the daemon has the port of the configuration, it reads it, with its own line settings.
 * @param config of this host, where there is one
 */
export async function readAdhoc(
  settings: AdhocLine,
  meter: MeterPoint,
  config: GatewayConfig | undefined,
  signal: AbortSignal
): Promise<MeterAnswer> {
  const bus = config?.buses.find(({ port }) => port === settings.port)
  const answer =
    config && bus ? await readThroughDaemon(config, { ...meter, bus: bus.name }, signal) : undefined
  return answer ?? readOnce(settings, meter, signal, config?.timezone)
}

/**
 * One sweep of every configured meter: through the daemon where one runs, beside its own polling, else with ports of its own.
 * @throws BusError, ControlError as {@link readConfigured}
 */
export async function sweepConfigured(config: GatewayConfig, signal: AbortSignal): Promise<SweepResult> {
  const live = (await askIfRunning(config, 'view', 'live')) as LiveStatus | undefined
  if (live === undefined) return sweepOnce(config, signal)
  const { clock } = quietHost()
  const startedMs = clock.monotonicMs()
  const answers = new Map<string, MeterAnswer>()
  const sweepBus = async (bus: string): Promise<void> => {
    for (const meter of config.meters)
      if (meter.bus === bus) answers.set(meter.id, await readConfigured(config, meter, signal))
  }
  await Promise.all(config.buses.map(({ name }) => sweepBus(name)))
  return { elapsedMs: Math.round(clock.monotonicMs() - startedMs), answers, buses: live.buses }
}

async function readThroughDaemon(
  config: GatewayConfig,
  point: MeterPoint,
  signal: AbortSignal
): Promise<MeterAnswer | undefined> {
  const options = { timeoutMs: PATIENCE_MS, signal }
  const answer = (await askIfRunning(config, 'admin', 'read', { point }, options)) as
    | (Omit<MeterAnswer, 'frames'> & { frames: readonly string[] })
    | undefined
  // octets travel as hex
  return answer && { ...answer, frames: answer.frames.map(fromHex) }
}
