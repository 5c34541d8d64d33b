import { type GapReason, gapReasonOf, isGap, type Reading } from '../../proto/reading.ts'
import { slotOf } from '../../proto/slot.ts'
import type { AgentStore, Clock } from '../ports.ts'
import { SWEPT_KEY } from './acquire-loop.ts'
import type { GapIndex } from './gap-index.ts'

export interface GapScanDeps {
  readonly store: Pick<AgentStore, 'queryReadings' | 'lastSealedSlot' | 'get'>
  readonly index: GapIndex
  /** metering points gaps are wanted of */
  readonly meters: ReadonlySet<string>
  readonly slotSeconds: number
  /** how far back gaps are looked for */
  readonly days: number
  readonly clock: Clock
}

/** Reasons a later look into the meter's own memory can mend. A hole in the profile itself cannot. */
const MENDABLE: ReadonlySet<GapReason> = new Set([
  'silent',
  'refused',
  'garbage',
  'busDown',
  'skipped',
  'agentDown',
  'noTime',
  'clockUntrusted'
])

/**
 * Finds the gaps in the store, one slot at a time, so that the event loop is never held: each new slot once its account is closed,
 * and at the start the past, newest first. A slot that was looked at changes only by what back-fill itself appends.
 */
export class GapScan {
  readonly #deps: GapScanDeps
  /** the newest slot looked at; undefined before the first */
  #newest: number | undefined
  /** the oldest one */
  #oldest = 0

  constructor(deps: GapScanDeps) {
    this.#deps = deps
  }

  /** True once the past has been looked through. */
  get complete(): boolean {
    return this.#newest !== undefined && this.#oldest <= this.floor()
  }

  /** The oldest slot gaps are filled in. */
  floor(): number {
    const { clock, days, slotSeconds } = this.#deps
    return Math.max(0, slotOf(clock.nowMs(), slotSeconds) - Math.ceil((days * 86_400) / slotSeconds))
  }

  /** The last slot whose account is closed: sealed, or swept where nothing is sealed; -1 when there is none. */
  settled(): number {
    const { store } = this.#deps
    return store.lastSealedSlot() ?? Number(store.get(SWEPT_KEY) ?? -1)
  }

  /** Looks at one slot. @returns false when there is none left to look at */
  step(): boolean {
    const settled = this.settled()
    if (settled < 0) return false
    if (this.#newest === undefined) {
      this.#newest = settled
      this.#oldest = settled + 1
    }
    const floor = this.floor()
    if (this.#newest < settled) {
      this.#newest = Math.max(this.#newest + 1, floor)
      this.#look(this.#newest)
      this.#deps.index.trimBelow(floor)
      return true
    }
    if (this.#oldest <= floor) return false
    this.#look(--this.#oldest)
    return true
  }

  #look(slot: number): void {
    const { store, index, meters } = this.#deps
    for (const reading of latestVersions(store.queryReadings({ fromSlot: slot, toSlot: slot })).values()) {
      if (meters.has(reading.meter) && isMendable(reading)) index.add(reading.meter, slot)
    }
  }
}

/** The highest version of each meter among readings of one slot. */
export function latestVersions(readings: readonly Reading[]): Map<string, Reading> {
  const latest = new Map<string, Reading>()
  for (const reading of readings) {
    const known = latest.get(reading.meter)
    if (!known || known.version < reading.version) latest.set(reading.meter, reading)
  }
  return latest
}

/** True for a gap record that a look into the meter's memory may still turn into values. */
export function isMendable(reading: Reading): boolean {
  const reason = gapReasonOf(reading.quality)
  return isGap(reading) && reason !== undefined && MENDABLE.has(reason)
}
