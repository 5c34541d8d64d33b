import type { Reading } from '../../proto/reading.ts'
import { slotEndMs } from '../../proto/slot.ts'
import type { AgentStore, Clock, Log, MeterAnswer, MeterBus, MeterPoint } from '../ports.ts'
import { ClockTable } from './clock-table.ts'
import { ExactSlots, type SlotAnswer } from './exact-slot.ts'
import { sweepBus } from './sweep.ts'
import { toReading } from './to-reading.ts'

/** Looks at the fresh readings of one slot and bus and gives them back with their quality; raises alarms on its own account. */
export type ReadingChecker = (
  slot: number,
  readings: readonly Reading[],
  answers: ReadonlyMap<string, MeterAnswer>
) => Reading[]

export interface AcquireDeps {
  readonly buses: readonly MeterBus[]
  readonly meters: readonly MeterPoint[]
  readonly slotSeconds: number
  readonly store: Pick<AgentStore, 'appendReadings' | 'highestVersion' | 'get' | 'set' | 'delete'>
  readonly check: ReadingChecker
  readonly clock: Clock
  readonly log: Log
  /** called when the sweeps of a slot are over, with first-pass figures */
  readonly onSwept?: (slot: number, figures: SweepFigures) => void
}

export interface SweepFigures {
  readonly meters: number
  readonly answered: number
  readonly elapsedMs: number
}

/** Share of the slot after which no further meter is begun: the rest is for sealing and for back-fill. */
const SWEEP_WINDOW = 0.9

/**
 * Under which the last wholly swept slot stands; sealing waits for it. Learned, not a fact: after a power cut the slot has ended
 * anyway and is sealed with what there is, so it is worth no write of its own.
 */
export const SWEPT_KEY = 'sweptSlot'

/**
 * Reads every meter once a slot. One task per bus; a slot whose sweep is still running when the next one is due ends early
 * (its remaining meters become gap records with reason noTime) rather than pile up.
 */
export class AcquireLoop {
  readonly #deps: AcquireDeps
  readonly #clocks: ClockTable
  readonly #exact: ExactSlots
  #running: Promise<void> = Promise.resolve()
  #busy = false

  constructor(deps: AcquireDeps) {
    this.#deps = deps
    this.#clocks = new ClockTable(deps.store)
    this.#exact = new ExactSlots(deps.clock, deps.slotSeconds)
  }

  /** Sweeps all buses for the slot that has just ended. Resolves when its readings are recorded. */
  sweepSlot(slot: number, signal: AbortSignal): Promise<void> {
    if (this.#busy) this.#deps.log.warn('sweep-overrun', { slot })
    // a sweep that failed must not take the later ones with it
    this.#running = this.settled().then(() => this.#sweep(slot, signal))
    return this.#running
  }

  /** Resolves when no sweep is under way. */
  settled(): Promise<void> {
    return this.#running.catch(() => undefined)
  }

  async #sweep(slot: number, signal: AbortSignal): Promise<void> {
    const { buses, clock, log, slotSeconds, store } = this.#deps
    if (signal.aborted) return
    const leftMs = slotEndMs(slot, slotSeconds) + slotSeconds * 1000 * SWEEP_WINDOW - clock.nowMs()
    // after a suspend or a long stall a live read would file today's register under an old slot: that slot is for back-fill
    if (leftMs <= 0) {
      log.warn('sweep-missed', { slot })
      return
    }
    this.#busy = true
    const startedMs = clock.monotonicMs()
    try {
      const counts = await Promise.all(
        buses.map(bus => this.#sweepOne(bus, slot, signal, startedMs + leftMs))
      )
      if (signal.aborted) return
      store.set(SWEPT_KEY, String(slot))
      const figures = {
        meters: counts.reduce((sum, count) => sum + count.meters, 0),
        answered: counts.reduce((sum, count) => sum + count.answered, 0),
        elapsedMs: Math.round(clock.monotonicMs() - startedMs)
      }
      log.info('swept', { slot, slotSeconds, ...figures })
      this.#deps.onSwept?.(slot, figures)
    } finally {
      this.#busy = false
    }
  }

  async #sweepOne(bus: MeterBus, slot: number, signal: AbortSignal, deadlineMs: number) {
    const { clock, log, store, check } = this.#deps
    const meters = this.#deps.meters.filter(meter => meter.bus === bus.name)
    const answers = new Map<string, MeterAnswer>()
    const exact = new Map<string, SlotAnswer>()
    const clocksDue = this.#clocks.due(meters, clock.nowMs())
    try {
      await sweepBus(
        bus,
        meters,
        { clock, log },
        {
          priority: 'slot',
          deadlineMs,
          signal,
          answers,
          withClock: meter => clocksDue.has(meter.id),
          withRatio: this.#wantsRatio(slot)
        }
      )
      for (const meter of meters) {
        const live = answers.get(meter.id)
        if (!live || !this.#exact.wants(meter, slot) || clock.monotonicMs() >= deadlineMs) continue
        exact.set(meter.id, await this.#exact.improve(bus, meter, slot, live, signal))
      }
    } catch (error) {
      if (!signal.aborted) log.error('sweep-failed', { bus: bus.name, slot, error })
    }
    for (const [meter, answer] of answers) {
      if (clocksDue.has(meter)) this.#clocks.note(meter, answer, clock.nowMs())
      this.#clocks.watchCounters(meter, answer)
    }
    const readings = meters.flatMap(meter => {
      const { answer, source } = exact.get(meter.id) ?? { answer: answers.get(meter.id), source: 'live' }
      // a meter without an answer here was cut off by the end of the process: sealing writes its gap record
      if (!answer || store.highestVersion(meter.id, slot) > 0) return []
      return [this.#toReading(meter, slot, answer, source)]
    })
    // cut short: what was read counts, what was missed so far may only have wanted its second chance
    const complete = signal.aborted ? readings.filter(({ values }) => values.length > 0) : readings
    if (complete.length > 0) store.appendReadings(bus.name, check(slot, complete, answers))
    return { meters: meters.length, answered: complete.filter(({ values }) => values.length > 0).length }
  }

  #toReading(meter: MeterPoint, slot: number, answer: MeterAnswer, source: SlotAnswer['source']): Reading {
    const { clock, slotSeconds } = this.#deps
    const driftMs = this.#clocks.driftMs(meter.id)
    return toReading(answer, meter, {
      slot,
      version: 1,
      slotSeconds,
      source,
      clockTrusted: clock.trusted(),
      driftMs
    })
  }

  /** The ratio registers are read on the first sweep and then once in about four hours: they change only by programming. */
  #ratioReadAt: number | undefined
  #wantsRatio(slot: number): boolean {
    if (this.#ratioReadAt !== undefined && slot !== this.#ratioReadAt && slot - this.#ratioReadAt < 16)
      return false
    this.#ratioReadAt = slot
    return true
  }
}
