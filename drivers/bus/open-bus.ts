import type { Clock, LearnedStore, Log } from '../../agent/ports.ts'
import type { Bus } from './bus.ts'
import { type BusConfig, parsePort } from './config.ts'
import { LineBus } from './line-bus.ts'
import { openLine } from './line-keeper.ts'
import { type Listener, Listeners } from './tapped-line.ts'

/** A bus that can be listened to while it works. */
export interface OpenedBus extends Bus {
  /** Tells of every octet that is sent or received. @returns ends it */
  listen(listener: Listener): () => void
}

/**
 * Opens a bus and keeps it open: a line that is down is tried again for ever, and requests meanwhile come back as `busDown`.
 * @throws BusError BUS_CONFIG when the port is not one
 */
export function openBus(
  config: BusConfig,
  deps: { readonly clock: Clock; readonly log: Log; readonly learned: LearnedStore }
): OpenedBus {
  parsePort(config.port)
  const learned = expendable(deps.learned, deps.log)
  const listeners = new Listeners(deps.clock)
  const open = async (wanted: BusConfig) => listeners.on(await openLine(wanted), wanted)
  const bus = new LineBus(config, { ...deps, learned, random: Math.random, open })
  bus.start()
  return Object.assign(bus, { listen: (listener: Listener) => listeners.add(listener) })
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
