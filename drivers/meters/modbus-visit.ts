import type { Clock, Log, ReadFault } from '../../agent/ports.ts'
import {
  exceptionName,
  formatException,
  isBusyException,
  isRangeException
} from '../../proto/modbus/exception.ts'
import type { ReadFunction } from '../../proto/modbus/function-code.ts'
import {
  chooseByLength,
  planReads,
  type ReadLimits,
  type RegisterSpan,
  serialCosts
} from '../../proto/modbus/read-plan.ts'
import { RegisterImage } from '../../proto/modbus/register-image.ts'
import { formatRange } from '../../proto/modbus/request.ts'
import { splitBlock, type VisitBlock, varyBlock } from './modbus-block.ts'
import type { ModbusClient, RangeAnswer } from './modbus-client.ts'
import type { Cut, UnitMemory } from './modbus-memory.ts'
import type { UnitTrust } from './modbus-trust.ts'

/** A meter at work (05, 06) is asked again this often, after this pause. */
const BUSY_TRIES = 3
const BUSY_PAUSE_MS = 250
/** A block without its answer is asked for once more, after a block of another length was answered. */
const BLOCK_TRIES = 2
/** So many requests in a row without answer end the visit. */
const FAILURES_IN_ROW = 2

export interface VisitInput {
  readonly client: ModbusClient
  readonly memory: UnitMemory
  readonly trust: UnitTrust
  readonly clock: Clock
  readonly log: Log
  readonly unit: number
  readonly baud: number
  readonly limits: Pick<ReadLimits, 'maxRegisters' | 'holes'>
  readonly turnaroundMaxMs: number
  /** ask also for what was refused before */
  readonly insist: boolean
  /** the breaker is half open: begin with the shortest request */
  readonly probing: boolean
  readonly signal: AbortSignal | undefined
  readonly count: (event: string) => void
}

/** What a visit brought. */
export interface VisitResult {
  readonly image: RegisterImage
  readonly faults: readonly ReadFault[]
  readonly frames: readonly Uint8Array[]
  /** wall clock at the end of the answer that held each span; index as in the wanted spans */
  readonly arrivals: ReadonlyMap<number, number>
}

/** A refused block whose halves are being tried: when both are answered whole, the refusal lay in reaching across. */
interface Trial {
  readonly cut: Cut
  open: number
}

/** One visit to one unit: reads all wanted spans in the fewest milliseconds, and believes only what can be nothing else. */
export class ModbusVisit {
  readonly #input: VisitInput
  readonly #spans: readonly RegisterSpan[]
  readonly #image = new RegisterImage()
  readonly #faults: ReadFault[] = []
  readonly #frames: Uint8Array[] = []
  readonly #arrivals = new Map<number, number>()
  readonly #trials = new Map<VisitBlock, Trial>()
  #pending: VisitBlock[] = []
  #exchanges = 0
  #failuresInRow = 0

  constructor(input: VisitInput, spans: readonly RegisterSpan[]) {
    this.#input = input
    this.#spans = spans
  }

  /** Rejects only when the signal aborts. */
  async run(): Promise<VisitResult> {
    const { memory, insist } = this.#input
    const nowMs = this.#input.clock.nowMs()
    const wants: number[] = []
    this.#spans.forEach((span, index) => {
      if (insist || !memory.isAbsent(span, nowMs)) wants.push(index)
      else this.#fault('refused', span, 'refused before; asked again once a week', '02')
    })
    this.#pending = this.#plan(wants)
    const wasNew = memory.isNew
    while (this.#pending.length > 0) {
      const block = this.#next() ?? (await this.#waitForNext())
      if (!block) {
        this.#failAll('garbage', 'not asked again: a late answer could pass for this one')
        break
      }
      const answer = await this.#ask(block)
      this.#take(block, answer)
      // the plan was made with a guess; the meter has said how fast it is
      if (wasNew && this.#exchanges === 1 && answer.kind === 'registers')
        this.#pending = this.#plan(this.#pending.flatMap(other => other.wants))
    }
    return { image: this.#image, faults: this.#faults, frames: this.#frames, arrivals: this.#arrivals }
  }

  #plan(wants: readonly number[]): VisitBlock[] {
    const { baud, memory } = this.#input
    const spans = wants.map(index => this.#spans[index] as RegisterSpan)
    return planReads(spans, serialCosts(baud, memory.turnaroundMs), this.#limits()).map(block => ({
      ...block,
      wants: block.wants.map(index => wants[index] as number),
      tries: 0,
      varied: undefined
    }))
  }

  #limits(): ReadLimits {
    return { ...this.#input.limits, cuts: this.#input.memory.cuts }
  }

  /** The next request: one whose answer cannot be confused; after a lost answer that makes it the canary. */
  #next(): VisitBlock | undefined {
    const { clock, memory, trust, probing } = this.#input
    const nowMs = clock.monotonicMs()
    const isFree = (span: RegisterSpan) => trust.isFree(span, nowMs)
    if (probing && this.#exchanges === 0) {
      const shortest = this.#pending.reduce((a, b) => (b.count < a.count ? b : a))
      if (isFree(shortest)) return this.#remove(shortest)
    }
    const index = chooseByLength(this.#pending, isFree)
    if (index >= 0) return this.#remove(this.#pending[index] as VisitBlock)
    for (const block of this.#pending) {
      const tried = memory.isRigid ? { ...block, fixed: true } : block
      const parts = varyBlock(tried, this.#spans, this.#limits(), isFree)
      if (!parts) continue
      this.#remove(block)
      this.#pending.push(...parts.slice(1))
      return parts[0]
    }
    // whatever is owed with this length can only be the answer to this range
    const same = this.#pending.find(block => trust.isSameRange(block, nowMs))
    return same && this.#remove(same)
  }

  /** A meter that refuses longer ranges leaves no other way to tell its answers apart than time. */
  async #waitForNext(): Promise<VisitBlock | undefined> {
    const { clock, trust, signal } = this.#input
    const nowMs = clock.monotonicMs()
    const waits = this.#pending.flatMap(block => trust.freeInMs(block, nowMs) ?? [])
    if (waits.length === 0) return undefined
    this.#input.count('guardWait')
    await clock.wait(Math.ceil(Math.min(...waits)), signal)
    return this.#next()
  }

  #remove(block: VisitBlock): VisitBlock {
    this.#pending = this.#pending.filter(other => other !== block)
    return block
  }

  async #ask(block: VisitBlock): Promise<RangeAnswer> {
    const { client, clock, unit, turnaroundMaxMs, signal } = this.#input
    const { function: table, address, count } = block
    for (let attempt = 1; ; attempt++) {
      this.#exchanges++
      const answer = await client.read({ unit, function: table, address, count }, turnaroundMaxMs)
      if (answer.kind === 'registers' || answer.kind === 'exception') this.#frames.push(answer.reply.frame)
      if (answer.kind === 'exception') this.#input.count(`exception${formatException(answer.code)}`)
      if (answer.kind !== 'exception' || !isBusyException(answer.code) || attempt === BUSY_TRIES)
        return answer
      await clock.wait(BUSY_PAUSE_MS, signal)
    }
  }

  #take(block: VisitBlock, answer: RangeAnswer): void {
    const nowMs = this.#input.clock.monotonicMs()
    switch (answer.kind) {
      case 'registers':
        this.#failuresInRow = 0
        this.#accept(block, answer, nowMs)
        break
      case 'exception':
        this.#failuresInRow = 0
        this.#refuse(block, answer.code, answer.reply.afterTimeout, nowMs)
        break
      case 'silent':
      case 'garbage':
        this.#lose(block, answer, nowMs)
        break
      case 'skipped': {
        const next = new Date(answer.nextTryAtMs).toISOString()
        this.#pending.push(block)
        this.#failAll('skipped', `left out after repeated silence; next try ${next}`)
        break
      }
      case 'busDown':
        this.#pending.push(block)
        this.#failAll('busDown', answer.detail)
    }
  }

  #accept(block: VisitBlock, answer: Extract<RangeAnswer, { kind: 'registers' }>, nowMs: number): void {
    const { memory, trust } = this.#input
    const { reply } = answer
    // Somebody else's request to this unit timed out: of what length, only the bus knows.
    if (reply.afterTimeout && !trust.shaken && block.tries < BLOCK_TRIES) {
      this.#input.count('canary')
      trust.noteServed(block, nowMs, true)
      this.#pending.push({ ...(block.varied ?? block), tries: block.tries + 1 })
      return
    }
    if (trust.shaken) this.#input.count('canary')
    trust.noteServed(block, nowMs, reply.discarded > 0)
    memory.noteTurnaround(reply.turnaroundMs)
    this.#image.put(block.function, block.address, answer.octets)
    for (const index of block.wants) {
      this.#arrivals.set(index, reply.endAtMs)
      if (block.wants.length === 1) memory.forgetAbsent(this.#spans[index] as RegisterSpan)
    }
    const trial = this.#trials.get(block.varied ?? block)
    if (!trial) return
    trial.open--
    if (trial.open > 0) return
    memory.learnCut(trial.cut)
    this.#input.log.debug('modbus-cut-learned', { unit: this.#input.unit, ...trial.cut })
  }

  #lose(
    block: VisitBlock,
    answer: { readonly kind: 'silent' | 'garbage'; readonly reason?: string },
    nowMs: number
  ): void {
    this.#input.trust.noteLost(block, nowMs)
    this.#failuresInRow++
    const detail = answer.kind === 'silent' ? 'no octet came back' : `no answer: ${answer.reason}`
    const again = { ...(block.varied ?? block), tries: block.tries + 1 }
    const isDead = answer.kind === 'silent' && this.#exchanges === 1
    const isOver = isDead || this.#failuresInRow >= FAILURES_IN_ROW
    if (isOver || again.tries < BLOCK_TRIES) this.#pending.push(again)
    else this.#fault(answer.kind, block, detail)
    if (isOver) this.#failAll(answer.kind, detail)
  }

  #refuse(block: VisitBlock, code: number, afterTimeout: boolean, nowMs: number): void {
    const { memory, trust } = this.#input
    const trial = this.#trials.get(block.varied ?? block)
    if (trial) trial.open = Number.POSITIVE_INFINITY
    // An exception is five octets whatever was asked: it may be the late answer to something else.
    const doubtful = afterTimeout || trust.isOwed(nowMs)
    trust.noteRefused(block, nowMs)
    if (block.varied && isRangeException(code)) {
      // the padding may be what is refused: ask for the range itself
      if (!doubtful) memory.learnRigid()
      this.#pending.push({ ...block.varied, tries: block.tries, fixed: true })
      return
    }
    if (doubtful && block.tries + 1 < BLOCK_TRIES) {
      this.#pending.push({ ...(block.varied ?? block), tries: block.tries + 1 })
      return
    }
    const halves = isRangeException(code) ? splitBlock(block, this.#spans) : undefined
    if (halves) {
      const cut = { function: block.function, address: halves[1].address }
      const started: Trial = { cut, open: halves.length }
      if (!doubtful) for (const half of halves) this.#trials.set(half, started)
      this.#pending.push(...halves)
      return
    }
    this.#refused(block, code)
    if (code === 1) this.#refuseTable(block.function)
    if (code === 2 && !doubtful)
      for (const index of block.wants)
        memory.learnAbsent(this.#spans[index] as RegisterSpan, this.#input.clock.nowMs())
  }

  /** The meter does not know the function: nothing else has to be asked with it. */
  #refuseTable(table: ReadFunction): void {
    const others = this.#pending.filter(block => block.function === table)
    for (const block of others) {
      this.#remove(block)
      this.#refused(block, 1)
    }
  }

  #refused(block: VisitBlock, code: number): void {
    // 0A and 0B come from a gateway on behalf of a meter that was not heard
    const kind = code === 10 || code === 11 ? 'silent' : 'refused'
    this.#fault(
      kind,
      block,
      `the meter answers exception ${code}: ${exceptionName(code)}`,
      formatException(code)
    )
  }

  #failAll(kind: ReadFault['kind'], detail: string): void {
    for (const block of this.#pending) this.#fault(kind, block, detail)
    this.#pending = []
  }

  #fault(kind: ReadFault['kind'], span: RegisterSpan, detail: string, code?: string): void {
    const asked = formatRange(span.address, span.count)
    this.#faults.push({ kind, asked, detail, ...(code === undefined ? {} : { code }) })
  }
}
