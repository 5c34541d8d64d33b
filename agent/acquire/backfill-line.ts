import { isGap, type Reading } from '../../proto/reading.ts'
import { slotEndMs, slotOf } from '../../proto/slot.ts'
import type { AgentStore, Clock, Log, MeterBus, MeterPoint } from '../ports.ts'
import { type GapRange, nextRange } from './backfill-plan.ts'
import type { BackfillRests } from './backfill-rest.ts'
import type { ClockTable } from './clock-table.ts'
import type { GapIndex } from './gap-index.ts'
import type { GapScan } from './gap-scan.ts'
import { fillRange } from './profile-records.ts'

/** What back-fill on every line shares. */
export interface BackfillShop {
  readonly slotSeconds: number
  /** share of the elapsed time back-fill may hold a line, 0..1; 0: only what is asked for */
  readonly share: number
  readonly store: Pick<AgentStore, 'queryReadings' | 'appendReadings' | 'highestVersion'>
  /** quality of late readings: same checks, no alarms about the past */
  readonly check: (readings: readonly Reading[]) => Reading[]
  readonly clock: Clock
  readonly log: Log
  readonly index: GapIndex
  readonly scan: GapScan
  readonly rests: BackfillRests
  readonly clocks: ClockTable
}

/** What one range came to. */
export interface RangeResult {
  readonly kind: 'read' | 'unsupported' | 'silent' | 'lineDown'
  readonly filled: number
  readonly holes: number
  readonly damagedBlocks: number
  /** line time it took */
  readonly spentMs: number
}

/** A meter's record is looked for this long after the slot's end at the earliest: meters write it when their minute has passed. */
const SETTLE_MS = 60_000
/** Readings are stored together: a slot of many meters is one block, and flash lives on few writes. */
const STORE_TOGETHER = 128
const STORE_WITHIN_MS = 20_000
const MOST_WAITING = 4 * STORE_TOGETHER

/** Back-fill on one line: what is next, reading it, and storing what came. */
export class BackfillLine {
  readonly bus: MeterBus
  readonly meters: ReadonlyMap<string, MeterPoint>
  readonly #shop: BackfillShop
  #waiting: Reading[] = []
  #waitingSinceMs = 0

  constructor(bus: MeterBus, meters: readonly MeterPoint[], shop: BackfillShop) {
    this.bus = bus
    this.meters = new Map(meters.filter(meter => meter.bus === bus.name).map(meter => [meter.id, meter]))
    this.#shop = shop
  }

  /** The range that is due next; undefined while there is none. */
  next(): GapRange | undefined {
    const { clock, index, scan, rests } = this.#shop
    // without a time to believe in, neither is a slot to ask for
    if (!clock.trusted() || rests.isLineResting(this.bus.name)) return undefined
    // the store does not take it: reading on would only fill the memory
    if (this.#waiting.length >= MOST_WAITING) return undefined
    const settled = scan.settled()
    return nextRange({
      index,
      meters: [...this.meters.keys()].filter(meter => rests.ofMeter(meter) === undefined),
      fromSlot: scan.floor(),
      newestSlot: meter => this.newestSlot(meter, settled),
      isResting: range => rests.isRangeResting(range)
    })
  }

  /** The newest slot a meter has its record of by now, by its own clock. */
  newestSlot(meter: string, settled = this.#shop.scan.settled()): number {
    const { clock, clocks, slotSeconds } = this.#shop
    const behindMs = Math.max(0, -(clocks.driftMs(meter) ?? 0))
    return Math.min(settled, slotOf(clock.nowMs() - SETTLE_MS - behindMs, slotSeconds) - 1)
  }

  /**
   * Reads one range from the meter's memory and keeps what came for storing.
   * @param mayBeHole slots that may be recorded as holes; all when left out. Rejects only when the signal aborts
   */
  async read(
    range: GapRange,
    signal: AbortSignal,
    mayBeHole: (slot: number) => boolean = () => true
  ): Promise<RangeResult> {
    const { clock, clocks, log, rests, slotSeconds } = this.#shop
    const meter = this.meters.get(range.meter) as MeterPoint
    const startedMs = clock.monotonicMs()
    const lineFromMs = this.#lineMs() ?? 0
    const answer = await this.bus.readProfile(
      meter,
      slotEndMs(range.fromSlot, slotSeconds),
      slotEndMs(range.toSlot, slotSeconds),
      { priority: 'backfill', signal }
    )
    const lineToMs = this.#lineMs()
    const spentMs = lineToMs === undefined ? clock.monotonicMs() - startedMs : lineToMs - lineFromMs
    const none = { filled: 0, holes: 0, damagedBlocks: answer.damagedBlocks, spentMs }
    if (answer.status === 'unsupported') {
      rests.noteUnsupported(meter.id)
      log.info('backfill-unsupported', { meter: meter.id })
      return { kind: 'unsupported', ...none }
    }
    if (answer.status === 'failed') {
      if (answer.faults.some(({ kind }) => kind === 'busDown')) {
        rests.noteLineDown(this.bus.name)
        return { kind: 'lineDown', ...none }
      }
      rests.noteSilent(meter.id)
      return { kind: 'silent', ...none }
    }
    rests.noteAnswered(meter.id)
    const driftMs = clocks.driftMs(meter.id)
    const found = fillRange(meter, range, answer, { slotSeconds, nowMs: clock.nowMs(), driftMs })
    const holes = found.holes.filter(({ slot }) => mayBeHole(slot))
    this.#keep(this.#shop.check(found.readings), holes)
    if (found.open.length > 0) rests.noteUnfinished(range)
    else rests.noteFinished(range)
    const { fromSlot, toSlot } = range
    const figures = {
      filled: found.readings.length,
      holes: holes.length,
      damagedBlocks: answer.damagedBlocks
    }
    log.info('backfilled', { meter: meter.id, fromSlot, toSlot, ...figures, open: found.open.length })
    return { kind: 'read', ...figures, spentMs }
  }

  /** Stores what came, when it is enough or has waited long enough. Not stored is not filled: a kill only means reading it again. */
  store(now = false): void {
    const { clock, store } = this.#shop
    if (this.#waiting.length === 0) return
    const ageMs = clock.monotonicMs() - this.#waitingSinceMs
    if (!now && this.#waiting.length < STORE_TOGETHER && ageMs < STORE_WITHIN_MS) return
    const readings = [...this.#waiting]
      .sort((a, b) => a.slot - b.slot)
      .map(reading => ({ ...reading, version: store.highestVersion(reading.meter, reading.slot) + 1 }))
    store.appendReadings(this.bus.name, readings)
    this.#waiting = []
  }

  #keep(readings: readonly Reading[], holes: readonly Reading[]): void {
    const { clock, index } = this.#shop
    if (this.#waiting.length === 0) this.#waitingSinceMs = clock.monotonicMs()
    this.#waiting.push(...readings.filter(reading => !isGap(reading)), ...holes)
    for (const { meter, slot } of [...readings, ...holes]) index.remove(meter, slot)
  }

  /** Line time of back-fill so far, where the bus counts it: waiting behind a sweep costs the line nothing. */
  #lineMs(): number | undefined {
    return this.bus.status().counters['backfillMs']
  }
}
