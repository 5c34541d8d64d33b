import { gapRecord, isGap, type Reading } from '../../proto/reading.ts'
import { slotEndMs } from '../../proto/slot.ts'
import type { AgentStore, Clock, Log, MeterBus, MeterPoint, ProfileAnswer, ProfileRecord } from '../ports.ts'
import { type GapRange, planBackfill } from './backfill-plan.ts'
import { ratioStampOf, toReading } from './to-reading.ts'

export interface BackfillDeps {
  readonly buses: readonly MeterBus[]
  readonly meters: readonly MeterPoint[]
  readonly slotSeconds: number
  /** how far back gaps are looked for */
  readonly days: number
  readonly store: Pick<AgentStore, 'queryReadings' | 'appendReadings' | 'highestVersion' | 'get' | 'set'>
  /** quality of late readings: same checks, no alarms about the past */
  readonly check: (readings: readonly Reading[]) => Reading[]
  readonly clock: Clock
  readonly log: Log
}

/** What one round of back-fill brought. */
export interface BackfillFigures {
  readonly ranges: number
  readonly filled: number
  /** slots the meter's own profile has no record for, now recorded as such */
  readonly holes: number
  readonly damagedBlocks: number
}

/** Slots a single range holds at the most: four hours of 15-minute records are two or three frames of class 4. */
const RANGE_SLOTS = 16
/** A record counts for a slot when its stamp is this close to the slot's end. */
const STAMP_TOLERANCE_MS = 1000
/** A meter that has no load profile is asked again after a day: the mode word can be changed. */
const UNSUPPORTED_MS = 86_400_000
/** A range that brought nothing because the meter was silent rests this long. */
const RETRY_MS = 10 * 60_000

/**
 * Re-reads gaps from the meters' own memory. A filled slot becomes a new version with the source and the record's own stamp; a slot the
 * profile has no record for becomes a new gap record that says so. Nothing is ever interpolated.
 */
export class Backfill {
  readonly #deps: BackfillDeps
  readonly #restUntil = new Map<string, number>()

  constructor(deps: BackfillDeps) {
    this.#deps = deps
  }

  /**
   * One round over all buses, newest gaps first.
   * @param span narrows the round to what an operator asked for
   */
  async round(
    signal: AbortSignal,
    span: { meter?: string; fromSlot?: number; toSlot?: number } = {}
  ): Promise<BackfillFigures> {
    const { buses, clock, days, slotSeconds, store } = this.#deps
    const nowSlot = Math.floor(clock.nowMs() / (slotSeconds * 1000))
    const fromSlot = span.fromSlot ?? nowSlot - Math.ceil((days * 86_400) / slotSeconds)
    const query = {
      fromSlot,
      ...(span.toSlot === undefined ? {} : { toSlot: span.toSlot }),
      ...(span.meter === undefined ? {} : { meter: span.meter })
    }
    const ranges = planBackfill(store.queryReadings(query), RANGE_SLOTS)
    const asked = span.meter !== undefined || span.fromSlot !== undefined
    const figures = await Promise.all(buses.map(bus => this.#roundOf(bus, ranges, asked, signal)))
    return figures.reduce((sum, one) => ({
      ranges: sum.ranges + one.ranges,
      filled: sum.filled + one.filled,
      holes: sum.holes + one.holes,
      damagedBlocks: sum.damagedBlocks + one.damagedBlocks
    }))
  }

  async #roundOf(
    bus: MeterBus,
    ranges: readonly GapRange[],
    asked: boolean,
    signal: AbortSignal
  ): Promise<BackfillFigures> {
    const sum = { ranges: 0, filled: 0, holes: 0, damagedBlocks: 0 }
    for (const range of ranges) {
      const meter = this.#deps.meters.find(({ id, bus: name }) => id === range.meter && name === bus.name)
      if (!meter || signal.aborted || (!asked && this.#isResting(meter.id, range))) continue
      sum.ranges++
      const one = await this.#fill(bus, meter, range, signal)
      sum.filled += one.filled
      sum.holes += one.holes
      sum.damagedBlocks += one.damagedBlocks
    }
    return sum
  }

  #isResting(meter: string, range: GapRange): boolean {
    const now = this.#deps.clock.nowMs()
    return (
      Number(this.#deps.store.get(`backfill/unsupported/${meter}`) ?? 0) > now ||
      (this.#restUntil.get(`${meter}/${range.toSlot}`) ?? 0) > now
    )
  }

  async #fill(
    bus: MeterBus,
    meter: MeterPoint,
    range: GapRange,
    signal: AbortSignal
  ): Promise<{ filled: number; holes: number; damagedBlocks: number }> {
    const { clock, log, slotSeconds, store } = this.#deps
    const answer = await bus.readProfile(
      meter,
      slotEndMs(range.fromSlot, slotSeconds),
      slotEndMs(range.toSlot, slotSeconds),
      {
        priority: 'backfill',
        signal
      }
    )
    if (answer.status === 'unsupported')
      store.set(`backfill/unsupported/${meter.id}`, String(clock.nowMs() + UNSUPPORTED_MS))
    if (answer.status === 'failed' || answer.status === 'unsupported') {
      this.#restUntil.set(`${meter.id}/${range.toSlot}`, clock.nowMs() + RETRY_MS)
      return { filled: 0, holes: 0, damagedBlocks: answer.damagedBlocks }
    }
    const found = this.#readingsOf(meter, range, answer)
    // a damaged block may be the very record that is missing: only an undamaged answer proves a hole
    const holes =
      answer.damagedBlocks === 0 && answer.faults.length === 0 ? this.#holesOf(meter, range, found) : []
    const fresh = [...this.#deps.check(found), ...holes]
    if (fresh.length > 0) store.appendReadings(bus.name, fresh)
    if (found.length === 0 && holes.length === 0)
      this.#restUntil.set(`${meter.id}/${range.toSlot}`, clock.nowMs() + RETRY_MS)
    log.info('backfilled', {
      ...range,
      filled: found.length,
      holes: holes.length,
      damaged: answer.damagedBlocks
    })
    return { filled: found.length, holes: holes.length, damagedBlocks: answer.damagedBlocks }
  }

  /** One reading for each record whose own stamp falls on the end of a slot of the range. */
  #readingsOf(meter: MeterPoint, range: GapRange, answer: ProfileAnswer): Reading[] {
    const { clock, slotSeconds, store } = this.#deps
    const bySlot = new Map<number, ProfileRecord>()
    for (const record of answer.records) {
      const slot = Math.round(record.stampMs / (slotSeconds * 1000)) - 1
      if (Math.abs(record.stampMs - slotEndMs(slot, slotSeconds)) > STAMP_TOLERANCE_MS) continue
      if (slot >= range.fromSlot && slot <= range.toSlot && !bySlot.has(slot)) bySlot.set(slot, record)
    }
    const readings = [...bySlot].map(([slot, record]) =>
      toReading(
        {
          values: record.values,
          faults: [],
          readAtMs: clock.nowMs(),
          meterTimeMs: record.stampMs,
          frames: []
        },
        meter,
        {
          slot,
          version: store.highestVersion(meter.id, slot) + 1,
          slotSeconds,
          source: answer.source,
          clockTrusted: clock.trusted()
        }
      )
    )
    // a record whose every field is FF is the meter's own way to say that it has none
    return readings.filter(reading => !isGap(reading))
  }

  #holesOf(meter: MeterPoint, range: GapRange, found: readonly Reading[]): Reading[] {
    const had = new Set(found.map(reading => reading.slot))
    const holes: Reading[] = []
    for (let slot = range.fromSlot; slot <= range.toSlot; slot++) {
      if (had.has(slot)) continue
      const version = this.#deps.store.highestVersion(meter.id, slot) + 1
      holes.push(gapRecord(meter.id, slot, version, 'notInProfile', ratioStampOf(meter)))
    }
    return holes
  }
}
