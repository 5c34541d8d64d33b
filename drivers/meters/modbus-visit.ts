import type { Clock, Log, ReadFault } from '../../agent/ports.ts'
import {
  exceptionName,
  formatException,
  isBusyException,
  isRangeException
} from '../../proto/modbus/exception.ts'
import type { ReadFunction } from '../../proto/modbus/function-code.ts'
import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'
import { RegisterImage } from '../../proto/modbus/register-image.ts'
import { formatRange } from '../../proto/modbus/request.ts'
import { type AgendaInput, VisitAgenda } from './modbus-agenda.ts'
import { hasGap, splitBlock, type VisitBlock } from './modbus-block.ts'
import type { ModbusClient, RangeAnswer } from './modbus-client.ts'
import type { Cut } from './modbus-memory.ts'

/** A meter at work (05, 06) is asked again this often, after this pause. */
const BUSY_TRIES = 3
const BUSY_PAUSE_MS = 250
/** A block without its answer is asked for once more, after a block of another length was answered. */
const BLOCK_TRIES = 2
/** So many requests in a row without answer end the visit. */
const FAILURES_IN_ROW = 2

export interface VisitInput extends AgendaInput {
  readonly client: ModbusClient
  readonly clock: Clock
  readonly log: Log
  readonly unit: number
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
  readonly #agenda: VisitAgenda
  #exchanges = 0
  #failuresInRow = 0

  constructor(input: VisitInput, spans: readonly RegisterSpan[]) {
    this.#input = input
    this.#spans = spans
    this.#agenda = new VisitAgenda(input, spans)
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
    this.#agenda.plan(wants)
    const wasNew = memory.isNew
    while (this.#agenda.pending.length > 0) {
      const block = await this.#nextBlock()
      if (!block) {
        this.#failAll('garbage', 'not asked again: a late answer could pass for this one')
        break
      }
      const answer = await this.#ask(block)
      this.#take(block, answer)
      // the plan was made with a guess; the meter has said how fast it is
      if (wasNew && this.#exchanges === 1 && answer.kind === 'registers') this.#agenda.planAgain()
    }
    return { image: this.#image, faults: this.#faults, frames: this.#frames, arrivals: this.#arrivals }
  }

  /** Where a meter refuses longer ranges, only time tells its answers apart. */
  async #nextBlock(): Promise<VisitBlock | undefined> {
    const { clock, signal, probing } = this.#input
    const block = this.#agenda.next(clock.monotonicMs(), probing && this.#exchanges === 0)
    if (block) return block
    const waitMs = this.#agenda.freeInMs(clock.monotonicMs())
    if (waitMs === undefined) return undefined
    this.#input.count('guardWait')
    await clock.wait(Math.ceil(waitMs), signal)
    return this.#agenda.next(clock.monotonicMs(), false)
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
        this.#agenda.add(block)
        this.#failAll('skipped', `left out after repeated silence; next try ${next}`)
        break
      }
      case 'busDown':
        this.#agenda.add(block)
        this.#failAll('busDown', answer.detail)
    }
  }

  #accept(block: VisitBlock, answer: Extract<RangeAnswer, { kind: 'registers' }>, nowMs: number): void {
    const { memory, trust } = this.#input
    const { reply } = answer
    // Somebody else's request to this unit timed out: of what length, only the bus knows.
    if (reply.afterTimeout && !trust.shaken && block.tries < BLOCK_TRIES) {
      this.#input.count('canary')
      trust.noteServed(block, nowMs, reply.discarded)
      this.#agenda.add({ ...(block.varied ?? block), tries: block.tries + 1 })
      return
    }
    if (trust.shaken) this.#input.count('canary')
    trust.noteServed(block, nowMs, reply.discarded)
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
    if (isOver || again.tries < BLOCK_TRIES) this.#agenda.add(again)
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
    if (block.varied && (isRangeException(code) || code === 4)) {
      // the padding may be what is refused: ask for the range itself
      if (!doubtful && code !== 4) memory.learnRigid()
      this.#agenda.add({ ...block.varied, tries: block.tries, fixed: true })
      return
    }
    if (doubtful && block.tries + 1 < BLOCK_TRIES) {
      this.#agenda.add({ ...(block.varied ?? block), tries: block.tries + 1 })
      return
    }
    // some meters answer 04 where 02 is meant: a block that runs over registers nobody wants may be to blame
    const mayBeRange = isRangeException(code) || (code === 4 && hasGap(block, this.#spans))
    const halves = mayBeRange ? splitBlock(block, this.#spans) : undefined
    if (halves) {
      const cut = { function: block.function, address: halves[1].address }
      const started: Trial = { cut, open: halves.length }
      if (!doubtful) for (const half of halves) this.#trials.set(half, started)
      this.#agenda.add(...halves)
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
    const others = this.#agenda.pending.filter(block => block.function === table)
    for (const block of others) this.#refused(this.#agenda.take(block), 1)
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
    for (const block of this.#agenda.takeAll()) this.#fault(kind, block, detail)
  }

  #fault(kind: ReadFault['kind'], span: RegisterSpan, detail: string, code?: string): void {
    const asked = formatRange(span.address, span.count)
    this.#faults.push({ kind, asked, detail, ...(code === undefined ? {} : { code }) })
  }
}
