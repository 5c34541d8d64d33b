import type { Reading } from '../../proto/reading.ts'
import { slotEndMs } from '../../proto/slot.ts'
import type { AgentStore, Clock, Log, MeterAnswer, MeterBus, MeterPoint } from '../ports.ts'
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
  readonly store: Pick<AgentStore, 'appendReadings' | 'highestVersion' | 'setMeta'>
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

/** Meta key under which the last wholly swept slot stands; sealing waits for it. */
export const SWEPT_META = 'sweptSlot'

/**
 * Reads every meter once a slot. One task per bus; a slot whose sweep is still running when the next one is due ends early
 * (its remaining meters become gap records with reason noTime) rather than pile up.
 */
export class AcquireLoop {
  readonly #deps: AcquireDeps
  #running: Promise<void> = Promise.resolve()
  #busy = false

  constructor(deps: AcquireDeps) {
    this.#deps = deps
  }

  /** Sweeps all buses for the slot that has just ended. Resolves when its readings are recorded. */
  sweepSlot(slot: number, signal: AbortSignal): Promise<void> {
    if (this.#busy) this.#deps.log.warn('sweep-overrun', { slot })
    this.#running = this.#running.then(() => this.#sweep(slot, signal))
    return this.#running
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
      store.setMeta(SWEPT_META, String(slot))
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
    const { clock, log, slotSeconds, store, check } = this.#deps
    const meters = this.#deps.meters.filter(meter => meter.bus === bus.name)
    let answers = new Map<string, MeterAnswer>()
    try {
      answers = await sweepBus(
        bus,
        meters,
        { clock, log },
        {
          priority: 'slot',
          deadlineMs,
          signal,
          withRatio: this.#wantsRatio(slot)
        }
      )
    } catch (error) {
      if (!signal.aborted) log.error('sweep-failed', { bus: bus.name, slot, error })
    }
    const readings = meters.flatMap(meter => {
      const answer = answers.get(meter.id)
      const version = store.highestVersion(meter.id, slot) + 1
      // a meter without an answer here was cut off by the end of the process: sealing writes its gap record
      if (!answer || version > 1) return []
      return [
        toReading(answer, meter, {
          slot,
          version,
          slotSeconds,
          source: 'live',
          clockTrusted: clock.trusted()
        })
      ]
    })
    if (readings.length > 0) store.appendReadings(bus.name, check(slot, readings, answers))
    return { meters: meters.length, answered: readings.filter(reading => reading.values.length > 0).length }
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
