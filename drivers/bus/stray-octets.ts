import type { Clock } from '../../agent/ports.ts'
import { concatBytes } from '../../proto/bytes.ts'
import type { Breaker } from './breaker.ts'
import type { Counters } from './counters.ts'
import type { Doubts } from './doubts.ts'
import type { Stranger } from './reception.ts'
import type { Turnarounds } from './turnarounds.ts'

const KEPT = 600
const EMPTY = new Uint8Array(0)

/** Octets nobody is waiting for: finds the late answers among them and counts the rest. */
export class StrayOctets {
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #doubts: Doubts
  readonly #breaker: Breaker
  readonly #turnarounds: Turnarounds
  #kept: Uint8Array = EMPTY

  constructor(clock: Clock, counters: Counters, doubts: Doubts, breaker: Breaker, turnarounds: Turnarounds) {
    this.#clock = clock
    this.#counters = counters
    this.#doubts = doubts
    this.#breaker = breaker
    this.#turnarounds = turnarounds
  }

  /** Octets that came while nothing was asked; a frame may come in pieces. */
  add(octets: Uint8Array): void {
    if (octets.length === 0) return
    this.#kept = concatBytes(this.#kept, octets)
    if (this.#isLate(this.#kept)) this.#kept = EMPTY
    else if (this.#kept.length > KEPT) this.settle()
  }

  /** The line is quiet: what has not become a late answer by now is nobody's. */
  settle(): void {
    if (this.#kept.length > 0) {
      this.#counters.add('foreignOctets', this.#kept.length)
      this.disturbed()
    }
    this.#kept = EMPTY
  }

  /** Octets came that nobody can explain: a late answer in ruins, for all we know. */
  disturbed(): void {
    for (const meterKey of this.#doubts.suspects(this.#clock.monotonicMs())) this.#breaker.forgive(meterKey)
  }

  /** What came during a transaction but was not its answer. */
  addStranger(stranger: Stranger): void {
    if (this.#isLate(stranger.octets)) return
    if (stranger.reason === 'noise') this.#counters.add('noiseOctets', stranger.octets.length)
    else this.#counters.add(stranger.reason === 'late' ? 'late' : 'foreignFrames')
  }

  #isLate(octets: Uint8Array): boolean {
    const nowMs = this.#clock.monotonicMs()
    const late = this.#doubts.attribute(octets, nowMs)
    if (!late) return false
    this.#counters.add('late')
    this.#turnarounds.noteLate(late.meterKey, late.turnaroundMs, nowMs)
    // Late is not dead.
    this.#breaker.noteAnswer(late.meterKey)
    return true
  }
}
