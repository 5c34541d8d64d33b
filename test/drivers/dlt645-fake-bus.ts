import type { BusStatus } from '../../agent/ports.ts'
import type { Bus, BusOutcome, ExchangeOptions } from '../../drivers/bus/bus.ts'
import { isReadRequest, type ReadRequest } from '../../proto/bus-reply.ts'
import { concatBytes } from '../../proto/bytes.ts'
import { answersTo, encodeAddress, type MeterAddress, parseAddress } from '../../proto/dlt645/address.ts'
import { encodeDigits } from '../../proto/dlt645/bcd.ts'
import { assertReadOnlyDlt645, type BeyondReading } from '../../proto/dlt645/control-code.ts'
import {
  decodeDataIdentifier,
  encodeDataIdentifier,
  parseDataIdentifier
} from '../../proto/dlt645/data-identifier.ts'
import { type Dlt645Frame, decodeFrame, encodeFrame, scanFrame } from '../../proto/dlt645/frame.ts'

/** A meter of a test: what it answers is data. */
export interface FakeMeter {
  readonly address: string
  readonly edition: '2007' | '1997'
  /** data behind the identifier, by identifier; undefined answers the error word */
  readonly answer: (di: string, detail: Uint8Array) => Uint8Array | undefined
  readonly errorWord?: number
  /** most data octets behind the identifier in one frame */
  readonly frameMax?: number
  readonly isDead?: boolean
  readonly wakeUps?: number
}

/** Octets of a frame from a meter. */
export function meterFrame(address: string, control: number, data: Uint8Array, preamble = 0): Uint8Array {
  return encodeFrame({ address: address as MeterAddress, control, data }, preamble)
}

export const digits = (text: string): Uint8Array => encodeDigits(text)

/** A bus on paper: time passes only with octets, nothing is waited for. */
export class FakeBus implements Bus {
  readonly name = 'rs485-1'
  readonly baud = 2400
  readonly meters: FakeMeter[]
  /** what was asked, as "address di" */
  readonly log: string[] = []
  nowMs: number
  /** changes the octets of an answer, or loses it (undefined) */
  disturb: (octets: Uint8Array, n: number) => Uint8Array | undefined = octets => octets
  probingKeys = new Set<string>()
  afterTimeout = false
  /** what the operator has switched on */
  beyond: BeyondReading = {}
  /** hears broadcasts of the time: ss mm hh DD MM YY */
  onBroadcast: (data: Uint8Array) => void = () => {}
  override: BusOutcome | undefined
  #count = 0
  readonly #parts = new Map<string, { data: Uint8Array; size: number }>()

  constructor(meters: FakeMeter[], nowMs: number) {
    this.meters = meters
    this.nowMs = nowMs
  }

  exchange(request: ReadRequest, options: ExchangeOptions): Promise<BusOutcome> {
    options.signal?.throwIfAborted()
    if (!isReadRequest(request)) throw new Error('not a request')
    assertReadOnlyDlt645(request.octets, this.beyond)
    if (this.override) return Promise.resolve(this.override)
    const scan = scanFrame(request.octets)
    if (scan.kind !== 'frame') throw new Error('no frame')
    const frame = decodeFrame(request.octets.subarray(scan.start, scan.end))
    this.log.push(`${frame.address} ${request.asked}`)
    this.nowMs += request.octets.length * 4.58
    if (frame.control === 0x08) this.onBroadcast(frame.data)
    const answers = this.meters.flatMap(meter => {
      if (meter.isDead || scan.start < (meter.wakeUps ?? 0)) return []
      const answer = this.#answerOf(meter, frame)
      return answer ? [answer] : []
    })
    const octets = answers.length === 0 ? undefined : this.disturb(overlay(answers), this.#count++)
    if (!octets || octets.length === 0) {
      this.nowMs += 550
      return Promise.resolve({ kind: 'silent' })
    }
    this.nowMs += 50 + octets.length * 4.58
    return Promise.resolve(this.#receive(request, octets))
  }

  #receive(request: ReadRequest, octets: Uint8Array): BusOutcome {
    let rest = octets
    for (;;) {
      const match = request.match(rest)
      if (match.kind === 'more') return { kind: 'garbage', octets, reason: 'truncated' }
      if (match.kind === 'reply') {
        return {
          kind: 'reply',
          frame: rest.slice(match.start, match.end),
          turnaroundMs: 50,
          endAtMs: Math.round(this.nowMs),
          discarded: 0,
          afterTimeout: this.afterTimeout
        }
      }
      rest = rest.slice(match.kind === 'noise' ? match.octets : match.end)
    }
  }

  #answerOf(meter: FakeMeter, frame: Dlt645Frame): Uint8Array | undefined {
    const own = parseAddress(meter.address, meter.edition)
    if (!answersTo(frame.address as MeterAddress, own, meter.edition)) return undefined
    const code = frame.control
    if (meter.edition === '1997') {
      if (code !== 1) return undefined
      return this.#data(meter, frame, own, 2, 0x81)
    }
    if (code === 0x13) return meterFrame(own, 0x93, encodeAddress(own), 4)
    if (code === 0x12) {
      const seq = frame.data[4] as number
      const open = this.#parts.get(own)
      if (!open || seq * open.size >= open.data.length) return meterFrame(own, 0xd2, Uint8Array.of(2))
      const part = open.data.subarray(seq * open.size, (seq + 1) * open.size)
      const more = (seq + 1) * open.size < open.data.length
      return meterFrame(
        own,
        more ? 0xb2 : 0x92,
        concatBytes(frame.data.subarray(0, 4), part, Uint8Array.of(seq))
      )
    }
    return code === 0x11 ? this.#data(meter, frame, own, 4, 0x91) : undefined
  }

  #data(
    meter: FakeMeter,
    frame: Dlt645Frame,
    own: MeterAddress,
    head: number,
    control: number
  ): Uint8Array | undefined {
    const di = decodeDataIdentifier(frame.data, meter.edition)
    if (di === undefined) return undefined
    const data = meter.answer(di, frame.data.subarray(head))
    if (!data) return meterFrame(own, control | 0x40, Uint8Array.of(meter.errorWord ?? 2), 4)
    const size = meter.frameMax ?? 196
    const wire = encodeDataIdentifier(parseDataIdentifier(di))
    if (data.length <= size) return meterFrame(own, control, concatBytes(wire, data), 4)
    this.#parts.set(own, { data, size })
    return meterFrame(own, control | 0x20, concatBytes(wire, data.subarray(0, size)), 4)
  }

  pass(ms: number): void {
    this.nowMs += ms
  }

  probing(meterKey: string): boolean {
    return this.probingKeys.has(meterKey)
  }

  status(): BusStatus {
    return { name: this.name, port: '', state: 'open', detail: '', counters: {}, breakers: [] }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Several meters at once: the line carries neither. */
function overlay(answers: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = answers
  if (!first || others.length === 0) return first ?? new Uint8Array(0)
  const out = new Uint8Array(Math.max(...answers.map(answer => answer.length))).fill(0xff)
  for (const answer of answers)
    for (let i = 0; i < answer.length; i++) out[i] = (out[i] as number) & (answer[i] as number)
  return out
}
