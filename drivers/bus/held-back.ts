const BATCH_OCTETS = 4
const MEMORY = 20
const LEAST = 3
const MOSTLY = 0.8

/** Whether the adapter holds octets back and hands them on in batches (a FIFO's time-out, a USB latency timer). */
export class HeldBack {
  readonly #batches: boolean[] = []

  /** @param firstBatch octets of the arrival that began an answer */
  note(firstBatch: number): void {
    this.#batches.push(firstBatch >= BATCH_OCTETS)
    if (this.#batches.length > MEMORY) this.#batches.shift()
  }

  get isBatching(): boolean {
    const batched = this.#batches.filter(Boolean).length
    return this.#batches.length >= LEAST && batched >= MOSTLY * this.#batches.length
  }

  /** Another adapter, perhaps. */
  forget(): void {
    this.#batches.length = 0
  }
}
