import { performance } from 'node:perf_hooks'
import type { Clock } from '../../agent/ports.ts'

/** 2024-01-01T00:00:00Z: a clock before it was never set (no battery, no NTP yet). */
const EARLIEST_MS = Date.UTC(2024, 0, 1)
/** NTP may step back this little without making the wall clock unbelievable. */
const STEP_BACK_MS = 2_000
/** setTimeout counts in signed 32 bits; longer waits are cut into pieces. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Where the two times come from; tests put their own. */
export interface TimeSource {
  wallMs(): number
  monotonicMs(): number
}

const HOST_TIME: TimeSource = { wallMs: () => Date.now(), monotonicMs: () => performance.now() }

/**
 * The host's clock. It is trusted once it is past 2024 and while it is not behind the latest wall time seen by this process;
 * after a step back trust returns when the clock has passed that time again.
 */
export function createClock(source: TimeSource = HOST_TIME): Clock {
  let latestMs = source.wallMs()
  const readWall = (): number => {
    const nowMs = source.wallMs()
    if (nowMs > latestMs) latestMs = nowMs
    return nowMs
  }
  return {
    nowMs: readWall,
    monotonicMs: () => source.monotonicMs(),
    trusted() {
      const nowMs = readWall()
      return nowMs >= EARLIEST_MS && nowMs >= latestMs - STEP_BACK_MS
    },
    async wait(ms, signal) {
      const untilMs = source.monotonicMs() + ms
      for (;;) {
        signal?.throwIfAborted()
        const leftMs = untilMs - source.monotonicMs()
        if (leftMs <= 0) return
        await sleep(Math.min(Math.ceil(leftMs), LONGEST_TIMER_MS), signal)
      }
    }
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    function onAbort(): void {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
