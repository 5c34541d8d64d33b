import type {
  Clock,
  MeterAnswer,
  MeterPoint,
  ProfileAnswer,
  ReadFault,
  ReadOptions
} from '../../agent/ports.ts'

/** An answer read ahead of its turn is as good as one read in its turn. */
const AHEAD_MS = 10_000

interface Ahead {
  readonly meter: MeterPoint
  readonly options: ReadOptions
  readonly answer: MeterAnswer
  readonly atMs: number
}

/** Answers that were read to prove a line, kept for their turn in the sweep. */
export class AheadAnswers {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #kept = new Map<string, Ahead>()

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  put(meter: MeterPoint, options: ReadOptions, answer: MeterAnswer): void {
    this.#kept.set(meter.id, { meter, options, answer, atMs: this.#clock.monotonicMs() })
  }

  /** The meter's answer, once, while it is fresh and was read for the same purpose. */
  take(meter: MeterPoint, options: ReadOptions): MeterAnswer | undefined {
    const ahead = this.#kept.get(meter.id)
    if (!ahead) return undefined
    this.#kept.delete(meter.id)
    const isFresh = this.#clock.monotonicMs() - ahead.atMs < AHEAD_MS
    const isSame = ahead.meter === meter && ahead.options.priority === options.priority
    return isFresh && isSame ? ahead.answer : undefined
  }

  clear(): void {
    this.#kept.clear()
  }
}

/** What is said of a meter whose line is another's. */
export function refusal(detail: string): MeterAnswer {
  return { values: [], faults: [faultOf(detail)], readAtMs: null, meterTimeMs: null, frames: [] }
}

export function refusedProfile(detail: string): ProfileAnswer {
  return {
    source: 'loadProfile',
    records: [],
    status: 'failed',
    faults: [faultOf(detail)],
    damagedBlocks: 0
  }
}

function faultOf(detail: string): ReadFault {
  return { kind: 'busDown', asked: '', detail }
}
