import type { Clock } from '../../agent/ports.ts'
import type { Counters } from './counters.ts'
import type { Doubts } from './doubts.ts'
import { ForeignTalk } from './foreign-talk.ts'
import type { Line } from './line.ts'
import type { StrayOctets } from './stray-octets.ts'
import { waitUntil } from './timing.ts'
import { readable } from './transaction.ts'
import type { Turnarounds } from './turnarounds.ts'

/** A line that is never quiet for this long has somebody babbling on it. */
const JAM_MS = 1_500
/** After stray octets: this much longer than a frame can pause inside. */
const STRAY_QUIET_MS = 5
/** Another master's exchange is waited for until its answer came: as long as its meter may take, if that is known, ... */
const FOREIGN_MS = 300
const FOREIGN_MOST_MS = 600
/** ... but in all no longer than this, */
const BACK_OFF_MS = 1_000
/** and whoever leaves this short gaps for so long is spoken into one of them. */
const POLITE_MS = 500

/** What is heard on a line beside our own exchanges, and when it is quiet enough to speak. */
export class Listening {
  readonly foreign = new ForeignTalk()
  /** monotonic time at which the last octet was over */
  freeAtMs = 0
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #doubts: Doubts
  readonly #turnarounds: Turnarounds
  readonly #strays: StrayOctets

  constructor(
    clock: Clock,
    counters: Counters,
    doubts: Doubts,
    turnarounds: Turnarounds,
    strays: StrayOctets
  ) {
    this.#clock = clock
    this.#counters = counters
    this.#doubts = doubts
    this.#turnarounds = turnarounds
    this.#strays = strays
  }

  /** Takes what came without being asked for. @returns true when something did */
  hear(line: Line): boolean {
    const octets = line.take()
    if (octets.length === 0) return false
    this.#counters.add('receivedOctets', octets.length)
    this.overhear(octets)
    this.freeAtMs = this.#clock.monotonicMs()
    return true
  }

  /** Octets nobody asked for: a late answer of ours, or what another master and its meters say. */
  overhear(octets: Uint8Array): void {
    const nowMs = this.#clock.monotonicMs()
    const { questions } = this.foreign.hear(octets, nowMs, this.#doubts.waiting(nowMs))
    if (questions > 0) this.#counters.add('foreignRequests', questions)
    this.#strays.add(octets)
  }

  /** Waits out the gap, then until nobody speaks. @returns false when somebody always does */
  async quiet(line: Line, gapMs: number, characterMs: number): Promise<boolean> {
    const fromMs = this.#clock.monotonicMs()
    let quietMs = gapMs
    for (;;) {
      await waitUntil(this.#clock, this.freeAtMs + quietMs, characterMs)
      if (!this.hear(line)) {
        if (await this.#backOff(line, fromMs)) continue
        break
      }
      const isPolite = this.freeAtMs < fromMs + POLITE_MS || this.foreign.askedAtMs < fromMs
      quietMs = isPolite ? Math.max(gapMs, 3.5 * characterMs + STRAY_QUIET_MS) : gapMs
      if (this.freeAtMs > fromMs + JAM_MS) return false
    }
    this.#strays.settle()
    return true
  }

  /** Another master waits for an answer: lets it come. @returns true when there was something to wait for */
  async #backOff(line: Line, fromMs: number): Promise<boolean> {
    const nowMs = this.#clock.monotonicMs()
    const question = this.foreign.pending(nowMs)
    if (!question) return false
    const knownMs = this.#turnarounds.slowestMs(question.to)
    const patienceMs = knownMs > 0 ? Math.min(FOREIGN_MOST_MS, 2 * knownMs + STRAY_QUIET_MS) : FOREIGN_MS
    const leftMs = Math.min(question.atMs + patienceMs, fromMs + BACK_OFF_MS) - nowMs
    if (leftMs <= 0) return false
    this.#counters.add('backOffs')
    await readable(line, Math.ceil(leftMs))
    return true
  }
}
