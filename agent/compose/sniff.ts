import { closeSync, openSync, writeSync } from 'node:fs'
import { tapLine } from '../../drivers/bus/tap.ts'
import { wireTiming } from '../../drivers/bus/timing.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { type Heard, LineListener } from '../../proto/line-listener.ts'
import type { AdhocLine } from './line.ts'

export interface SniffOptions {
  readonly protocol: 'dlt645' | 'modbus' | undefined
  /** ends by itself after this long */
  readonly seconds: number | undefined
  readonly signal: AbortSignal
  /** @param startedAtMs wall clock, unix ms, of the first octet; @param gapMs silence before it, null for the first thing heard */
  readonly onHeard: (heard: Heard, startedAtMs: number, gapMs: number | null) => void
}

/**
 * Listens on a line that others use, without ever writing to it, until the signal aborts or the time is over.
 * @throws BusError when the port cannot be had or is lost
 */
export async function sniffLine(settings: AdhocLine, options: SniffOptions): Promise<void> {
  const clock = createClock()
  const { characterMs } = wireTiming(settings)
  const listener = new LineListener({
    characterMs,
    ...(options.protocol === undefined ? {} : { protocol: options.protocol })
  })
  let endMs: number | undefined
  const pass = (heard: readonly Heard[]): void => {
    for (const one of heard) {
      const startedAtMs = clock.nowMs() - (clock.monotonicMs() - one.startMs)
      options.onHeard(one, startedAtMs, endMs === undefined ? null : Math.max(0, one.startMs - endMs))
      endMs = one.endMs
    }
  }
  const signals = [options.signal]
  if (options.seconds !== undefined) signals.push(AbortSignal.timeout(options.seconds * 1000))
  try {
    await tapLine(
      { name: 'line', ...settings },
      {
        clock,
        signal: AbortSignal.any(signals),
        onOctets: (octets, atMs) => pass(listener.push(octets, atMs)),
        onQuiet: nowMs => pass(listener.settle(nowMs))
      }
    )
  } finally {
    pass(listener.finish())
  }
}

/** A capture being written: text that `decode -` and a simulated meter's `replay` read. */
export interface CaptureFile {
  line(text: string): void
  close(): void
}

/** Begins a capture in a new file. Throws the system's error (EEXIST for a file that is there already). */
export function createCapture(path: string): CaptureFile {
  const fd = openSync(path, 'wx')
  return {
    line: text => {
      writeSync(fd, `${text}\n`)
    },
    close: () => closeSync(fd)
  }
}
