import type { BusStatus, Clock, LearnedStore } from '../../agent/ports.ts'

/** A meter that has answered before may miss one request; after that: 2 s, doubled each time. */
const FIRST_DELAY_MS = 2_000
/** One that never answered is most likely not there: no second try within the same short sweep. */
const NEVER_HEARD_DELAY_MS = 30_000
const MAX_DELAY_MS = 600_000
const JITTER = 0.1
/** All half-open probes together: this share of the bus's time, saved up for at most this long. */
const PROBE_SHARE = 0.05
const PROBE_SAVINGS_MS = 3_000

interface State {
  failures: number
  nextTryAtMs: number
  heard: boolean
}

export type Verdict =
  | { readonly kind: 'ask' }
  | { readonly kind: 'probe' }
  | { readonly kind: 'skip'; readonly nextTryAtMs: number }

/**
 * Decides which silent meters are worth asking, per (bus, meter). Only silence counts against a meter: an error answer
 * proves it alive, garbage proves the line noisy. State survives a restart.
 */
export class Breaker {
  readonly #states = new Map<string, State>()
  readonly #clock: Clock
  readonly #learned: LearnedStore
  readonly #prefix: string
  readonly #random: () => number
  #savingsMs = PROBE_SAVINGS_MS
  #savedAtMs: number

  /** @param random in [0, 1), for the jitter */
  constructor(clock: Clock, learned: LearnedStore, busName: string, random: () => number) {
    this.#clock = clock
    this.#learned = learned
    this.#prefix = `breaker/${busName}/`
    this.#random = random
    this.#savedAtMs = clock.monotonicMs()
  }

  /** @param probeMs what a probe would cost the line if it stays unanswered */
  judge(meterKey: string, probeMs: number): Verdict {
    const state = this.#get(meterKey)
    const nowMs = this.#clock.nowMs()
    if (state.nextTryAtMs === 0) return { kind: 'ask' }
    // A wall clock that was set back must not hold a meter for ever.
    if (state.nextTryAtMs > nowMs + MAX_DELAY_MS * (1 + JITTER)) state.nextTryAtMs = nowMs + MAX_DELAY_MS
    if (state.nextTryAtMs > nowMs) return { kind: 'skip', nextTryAtMs: state.nextTryAtMs }
    this.#save()
    if (this.#savingsMs < Math.min(probeMs, PROBE_SAVINGS_MS)) {
      return { kind: 'skip', nextTryAtMs: nowMs + Math.ceil((probeMs - this.#savingsMs) / PROBE_SHARE) }
    }
    return { kind: 'probe' }
  }

  /** Consecutive unanswered requests. */
  failures(meterKey: string): number {
    return this.#get(meterKey).failures
  }

  /** True when the next request to the meter would be a half-open probe. */
  probing(meterKey: string): boolean {
    return this.#get(meterKey).nextTryAtMs !== 0
  }

  /** Any answer at all closes the breaker. */
  noteAnswer(meterKey: string): void {
    const state = this.#get(meterKey)
    const changed = state.failures > 0 || !state.heard
    state.failures = 0
    state.nextTryAtMs = 0
    state.heard = true
    if (changed) this.#persist(meterKey, state)
  }

  /** The silence may have been a late answer that ran into something else: let the meter be asked again. */
  forgive(meterKey: string): void {
    const state = this.#get(meterKey)
    if (state.nextTryAtMs === 0 || state.failures > 1) return
    state.nextTryAtMs = 0
    this.#persist(meterKey, state)
  }

  /** @param costMs line time the silence took */
  noteSilence(meterKey: string, costMs: number): void {
    const state = this.#get(meterKey)
    if (state.nextTryAtMs !== 0) {
      this.#save()
      this.#savingsMs -= costMs
    }
    state.failures++
    const doublings = state.failures - (state.heard ? 2 : 1)
    if (doublings >= 0) {
      const baseMs = state.heard ? FIRST_DELAY_MS : NEVER_HEARD_DELAY_MS
      const delayMs = Math.min(MAX_DELAY_MS, baseMs * 2 ** Math.min(doublings, 20))
      state.nextTryAtMs = Math.round(
        this.#clock.nowMs() + delayMs * (1 - JITTER + 2 * JITTER * this.#random())
      )
    }
    this.#persist(meterKey, state)
  }

  open(): BusStatus['breakers'] {
    const nowMs = this.#clock.nowMs()
    return [...this.#states]
      .filter(([, state]) => state.nextTryAtMs > 0)
      .map(([address, state]) => ({
        address,
        failures: state.failures,
        nextTryAtMs: Math.max(state.nextTryAtMs, nowMs)
      }))
  }

  #save(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#savingsMs = Math.min(PROBE_SAVINGS_MS, this.#savingsMs + (nowMs - this.#savedAtMs) * PROBE_SHARE)
    this.#savedAtMs = nowMs
  }

  #get(meterKey: string): State {
    let state = this.#states.get(meterKey)
    if (state) return state
    const [failures, nextTryAtMs, heard] = (this.#learned.get(this.#prefix + meterKey) ?? '0 0 0')
      .split(' ')
      .map(Number)
    state = { failures: failures || 0, nextTryAtMs: nextTryAtMs || 0, heard: heard === 1 }
    this.#states.set(meterKey, state)
    return state
  }

  #persist(meterKey: string, state: State): void {
    this.#learned.set(
      this.#prefix + meterKey,
      `${state.failures} ${state.nextTryAtMs} ${state.heard ? 1 : 0}`
    )
  }
}
