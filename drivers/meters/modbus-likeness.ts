import type { MeterAnswer, MeterBus, MeterPoint, ReadOptions } from '../../agent/ports.ts'
import { type Continuity, energyOf, judgeContinuity } from './energy-continuity.ts'
import { isNumber, type MeterPapers, numberItems } from './modbus-papers.ts'

/** 'itself': hardly any other meter would answer so; 'other': not the meter that was here before; 'open': nothing can be said. */
export type Likeness = 'itself' | 'other' | 'open'

/** Meters asked of one bus, at most. */
const ASKED = 3

/** Compares the Modbus meters that answer on one line with what is known of the configured ones, on whichever bus those are. */
export class ModbusLikeness {
  readonly #line: MeterBus
  readonly #papers: MeterPapers

  /** @param line asks whoever is on it, by address and profile */
  constructor(line: MeterBus, papers: MeterPapers) {
    this.#line = line
    this.#papers = papers
  }

  /** @param alwaysNumber ask for the number also where the registers say nothing, and not only where they speak against the meter */
  async compare(
    meter: MeterPoint,
    answer: MeterAnswer,
    options: ReadOptions,
    alwaysNumber: boolean
  ): Promise<Likeness> {
    const continuity = this.#continuity(meter, answer)
    if (continuity === 'fits') return 'itself'
    if (continuity === 'broken' || alwaysNumber) {
      const likeness = await this.compareNumber(meter, options)
      if (likeness !== 'open') return likeness
    }
    return continuity === 'broken' ? 'other' : 'open'
  }

  async compareNumber(meter: MeterPoint, options: ReadOptions): Promise<Likeness> {
    const known = this.#papers.numberOf(meter)
    const said = known === undefined ? undefined : await this.askNumber(meter, options)
    return said === undefined ? 'open' : said === known ? 'itself' : 'other'
  }

  /** The number the maker gave the meter, as on the wire; undefined when its profile knows no register of it, or it has none. */
  async askNumber(meter: MeterPoint, options: ReadOptions): Promise<string | undefined> {
    const rawItems = numberItems(meter)
    if (rawItems.length === 0) return undefined
    const { values } = await this.#line.readMeter({ ...meter, items: [], rawItems }, plain(options))
    const number = values.map(value => value.raw).join('')
    return values.length === rawItems.length && isNumber(number) ? number : undefined
  }

  /** True when these meters of another bus go on here from where they were, as far as they answer; none may be somebody else. */
  async areHere(strangers: readonly MeterPoint[], options: ReadOptions): Promise<boolean> {
    const telling = strangers.filter(
      meter => this.#papers.last(meter) || this.#papers.numberOf(meter) !== undefined
    )
    let here = 0
    for (const meter of telling.slice(0, ASKED)) {
      const items = [...(this.#papers.last(meter)?.values.keys() ?? [])]
      const answer = await this.#line.readMeter({ ...meter, items, rawItems: [] }, plain(options))
      if (answer.faults.some(fault => fault.kind === 'busDown')) return false
      const isThere = answer.values.length > 0 || items.length === 0
      const likeness = isThere ? await this.compare(meter, answer, options, true) : 'open'
      if (likeness === 'other') return false
      if (likeness === 'itself') here++
    }
    return here > 0
  }

  #continuity(meter: MeterPoint, answer: MeterAnswer): Continuity {
    const last = this.#papers.last(meter)
    const now = answer.readAtMs === null ? undefined : energyOf(answer.values, answer.readAtMs)
    return last && now ? judgeContinuity(meter, last, now) : 'open'
  }
}

function plain({ priority, signal }: ReadOptions): ReadOptions {
  return { priority, ...(signal && { signal }) }
}
