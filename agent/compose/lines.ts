import type { BusConfig, GatewayConfig } from '../../config/gateway-config.ts'
import type { Bus } from '../../drivers/bus/bus.ts'
import { openLine } from '../../drivers/bus/line-keeper.ts'
import { openBus } from '../../drivers/bus/open-bus.ts'
import { guardIdentity } from '../../drivers/meters/bus-identity.ts'
import { createDlt645Reader, type Dlt645Reader } from '../../drivers/meters/dlt645.ts'
import { createMeterZone } from '../../drivers/meters/dlt645-zone.ts'
import { createMeterBus } from '../../drivers/meters/meter-bus.ts'
import { createModbusReader } from '../../drivers/meters/modbus.ts'
import type { Clock, LearnedStore, Log, MeterBus } from '../ports.ts'

export interface LineHost {
  readonly clock: Clock
  readonly log: Log
  readonly learned: LearnedStore
}

/** A line with its meters, and what only searching and setting clocks need of it. */
export interface OpenedLine extends MeterBus {
  readonly config: BusConfig
  readonly line: Bus
  readonly dlt645: Dlt645Reader
}

/**
 * Opens one line with readers of both protocols on it.
 * @param broadcastTime the operator has switched on that clocks may be set by broadcast
 */
export function openMeterBus(
  bus: BusConfig,
  timezone: string,
  host: LineHost,
  broadcastTime = false
): OpenedLine {
  const line = openBus({ ...bus, allow: { broadcastTime } }, host)
  const zone = createMeterZone(timezone)
  const dlt645 = createDlt645Reader(line, { ...host, zone, preamble: bus.preamble })
  const meters = createMeterBus(line, { dlt645, modbus: createModbusReader(line, host) })
  return { ...meters, config: bus, line, dlt645 }
}

/** All buses of a configuration; one that turns out to be another's is not read. */
export function openMeterBuses(config: GatewayConfig, host: LineHost): OpenedLine[] {
  return config.buses.map(bus => {
    const opened = openMeterBus(bus, config.timezone, host, config.broadcastTime)
    return { ...opened, ...guardIdentity(opened.line, opened, { ...host, roster: config.meters }) }
  })
}

const OPENING_LOOK_MS = 10

/**
 * Waits for the first attempt to open the line.
 * @throws BusError BUS_LOCKED, BUS_MISSING, BUS_PERMISSION, BUS_OPEN with the mend, when it did not open
 */
export async function requireOpen({ line, config }: OpenedLine, clock: Clock): Promise<void> {
  while (line.status().state === 'opening') await clock.wait(OPENING_LOOK_MS)
  if (line.status().state === 'open') return
  // the bus only keeps the words of what went wrong: a further attempt brings the error itself
  const again = await openLine(config)
  await again.close()
}

/** A LearnedStore that forgets at the end of the process: for commands that may not write to the daemon's. */
export function forgetfulStore(): LearnedStore {
  const facts = new Map<string, string>()
  return {
    get: key => facts.get(key),
    set: (key, value) => {
      facts.set(key, value)
    },
    delete: key => {
      facts.delete(key)
    }
  }
}
