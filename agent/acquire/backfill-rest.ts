import type { Clock, LearnedStore } from '../ports.ts'
import { cellOf, type GapRange } from './backfill-plan.ts'

/** A meter that has no load profile is asked again after a day: the mode word can be changed. */
const UNSUPPORTED_MS = 86_400_000
/** A meter that does not answer: 1 min, doubled each time up to an hour. */
const SILENT_MS = { first: 60_000, most: 3_600_000 }
/** Records that stay damaged, or are not there yet: 10 min, doubled up to a day. */
const RANGE_MS = { first: 600_000, most: 86_400_000 }
/** A line that is down is opened again by its bus all the time: look again soon. */
const LINE_MS = 15_000

/** Ranges remembered; forgetting them all only means trying sooner. */
const MOST_RANGES = 50_000

interface Rest {
  tries: number
  untilMs: number
}

/** Why back-fill leaves a meter alone, for status and `gaps`. */
export interface MeterRest {
  readonly reason: 'unsupported' | 'silent'
  /** wall clock, unix ms */
  readonly nextTryAtMs: number
}

/** Key of the learned fact: until when (unix ms) a meter counts as having no memory to read. */
export function unsupportedKey(meter: string): string {
  return `backfill/unsupported/${meter}`
}

/** Until when the meter counts as having no load profile and no freezes; undefined when it does not. */
export function unsupportedUntil(
  learned: Pick<LearnedStore, 'get'>,
  meter: string,
  nowMs: number
): number | undefined {
  const untilMs = Number(learned.get(unsupportedKey(meter)) ?? 0)
  // a wall clock that was set back must not hold a meter for ever
  return untilMs > nowMs && untilMs <= nowMs + UNSUPPORTED_MS ? untilMs : undefined
}

/** What has failed lately and when it is worth another try. Only "unsupported" outlives the process. */
export class BackfillRests {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #learned: LearnedStore
  readonly #meters = new Map<string, Rest>()
  readonly #ranges = new Map<string, Rest>()
  readonly #lines = new Map<string, number>()

  constructor(clock: Pick<Clock, 'nowMs'>, learned: LearnedStore) {
    this.#clock = clock
    this.#learned = learned
  }

  /** Why the meter as a whole is left alone; undefined when it is not. */
  ofMeter(meter: string): MeterRest | undefined {
    const nowMs = this.#clock.nowMs()
    const until = unsupportedUntil(this.#learned, meter, nowMs)
    if (until !== undefined) return { reason: 'unsupported', nextTryAtMs: until }
    const rest = this.#meters.get(meter)
    return rest && !isDue(rest, nowMs, SILENT_MS.most)
      ? { reason: 'silent', nextTryAtMs: rest.untilMs }
      : undefined
  }

  isRangeResting(range: GapRange): boolean {
    const rest = this.#ranges.get(rangeKey(range))
    return rest !== undefined && !isDue(rest, this.#clock.nowMs(), RANGE_MS.most)
  }

  isLineResting(bus: string): boolean {
    const untilMs = this.#lines.get(bus) ?? 0
    const nowMs = this.#clock.nowMs()
    return untilMs > nowMs && untilMs <= nowMs + LINE_MS
  }

  noteUnsupported(meter: string): void {
    this.#learned.set(unsupportedKey(meter), String(this.#clock.nowMs() + UNSUPPORTED_MS))
  }

  noteSilent(meter: string): void {
    extend(this.#meters, meter, this.#clock.nowMs(), SILENT_MS)
  }

  noteLineDown(bus: string): void {
    this.#lines.set(bus, this.#clock.nowMs() + LINE_MS)
  }

  /** Something of the range is still missing. */
  noteUnfinished(range: GapRange): void {
    if (this.#ranges.size >= MOST_RANGES) this.#ranges.clear()
    extend(this.#ranges, rangeKey(range), this.#clock.nowMs(), RANGE_MS)
  }

  noteFinished(range: GapRange): void {
    this.#ranges.delete(rangeKey(range))
  }

  /** The meter answered from its memory. */
  noteAnswered(meter: string): void {
    this.#meters.delete(meter)
    this.#learned.delete(unsupportedKey(meter))
  }
}

function rangeKey({ meter, fromSlot }: GapRange): string {
  return `${meter}/${cellOf(fromSlot)}`
}

/** A wall clock that was set back must not make a rest longer than it can be. */
function isDue(rest: Rest, nowMs: number, mostMs: number): boolean {
  return rest.untilMs <= nowMs || rest.untilMs > nowMs + mostMs
}

function extend(
  rests: Map<string, Rest>,
  key: string,
  nowMs: number,
  delays: { readonly first: number; readonly most: number }
): void {
  const tries = (rests.get(key)?.tries ?? 0) + 1
  const delayMs = Math.min(delays.most, delays.first * 2 ** Math.min(tries - 1, 20))
  rests.set(key, { tries, untilMs: nowMs + delayMs })
}
