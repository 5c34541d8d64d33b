import { fromCivil, toCivil } from './civil-time.ts'
import { type Addressing, addressing } from './dlt-address.ts'
import { readDemand, readEnergy } from './dlt-energy.ts'
import { readEvent } from './dlt-events.ts'
import { readFreeze } from './dlt-freeze.ts'
import type { HeardFrame } from './dlt-listen.ts'
import { addressOctets } from './dlt-octets.ts'
import { readParameter } from './dlt-parameters.ts'
import { readProfile } from './dlt-profile.ts'
import { readVariable } from './dlt-variables.ts'
import type { Meter } from './meter-model.ts'

/** A reply before it becomes a frame. */
export interface DltReply {
  readonly control: number
  readonly data: readonly number[]
}

const ABNORMAL = 0xc0
const NORMAL = 0x80
const MORE = 0x20
const READ = 0x11
const READ_MORE = 0x12
const READ_ADDRESS = 0x13
const BROADCAST_TIME = 0x08
const FREEZE = 0x16
const OTHER_ERROR = 0x01
const NO_SUCH_DATA = 0x02
const NOT_AUTHORISED = 0x04
/** Codes that would change a meter, with what one says that nobody has unlocked; others are met with silence. */
const REFUSALS: Readonly<Record<number, readonly number[]>> = {
  3: [0x08, 0x00],
  20: [NOT_AUTHORISED],
  23: [NOT_AUTHORISED],
  24: [NOT_AUTHORISED],
  25: [NOT_AUTHORISED],
  26: [NOT_AUTHORISED],
  27: [NOT_AUTHORISED],
  28: [0x04, 0x00],
  29: [NOT_AUTHORISED]
}
/** 14, 17, 19, 1A, 1B and 1C are not taken from a shortened address. */
const NEEDS_OWN_ADDRESS = [0x14, 0x17, 0x19, 0x1a, 0x1b, 0x1c]
const TIME_LIMIT_S = 300
const DAY_S = 86_400

/** The DL/T 645-2007 side of a meter. */
export class Dlt2007Responder {
  readonly #meter: Meter
  /** the reply being fetched in parts */
  #parts: { readonly di: string; readonly parts: readonly (readonly number[])[]; next: number } | undefined
  #profileRequests = 0

  constructor(meter: Meter) {
    this.#meter = meter
  }

  /** What the meter says to a frame; undefined is silence. */
  answer(frame: HeardFrame, unixS: number): DltReply | undefined {
    const to = addressing(frame.address, this.#meter.setting.address)
    if (to === 'other' || (frame.control & NORMAL) !== 0) return undefined
    if (to === 'broadcast') {
      this.#hearBroadcast(frame, unixS)
      return undefined
    }
    if (frame.control !== READ_MORE) this.#parts = undefined
    return this.#answerOwn(frame, to, unixS)
  }

  #answerOwn(frame: HeardFrame, to: Addressing, unixS: number): DltReply | undefined {
    switch (frame.control) {
      case READ:
        return this.#read(frame.data, unixS)
      case READ_MORE:
        return this.#readMore(frame.data)
      case READ_ADDRESS:
        return { control: NORMAL | READ_ADDRESS, data: addressOctets(this.#meter.setting.address) }
      case FREEZE:
        if (frame.data.length !== 4) return refuse(FREEZE, [OTHER_ERROR])
        this.#freeze(frame.data, unixS)
        return { control: NORMAL | FREEZE, data: [] }
      default: {
        const refusal = REFUSALS[frame.control]
        if (!refusal || (to === 'wildcard' && NEEDS_OWN_ADDRESS.includes(frame.control))) return undefined
        return refuse(frame.control, refusal)
      }
    }
  }

  #read(data: readonly number[], unixS: number): DltReply {
    const meter = this.#meter
    const di = data.slice(0, 4).reverse()
    const name = nameOf(di)
    if (data.length < 4) return refuse(READ, [OTHER_ERROR])
    if (isRefused(meter, name)) return refuse(READ, [meter.faults.refusal ?? NO_SUCH_DATA])
    if (di[0] === 0x06) {
      const found = readProfile(meter, di, data.slice(4), unixS, this.#profileRequests++)
      return 'refused' in found ? refuse(READ, [found.refused]) : this.#firstPart(name, data, found.octets)
    }
    const octets = data.length === 4 ? this.#item(di, name, unixS) : undefined
    if (!octets) return refuse(READ, [meter.faults.refusal ?? NO_SUCH_DATA])
    const tail = meter.faults.blockTail === true && di.includes(0xff) ? [0xaa] : []
    return this.#firstPart(name, data, [...octets, ...tail])
  }

  #item(di: readonly number[], name: string, unixS: number): number[] | undefined {
    const meter = this.#meter
    switch (di[0]) {
      case 0x00:
        return readEnergy(meter, di, unixS)
      case 0x01:
        return readDemand(meter, di, unixS)
      case 0x02:
        return readVariable(meter, di, unixS)
      case 0x03:
      case 0x1d:
      case 0x1e:
        return readEvent(meter, name, unixS)
      case 0x04:
        return readParameter(meter, name, unixS)
      case 0x05:
        return readFreeze(meter, di, unixS)
      default:
        return undefined
    }
  }

  #firstPart(name: string, request: readonly number[], octets: readonly number[]): DltReply {
    const di = request.slice(0, 4)
    const room = this.#meter.setting.frameData ?? 200
    if (octets.length + 4 <= room) return { control: NORMAL | READ, data: [...di, ...octets] }
    const size = room - 5
    const parts: number[][] = []
    for (let at = 0; at < octets.length; at += size) parts.push(octets.slice(at, at + size))
    this.#parts = { di: name, parts, next: 1 }
    return { control: NORMAL | MORE | READ, data: [...di, ...(parts[0] ?? [])] }
  }

  /** A repeated number brings the same part again, so that a lost reply can be asked for once more. */
  #readMore(data: readonly number[]): DltReply {
    const di = data.slice(0, 4)
    const seq = data[4]
    const going = this.#parts
    const fits = going && data.length === 5 && nameOf([...di].reverse()) === going.di && seq !== undefined
    if (!going || !fits || (seq !== going.next && seq !== going.next - 1) || seq === 0 || !going.parts[seq]) {
      this.#parts = undefined
      return refuse(READ_MORE, [NO_SUCH_DATA])
    }
    going.next = seq + 1
    const more = seq + 1 < going.parts.length ? MORE : 0
    return { control: NORMAL | more | READ_MORE, data: [...di, ...(going.parts[seq] ?? []), seq] }
  }

  #hearBroadcast(frame: HeardFrame, unixS: number): void {
    if (frame.control === FREEZE && frame.data.length === 4) this.#freeze(frame.data, unixS)
    if (frame.control === BROADCAST_TIME && frame.data.length === 6) this.#setTime(frame.data, unixS)
  }

  /** 99 everywhere is "now"; the periodic forms change what the freeze modes say, not what is frozen today. */
  #freeze(when: readonly number[], unixS: number): void {
    if (when.every(octet => octet === 0x99))
      this.#meter.frozenAt = [unixS, ...this.#meter.frozenAt].slice(0, 3)
  }

  /** Taken when less than five minutes off, not within five minutes of midnight, once a day. */
  #setTime(data: readonly number[], unixS: number): void {
    const [ss = 0, mm = 0, hh = 0, day = 1, month = 1, year = 0] = data.map(
      octet => (octet >> 4) * 10 + (octet & 0x0f)
    )
    const asked = fromCivil(2000 + year, month, day, hh, mm, ss)
    const { clock, clockSetAt } = this.#meter
    const shown = clock.localAt(unixS)
    const ofDay = ((shown % DAY_S) + DAY_S) % DAY_S
    const nearMidnight = ofDay < TIME_LIMIT_S || ofDay > DAY_S - TIME_LIMIT_S
    const last = clockSetAt[0]
    const today =
      last !== undefined && toCivil(clock.localAt(last)).day === toCivil(shown).day && unixS - last < DAY_S
    if (Math.abs(asked - shown) > TIME_LIMIT_S || nearMidnight || today) return
    clock.setLocal(asked, unixS)
    this.#meter.clockSetAt = [unixS, ...clockSetAt]
  }
}

const nameOf = (di: readonly number[]): string =>
  di.map(octet => octet.toString(16).padStart(2, '0').toUpperCase()).join('')

const refuse = (control: number, word: readonly number[]): DltReply => ({
  control: ABNORMAL | control,
  data: word
})

/** True when the list of refused items names it; `*` stands for any digit. */
export function isRefused(meter: Meter, name: string): boolean {
  return (meter.faults.refuse ?? []).some(
    pattern =>
      pattern.length === name.length &&
      [...pattern.toUpperCase()].every((digit, n) => digit === '*' || digit === name[n])
  )
}
