import { concatBytes } from './bytes.ts'
import { CONTROL } from './dlt645/control-code.ts'
import { FRAME_OVERHEAD } from './dlt645/frame.ts'
import { redactDamaged, redactDlt645 } from './dlt645/redact.ts'
import { hasValidCrc } from './modbus/crc.ts'
import { frameSize } from './modbus/frame-shape.ts'
import { redactModbus } from './modbus/redact.ts'

/** Something heard on a line that others use. Times are those of the clock the octets were given with. */
export type Heard =
  | {
      readonly kind: 'frame'
      readonly protocol: 'dlt645' | 'modbus'
      readonly direction: 'request' | 'response'
      /** without wake-up octets; whatever may be a password is blanked */
      readonly octets: Uint8Array
      /** true when something was blanked */
      readonly isRedacted: boolean
      /** wake-up octets FE before it */
      readonly preambleFE: number
      readonly startMs: number
      readonly endMs: number
    }
  | {
      readonly kind: 'noise'
      readonly octets: Uint8Array
      readonly startMs: number
      readonly endMs: number
    }

export interface ListenerOptions {
  /** what one character takes on the wire */
  readonly characterMs: number
  /** listen for one protocol alone */
  readonly protocol?: 'dlt645' | 'modbus'
}

/** DL/T 645-2007 5.3.3: not more than 500 ms between two octets of a frame. */
const DLT645_PAUSE_MS = 500
/** Modbus asks for 1.5 characters; an adapter hands octets on in lumps of up to this much. */
const LUMP_MS = 40
/** An answer that comes later than this belongs to no question heard. */
const ANSWER_MS = 3_000
/** Modbus RTU has 256 octets at most, DL/T 645 267. */
const LONGEST = 300
const SHORTEST_MODBUS = 4
const FE = 0xfe

interface Found {
  readonly protocol: 'dlt645' | 'modbus'
  readonly direction: 'request' | 'response'
  readonly start: number
  readonly end: number
}

interface Question {
  readonly unit: number
  readonly code: number
  readonly endMs: number
}

/**
 * Cuts what is heard on a line into frames of both protocols, by checksum and by pauses, and finds back after anything else.
 * A Modbus frame does not say who sent it: where both readings fit, one that answers the question before it is an answer.
 */
export class LineListener {
  readonly #characterMs: number
  readonly #protocol: 'dlt645' | 'modbus' | undefined
  #octets: Uint8Array = new Uint8Array(0)
  /** when each octet was over, at the latest */
  #times: number[] = []
  #question: Question | undefined

  constructor(options: ListenerOptions) {
    this.#characterMs = options.characterMs
    this.#protocol = options.protocol
  }

  /** Takes octets as they came. @param atMs when the last of them was there */
  push(octets: Uint8Array, atMs: number): Heard[] {
    const heard = this.settle(atMs - octets.length * this.#characterMs)
    const before = this.#times.at(-1) ?? Number.NEGATIVE_INFINITY
    for (let i = 0; i < octets.length; i++)
      this.#times.push(Math.max(before, atMs - (octets.length - 1 - i) * this.#characterMs))
    this.#octets = concatBytes(this.#octets, octets)
    this.#drain(heard, false)
    return heard
  }

  /** Nothing has come until now: what is held back may have become clear. */
  settle(nowMs: number): Heard[] {
    const heard: Heard[] = []
    const pauseMs = nowMs - (this.#times.at(-1) ?? nowMs)
    const first = this.#octets.findIndex(octet => octet !== FE)
    const patienceMs = this.#beginsDlt645(Math.max(0, first))
      ? DLT645_PAUSE_MS
      : Math.max(LUMP_MS, 3.5 * this.#characterMs)
    if (pauseMs > patienceMs) this.#drain(heard, true)
    return heard
  }

  /** The end of listening. */
  finish(): Heard[] {
    const heard: Heard[] = []
    this.#drain(heard, true)
    return heard
  }

  #drain(heard: Heard[], isOver: boolean): void {
    while (this.#octets.length > 0) {
      const found = this.#find(isOver)
      if (found) {
        let start = found.start
        if (found.protocol === 'dlt645') while (start > 0 && this.#octets[start - 1] === FE) start--
        this.#dropNoise(heard, start)
        this.#take(heard, { ...found, start: found.start - start, end: found.end - start })
      } else if (isOver) this.#dropNoise(heard, this.#octets.length)
      else if (this.#octets.length > LONGEST) this.#dropNoise(heard, this.#octets.length - LONGEST)
      else return
    }
  }

  /** The first whole frame; one inside a frame that has only begun counts when no more of that one is awaited. */
  #find(isOver: boolean): Found | undefined {
    for (let at = 0; at < this.#octets.length; at++) {
      const found = this.#dlt645At(at) ?? this.#modbusAt(at)
      if (found) return found
      // Two start octets at the right distance are no accident: what stands inside is data.
      if (!isOver && this.#beginsDlt645(at) && this.#octets.length - at > 8) return undefined
      if (!isOver && at === 0 && this.#awaitsModbus()) return undefined
    }
    return isOver ? this.#odd() : undefined
  }

  #beginsDlt645(at: number): boolean {
    if (this.#protocol === 'modbus' || this.#octets[at] !== 0x68) return false
    const second = this.#octets[at + 7]
    const length = this.#octets[at + 9]
    return (
      (second === undefined || second === 0x68) &&
      (length === undefined || this.#octets.length - at < FRAME_OVERHEAD + length)
    )
  }

  #dlt645At(at: number): Found | undefined {
    const length = this.#octets[at + 9]
    if (this.#protocol === 'modbus' || length === undefined) return undefined
    if (this.#octets[at] !== 0x68 || this.#octets[at + 7] !== 0x68) return undefined
    const end = at + FRAME_OVERHEAD + length
    if (end > this.#octets.length || this.#octets[end - 1] !== 0x16) return undefined
    let sum = 0
    for (let i = at; i < end - 2; i++) sum += this.#octets[i] as number
    if (this.#octets[end - 2] !== (sum & 0xff)) return undefined
    const isAnswer = ((this.#octets[at + 8] as number) & CONTROL.fromMeter) !== 0
    return { protocol: 'dlt645', direction: isAnswer ? 'response' : 'request', start: at, end }
  }

  #modbusAt(at: number): Found | undefined {
    if (this.#protocol === 'dlt645' || (this.#octets[at] as number) > 247) return undefined
    const fits = (['request', 'response'] as const).filter(direction => {
      const size = frameSize(this.#octets, at, direction)
      return (
        size !== undefined && at + size <= this.#octets.length && hasValidCrc(this.#octets, at, at + size)
      )
    })
    const direction = fits.length === 2 && this.#isAnswered(at) ? 'response' : fits[0]
    if (direction === undefined) return undefined
    const end = at + (frameSize(this.#octets, at, direction) as number)
    return { protocol: 'modbus', direction, start: at, end }
  }

  /** Whether the first octet, behind a pause, begins a Modbus frame that is not whole yet. */
  #awaitsModbus(): boolean {
    if (this.#protocol === 'dlt645' || (this.#octets[0] as number) > 247) return false
    if (this.#octets.length < SHORTEST_MODBUS) return true
    return (['request', 'response'] as const).some(direction => {
      const size = frameSize(this.#octets, 0, direction)
      return size !== undefined && size > this.#octets.length && size <= LONGEST
    })
  }

  #isAnswered(at: number): boolean {
    const question = this.#question
    return (
      question !== undefined &&
      question.unit === this.#octets[at] &&
      question.code === this.#octets[at + 1] &&
      (this.#times[at] as number) - question.endMs < ANSWER_MS
    )
  }

  /** A burst between two pauses whose CRC holds is a frame, of whatever function. */
  #odd(): Found | undefined {
    const size = this.#octets.length
    if (this.#protocol === 'dlt645' || !hasValidCrc(this.#octets)) return undefined
    return {
      protocol: 'modbus',
      direction: this.#isAnswered(0) ? 'response' : 'request',
      start: 0,
      end: size
    }
  }

  #take(heard: Heard[], found: Found): void {
    const { protocol, direction, start, end } = found
    const raw = this.#octets.slice(start, end)
    const octets = protocol === 'dlt645' ? redactDlt645(raw) : redactModbus(raw, direction)
    heard.push({
      kind: 'frame',
      protocol,
      direction,
      octets,
      isRedacted: octets !== raw,
      preambleFE: start,
      ...this.#span(start, end)
    })
    if (protocol === 'modbus') {
      const { endMs } = this.#span(start, end)
      this.#question =
        direction === 'request' ? { unit: raw[0] as number, code: raw[1] as number, endMs } : undefined
    }
    this.#drop(end)
  }

  #dropNoise(heard: Heard[], count: number): void {
    if (count <= 0) return
    heard.push({
      kind: 'noise',
      octets: redactDamaged(this.#octets.slice(0, count)),
      ...this.#span(0, count)
    })
    this.#drop(count)
  }

  #span(start: number, end: number): { readonly startMs: number; readonly endMs: number } {
    return {
      startMs: (this.#times[start] as number) - this.#characterMs,
      endMs: this.#times[end - 1] as number
    }
  }

  #drop(count: number): void {
    this.#octets = this.#octets.slice(count)
    this.#times.splice(0, count)
  }
}
