import type { ReadRequest } from '../../proto/bus-reply.ts'

/** After this long nobody waits for an answer any more. The slowest seen in the field came after about one second. */
const DOUBT_MS = 2_500

interface Doubt {
  readonly meterKey: string
  readonly request: ReadRequest
  readonly requestEndMs: number
}

/**
 * Requests that were given up on but may still be answered. A Modbus answer names only its unit and function: believed
 * at the wrong moment it is a value under the wrong register, and the reader stays off by one ever after.
 */
export class Doubts {
  #open: Doubt[] = []
  readonly #untrusted = new Set<string>()

  /** The request was given up on. */
  add(doubt: Doubt): void {
    this.#open.push(doubt)
    this.#untrusted.add(doubt.meterKey)
  }

  /** True from a time-out until the next answer of the meter. */
  untrusted(meterKey: string): boolean {
    return this.#untrusted.has(meterKey)
  }

  /** The meter has answered. */
  trust(meterKey: string): void {
    this.#untrusted.delete(meterKey)
  }

  /**
   * Monotonic time before which the request must not be sent: a late answer to an earlier request of the same unit
   * could pass for its own. The same request again, or one whose answer has another length, cannot be confused;
   * nor can DL/T 645, whose answers carry address and data identifier.
   */
  notBeforeMs(meterKey: string, request: ReadRequest, nowMs: number): number {
    this.#forget(nowMs)
    let atMs = Number.NEGATIVE_INFINITY
    for (const doubt of this.#open) {
      const confusable =
        doubt.meterKey === meterKey &&
        request.protocol === 'modbus' &&
        doubt.request.expectedReplyOctets === request.expectedReplyOctets &&
        doubt.request.asked !== request.asked
      if (confusable) atMs = Math.max(atMs, doubt.requestEndMs + DOUBT_MS)
    }
    return atMs
  }

  /** Finds out whose late answer the octets are, and strikes it off. @returns the meter and how long it took */
  attribute(octets: Uint8Array, nowMs: number): { meterKey: string; turnaroundMs: number } | undefined {
    this.#forget(nowMs)
    for (const doubt of this.#open) {
      if (!holdsReply(doubt.request, octets)) continue
      this.#open = this.#open.filter(other => other !== doubt)
      return { meterKey: doubt.meterKey, turnaroundMs: nowMs - doubt.requestEndMs }
    }
    return undefined
  }

  /** Meters whose answer may be what has just disturbed the line: their silence proved nothing. */
  suspects(nowMs: number): string[] {
    this.#forget(nowMs)
    return this.#open.map(doubt => doubt.meterKey)
  }

  /** Requests that may still be answered. */
  waiting(nowMs: number): ReadRequest[] {
    this.#forget(nowMs)
    return this.#open.map(doubt => doubt.request)
  }

  #forget(nowMs: number): void {
    if (this.#open.length > 0) this.#open = this.#open.filter(d => d.requestEndMs + DOUBT_MS > nowMs)
  }
}

/** True when the answer to the request stands somewhere in the octets. */
function holdsReply(request: ReadRequest, octets: Uint8Array): boolean {
  let rest = octets
  while (rest.length > 0) {
    const result = request.match(rest)
    if (result.kind === 'reply') return true
    if (result.kind === 'more') return false
    const drop = result.kind === 'noise' ? result.octets : result.end
    rest = rest.subarray(Math.max(1, drop))
  }
  return false
}
