import type { Clock, Priority } from '../../agent/ports.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'
import type { Breaker } from './breaker.ts'
import type { BusOutcome } from './bus.ts'
import type { Counters } from './counters.ts'
import type { Doubts } from './doubts.ts'
import type { TransactionResult } from './transaction.ts'
import type { Turnarounds } from './turnarounds.ts'

/** So many spoilt answers within this time make a line that checks no parity doubtful. */
const SPOILT_ANSWERS = 2
const DOUBTFUL_MS = 600_000

/** Says what a transaction came to, and notes it where it matters for the next: breaker, turnarounds, doubts, counters. */
export class Settlement {
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #doubts: Doubts
  readonly #breaker: Breaker
  readonly #turnarounds: Turnarounds
  /** monotonic times of the last spoilt answers */
  readonly #spoiltAtMs: number[] = []

  constructor(clock: Clock, counters: Counters, doubts: Doubts, breaker: Breaker, turnarounds: Turnarounds) {
    this.#clock = clock
    this.#counters = counters
    this.#doubts = doubts
    this.#breaker = breaker
    this.#turnarounds = turnarounds
  }

  /** Answers have come spoilt of late. */
  get hasSpoilt(): boolean {
    if (this.#spoiltAtMs.length < SPOILT_ANSWERS) return false
    return this.#clock.monotonicMs() - (this.#spoiltAtMs[0] as number) < DOUBTFUL_MS
  }

  /** @param priority a search (`scan`) asks nobody in particular: what becomes of it is learned of no meter */
  settle(request: ReadRequest, meterKey: string, priority: Priority, result: TransactionResult): BusOutcome {
    this.#counters.add('exchanges')
    const isSearch = priority === 'scan'
    if (result.kind === 'reply') return this.#answered(meterKey, isSearch, result)
    const isWhole = !result.isContested && result.octets.length >= request.expectedReplyOctets / 2
    if (!isWhole) this.#doubts.add({ meterKey, request, requestEndMs: result.requestEndMs })
    if (result.kind === 'garbage') {
      this.#counters.add('garbage')
      this.#spoiltAtMs.push(result.requestEndMs)
      if (this.#spoiltAtMs.length > SPOILT_ANSWERS) this.#spoiltAtMs.shift()
      return { kind: 'garbage', octets: result.octets, reason: result.reason }
    }
    const costMs = this.#clock.monotonicMs() - result.requestEndMs
    if (!isSearch) this.#breaker.noteSilence(meterKey, costMs)
    this.#counters.add('silent')
    this.#counters.add('silentMs', costMs)
    return { kind: 'silent' }
  }

  #answered(meterKey: string, isSearch: boolean, result: TransactionResult): BusOutcome {
    const afterTimeout = this.#doubts.untrusted(meterKey)
    this.#doubts.trust(meterKey)
    if (!isSearch) {
      this.#breaker.noteAnswer(meterKey)
      this.#turnarounds.note(meterKey, result.turnaroundMs)
    }
    this.#counters.add('replies')
    return {
      kind: 'reply',
      frame: result.octets,
      turnaroundMs: result.turnaroundMs,
      endAtMs: this.#clock.nowMs(),
      discarded: result.discarded,
      afterTimeout
    }
  }
}
