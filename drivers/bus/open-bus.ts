import type { Clock, LearnedStore, Log } from '../../agent/ports.ts'
import type { Bus } from './bus.ts'
import { type BusConfig, parsePort } from './config.ts'
import { LineBus } from './line-bus.ts'
import { openLine } from './line-keeper.ts'

/**
 * Opens a bus and keeps it open: a line that is down is tried again for ever, and requests meanwhile come back as `busDown`.
 * @throws BusError BUS_CONFIG when the port is not one
 */
export function openBus(
  config: BusConfig,
  deps: { readonly clock: Clock; readonly log: Log; readonly learned: LearnedStore }
): Bus {
  parsePort(config.port)
  const bus = new LineBus(config, { ...deps, random: Math.random, open: openLine })
  bus.start()
  return bus
}
