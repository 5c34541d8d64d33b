import type { Clock } from '../../agent/ports.ts'
import type { BusConfig } from './config.ts'
import { openLine } from './line-keeper.ts'
import { readable } from './transaction.ts'

/** How long a quiet line is waited for at a time. */
const LOOK_MS = 20
/** Looking so much later than meant is more than a timer's grain. */
const HELD_UP_MS = 20

export interface TapOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** ends the listening */
  readonly signal: AbortSignal
  /** @param atMs monotonic time at which the last of the octets was there */
  readonly onOctets: (octets: Uint8Array, atMs: number) => void
  /** nothing has come for a moment */
  readonly onQuiet?: (nowMs: number) => void
}

/**
 * Listens on a line until the signal aborts. Nothing is ever written to it: the line it opens is given to nobody.
 * @throws BusError when the line cannot be had or is lost
 */
export async function tapLine(config: BusConfig, options: TapOptions): Promise<void> {
  const { clock, signal, onOctets, onQuiet } = options
  const line = await openLine(config)
  try {
    let lookedMs = clock.monotonicMs()
    while (!signal.aborted) {
      const octets = line.take()
      const nowMs = clock.monotonicMs()
      // A process that was held up has missed when octets came: its own pause is none of the line's.
      const heldUp = nowMs - lookedMs > LOOK_MS + HELD_UP_MS
      if (octets.length > 0) onOctets(octets, heldUp ? lookedMs + LOOK_MS : nowMs)
      else if (!heldUp) onQuiet?.(nowMs)
      lookedMs = nowMs
      await readable(line, LOOK_MS)
    }
  } finally {
    await line.close()
  }
}
