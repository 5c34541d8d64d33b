import type { Clock } from '../../../agent/ports.ts'

interface Waiter {
  readonly atMs: number
  readonly resolve: () => void
}

/** Time that moves from one waiting to the next as soon as nothing else is left to do: hours pass in a moment, and always the same way. */
export class VirtualClock implements Clock {
  isTrusted = true
  #wallMs: number
  #monotonicMs = 0
  readonly #waiters: Waiter[] = []

  constructor(startMs: number) {
    this.#wallMs = startMs
  }

  nowMs(): number {
    return this.#wallMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  trusted(): boolean {
    return this.isTrusted
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const waiter = {
        atMs: this.#monotonicMs + ms,
        resolve: () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        }
      }
      const abort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiters.push(waiter)
    })
  }

  /** Lets everything happen that happens within so many ms. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms
    for (;;) {
      await settle()
      const next = this.#earliest()
      if (!next || next.atMs > untilMs) break
      this.#waiters.splice(this.#waiters.indexOf(next), 1)
      this.leap(Math.max(0, next.atMs - this.#monotonicMs))
      next.resolve()
    }
    this.leap(untilMs - this.#monotonicMs)
  }

  /** Time passes while nothing runs: the process was suspended, or not there. */
  leap(ms: number): void {
    this.#wallMs += ms
    this.#monotonicMs += ms
  }

  #earliest(): Waiter | undefined {
    let earliest = this.#waiters[0]
    for (const waiter of this.#waiters) if (earliest && waiter.atMs < earliest.atMs) earliest = waiter
    return earliest
  }
}

/** Everything that hangs on promises alone has happened after this. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve))
}
