import type { LearnedStore } from '../../agent/ports.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'

/** Where nothing is known of a Modbus meter: longer than the slow ones seen in the field (stale answers at 960 ms). */
const MODBUS_MAX_MS = 1100
/** A meter that never answered is asked for a sign of life with the DL/T 645 limit first, whatever it speaks. */
const FIRST_SIGN_MS = 500
/** scheduling and adapter slack on top of what the meter may take */
const SLACK_MS = 50
const SAMPLES_KEPT = 64
const SAMPLES_TO_TRUST = 8
const PERSIST_EVERY = 256
const LATE_MEMORY_MS = 3_600_000

interface Known {
  samples: number[]
  count: number
  lateMs: number
}

/**
 * Learns how long each meter takes to begin its answer, and says how long to wait for the next.
 * Waiting short saves line time on lost frames only, and believing a late answer costs a wrong value: so once one late
 * answer was seen on the bus, everybody gets the full time for an hour.
 */
export class Turnarounds {
  readonly #known = new Map<string, Known>()
  readonly #learned: LearnedStore
  readonly #prefix: string
  #lateUntilMs = Number.NEGATIVE_INFINITY

  constructor(learned: LearnedStore, busName: string) {
    this.#learned = learned
    this.#prefix = `turnaround/${busName}/`
  }

  /** From the last octet of the request to the first of the answer, at most; without the line's own slack. */
  firstOctetMs(request: ReadRequest, meterKey: string, failures: number, nowMs: number): number {
    const known = this.#get(meterKey)
    const limitMs =
      request.protocol === 'dlt645'
        ? request.turnaroundMaxMs
        : Math.max(request.turnaroundMaxMs, MODBUS_MAX_MS)
    const fullMs = Math.max(limitMs, known.lateMs) + SLACK_MS
    if (known.count === 0) return failures === 0 ? Math.min(fullMs, FIRST_SIGN_MS + SLACK_MS) : fullMs
    if (known.count < SAMPLES_TO_TRUST || nowMs < this.#lateUntilMs) return fullMs
    return Math.min(fullMs, this.slowestMs(meterKey) * 3 + SLACK_MS)
  }

  /** The slowest of the last answers (64 of them: about the 99th percentile); 0 when none. */
  slowestMs(meterKey: string): number {
    return Math.max(0, ...this.#get(meterKey).samples)
  }

  note(meterKey: string, turnaroundMs: number): void {
    const known = this.#get(meterKey)
    known.samples[known.count % SAMPLES_KEPT] = turnaroundMs
    known.count++
    if (known.count === SAMPLES_TO_TRUST || known.count % PERSIST_EVERY === 0) this.#save(meterKey, known)
  }

  /** An answer came after its time-out. */
  noteLate(meterKey: string, turnaroundMs: number, nowMs: number): void {
    const known = this.#get(meterKey)
    known.lateMs = Math.max(known.lateMs, Math.min(turnaroundMs * 1.2, 3000))
    this.#lateUntilMs = nowMs + LATE_MEMORY_MS
    this.#save(meterKey, known)
  }

  #get(meterKey: string): Known {
    let known = this.#known.get(meterKey)
    if (known) return known
    known = { samples: [], count: 0, lateMs: 0 }
    const [slowestMs, lateMs] = (this.#learned.get(this.#prefix + meterKey) ?? '').split(' ').map(Number)
    if (slowestMs !== undefined && lateMs !== undefined && slowestMs >= 0 && lateMs >= 0) {
      known = { samples: [slowestMs], count: SAMPLES_TO_TRUST, lateMs }
    }
    this.#known.set(meterKey, known)
    return known
  }

  #save(meterKey: string, known: Known): void {
    const slowestMs = Math.ceil(Math.max(0, ...known.samples))
    this.#learned.set(this.#prefix + meterKey, `${slowestMs} ${Math.ceil(known.lateMs)}`)
  }
}
