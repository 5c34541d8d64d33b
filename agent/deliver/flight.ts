/** How long to wait for receipts. */
export interface Patience {
  /** the first deadline of a receipt */
  readonly receiptMs: number
  /** the longest, after many silent ones */
  readonly mostMs: number
}

export const PATIENCE: Patience = { receiptMs: 60_000, mostMs: 300_000 }

interface Sent {
  deadlineMs: number
  times: number
}

/**
 * What is under way and until when its receipt is waited for. Times are monotonic; a message whose deadline passed is sent
 * again, later each time and with jitter, so that a thousand gateways do not return in step.
 */
export class Flight {
  readonly #sent = new Map<string, Sent>()
  readonly #patience: Patience
  readonly #random: () => number

  constructor(patience: Patience, random: () => number) {
    this.#patience = patience
    this.#random = random
  }

  get size(): number {
    return this.#sent.size
  }

  /** True while its receipt is still waited for. */
  isWaiting(key: string, nowMs: number): boolean {
    const sent = this.#sent.get(key)
    return sent !== undefined && nowMs < sent.deadlineMs
  }

  /** Notes that it goes out now. @returns how often it has gone out since the connection began */
  note(key: string, nowMs: number): number {
    const times = (this.#sent.get(key)?.times ?? 0) + 1
    const { receiptMs, mostMs } = this.#patience
    const waitMs = Math.min(mostMs, receiptMs * 2 ** Math.min(times - 1, 16))
    this.#sent.set(key, { deadlineMs: nowMs + waitMs * (0.75 + this.#random() / 2), times })
    return times
  }

  /** Answered: nothing is waited for. */
  done(key: string): void {
    this.#sent.delete(key)
  }

  /** The other side is alive: what waits long after many silences need not. */
  hasten(nowMs: number): void {
    for (const sent of this.#sent.values()) {
      if (sent.times === 1) continue
      sent.times = 1
      sent.deadlineMs = Math.min(sent.deadlineMs, nowMs + this.#patience.receiptMs)
    }
  }

  /** A new connection: nothing is known to be under way. */
  clear(): void {
    this.#sent.clear()
  }
}
