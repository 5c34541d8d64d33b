import type { BusConfig, GatewayConfig } from '../../config/gateway-config.ts'
import { openBus } from '../../drivers/bus/open-bus.ts'
import { createDlt645Reader } from '../../drivers/meters/dlt645.ts'
import { createMeterZone } from '../../drivers/meters/dlt645-zone.ts'
import { createMeterBus } from '../../drivers/meters/meter-bus.ts'
import { createModbusReader } from '../../drivers/meters/modbus.ts'
import type { Clock, LearnedStore, Log, MeterBus } from '../ports.ts'

export interface LineHost {
  readonly clock: Clock
  readonly log: Log
  readonly learned: LearnedStore
}

/** Opens one line with readers of both protocols on it. */
export function openMeterBus(bus: BusConfig, timezone: string, host: LineHost): MeterBus {
  const line = openBus(bus, host)
  const zone = createMeterZone(timezone)
  return createMeterBus(line, {
    dlt645: createDlt645Reader(line, { ...host, zone, preamble: bus.preamble }),
    modbus: createModbusReader(line, host)
  })
}

/** All buses of a configuration. */
export function openMeterBuses(config: GatewayConfig, host: LineHost): MeterBus[] {
  return config.buses.map(bus => openMeterBus(bus, config.timezone, host))
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
