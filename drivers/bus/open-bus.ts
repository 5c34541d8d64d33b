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
  const learned = expendable(deps.learned, deps.log)
  const bus = new LineBus(config, { ...deps, learned, random: Math.random, open: openLine })
  bus.start()
  return bus
}

/** What a bus has learned is cheap to lose; a disk that fails must not cost the answer that has just come. */
function expendable(learned: LearnedStore, log: Log): LearnedStore {
  const attempt = <Result>(action: () => Result): Result | undefined => {
    try {
      return action()
    } catch (error) {
      log.warn('learned-store-failed', { error })
      return undefined
    }
  }
  return {
    get: key => attempt(() => learned.get(key)),
    set: (key, value) => attempt(() => learned.set(key, value)),
    delete: key => attempt(() => learned.delete(key))
  }
}
