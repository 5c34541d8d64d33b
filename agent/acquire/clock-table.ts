import { itemByKey } from '../../proto/items.ts'
import type { LearnedStore, MeterAnswer, MeterPoint } from '../ports.ts'

/** One look at a meter's clock. */
export interface ClockLook {
  /** our wall clock, unix ms */
  readonly atMs: number
  /** the meter's clock minus ours, ms; null when it was asked for and not had */
  readonly driftMs: number | null
}

/** Looks kept of each meter: a month of days. */
const KEPT = 32
const DAY_MS = 86_400_000
/** Clocks read in one sweep of a bus, so that a big site does not read them all in the same slot. */
const LEAST_A_SWEEP = 8
const SWEEPS_FOR_ALL = 12
/** When one of these moves somebody worked at the meter, and may have set its clock. */
const TOUCHED = ['count-programming', 'count-time-set', 'count-tariff-programming'].map(
  key => itemByKey(key).id
)

function lookKey(meter: string): string {
  return `clock/${meter}`
}

/** What is known of a meter's clock, newest look first. */
export function clockLooks(learned: Pick<LearnedStore, 'get'>, meter: string): ClockLook[] {
  const text = learned.get(lookKey(meter))
  if (text === undefined) return []
  return text.split(' ').flatMap(part => {
    const [at, drift] = part.split(':')
    const atMs = Number(at)
    if (!Number.isFinite(atMs) || drift === undefined) return []
    return [{ atMs, driftMs: drift === '-' ? null : Number(drift) }]
  })
}

/** The meter's clock minus ours when it was last had, ms; undefined when it never was. */
export function lastDriftMs(learned: Pick<LearnedStore, 'get'>, meter: string): number | undefined {
  return clockLooks(learned, meter).find(look => look.driftMs !== null)?.driftMs ?? undefined
}

/** The drift of the meters' clocks: one look a day, and one more after somebody worked at the meter. */
export class ClockTable {
  readonly #learned: LearnedStore
  readonly #touched = new Set<string>()
  readonly #counters = new Map<string, number>()

  constructor(learned: LearnedStore) {
    this.#learned = learned
  }

  driftMs(meter: string): number | undefined {
    return lastDriftMs(this.#learned, meter)
  }

  /** The meters of one bus whose clocks are read in this sweep, the longest unread first. */
  due(meters: readonly MeterPoint[], nowMs: number): Set<string> {
    const most = Math.max(LEAST_A_SWEEP, Math.ceil(meters.length / SWEEPS_FOR_ALL))
    const waiting = meters
      .filter(({ protocol }) => protocol !== 'modbus')
      .map(({ id }) => ({ id, atMs: this.#touched.has(id) ? 0 : this.#lastLookMs(id) }))
      // a wall clock that was set back counts as due too
      .filter(({ atMs }) => Math.abs(nowMs - atMs) >= DAY_MS)
    return new Set(
      waiting
        .sort((a, b) => a.atMs - b.atMs)
        .slice(0, most)
        .map(({ id }) => id)
    )
  }

  /** Takes up the clock of an answer, where it was asked for and the meter answered at all. */
  note(meter: string, answer: MeterAnswer, nowMs: number): void {
    if (answer.values.length === 0 && answer.meterTimeMs === null) return
    const driftMs =
      answer.meterTimeMs === null || answer.readAtMs === null ? null : answer.meterTimeMs - answer.readAtMs
    this.noteDrift(meter, driftMs, nowMs)
  }

  noteDrift(meter: string, driftMs: number | null, nowMs: number): void {
    this.#touched.delete(meter)
    const looks = [{ atMs: nowMs, driftMs }, ...clockLooks(this.#learned, meter)].slice(0, KEPT)
    const text = looks.map(
      look => `${Math.round(look.atMs)}:${look.driftMs === null ? '-' : Math.round(look.driftMs)}`
    )
    this.#learned.set(lookKey(meter), text.join(' '))
  }

  /** Looks at the counters of an answer: after one has moved the clock is read in the next sweep. */
  watchCounters(meter: string, answer: MeterAnswer): void {
    for (const { item, value } of answer.values) {
      if (item === null || value === null || !TOUCHED.includes(item)) continue
      const key = `${meter}/${item}`
      const before = this.#counters.get(key)
      if (before !== undefined && before !== value) this.#touched.add(meter)
      this.#counters.set(key, value)
    }
  }

  #lastLookMs(meter: string): number {
    return clockLooks(this.#learned, meter)[0]?.atMs ?? 0
  }
}
