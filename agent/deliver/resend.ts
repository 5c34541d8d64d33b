import { equalBytes } from '../../proto/bytes.ts'

/** Each of a whole window of batches brings the same answer within this time: one rewind serves them all. */
const SAME_REWIND_MS = 1_000

/** Batches to be sent once more although nothing of theirs is due: asked for, or missing at the ledger. */
export class Resend {
  #epoch: Uint8Array = new Uint8Array(0)
  #next = 0
  #to = -1
  #rewoundAtMs = Number.NEGATIVE_INFINITY

  /** From and to with their ends; replaces what was left of an earlier range. */
  ask(epoch: Uint8Array, from: number, to: number): void {
    this.#epoch = epoch
    this.#next = from
    this.#to = to
  }

  /** The ledger misses what stands from `from` before `seq`. */
  rewind(epoch: Uint8Array, from: number, seq: number, nowMs: number): void {
    const same = nowMs - this.#rewoundAtMs < SAME_REWIND_MS && equalBytes(epoch, this.#epoch)
    if (same) {
      // the next of the same window: it follows behind what is sent already
      if (seq > this.#to) this.#to = seq
      return
    }
    this.#rewoundAtMs = nowMs
    if (from < seq) this.ask(epoch, from, seq)
  }

  /** @returns the next (epoch, seq), undefined when there is none */
  next(): { readonly epoch: Uint8Array; readonly seq: number } | undefined {
    return this.#next <= this.#to ? { epoch: this.#epoch, seq: this.#next++ } : undefined
  }
}
