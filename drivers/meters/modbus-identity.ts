import type {
  BusStatus,
  Clock,
  Log,
  MeterAnswer,
  MeterBus,
  MeterPoint,
  ProfileAnswer,
  ReadOptions
} from '../../agent/ports.ts'
import { energyOf } from './energy-continuity.ts'
import { AheadAnswers, refusal, refusedProfile } from './identity-answers.ts'
import { ModbusLikeness } from './modbus-likeness.ts'
import { type MeterPapers, numberItems } from './modbus-papers.ts'

/** A line on which strangers answered is looked at again after this, and strangers are looked for no more often. */
const RECHECK_MS = 60_000
/** Own meters asked for a proof. */
const ASKED = 3
/** So many numbers that are not those known make a line that is nobody's. One may be a meter that was exchanged. */
const STRANGE_NUMBERS = 2

export interface ModbusIdentityDeps {
  readonly clock: Clock
  readonly log: Log
  /** every configured meter of the gateway, whichever bus it is on */
  readonly roster: readonly MeterPoint[]
  readonly papers: MeterPapers
}

interface Swap {
  readonly detail: string
  /** bus whose meters answer here; undefined for meters nobody knows */
  readonly bus: string | undefined
  /** opening of the line at which they were heard */
  openings: number
  checkedAtMs: number
}

/**
 * Refuses to read a line of Modbus meters that is another line. A Modbus answer names no meter but its unit, and unit 1 is on every
 * line: what tells meters apart is the number the maker gave them, where the profile knows its register, and their energy registers,
 * which go on from where they were and never go back. One meter that is not itself may have been exchanged: a line is refused only
 * when none of its own meters is itself and the meters of another line are found on it, or several numbers that nobody knows.
 */
export class ModbusIdentity {
  readonly #meters: MeterBus
  readonly #deps: ModbusIdentityDeps
  readonly #likeness: ModbusLikeness
  readonly #ahead: AheadAnswers
  readonly #own: readonly MeterPoint[]
  readonly #ids: ReadonlySet<string>
  readonly #silent = new Set<string>()
  #openings = -1
  #isSettled = false
  #searchedAtMs = Number.NEGATIVE_INFINITY
  #swap: Swap | undefined

  constructor(meters: MeterBus, deps: ModbusIdentityDeps) {
    this.#meters = meters
    this.#deps = deps
    this.#likeness = new ModbusLikeness(meters, deps.papers)
    this.#ahead = new AheadAnswers(deps.clock)
    this.#own = deps.roster.filter(meter => meter.bus === meters.name)
    this.#ids = new Set(this.#own.map(meter => meter.id))
  }

  async readMeter(meter: MeterPoint, options: ReadOptions): Promise<MeterAnswer> {
    // A meter that only a technician named belongs to no roster: it is asked as it is.
    if (!this.#ids.has(meter.id)) return this.#meters.readMeter(meter, options)
    this.#noteOpening()
    if (this.#swap) {
      if (this.#nowMs() - this.#swap.checkedAtMs < RECHECK_MS) return refusal(this.#swap.detail)
      await this.#look(this.#swap, options)
    } else if (!this.#isSettled) await this.#prove(options)
    const before = this.#refusal()
    if (before) return before
    const ahead = this.#ahead.take(meter, options)
    const answer = ahead ?? (await this.#meters.readMeter(meter, options))
    if (!ahead) await this.#judge(meter, answer, options)
    const after = this.#refusal()
    if (after) return after
    await this.#learn(meter, answer, options)
    return answer
  }

  async readProfile(
    meter: MeterPoint,
    fromMs: number,
    toMs: number,
    options: ReadOptions
  ): Promise<ProfileAnswer> {
    if (this.#swap && this.#ids.has(meter.id)) return refusedProfile(this.#swap.detail)
    return this.#meters.readProfile(meter, fromMs, toMs, options)
  }

  status(): BusStatus {
    const status = this.#meters.status()
    return { ...status, ...(this.#swap && { detail: this.#swap.detail, refusal: this.#swap.detail }) }
  }

  /** A person says that the meters on this line are its own: whatever was known of them counts no more. */
  accept(): void {
    for (const meter of this.#own) this.#deps.papers.forget(meter)
    this.#swap = undefined
    this.#isSettled = true
  }

  #refusal(): MeterAnswer | undefined {
    return this.#swap && refusal(this.#swap.detail)
  }

  #noteOpening(): void {
    const openings = this.#countOpenings()
    if (openings === this.#openings) return
    this.#openings = openings
    this.#isSettled = false
    this.#searchedAtMs = Number.NEGATIVE_INFINITY
    this.#silent.clear()
    this.#ahead.clear()
    // Another adapter may stand behind the path by now: what was found counts until it is found again or disproved.
    if (this.#swap) this.#swap.checkedAtMs = Number.NEGATIVE_INFINITY
  }

  /** Reads meters of the line ahead of their turn until one is surely itself, or the line is surely another. */
  async #prove(options: ReadOptions): Promise<void> {
    for (const meter of this.#own.slice(0, ASKED)) {
      const answer = await this.#meters.readMeter(meter, options)
      // The line may have been opened only for this request.
      this.#openings = this.#countOpenings()
      if (answer.faults.some(fault => fault.kind === 'busDown')) return
      this.#ahead.put(meter, options, answer)
      await this.#judge(meter, answer, options)
      if (this.#swap || this.#isSettled) return
    }
    this.#isSettled = true
  }

  /** Looks for the meters of other lines when the answer is not the meter's own. */
  async #judge(meter: MeterPoint, answer: MeterAnswer, options: ReadOptions): Promise<void> {
    if (answer.faults.some(fault => fault.kind === 'busDown' || fault.kind === 'noTime')) return
    if (answer.values.length === 0 && !answer.faults.some(fault => fault.kind === 'refused')) {
      this.#silent.add(meter.id)
      // Nothing can be misfiled of a silent line; it is enough to know why.
      if (this.#silent.size >= this.#own.length) await this.#search(options)
      return
    }
    this.#silent.clear()
    const likeness = await this.#likeness.compare(meter, answer, options, !this.#isSettled)
    if (likeness === 'itself') this.#noteProof(meter)
    if (likeness !== 'other') return
    const isOurs = await this.#isItself(options, meter)
    if (!isOurs && ((await this.#search(options)) || (await this.#isNobodys(options)))) return
    this.#deps.log.warn('meter-discontinued', {
      bus: this.#meters.name,
      meter: meter.id,
      next: 'its registers do not go on from the last reading: exchanged, reset, or configured wrongly?'
    })
    // What was known of the meter that was here before would speak against the new one for ever.
    this.#deps.papers.forget(meter)
  }

  /** Keeps what the meter will be told by next time. */
  async #learn(meter: MeterPoint, answer: MeterAnswer, options: ReadOptions): Promise<void> {
    const { papers } = this.#deps
    const energy = answer.readAtMs === null ? undefined : energyOf(answer.values, answer.readAtMs)
    if (energy) papers.noteEnergy(meter, energy)
    if (!papers.areKept || !energy || papers.numberOf(meter) !== undefined) return
    if (!this.#witnesses().includes(meter)) return
    const number = await this.#likeness.askNumber(meter, options)
    if (number !== undefined) papers.noteNumber(meter, number)
  }

  /** The first meters whose profile knows where their number stands. */
  #witnesses(): readonly MeterPoint[] {
    return this.#own.filter(meter => numberItems(meter).length > 0).slice(0, ASKED)
  }

  /** True when one of the line's own meters is surely itself. @param but not this one */
  async #isItself(options: ReadOptions, but?: MeterPoint): Promise<boolean> {
    for (const meter of this.#own.filter(one => one !== but).slice(0, ASKED)) {
      const answer = await this.#meters.readMeter(meter, options)
      if (answer.values.length === 0) continue
      if ((await this.#likeness.compare(meter, answer, options, true)) !== 'itself') continue
      this.#noteProof(meter)
      return true
    }
    return false
  }

  /** Looks for the meters of every other line on this one. @returns true when they are here */
  async #search(options: ReadOptions): Promise<boolean> {
    if (this.#nowMs() - this.#searchedAtMs < RECHECK_MS) return false
    this.#searchedAtMs = this.#nowMs()
    const { name } = this.#meters
    const others = this.#deps.roster.filter(({ bus, protocol }) => bus !== name && protocol === 'modbus')
    for (const bus of new Set(others.map(meter => meter.bus))) {
      const theirs = others.filter(meter => meter.bus === bus)
      if (!(await this.#likeness.areHere(theirs, options))) continue
      this.#noteSwap(`swapped adapter: the meters of bus ${bus} answer here`, bus)
      return true
    }
    return false
  }

  /** Several numbers, none of them known here: the line of another gateway. */
  async #isNobodys(options: ReadOptions): Promise<boolean> {
    let strange = 0
    for (const meter of this.#witnesses()) {
      const likeness = await this.#likeness.compareNumber(meter, options)
      if (likeness === 'itself') return false
      if (likeness === 'other') strange++
    }
    if (strange < STRANGE_NUMBERS) return false
    this.#noteSwap(`another bus: ${strange} meters have other numbers than before`, undefined)
    return true
  }

  /** Whether the swap still stands. */
  async #look(swap: Swap, options: ReadOptions): Promise<void> {
    swap.checkedAtMs = this.#nowMs()
    if (await this.#isItself(options)) return
    if (this.#meters.status().state !== 'open') return
    const theirs = this.#deps.roster.filter(meter => meter.bus === swap.bus && meter.protocol === 'modbus')
    const stands =
      swap.bus === undefined ? await this.#isNobodys(options) : await this.#likeness.areHere(theirs, options)
    if (stands) swap.openings = this.#openings
    // They have gone, and nobody has come: on a line that was opened anew nothing is known any more.
    else if (swap.openings !== this.#openings) this.#swap = undefined
  }

  #noteProof(meter: MeterPoint): void {
    this.#isSettled = true
    if (!this.#swap) return
    this.#swap = undefined
    this.#deps.log.info('bus-proved', { bus: this.#meters.name, by: meter.id })
  }

  #noteSwap(what: string, bus: string | undefined): void {
    const { name } = this.#meters
    const detail = `${what}; if they are its own by now: wattproof bus accept ${name}`
    const before = this.#swap?.detail
    this.#swap = { detail, bus, openings: this.#openings, checkedAtMs: this.#nowMs() }
    if (before === detail) return
    this.#deps.log.error('bus-swapped', {
      bus: name,
      belongsTo: bus,
      next: `swap the adapters back, or correct the ports (name them by /dev/serial/by-path/...); if the meters were exchanged: wattproof bus accept ${name}`
    })
  }

  #countOpenings(): number {
    return this.#meters.status().counters['opens'] ?? 0
  }

  #nowMs(): number {
    return this.#deps.clock.monotonicMs()
  }
}
