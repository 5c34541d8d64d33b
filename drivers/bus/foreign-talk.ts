import type { ReadRequest } from '../../proto/bus-reply.ts'
import { concatBytes, equalBytes, toHex } from '../../proto/bytes.ts'
import { CONTROL, FUNCTION_2007 } from '../../proto/dlt645/control-code.ts'
import { hasValidCrc } from '../../proto/modbus/crc.ts'
import { frameSize } from '../../proto/modbus/frame-shape.ts'

/** An answer that has not come by then is no longer waited for by anybody: as long as for our own requests. */
const OPEN_MS = 2_500
/** The longest frame of either protocol (DL/T 645: 12 + 255 octets) must fit in, whatever pieces it comes in. */
const KEPT = 270
/** Our own request heard so soon after is an echo. */
const ECHO_MS = 500
/** The other master's question comes again with the answer for an echo: these functions write one value. */
const ECHOED_WRITES: ReadonlySet<number> = new Set([5, 6])
/** Another master was heard so lately that it is still there. */
const ABOUT_MS = 60_000
/** Registers read: the answer says how many. */
const READS: ReadonlySet<number> = new Set([3, 4])
const MODBUS = 'modbus:'
const EMPTY = new Uint8Array(0)

/** A question of another master. */
export interface ForeignQuestion {
  /** the meter it is to, as {@link ExchangeOptions.meterKey} writes it: `modbus:7`, `dlt645:000012345678` */
  readonly to: string
  /** without FE */
  readonly octets: Uint8Array
  /** monotonic time at which it had come */
  readonly atMs: number
}

export interface Overheard {
  readonly questions: number
  readonly unexplained: number
}

interface Found {
  readonly kind: 'question' | 'answer'
  readonly to: string
  readonly size: number
}

/**
 * Follows what another master on the line says: which of its questions are still to be answered. Neither protocol names the asker, and
 * a Modbus answer not even the register: while a rival question is open, an answer may be to that one.
 */
export class ForeignTalk {
  /** octets that may still become a frame */
  #tail: Uint8Array = EMPTY
  #open: ForeignQuestion[] = []
  #askedAtMs = Number.NEGATIVE_INFINITY
  #sent: { readonly octets: Uint8Array; readonly untilMs: number } | undefined

  /** Our own request goes out: heard again, it is an echo. */
  noteSent(request: ReadRequest, nowMs: number): void {
    this.#sent = { octets: frameOf(request), untilMs: nowMs + ECHO_MS }
  }

  /**
   * Takes everything on the line that is neither our own request nor the answer to it, in the order it came.
   * Looks at every offset: the question may stand in the middle of an answer that it spoilt.
   * @param ours requests of our own that may still be answered: what comes from their meters may be that
   * @returns how many new questions, and how many of the octets are no part of any frame
   */
  hear(octets: Uint8Array, nowMs: number, ours: readonly ReadRequest[]): Overheard {
    if (octets.length === 0) return { questions: 0, unexplained: 0 }
    this.#tail = concatBytes(this.#tail, octets)
    this.#forget(nowMs)
    let questions = 0
    let framed = 0
    for (let at = 0; at < this.#tail.length; at++) {
      const found = frameAt(this.#tail, at)
      if (!found) continue
      const frame = this.#tail.slice(at, at + found.size)
      // what stands before it may go on behind it: somebody spoke in between
      this.#tail = concatBytes(this.#tail.subarray(0, at), this.#tail.subarray(at + found.size))
      at = -1
      const isOurs = ours.some(request => meterOf(frameOf(request), request.protocol) === found.to)
      if (found.kind === 'question') {
        if (this.#ask(found.to, frame, nowMs)) questions++
      } else if (!isOurs)
        this.#close(this.#open.find(question => question.to === found.to && mayAnswer(question, frame)))
      // a Modbus answer to us that was not taken as such is put together from pieces of one that a question spoilt
      if (found.kind === 'question' || !isOurs || !found.to.startsWith(MODBUS)) framed += found.size
    }
    this.#tail = this.#tail.slice(-KEPT)
    return { questions, unexplained: Math.max(0, octets.length - framed) }
  }

  /** Monotonic time of the last question. */
  get askedAtMs(): number {
    return this.#askedAtMs
  }

  /** The newest question nobody has answered yet. */
  pending(nowMs: number): ForeignQuestion | undefined {
    this.#forget(nowMs)
    return this.#open.at(-1)
  }

  /** Monotonic time before which the request had better not be sent: an answer to another master would pass for its own. */
  notBeforeMs(request: ReadRequest, nowMs: number): number {
    this.#forget(nowMs)
    let atMs = Number.NEGATIVE_INFINITY
    if (request.protocol !== 'modbus') return atMs
    for (const question of this.#open) {
      const isLikeIt = 5 + 2 * registersOf(question.octets) === request.expectedReplyOctets
      if (isLikeIt && isRival(question, request)) atMs = Math.max(atMs, question.atMs + OPEN_MS)
    }
    return atMs
  }

  /** True when the answer may be to another master's question. Which of the two it was nobody knows: both stay open. */
  contests(request: ReadRequest, answer: Uint8Array, nowMs: number): boolean {
    this.#forget(nowMs)
    return this.#open.some(question => isRival(question, request) && mayAnswer(question, answer))
  }

  /** Our own question came back on a line without echo: beside another master it is that one's, and there will be two answers. */
  noteEqual(request: ReadRequest, nowMs: number): void {
    if (!this.#isAbout(nowMs)) return
    const octets = frameOf(request)
    this.#open.push({ to: meterOf(octets, request.protocol), octets, atMs: nowMs })
  }

  #isAbout(nowMs: number): boolean {
    return this.#askedAtMs + ABOUT_MS > nowMs
  }

  /** @returns true when it is a new question and not our own echo */
  #ask(to: string, frame: Uint8Array, nowMs: number): boolean {
    if (
      !this.#isAbout(nowMs) &&
      this.#sent &&
      nowMs < this.#sent.untilMs &&
      equalBytes(this.#sent.octets, frame)
    )
      return false
    const same = this.#open.find(question => equalBytes(question.octets, frame))
    this.#close(same)
    if (same && to.startsWith(MODBUS) && ECHOED_WRITES.has(frame[1] as number)) return false
    this.#askedAtMs = nowMs
    this.#open.push({ to, octets: frame, atMs: nowMs })
    return true
  }

  #close(question: ForeignQuestion | undefined): void {
    if (question) this.#open = this.#open.filter(other => other !== question)
  }

  #forget(nowMs: number): void {
    if (this.#open.length > 0) this.#open = this.#open.filter(({ atMs }) => atMs + OPEN_MS > nowMs)
  }
}

/** Another question to the same meter; equal ones have equal answers. */
function isRival(question: ForeignQuestion, request: ReadRequest): boolean {
  const own = frameOf(request)
  return question.to === meterOf(own, request.protocol) && !equalBytes(question.octets, own)
}

/** A Modbus answer says its function and length alone, an exception not even that; nor does a refusal of DL/T 645. */
function mayAnswer(question: ForeignQuestion, answer: Uint8Array): boolean {
  const { octets, to } = question
  if (to.startsWith(MODBUS)) {
    if (((answer[1] as number) & 0x7f) !== octets[1]) return false
    if (answer[1] !== octets[1] || !READS.has(answer[1] as number)) return true
    return 2 * registersOf(octets) === answer[2]
  }
  const reply = withoutPreamble(answer)
  const control = reply[8] as number
  if ((control & CONTROL.abnormal) !== 0) return true
  // the same item, but for the records asked for: profiles, logs
  const identifier = 10 + ((control & CONTROL.function) === FUNCTION_2007.read ? 4 : 2)
  return equalBytes(reply.subarray(10, identifier), octets.subarray(10, identifier))
}

const registersOf = (question: Uint8Array) => ((question[4] as number) << 8) | (question[5] as number)

const frameOf = ({ octets }: ReadRequest) => withoutPreamble(octets)

function withoutPreamble(octets: Uint8Array): Uint8Array {
  let at = 0
  while (octets[at] === 0xfe) at++
  return octets.subarray(at)
}

function meterOf(frame: Uint8Array, protocol: ReadRequest['protocol']): string {
  if (protocol === 'modbus') return `${MODBUS}${frame[0]}`
  return `dlt645:${toHex(frame.slice(1, 7).reverse())}`
}

function frameAt(octets: Uint8Array, at: number): Found | undefined {
  return dlt645At(octets, at) ?? modbusAt(octets, at)
}

const START = 0x68
const END = 0x16

function dlt645At(octets: Uint8Array, at: number): Found | undefined {
  if (octets[at] !== START || octets[at + 7] !== START) return undefined
  const size = 12 + (octets[at + 9] ?? Number.NaN)
  if (!(at + size <= octets.length) || octets[at + size - 1] !== END) return undefined
  let sum = 0
  for (let i = at; i < at + size - 2; i++) sum += octets[i] as number
  if ((sum & 0xff) !== octets[at + size - 2]) return undefined
  const isAnswer = ((octets[at + 8] as number) & CONTROL.fromMeter) !== 0
  return { kind: isAnswer ? 'answer' : 'question', to: meterOf(octets.subarray(at), 'dlt645'), size }
}

function modbusAt(octets: Uint8Array, at: number): Found | undefined {
  const unit = octets[at] as number
  if (unit < 1 || unit > 247) return undefined
  for (const direction of ['request', 'response'] as const) {
    const size = frameSize(octets, at, direction)
    if (size === undefined || at + size > octets.length || !hasValidCrc(octets, at, at + size)) continue
    return { kind: direction === 'request' ? 'question' : 'answer', to: `${MODBUS}${unit}`, size }
  }
  return undefined
}
