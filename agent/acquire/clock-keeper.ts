import type { Clock, Log, MeterPoint } from '../ports.ts'
import type { ClockTable } from './clock-table.ts'
import { CLOCK_LIMIT_MS } from './to-reading.ts'

/** What became of a broadcast of the time on one bus. */
export type ClockBroadcast =
  | {
      readonly kind: 'sent'
      /** the meters' clocks minus ours, read again; null where one was not had */
      readonly changes: readonly {
        readonly meter: string
        readonly beforeMs: number | null
        readonly afterMs: number | null
      }[]
    }
  | { readonly kind: 'refused'; readonly reason: string }

export interface ClockKeeperDeps {
  readonly meters: readonly MeterPoint[]
  readonly buses: readonly string[]
  readonly table: ClockTable
  /** sends the time on a bus, inside the standard's limits, and reads the meters' clocks again */
  readonly broadcast: (
    bus: string,
    meters: readonly MeterPoint[],
    signal: AbortSignal
  ) => Promise<ClockBroadcast>
  readonly clock: Clock
  readonly log: Log
}

/** Whether a clock needs it changes slowly; whether the moment is right (no slot edge, no midnight) is looked at this often. */
const EVERY_MS = 120_000
/** Clocks better than this are left alone: a table of drifts read once a day knows no better. */
const WORTH_MS = 10_000
/** A clock that a broadcast left this far off did not take it. */
const TAKEN_MS = 5_000

/** Sets the meters' clocks by broadcast where the operator has switched that on, and tells which meters did not take it. */
export class ClockKeeper {
  readonly #deps: ClockKeeperDeps

  constructor(deps: ClockKeeperDeps) {
    this.#deps = deps
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, buses } = this.#deps
    while (!signal.aborted) {
      for (const bus of buses) {
        try {
          await this.step(bus, signal)
        } catch (error) {
          if (!signal.aborted) log.error('clock-broadcast-failed', { bus, error })
        }
      }
      await clock.wait(EVERY_MS, signal).catch(() => undefined)
    }
  }

  /** Broadcasts the time on a bus if a clock there is off by as much as that can mend. @returns what became of it, undefined for no need */
  async step(bus: string, signal: AbortSignal): Promise<ClockBroadcast | undefined> {
    const { table, clock, log, meters } = this.#deps
    const drifts = meters
      .filter(({ bus: name, protocol }) => name === bus && protocol !== 'modbus')
      .map(meter => ({ meter, driftMs: Math.abs(table.driftMs(meter.id) ?? Number.NaN) }))
    // a meter beyond the limit ignores the broadcast and would only keep the others from theirs
    const mendable = drifts.filter(({ driftMs }) => driftMs <= CLOCK_LIMIT_MS)
    if (!mendable.some(({ driftMs }) => driftMs >= WORTH_MS)) return undefined
    const outcome = await this.#deps.broadcast(
      bus,
      mendable.map(({ meter }) => meter),
      signal
    )
    if (outcome.kind === 'refused') {
      log.debug('clock-broadcast-refused', { bus, reason: outcome.reason })
      return outcome
    }
    for (const { meter, afterMs } of outcome.changes) {
      if (afterMs !== null) table.noteDrift(meter, afterMs, clock.nowMs())
    }
    const ignored = outcome.changes.flatMap(({ meter, beforeMs, afterMs }) =>
      Math.abs(beforeMs ?? 0) > TAKEN_MS && Math.abs(afterMs ?? 0) > TAKEN_MS ? [meter] : []
    )
    log.info('clock-broadcast', { bus, meters: outcome.changes.length, ignored })
    return outcome
  }
}
