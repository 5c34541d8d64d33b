import type { BusConfig, GatewayConfig } from '../../config/gateway-config.ts'
import { openLine } from '../../drivers/bus/line-keeper.ts'
import { type OpenedBus, openBus } from '../../drivers/bus/open-bus.ts'
import { type GuardedBus, guardIdentity } from '../../drivers/meters/bus-identity.ts'
import { createDlt645Reader, type Dlt645Reader } from '../../drivers/meters/dlt645.ts'
import { createMeterZone } from '../../drivers/meters/dlt645-zone.ts'
import { type EnergyRecord, isCumulative } from '../../drivers/meters/energy-continuity.ts'
import { createMeterBus } from '../../drivers/meters/meter-bus.ts'
import { createModbusReader } from '../../drivers/meters/modbus.ts'
import { MeterPapers } from '../../drivers/meters/modbus-papers.ts'
import { isGap, SOURCE } from '../../proto/reading.ts'
import { slotEndMs } from '../../proto/slot.ts'
import type { Clock, LearnedStore, Log, MeterBus, MeterPoint, ReadingStore } from '../ports.ts'

export interface LineHost {
  readonly clock: Clock
  readonly log: Log
  readonly learned: LearnedStore
}

/** A line with its meters, and what only searching and setting clocks need of it. */
export interface OpenedLine extends MeterBus {
  readonly config: BusConfig
  readonly line: OpenedBus
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

/** A line that is read only while it is the one it is configured as. */
export type GuardedLine = OpenedLine & GuardedBus

/**
 * All buses of a configuration; one that turns out to be another's is not read.
 * @param readings what was read before: Modbus meters are told by it
 */
export function openMeterBuses(
  config: GatewayConfig,
  host: LineHost,
  readings?: Pick<ReadingStore, 'queryReadings'>
): GuardedLine[] {
  const history = readings && ((meter: MeterPoint) => lastEnergy(meter, config.slotSeconds, readings))
  const papers = new MeterPapers({ ...host, ...(history && { history }) })
  return config.buses.map(bus => {
    const opened = openMeterBus(bus, config.timezone, host, config.broadcastTime)
    return { ...opened, ...guardIdentity(opened.line, opened, { ...host, roster: config.meters, papers }) }
  })
}

/** Readings looked back over for one with energy in it. */
const LOOK_BACK = 96

/** The newest energy registers that the store has of a meter. */
function lastEnergy(
  meter: MeterPoint,
  slotSeconds: number,
  store: Pick<ReadingStore, 'queryReadings'>
): EnergyRecord | undefined {
  for (const reading of store.queryReadings({ meter: meter.id, limit: LOOK_BACK, newestFirst: true })) {
    if (isGap(reading) || reading.source === SOURCE.estimate) continue
    const had = reading.values.flatMap(([item, value]) =>
      value !== null && isCumulative(item) ? [[item, value] as const] : []
    )
    const atMs = slotEndMs(reading.slot, slotSeconds) + (reading.readAt ?? 0)
    if (had.length > 0) return { atMs, values: new Map(had) }
  }
  return undefined
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
