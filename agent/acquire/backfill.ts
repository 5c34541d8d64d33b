import type { Reading } from '../../proto/reading.ts'
import type { AgentStore, Clock, Log, MeterBus, MeterPoint } from '../ports.ts'
import {
  addFigures,
  type BackfillAsk,
  type BackfillFigures,
  NOTHING_ASKED,
  serveAsk
} from './backfill-ask.ts'
import { BackfillLine, type BackfillShop } from './backfill-line.ts'
import { BackfillRests, type MeterRest } from './backfill-rest.ts'
import { ClockTable } from './clock-table.ts'
import { GapIndex } from './gap-index.ts'
import { GapScan } from './gap-scan.ts'

export interface BackfillDeps {
  readonly buses: readonly MeterBus[]
  readonly meters: readonly MeterPoint[]
  readonly slotSeconds: number
  /** how far back gaps are looked for */
  readonly days: number
  /** share of the elapsed time back-fill may hold a line, 0..1; 0: only what is asked for */
  readonly share: number
  readonly store: Pick<
    AgentStore,
    | 'queryReadings'
    | 'appendReadings'
    | 'highestVersion'
    | 'lastSealedSlot'
    | 'getMeta'
    | 'get'
    | 'set'
    | 'delete'
  >
  /** quality of late readings: same checks, no alarms about the past */
  readonly check: (readings: readonly Reading[]) => Reading[]
  readonly clock: Clock
  readonly log: Log
}

/** What back-fill has before it, for status and `gaps`. */
export interface BackfillState {
  /** false while the store's past is still being looked through */
  readonly scanned: boolean
  /** meters with gaps that could be filled, or that are left alone */
  readonly meters: readonly {
    readonly meter: string
    readonly gapSlots: number
    readonly rest: MeterRest | null
  }[]
}

/** Between two looks for something to do. */
const IDLE_MS = 5_000
/** The store's past is looked through in this share of the time. */
const SCAN_SHARE = 0.2

interface Job {
  readonly meter: string
  readonly ask: BackfillAsk
  readonly signal: AbortSignal
  readonly resolve: (figures: BackfillFigures) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Re-reads gaps from the meters' own memory for as long as there are any. A filled slot becomes a new version with the source and the
 * record's own stamp; a slot the memory has no record for becomes a gap record that says so. What is left to do is told by the store
 * alone: a kill at any point costs only what had not been stored.
 */
export class Backfill {
  readonly #deps: BackfillDeps
  readonly #shop: BackfillShop
  readonly #lines: readonly BackfillLine[]
  readonly #jobs = new Map<BackfillLine, Job[]>()
  readonly #wakes = new Map<BackfillLine, AbortController>()
  #running = false

  constructor(deps: BackfillDeps) {
    this.#deps = deps
    const { buses, meters, store, clock } = deps
    const index = new GapIndex()
    this.#shop = {
      ...deps,
      index,
      scan: new GapScan({ ...deps, index, meters: new Set(meters.map(({ id }) => id)) }),
      rests: new BackfillRests(clock, store),
      clocks: new ClockTable(store)
    }
    this.#lines = buses.map(bus => new BackfillLine(bus, meters, this.#shop))
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = true
    const wakeAll = () => {
      for (const wake of this.#wakes.values()) wake.abort()
    }
    signal.addEventListener('abort', wakeAll, { once: true })
    await Promise.all([this.#scanAll(signal), ...this.#lines.map(line => this.#runLine(line, signal))])
    this.#running = false
  }

  /**
   * Reads again what is asked for, before anything that is due by itself. Resolves when it is stored.
   * Rejects with the signal's reason when it aborts.
   */
  async ask(ask: BackfillAsk, signal: AbortSignal): Promise<BackfillFigures> {
    const jobs: Promise<BackfillFigures>[] = []
    for (const line of this.#lines) {
      for (const meter of line.meters.keys()) {
        if (ask.meter !== undefined && ask.meter !== meter) continue
        jobs.push(
          new Promise((resolve, reject) => {
            const waiting = this.#jobs.get(line) ?? []
            waiting.push({ meter, ask, signal, resolve, reject })
            this.#jobs.set(line, waiting)
          })
        )
      }
      if (this.#running) this.#wakes.get(line)?.abort()
      else void this.#serveJobs(line)
    }
    return (await Promise.all(jobs)).reduce(addFigures, NOTHING_ASKED)
  }

  state(): BackfillState {
    const { index, rests, scan } = this.#shop
    const meters = this.#deps.meters.flatMap(({ id }) => {
      const gapSlots = index.count(id)
      const rest = rests.ofMeter(id) ?? null
      return gapSlots > 0 || rest ? [{ meter: id, gapSlots, rest }] : []
    })
    return { scanned: scan.complete, meters }
  }

  async #scanAll(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    while (!signal.aborted && this.#deps.share > 0) {
      const startedMs = clock.monotonicMs()
      let more = false
      try {
        more = this.#shop.scan.step()
      } catch (error) {
        log.error('gap-scan-failed', { error })
      }
      const spentMs = clock.monotonicMs() - startedMs
      const waitMs = more ? spentMs * (1 / SCAN_SHARE - 1) : this.#idleMs()
      await clock.wait(waitMs, signal).catch(() => undefined)
    }
  }

  async #runLine(line: BackfillLine, signal: AbortSignal): Promise<void> {
    const { log, share } = this.#deps
    while (!signal.aborted) {
      let waitMs = this.#idleMs()
      try {
        await this.#serveJobs(line)
        const range = share > 0 ? line.next() : undefined
        if (range) {
          const { spentMs } = await line.read(range, signal)
          waitMs = spentMs * (1 / share - 1)
        }
        line.store(range === undefined)
      } catch (error) {
        if (!signal.aborted) log.error('backfill-failed', { bus: line.bus.name, error })
      }
      if (!signal.aborted) await this.#rest(line, waitMs)
    }
    try {
      // the daemon waits for this loop before it closes the store
      line.store(true)
    } catch (error) {
      log.error('backfill-failed', { bus: line.bus.name, error })
    }
  }

  /** Waits, but not longer than until somebody asks for something. */
  async #rest(line: BackfillLine, ms: number): Promise<void> {
    const wake = new AbortController()
    this.#wakes.set(line, wake)
    if ((this.#jobs.get(line)?.length ?? 0) > 0) return
    await this.#deps.clock.wait(ms, wake.signal).catch(() => undefined)
  }

  async #serveJobs(line: BackfillLine): Promise<void> {
    const waiting = this.#jobs.get(line) ?? []
    if (waiting.length > 0) line.store(true)
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      try {
        job.resolve(await serveAsk(line, job.meter, job.ask, this.#deps, job.signal))
      } catch (error) {
        job.reject(error)
      }
    }
  }

  #idleMs(): number {
    return Math.min(IDLE_MS, (this.#deps.slotSeconds * 1000) / 4)
  }
}
