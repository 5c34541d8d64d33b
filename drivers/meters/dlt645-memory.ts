import type { LearnedStore } from '../../agent/ports.ts'
import type { DataIdentifier } from '../../proto/dlt645/data-identifier.ts'

/**
 * How a meter is spoken to: which edition, and whether with AA in the high pairs of its address:
 * in 1997 that is how short addresses are padded; in 2007 meters that answer as AA need to be asked so.
 */
export type Dialect = '2007' | '2007-aa' | '1997' | '1997-aa'

/** A block that was refused is asked for again after this long: makers mend firmware, not often. */
const BLOCK_RETRY_MS = 30 * 86_400_000
/** An item that was refused is asked for again after a day: it may have been switched on. */
const ITEM_RETRY_MS = 86_400_000

interface Known {
  dialect?: Dialect
  /** whether one wake-up octet is enough for it; unknown until tried */
  short?: boolean
  /** octets follow its frames: leave it a pause */
  tail?: boolean
  /** [error word, wall clock] of what it refused, by identifier */
  refused?: Record<string, [word: string, atMs: number]>
  /** data octets of blocks that are longer than usual */
  octets?: Record<string, number>
}

/** What was learned of one meter; survives restarts, and may be lost without harm. */
export class MeterMemory {
  readonly #store: LearnedStore
  readonly #key: string
  readonly #known: Known

  constructor(store: LearnedStore, busName: string, address: string) {
    this.#store = store
    this.#key = `dlt645/${busName}/${address}`
    this.#known = parseKnown(store.get(this.#key))
  }

  get dialect(): Dialect | undefined {
    return this.#known.dialect
  }

  get short(): boolean | undefined {
    return this.#known.short
  }

  get tail(): boolean {
    return this.#known.tail === true
  }

  noteTail(): void {
    if (this.#known.tail === true) return
    this.#known.tail = true
    this.#save()
  }

  noteDialect(dialect: Dialect): void {
    if (this.#known.dialect === dialect) return
    this.#known.dialect = dialect
    this.#save()
  }

  noteShort(works: boolean): void {
    if (this.#known.short === works) return
    this.#known.short = works
    this.#save()
  }

  /** The error word of a refusal that still counts. */
  refusal(di: DataIdentifier, isBlock: boolean, nowMs: number): string | undefined {
    const entry = this.#known.refused?.[di]
    if (!entry) return undefined
    // The wall clock may have been set back since.
    const ageMs = Math.abs(nowMs - entry[1])
    return ageMs < (isBlock ? BLOCK_RETRY_MS : ITEM_RETRY_MS) ? entry[0] : undefined
  }

  noteRefused(di: DataIdentifier, word: string, nowMs: number): void {
    this.#known.refused = { ...this.#known.refused, [di]: [word, nowMs] }
    this.#save()
  }

  /** The meter answered after all. */
  noteGiven(di: DataIdentifier): void {
    if (this.#known.refused?.[di] === undefined) return
    delete this.#known.refused[di]
    this.#save()
  }

  octetsOf(di: DataIdentifier): number | undefined {
    return this.#known.octets?.[di]
  }

  noteOctets(di: DataIdentifier, octets: number, usual: number): void {
    if (octets === (this.#known.octets?.[di] ?? usual)) return
    this.#known.octets = { ...this.#known.octets, [di]: octets }
    this.#save()
  }

  #save(): void {
    this.#store.set(this.#key, JSON.stringify(this.#known))
  }
}

function parseKnown(text: string | undefined): Known {
  if (text === undefined) return {}
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? (parsed as Known) : {}
  } catch {
    // Written by another version, or damaged: it is cheap to learn again.
    return {}
  }
}
