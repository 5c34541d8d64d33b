import { isGap, type Reading } from '../../proto/reading.ts'
import { slotOf } from '../../proto/slot.ts'
import type { AgentStore } from '../ports.ts'
import { ageOf, type MeterStatus, SPAN_SLOTS, type StatusSubject } from './status.ts'

/** How old a meter's last good reading is. */
export type MeterAge = Pick<MeterStatus, 'meter' | 'bus' | 'ageSeconds'>

/**
 * The last good slot of every meter, kept as readings are recorded: scrapes come every few seconds, and reading a day of
 * blocks for each would hold up the lines.
 */
export class Freshness {
  readonly #subject: Pick<StatusSubject, 'slotSeconds' | 'meters'>
  readonly #lastGood = new Map<string, number>()

  constructor(subject: Pick<StatusSubject, 'slotSeconds' | 'meters'>) {
    this.#subject = subject
  }

  /** Takes up what the store has of the last day, newest first, and only as far back as a meter is still unknown. */
  load(store: Pick<AgentStore, 'queryReadings'>, nowMs: number): void {
    const newest = slotOf(nowMs, this.#subject.slotSeconds)
    for (let slot = newest; slot > newest - SPAN_SLOTS; slot--) {
      this.note(store.queryReadings({ fromSlot: slot, toSlot: slot }))
      if (this.#subject.meters.every(({ id }) => this.#lastGood.has(id))) return
    }
  }

  /** Readings that were recorded. */
  note(readings: readonly Reading[]): void {
    for (const reading of readings) {
      if (isGap(reading)) continue
      const known = this.#lastGood.get(reading.meter)
      if (known === undefined || known < reading.slot) this.#lastGood.set(reading.meter, reading.slot)
    }
  }

  /** The store, telling this of everything that is recorded in it. */
  watch<Store extends Pick<AgentStore, 'appendReadings'>>(store: Store): Store {
    return {
      ...store,
      appendReadings: (bus: string, readings: readonly Reading[]) => {
        const added = store.appendReadings(bus, readings)
        this.note(readings)
        return added
      }
    }
  }

  /** In the order of the configuration. */
  ages(nowMs: number): MeterAge[] {
    const { meters, slotSeconds } = this.#subject
    return meters.map(({ id, bus }) => ({
      meter: id,
      bus,
      ageSeconds: ageOf(this.#lastGood.get(id), slotSeconds, nowMs)
    }))
  }
}
