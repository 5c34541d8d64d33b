import type { Clock } from '../../agent/ports.ts'
import type { LineSetting } from './bus.ts'

/** What the wire itself takes, in milliseconds. All zero where there is no wire (Modbus TCP). */
export interface WireTiming {
  readonly characterMs: number
  /** silence that must stand before a Modbus request: t3.5 */
  readonly modbusGapMs: number
  /** DL/T 645 frames by content; one character lets the last speaker's driver release the line */
  readonly dlt645GapMs: number
}

/** Modbus over serial line 2.5.1.1: above 19200 baud t3.5 is fixed, so that a slave's timer need not be finer. */
const FIXED_GAP_MS = 1.75
const FIXED_GAP_ABOVE_BAUD = 19200

export const UNPACED: WireTiming = { characterMs: 0, modbusGapMs: 0, dlt645GapMs: 0 }

/**
 * Times of a line. A character is counted as 11 bits even without parity: Modbus fixes it so (a second stop bit stands
 * in for parity), and for DL/T 645 the difference errs to the safe side.
 */
export function wireTiming(setting: Pick<LineSetting, 'baud'>): WireTiming {
  const characterMs = 11_000 / setting.baud
  return {
    characterMs,
    modbusGapMs: setting.baud > FIXED_GAP_ABOVE_BAUD ? FIXED_GAP_MS : 3.5 * characterMs,
    dlt645GapMs: characterMs
  }
}

/** A timer of Node may come this much late (its wheel and epoll count whole milliseconds). */
const TIMER_GRAIN_MS = 1.2
/** A sleeping thread wakes up this much late at times. */
const WAKE_MS = 0.2
/** Slower characters than this (9600 baud and below) leave a millisecond to sleep in; on faster lines every bus needs the loop. */
const SLOW_CHARACTER_MS = 1
const NEVER = new Int32Array(new SharedArrayBuffer(4))

/**
 * Waits until the monotonic time, to about 50 us: a coarse timer, then on slow lines a nap of at most 2 ms of the whole
 * thread (four busy lines at 2400 baud nap 3 % of the time), then turns of the event loop. A rounded-up timer alone would
 * cost 1 to 2 ms at every gap, and turning the loop all the time 1.5 ms of CPU.
 * @param characterMs of the line waited for
 */
export async function waitUntil(
  clock: Pick<Clock, 'monotonicMs'>,
  atMs: number,
  characterMs: number
): Promise<void> {
  for (;;) {
    const leftMs = atMs - clock.monotonicMs()
    if (leftMs <= 0) return
    if (leftMs > 1 + TIMER_GRAIN_MS) await sleep(Math.floor(leftMs - TIMER_GRAIN_MS))
    else if (leftMs > 2 * WAKE_MS && characterMs > SLOW_CHARACTER_MS)
      Atomics.wait(NEVER, 0, 0, leftMs - WAKE_MS)
    else await turnLoop()
  }
}

/** A plain timer. */
export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, ms)
  })
}

/** A timer that keeps no process alive: for deadlines. */
export function sleepUnref(ms: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, ms).unref()
  })
}

/** One turn of the event loop: everything that was waiting has run. */
export function turnLoop(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}

/** One octet as seen from here: how many had come in all, and when. */
export interface Arrival {
  readonly atMs: number
  readonly count: number
}

/**
 * When octet number `count` left the wire, at the latest, if the octets since `fromCount` came without a pause: every
 * arrival says that the octets up to it were over by then, so the earliest start wins. An adapter that holds octets
 * back (a FIFO's time-out, a USB latency timer) delays the last arrival but not the line.
 */
export function estimateEndMs(
  arrivals: readonly Arrival[],
  fromCount: number,
  count: number,
  characterMs: number
): number {
  let endMs = Number.POSITIVE_INFINITY
  for (const arrival of arrivals) {
    if (arrival.count <= fromCount) continue
    endMs = Math.min(endMs, arrival.atMs + (count - arrival.count) * characterMs)
  }
  return endMs
}
