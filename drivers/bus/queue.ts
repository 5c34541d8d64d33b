import type { Priority } from '../../agent/ports.ts'

/** Most urgent first. */
const PRIORITIES: readonly Priority[] = ['technician', 'slot', 'backfill', 'scan', 'diagnostics']

/** Share of the line's busy time a class is let in with although a more urgent one waits. */
const GUARANTEED: Readonly<Record<Priority, number>> = {
  technician: 1,
  slot: 0,
  backfill: 0.1,
  scan: 0.05,
  diagnostics: 0.02
}
/** A technician always waits for one transaction at most, but above this share every second one is somebody else's. */
const TECHNICIAN_CAP = 0.5
/** Shares mean nothing before this much line time: strict order until then. */
const SHARES_FROM_MS = 5_000
/** What was used this long ago counts half. */
const HALF_LIFE_MS = 30_000

/** Something that waits for the line. */
export interface Waiting {
  readonly priority: Priority
}

/**
 * Who goes next. Within a class first come, first served; a class below its guaranteed share overtakes the more urgent
 * ones (never a technician), so that back-fill goes on beside endless slot reading.
 */
export class RequestQueue<Entry extends Waiting> {
  readonly #waiting: Entry[] = []
  readonly #usedMs = new Map<Priority, number>(PRIORITIES.map(priority => [priority, 0]))
  #usedAtMs = 0
  #last: Priority | undefined

  get size(): number {
    return this.#waiting.length
  }

  add(entry: Entry): void {
    this.#waiting.push(entry)
  }

  /** @returns true when it was still waiting */
  remove(entry: Entry): boolean {
    const at = this.#waiting.indexOf(entry)
    if (at >= 0) this.#waiting.splice(at, 1)
    return at >= 0
  }

  /** Takes the next entry that is ready. */
  take(isReady: (entry: Entry) => boolean): Entry | undefined {
    const heads = new Map<Priority, Entry>()
    for (const entry of this.#waiting) {
      if (!heads.has(entry.priority) && isReady(entry)) heads.set(entry.priority, entry)
    }
    const entry = this.#choose(heads)
    if (entry) {
      this.remove(entry)
      this.#last = entry.priority
    }
    return entry
  }

  /** Empties the queue. */
  takeAll(): Entry[] {
    return this.#waiting.splice(0)
  }

  /** Books line time. */
  note(priority: Priority, usedMs: number, nowMs: number): void {
    const fade = 0.5 ** (Math.max(0, nowMs - this.#usedAtMs) / HALF_LIFE_MS)
    this.#usedAtMs = nowMs
    for (const [key, ms] of this.#usedMs) this.#usedMs.set(key, ms * fade)
    this.#usedMs.set(priority, (this.#usedMs.get(priority) ?? 0) + usedMs)
  }

  #choose(heads: ReadonlyMap<Priority, Entry>): Entry | undefined {
    const technician = heads.get('technician')
    const allMs = this.#allMs()
    const share = (priority: Priority) => (this.#usedMs.get(priority) ?? 0) / allMs
    const shared = allMs >= SHARES_FROM_MS
    const yields = shared && this.#last === 'technician' && share('technician') > TECHNICIAN_CAP
    if (technician && !(yields && heads.size > 1)) return technician
    const others = PRIORITIES.slice(1).filter(priority => heads.has(priority))
    const owed = others.slice(1).find(priority => shared && share(priority) < GUARANTEED[priority])
    const chosen = owed ?? others[0]
    return chosen === undefined ? technician : heads.get(chosen)
  }

  #allMs(): number {
    let allMs = 0
    for (const ms of this.#usedMs.values()) allMs += ms
    return allMs
  }
}
