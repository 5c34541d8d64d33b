import { createHash } from 'node:crypto'
import type { Clock, LearnedStore, MeterPoint } from '../../agent/ports.ts'
import { isWattproofError } from '../../proto/errors.ts'
import type { MeterProfile } from '../../proto/modbus/profile.ts'
import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'
import type { EnergyRecord } from './energy-continuity.ts'
import { loadProfile } from './modbus-profiles.ts'

export interface PapersDeps {
  readonly clock: Pick<Clock, 'nowMs'>
  readonly learned: LearnedStore
  /** what the store has of the meter's energy registers; nothing is known of any meter when left out */
  readonly history?: (meter: MeterPoint) => EnergyRecord | undefined
}

interface Paper {
  /** what the meter is configured as: another profile reads other values out of the same registers */
  readonly as: string
  /** wall clock from which readings count: before, it was configured otherwise, or was another meter */
  readonly sinceMs: number
  /** number the maker gave it, as on the wire, hex */
  readonly number?: string
}

/** A number of zeros, of ones or of spaces is none: the maker has not written it. */
const NO_NUMBER = /^(?:(?:00)*|(?:ff)*|(?:20)*)$/i

/** What is known of Modbus meters to tell them by: the maker's number where the profile has one, and the energy registers last had. */
export class MeterPapers {
  readonly #deps: PapersDeps
  readonly #papers = new Map<string, Paper>()
  readonly #last = new Map<string, EnergyRecord>()

  constructor(deps: PapersDeps) {
    this.#deps = deps
  }

  /** True where something outlives the process: elsewhere a number is not worth a request. */
  get areKept(): boolean {
    return this.#deps.history !== undefined
  }

  /** Energy registers as last had; undefined when never, or not as the meter is configured now. */
  last(meter: MeterPoint): EnergyRecord | undefined {
    const { sinceMs } = this.#paper(meter)
    const last = this.#last.get(meter.id)
    if (last) return last
    const stored = this.#deps.history?.(meter)
    return stored && stored.atMs > sinceMs ? stored : undefined
  }

  noteEnergy(meter: MeterPoint, record: EnergyRecord): void {
    this.#paper(meter)
    this.#last.set(meter.id, record)
  }

  numberOf(meter: MeterPoint): string | undefined {
    return this.#paper(meter).number
  }

  noteNumber(meter: MeterPoint, number: string): void {
    const paper = this.#paper(meter)
    if (paper.number !== number) this.#keep(meter, { ...paper, number })
  }

  /** What is there from now on is the meter, whatever was there before. */
  forget(meter: MeterPoint): void {
    this.#last.delete(meter.id)
    this.#keep(meter, { as: fingerprint(meter), sinceMs: this.#deps.clock.nowMs() })
  }

  #paper(meter: MeterPoint): Paper {
    const known = this.#papers.get(meter.id)
    if (known) return known
    const as = fingerprint(meter)
    const kept = parsePaper(this.#deps.learned.get(paperKey(meter)))
    if (kept?.as === as) {
      this.#papers.set(meter.id, kept)
      return kept
    }
    const paper = { as, sinceMs: kept ? this.#deps.clock.nowMs() : 0 }
    this.#keep(meter, paper)
    return paper
  }

  #keep(meter: MeterPoint, paper: Paper): void {
    this.#papers.set(meter.id, paper)
    this.#deps.learned.set(paperKey(meter), JSON.stringify(paper))
  }
}

/** Registers of the maker's number, as raw items; none where the profile has none. */
export function numberItems(meter: MeterPoint): string[] {
  return (profileOf(meter)?.identity ?? []).map(
    ({ function: table, address, count }: RegisterSpan) => `reg:${table}:${address}:${count}`
  )
}

/** True when the octets can be a meter's own number. */
export function isNumber(octets: string): boolean {
  return !NO_NUMBER.test(octets)
}

function profileOf(meter: MeterPoint): MeterProfile | undefined {
  try {
    return meter.profile === undefined ? undefined : loadProfile(meter.profile)
  } catch (error) {
    // the reader says so at every visit
    if (!isWattproofError(error)) throw error
    return undefined
  }
}

/** Where the meter is, and how its energy registers are read. */
function fingerprint(meter: MeterPoint): string {
  const profile = profileOf(meter)
  const energy = profile?.registers.filter(({ item }) => item.kind === 'energy')
  const text = JSON.stringify([meter.bus, meter.address, energy, profile?.sums], (_, value) =>
    typeof value === 'bigint' ? String(value) : value
  )
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function paperKey(meter: MeterPoint): string {
  return `identity/meter/${meter.id}`
}

/** The store may be old or damaged: what cannot be read is learned anew. */
function parsePaper(text: string | undefined): Paper | undefined {
  if (text === undefined) return undefined
  try {
    const { as, sinceMs, number } = JSON.parse(text) as Partial<Paper>
    if (typeof as !== 'string' || typeof sinceMs !== 'number') return undefined
    return { as, sinceMs, ...(typeof number === 'string' && { number }) }
  } catch {
    return undefined
  }
}
