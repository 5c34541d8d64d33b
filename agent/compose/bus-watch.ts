import type { BusStatus } from '../ports.ts'
import type { Trouble } from './trouble-desk.ts'

/** Frames of others, or spoilt echoes, in one slot before a second master is believed in: one may be a meter's late answer. */
const STRANGE_FRAMES = 3
/** A question that is not ours can only be another master's; one might be an echo that strayed. */
const FOREIGN_REQUESTS = 3
/** Share of spoilt answers in one slot, of at least so many, that is more than bad luck. */
const SPOILT_SHARE = 0.05
const SPOILT_LEAST = 5

type Counters = BusStatus['counters']

/** Looks once a slot at what every line has counted, and tells what a person has to mend there. */
export class BusWatch {
  readonly #buses: readonly { readonly name: string; status(): BusStatus }[]
  readonly #note: (bus: string, trouble: Trouble | undefined) => void
  readonly #before = new Map<string, Counters>()

  /** @param note gets the worst trouble of each bus, undefined when there is none */
  constructor(
    buses: readonly { readonly name: string; status(): BusStatus }[],
    note: (bus: string, trouble: Trouble | undefined) => void
  ) {
    this.#buses = buses
    this.#note = note
  }

  /** Between two slots: whoever shares a line with another master should know while he still stands there. */
  glance(): void {
    for (const bus of this.#buses) {
      const status = bus.status()
      const before = this.#before.get(bus.name)
      const trouble = status.refusal === undefined ? secondMaster(status, before ?? {}) : undefined
      if (trouble) this.#note(bus.name, trouble)
    }
  }

  look(): void {
    for (const bus of this.#buses) {
      const status = bus.status()
      this.#note(bus.name, judgeBus(status, this.#before.get(bus.name) ?? {}))
      this.#before.set(bus.name, status.counters)
    }
  }
}

function secondMaster(status: BusStatus, before: Counters): Trouble | undefined {
  const questions = Math.max(0, (status.counters['foreignRequests'] ?? 0) - (before['foreignRequests'] ?? 0))
  if (questions < FOREIGN_REQUESTS) return undefined
  return {
    kind: 'second-master',
    detail: `${questions} questions of another master: two of them on one line spoil each other's answers`,
    isCertain: true
  }
}

/** What is wrong with a line, from the counts of now and of a slot ago; the worst alone. */
export function judgeBus(status: BusStatus, before: Counters): Trouble | undefined {
  if (status.refusal !== undefined) return { kind: 'swapped', detail: status.refusal }
  const rise = (name: string) => Math.max(0, (status.counters[name] ?? 0) - (before[name] ?? 0))
  const master = secondMaster(status, before)
  if (master) return master
  if (rise('jammed') > 0) {
    return { kind: 'jammed', detail: 'somebody on the line never stops talking, or A and B are swapped' }
  }
  const strange = rise('collisions') + rise('foreignFrames')
  if (strange >= STRANGE_FRAMES) {
    return { kind: 'second-master', detail: `${strange} frames of others: is a second master on the line?` }
  }
  const spoilt = rise('garbage')
  if (spoilt >= SPOILT_LEAST && spoilt > SPOILT_SHARE * rise('exchanges')) {
    return { kind: 'noisy', detail: `${spoilt} of ${rise('exchanges')} answers were spoilt` }
  }
  return undefined
}
