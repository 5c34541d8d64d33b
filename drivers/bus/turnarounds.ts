import type { LearnedStore } from '../../agent/ports.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'

/** Where nothing is known of a Modbus meter: longer than the slow ones seen in the field (stale answers at 960 ms). */
const MODBUS_MAX_MS = 1100
/** A meter that never answered is asked for a sign of life with the DL/T 645 limit first, whatever it speaks. */
const FIRST_SIGN_MS = 500
/** scheduling and adapter slack on top of what the meter may take */
const SLACK_MS = 50
/**
 * Where a late answer passes for no other, it need not be waited for: from so many answers on, so many times the slowest. An answer that
 * comes into the next request spoils both. Of meters that take 20 to 500 ms at random 1 in 100 looks steady and quick after three answers
 * (1 in 4 after one).
 */
const BRISK_SAMPLES = 3
const BRISK_SURE_SAMPLES = 8
const BRISK_FACTOR = 3
const BRISK_SURE_FACTOR = 2
const BRISK_LEAST_MS = 150
/** The slowest answer so much later than the quickest: this meter answers when it likes. */
const BRISK_SPREAD_MS = 60
/** There a first sign of life is waited for as long as DL/T 645 gives a meter, and hardly longer. */
const BRISK_SLACK_MS = 15
/** So many of a meter's last 16 answers late: that is its way, and it is waited for. */
const OFTEN_LATE = 4
const RECENT_MASK = 0xffff
/** An answer so late was slow; one later still was held up somewhere, which says nothing of the next. */
const SLOW_MS = 500
const SAMPLES_KEPT = 64
const SAMPLES_TO_TRUST = 8
const PERSIST_EVERY = 256
const LATE_MEMORY_MS = 3_600_000

interface Known {
  samples: number[]
  count: number
  lateMs: number
  /** the last answers, newest in the lowest bit: 1 for a late one */
  recent: number
}

/**
 * Learns how long each meter takes to begin its answer, and says how long to wait for the next.
 * Waiting short saves line time on lost frames only, and believing a late answer costs a wrong value: so once one late
 * answer was seen on the bus, everybody gets the full time for an hour, unless the asker tells late answers from others: then
 * they may come when they like, and the line is better used for somebody else meanwhile.
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

  /**
   * From the last octet of the request to the first of the answer, at most; without the line's own slack.
   * @param isTold a late answer to the request passes for no other: giving up early costs time at worst
   */
  firstOctetMs(
    request: ReadRequest,
    meterKey: string,
    failures: number,
    nowMs: number,
    isTold = false
  ): number {
    const known = this.#get(meterKey)
    const limitMs =
      request.protocol === 'dlt645'
        ? request.turnaroundMaxMs
        : Math.max(request.turnaroundMaxMs, MODBUS_MAX_MS)
    const fullMs = Math.max(limitMs, known.lateMs) + SLACK_MS
    if (known.count === 0) {
      const signMs = FIRST_SIGN_MS + (isTold ? BRISK_SLACK_MS : SLACK_MS)
      return failures === 0 ? Math.min(fullMs, signMs) : fullMs
    }
    if (isTold && failures === 0 && isQuick(known)) {
      const factor = known.count >= BRISK_SURE_SAMPLES ? BRISK_SURE_FACTOR : BRISK_FACTOR
      return Math.min(fullMs, Math.max(BRISK_LEAST_MS, this.slowestMs(meterKey) * factor + SLACK_MS))
    }
    const isSecondTry = isTold && failures > 0
    if (isSecondTry || known.count < SAMPLES_TO_TRUST || nowMs < this.#lateUntilMs) return fullMs
    return Math.min(fullMs, this.slowestMs(meterKey) * 3 + SLACK_MS)
  }

  /** The slowest of the last answers (64 of them: about the 99th percentile); 0 when none. */
  slowestMs(meterKey: string): number {
    return Math.max(0, ...this.#get(meterKey).samples)
  }

  note(meterKey: string, turnaroundMs: number): void {
    const known = this.#get(meterKey)
    known.recent = (known.recent << 1) & RECENT_MASK
    this.#sample(known, turnaroundMs)
    if (known.count === SAMPLES_TO_TRUST || known.count % PERSIST_EVERY === 0) this.#save(meterKey, known)
  }

  /** An answer came after its time-out. */
  noteLate(meterKey: string, turnaroundMs: number, nowMs: number): void {
    const known = this.#get(meterKey)
    known.lateMs = Math.max(known.lateMs, Math.min(turnaroundMs * 1.2, 3000))
    known.recent = ((known.recent << 1) & RECENT_MASK) | 1
    if (turnaroundMs <= SLOW_MS) this.#sample(known, turnaroundMs)
    this.#lateUntilMs = nowMs + LATE_MEMORY_MS
    this.#save(meterKey, known)
  }

  #sample(known: Known, turnaroundMs: number): void {
    known.samples[known.count % SAMPLES_KEPT] = turnaroundMs
    known.count++
  }

  #get(meterKey: string): Known {
    let known = this.#known.get(meterKey)
    if (known) return known
    known = { samples: [], count: 0, lateMs: 0, recent: 0 }
    const [slowestMs, lateMs] = (this.#learned.get(this.#prefix + meterKey) ?? '').split(' ').map(Number)
    if (slowestMs !== undefined && lateMs !== undefined && slowestMs >= 0 && lateMs >= 0) {
      known = { samples: [slowestMs], count: SAMPLES_TO_TRUST, lateMs, recent: 0 }
    }
    this.#known.set(meterKey, known)
    return known
  }

  #save(meterKey: string, known: Known): void {
    const slowestMs = Math.ceil(Math.max(0, ...known.samples))
    this.#learned.set(this.#prefix + meterKey, `${slowestMs} ${Math.ceil(known.lateMs)}`)
  }
}

function isQuick(known: Known): boolean {
  const spreadMs = Math.max(...known.samples) - Math.min(...known.samples)
  return known.count >= BRISK_SAMPLES && spreadMs <= BRISK_SPREAD_MS && !isOftenLate(known)
}

function isOftenLate({ recent }: Known): boolean {
  let late = 0
  for (let bits = recent; bits > 0; bits >>= 1) late += bits & 1
  return late >= OFTEN_LATE
}
