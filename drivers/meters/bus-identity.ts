import type {
  BusStatus,
  Clock,
  LearnedStore,
  Log,
  MeterAnswer,
  MeterBus,
  MeterPoint,
  ProfileAnswer,
  ReadOptions
} from '../../agent/ports.ts'
import { parseAddress, WILDCARD_ADDRESS } from '../../proto/dlt645/address.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { askAddress, askData, type Question } from '../../proto/dlt645/question.ts'
import type { Bus } from '../bus/bus.ts'
import { type Asked, Dlt645Session } from './dlt645-session.ts'
import { AheadAnswers, refusal, refusedProfile } from './identity-answers.ts'
import { ModbusIdentity } from './modbus-identity.ts'
import type { MeterPapers } from './modbus-papers.ts'

/** A proof holds for so long: beside a sweep that reads DL/T 645 meters it is renewed without a request of its own. */
const PROOF_MS = 300_000
/** A bus on which a stranger answered is looked at again after this. */
const RECHECK_MS = 60_000
/** Strangers are looked for once after every opening of the line, and while nothing of its own answers this often. */
const SEARCH_EVERY_MS = 3_600_000
/** Own meters asked for a proof, and meters of each other bus asked for on this one. */
const ASKED = 3
const ENERGY_2007 = parseDataIdentifier('00010000')
const ENERGY_1997 = parseDataIdentifier('9010')
const METER_KEY = `dlt645:${WILDCARD_ADDRESS}`

export interface IdentityDeps {
  readonly clock: Clock
  readonly log: Log
  readonly learned: LearnedStore
  /** every configured meter of the gateway, whichever bus it is on */
  readonly roster: readonly MeterPoint[]
  /** what Modbus meters are told by, one for the gateway */
  readonly papers: MeterPapers
}

interface Swap {
  readonly detail: string
  readonly stranger: MeterPoint
  /** opening of the line at which the stranger was heard */
  openings: number
  checkedAtMs: number
}

/**
 * Refuses to read a bus that is not the one it is configured as. After a restart or a replug two adapters may have changed places;
 * then unit 1 of one line answers for unit 1 of the other, and nothing in a Modbus answer tells. DL/T 645 answers carry the meter's
 * own number: the first good one proves the bus, and a meter of another bus that answers here disproves it. A line that has Modbus
 * meters alone is told otherwise: see {@link ModbusIdentity}.
 */
class BusIdentity {
  readonly #bus: Bus
  readonly #meters: MeterBus
  readonly #deps: IdentityDeps
  readonly #own: readonly MeterPoint[]
  readonly #ids: ReadonlySet<string>
  readonly #ahead: AheadAnswers
  readonly #silent = new Set<string>()
  #openings = -1
  /** monotonic time until which nothing has to be proved */
  #settledUntilMs = Number.NEGATIVE_INFINITY
  #searchedAtMs = Number.NEGATIVE_INFINITY
  #swap: Swap | undefined

  constructor(bus: Bus, meters: MeterBus, deps: IdentityDeps) {
    this.#bus = bus
    this.#meters = meters
    this.#deps = deps
    this.#ahead = new AheadAnswers(deps.clock)
    const mine = deps.roster.filter(meter => meter.bus === bus.name)
    this.#own = mine.filter(isDlt645)
    this.#ids = new Set(mine.map(meter => meter.id))
  }

  async readMeter(meter: MeterPoint, options: ReadOptions): Promise<MeterAnswer> {
    // A meter that only a technician named belongs to no roster: it is asked as it is.
    if (!this.#ids.has(meter.id)) return this.#meters.readMeter(meter, options)
    this.#noteOpening()
    const nowMs = this.#deps.clock.monotonicMs()
    if (this.#swap) {
      if (nowMs - this.#swap.checkedAtMs < RECHECK_MS) return refusal(this.#swap.detail)
      await this.#look(this.#swap, options)
    } else if (!isDlt645(meter) && this.#own.length > 0 && nowMs >= this.#settledUntilMs) {
      await this.#prove(options)
    }
    const refused = this.#refusal()
    if (refused) return refused
    const answer = this.#ahead.take(meter, options) ?? (await this.#meters.readMeter(meter, options))
    if (!isDlt645(meter)) return answer
    await this.#note(meter, answer, options)
    return (answer.values.length === 0 ? this.#refusal() : undefined) ?? answer
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
    return {
      ...status,
      // The question to whom it may concern is no meter.
      breakers: status.breakers.filter(({ address }) => address !== METER_KEY),
      ...(this.#swap && { detail: this.#swap.detail, refusal: this.#swap.detail })
    }
  }

  /** Its meters name themselves: what speaks against the line is looked at once more. */
  accept(): void {
    this.#swap = undefined
    this.#settledUntilMs = Number.NEGATIVE_INFINITY
  }

  #refusal(): MeterAnswer | undefined {
    return this.#swap && refusal(this.#swap.detail)
  }

  #noteOpening(): void {
    const openings = this.#countOpenings()
    if (openings === this.#openings) return
    this.#openings = openings
    this.#settledUntilMs = Number.NEGATIVE_INFINITY
    this.#searchedAtMs = Number.NEGATIVE_INFINITY
    this.#silent.clear()
    this.#ahead.clear()
    // Another adapter may stand behind the path by now: what was found counts until it is found again or disproved.
    if (this.#swap) this.#swap.checkedAtMs = Number.NEGATIVE_INFINITY
  }

  #countOpenings(): number {
    return this.#bus.status().counters['opens'] ?? 0
  }

  /** Reads meters of the bus ahead of their turn until one answers; when none does, looks for strangers. */
  async #prove(options: ReadOptions): Promise<void> {
    for (const meter of this.#likelyFirst(this.#own).slice(0, ASKED)) {
      const answer = await this.#meters.readMeter(meter, options)
      this.#ahead.put(meter, options, answer)
      if (isAnswered(answer)) return this.#noteProof(meter)
      if (answer.faults.some(fault => fault.kind === 'busDown')) return
    }
    await this.#search(options)
    // Its own meters may simply be dead: nothing speaks against the bus.
    this.#settledUntilMs = this.#deps.clock.monotonicMs() + PROOF_MS
  }

  async #note(meter: MeterPoint, answer: MeterAnswer, options: ReadOptions): Promise<void> {
    if (isAnswered(answer)) return this.#noteProof(meter)
    if (answer.faults.some(fault => fault.kind === 'busDown' || fault.kind === 'noTime')) return
    this.#silent.add(meter.id)
    // Its answers name their sender, so that nothing can be misfiled: it is enough to know why the whole line is silent.
    if (this.#silent.size >= this.#own.length) await this.#search(options)
  }

  #noteProof(meter: MeterPoint): void {
    const nowMs = this.#deps.clock.monotonicMs()
    // The line may have been opened only for the request that proved it.
    this.#openings = this.#countOpenings()
    this.#silent.clear()
    this.#settledUntilMs = nowMs + PROOF_MS
    this.#searchedAtMs = nowMs
    if (this.#deps.learned.get(witnessKey(this.#bus.name)) !== meter.address)
      this.#deps.learned.set(witnessKey(this.#bus.name), meter.address)
    if (!this.#swap) return
    this.#swap = undefined
    this.#deps.log.info('bus-proved', { bus: this.#bus.name, by: meter.address })
  }

  /** Whether the swap still stands. Asked by force: silence here has long closed the breakers of its own meters. */
  async #look(swap: Swap, options: ReadOptions): Promise<void> {
    swap.checkedAtMs = this.#deps.clock.monotonicMs()
    for (const meter of this.#likelyFirst(this.#own).slice(0, ASKED))
      if (await this.#isHere(meter, options)) return this.#noteProof(meter)
    if (await this.#isHere(swap.stranger, options)) swap.openings = this.#openings
    // It has gone, and nobody has come: on a line that was opened anew nothing is known any more.
    else if (swap.openings !== this.#openings) this.#swap = undefined
  }

  /** Asks who is there, then for the meters of the other buses by name. */
  async #search(options: ReadOptions): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs - this.#searchedAtMs < SEARCH_EVERY_MS) return
    this.#searchedAtMs = nowMs
    const strangers = this.#deps.roster.filter(meter => meter.bus !== this.#bus.name && isDlt645(meter))
    if (strangers.length === 0) return
    const said = await this.#ask(askAddress(), options)
    const named = said.kind === 'address' ? said.address : undefined
    const known = this.#deps.roster.find(meter => isDlt645(meter) && addressOf(meter) === named)
    if (known) return known.bus === this.#bus.name ? this.#noteProof(known) : this.#noteSwap(known)
    if (said.kind === 'busDown') return
    for (const bus of new Set(strangers.map(meter => meter.bus))) {
      const theirs = strangers.filter(meter => meter.bus === bus)
      for (const stranger of this.#likelyFirst(theirs).slice(0, ASKED))
        if (await this.#isHere(stranger, options)) return this.#noteSwap(stranger)
    }
  }

  #noteSwap(stranger: MeterPoint): void {
    const detail = `swapped adapter: ${stranger.address} of bus ${stranger.bus} answers here`
    const checkedAtMs = this.#deps.clock.monotonicMs()
    this.#swap = { detail, stranger, openings: this.#openings, checkedAtMs }
    this.#deps.log.error('bus-swapped', {
      bus: this.#bus.name,
      belongsTo: stranger.bus,
      by: stranger.address,
      next: 'swap the adapters back, or correct the ports (name them by /dev/serial/by-path/...)'
    })
  }

  async #isHere(meter: MeterPoint, options: ReadOptions): Promise<boolean> {
    const energy = meter.protocol === 'dlt645' ? ENERGY_2007 : ENERGY_1997
    const edition = meter.protocol === 'dlt645' ? '2007' : '1997'
    const answer = await this.#ask(askData(parseAddress(meter.address, edition), energy), options)
    return answer.kind === 'data' || answer.kind === 'refused'
  }

  #ask(question: Question, { priority, signal }: ReadOptions): Promise<Asked> {
    const session = new Dlt645Session(this.#bus, this.#deps.clock, {
      meterKey: METER_KEY,
      priority,
      ...(signal && { signal }),
      force: true
    })
    return session.ask(question)
  }

  /** The one that answered last on its bus, then the others. */
  #likelyFirst(meters: readonly MeterPoint[]): readonly MeterPoint[] {
    const isWitness = (meter: MeterPoint) => this.#deps.learned.get(witnessKey(meter.bus)) === meter.address
    return [...meters.filter(isWitness), ...meters.filter(meter => !isWitness(meter))]
  }
}

/** A line that is read only while it is the one it is configured as. */
export interface GuardedBus extends MeterBus {
  /** A person says that the meters on this line are its own, whatever speaks against it. */
  accept(): void
}

/** Puts a line under the guard of its identity. */
export function guardIdentity(bus: Bus, meters: MeterBus, deps: IdentityDeps): GuardedBus {
  const own = deps.roster.filter(meter => meter.bus === bus.name)
  const isModbus = own.length > 0 && !own.some(isDlt645)
  const identity = isModbus ? new ModbusIdentity(meters, deps) : new BusIdentity(bus, meters, deps)
  return {
    accept: () => identity.accept(),
    name: meters.name,
    readMeter: (meter, options) => identity.readMeter(meter, options),
    readProfile: (meter, fromMs, toMs, options) => identity.readProfile(meter, fromMs, toMs, options),
    status: () => identity.status(),
    close: () => meters.close()
  }
}

function isDlt645(meter: MeterPoint): boolean {
  return meter.protocol !== 'modbus'
}

function addressOf(meter: MeterPoint): string {
  return parseAddress(meter.address)
}

function witnessKey(busName: string): string {
  return `identity/${busName}`
}

/** An error answer names its sender as well as a value does. */
function isAnswered(answer: MeterAnswer): boolean {
  return answer.values.length > 0 || answer.faults.some(fault => fault.kind === 'refused')
}
