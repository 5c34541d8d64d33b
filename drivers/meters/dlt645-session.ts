import type { Clock, ReadFault, ReadOptions } from '../../agent/ports.ts'
import { WILDCARD_ADDRESS } from '../../proto/dlt645/address.ts'
import { CONTROL } from '../../proto/dlt645/control-code.ts'
import { beginAssembly, continueAssembly } from '../../proto/dlt645/follow-up.ts'
import { decodeFrame, scanFrame } from '../../proto/dlt645/frame.ts'
import { askFollowUp, type Question } from '../../proto/dlt645/question.ts'
import { parseReply, type Reply } from '../../proto/dlt645/reply.ts'
import { buildRequest, REQUEST_PREAMBLE, type RequestOptions } from '../../proto/dlt645/request.ts'
import type { Bus, BusOutcome, ExchangeOptions, LineSetting } from '../bus/bus.ts'
import { describeGarbage } from './dlt645-garbage.ts'

/** What a question brought. `clean` is false when an older answer could have been taken for this one's. */
export type Asked =
  | { readonly kind: 'data'; readonly data: Uint8Array; readonly address: string; readonly endAtMs: number }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'refused'; readonly word: string; readonly address: string; readonly clean: boolean }
  | { readonly kind: 'silent' | 'garbage' | 'skipped' | 'busDown'; readonly detail: string }

/** A follow-up frame is asked for again this often: the meter gives the same part for the same number. */
const FOLLOW_UP_TRIES = 3
/** More octets than this behind a frame are no tail (five were seen). */
const TAIL_MAX = 11
/** Pause behind the answers of a meter that sends octets after them. */
const TAIL_CHARACTERS = 8
const CHARACTER_BITS = 11

export interface SessionOptions extends Pick<ReadOptions, 'priority' | 'signal'> {
  readonly meterKey: string
  readonly line?: LineSetting
  readonly force?: boolean
}

/** One visit to a meter: asks, follows up, and keeps the frames as evidence. */
export class Dlt645Session {
  readonly frames: Uint8Array[] = []
  readonly #bus: Bus
  readonly #clock: Pick<Clock, 'wait'>
  readonly #options: SessionOptions
  #disturbed = false

  /** wake-up octets in front of requests */
  preamble = REQUEST_PREAMBLE
  /** what to leave free behind an answer: some meters send octets after the end of their frames */
  pauseMs = 0
  /** an answer came that says AA for its own address, to a question that did not */
  answersAsAny = false
  /** a few stray octets came where an answer was due, right behind another answer */
  hasTail = false
  #justAnswered = false

  constructor(bus: Bus, clock: Pick<Clock, 'wait'>, options: SessionOptions) {
    this.#bus = bus
    this.#clock = clock
    this.#options = options
  }

  /** Asks and brings the whole answer, however many frames it takes. Rejects only when the signal aborts. */
  async ask(question: Question, options: Omit<RequestOptions, 'preamble'> = {}): Promise<Asked> {
    const first = await this.#exchange(question, options)
    if (!('reply' in first)) return first
    const { reply, endAtMs, address } = first
    switch (reply.kind) {
      case 'address':
        return { kind: 'address', address: reply.address }
      case 'refused':
        return { kind: 'refused', word: reply.word, address, clean: !this.#disturbed && !first.afterTimeout }
      case 'mismatch':
        return { kind: 'garbage', detail: `an answer that is ${reply.reason}` }
      case 'data':
        return this.#followUp(question, reply, endAtMs, options)
    }
  }

  /** Parts are asked for by number until one says it is the last. Nothing is used of an answer that stays in pieces. */
  async #followUp(
    question: Question,
    first: Extract<Reply, { kind: 'data' }>,
    firstEndAtMs: number,
    options: Omit<RequestOptions, 'preamble'>
  ): Promise<Asked> {
    let assembly = beginAssembly(first)
    let endAtMs = firstEndAtMs
    while (assembly.nextSeq !== 0) {
      const part = await this.#part(askFollowUp(question, assembly.nextSeq), options)
      if (!('reply' in part)) return part
      if (part.reply.kind !== 'data') return { kind: 'garbage', detail: 'a follow-up frame was refused' }
      const next = continueAssembly(assembly, part.reply)
      if (!next) return { kind: 'garbage', detail: 'the answer has no end' }
      assembly = next
      endAtMs = part.endAtMs
    }
    return { kind: 'data', data: assembly.data, address: first.address, endAtMs }
  }

  async #part(
    question: Question,
    options: Omit<RequestOptions, 'preamble'>
  ): Promise<Received | Exclude<Asked, { kind: 'data' | 'address' | 'refused' }>> {
    for (let attempt = 1; ; attempt++) {
      const part = await this.#exchange(question, options)
      if ('reply' in part || attempt === FOLLOW_UP_TRIES) return part
      if (part.kind !== 'silent' && part.kind !== 'garbage') return part
    }
  }

  async #exchange(
    question: Question,
    options: Omit<RequestOptions, 'preamble'>
  ): Promise<Received | Exclude<Asked, { kind: 'data' | 'address' | 'refused' }>> {
    const request = buildRequest(question, { ...options, preamble: this.preamble })
    if (this.pauseMs > 0 && this.#justAnswered) await this.#clock.wait(this.pauseMs, this.#options.signal)
    let outcome = await this.#bus.exchange(request, this.#exchangeOptions())
    if (outcome.kind === 'garbage' && this.#lookAt(outcome.octets)) {
      outcome = await this.#bus.exchange(request, this.#exchangeOptions())
    }
    this.#justAnswered = outcome.kind === 'reply'
    if (outcome.kind !== 'reply') {
      if (outcome.kind === 'silent' || outcome.kind === 'garbage') this.#disturbed = true
      return { kind: outcome.kind, detail: detailOf(question, outcome) }
    }
    this.frames.push(outcome.frame)
    const frame = decodeFrame(outcome.frame)
    return {
      reply: parseReply(question, frame),
      address: frame.address,
      endAtMs: outcome.endAtMs,
      afterTimeout: outcome.afterTimeout
    }
  }

  /** What came in place of an answer may tell how the meter wants to be asked. @returns whether to ask again at once */
  #lookAt(octets: Uint8Array): boolean {
    const scan = scanFrame(octets)
    if (scan.kind === 'frame') {
      const { address, control } = decodeFrame(octets.subarray(scan.start, scan.end))
      if (address === WILDCARD_ADDRESS && (control & CONTROL.fromMeter) !== 0) this.answersAsAny = true
      return false
    }
    if (!this.#justAnswered || this.pauseMs > 0 || octets.length > TAIL_MAX) return false
    this.hasTail = true
    this.leavePause()
    return true
  }

  /** The meter sends octets behind its frames: wait for them before asking it again. */
  leavePause(): void {
    this.pauseMs = (TAIL_CHARACTERS * CHARACTER_BITS * 1000) / this.#bus.baud
  }

  #exchangeOptions(): ExchangeOptions {
    const { meterKey, priority, signal, line, force } = this.#options
    return {
      meterKey,
      priority,
      ...(signal && { signal }),
      ...(line && { line }),
      ...(force !== undefined && { force })
    }
  }
}

interface Received {
  readonly reply: Reply
  readonly address: string
  readonly endAtMs: number
  readonly afterTimeout: boolean
}

function detailOf(question: Question, outcome: Exclude<BusOutcome, { kind: 'reply' }>): string {
  switch (outcome.kind) {
    case 'silent':
      return 'no octet came back'
    case 'garbage':
      return outcome.reason === 'collision'
        ? 'somebody else spoke at the same time'
        : describeGarbage(question, outcome.octets)
    case 'skipped':
      return `left out after repeated silence; next try ${new Date(outcome.nextTryAtMs).toISOString()}`
    case 'busDown':
      return outcome.detail
  }
}

/** The fault of an answer that brought no value. */
export function faultOf(asked: string, answer: Exclude<Asked, { kind: 'data' | 'address' }>): ReadFault {
  if (answer.kind === 'refused') {
    return {
      kind: 'refused',
      asked,
      code: answer.word,
      detail: `the meter answers error word ${answer.word}`
    }
  }
  return { kind: answer.kind, asked, detail: answer.detail }
}
