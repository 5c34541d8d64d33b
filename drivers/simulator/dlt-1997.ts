import { monthStart, toCivil } from './civil-time.ts'
import { type DltReply, isRefused } from './dlt-2007.ts'
import { addressing } from './dlt-address.ts'
import { energyCounts } from './dlt-energy.ts'
import type { HeardFrame } from './dlt-listen.ts'
import { absent, addressOctets, digits } from './dlt-octets.ts'
import type { Meter } from './meter-model.ts'

const NORMAL = 0x80
const ABNORMAL = 0xc0
const OTHER_ERROR = 0x02
const READ = 0x01
const READ_MORE = 0x02
const REPEAT = 0x03
const WRITES = [0x04, 0x0a, 0x0c, 0x0f, 0x10]
/** DI0 high digit to the 2007 item: active 1 forward 2 reverse; reactive 1 forward 2 reverse 3..6 quadrants 1 4 2 3. */
const ACTIVE = [0, 1, 2]
const REACTIVE = [undefined, 3, 4, 5, 8, 6, 7]

/** The DL/T 645-1997 side of a meter: silent on everything of the later edition. */
export class Dlt1997Responder {
  readonly #meter: Meter
  #last: DltReply | undefined

  constructor(meter: Meter) {
    this.#meter = meter
  }

  /** What the meter says to a frame; undefined is silence. Reads sent to 99 everywhere are answered, as meters in the field do. */
  answer(frame: HeardFrame, unixS: number): DltReply | undefined {
    const to = addressing(frame.address, this.#meter.setting.address)
    if (to === 'other' || (frame.control & NORMAL) !== 0) return undefined
    switch (frame.control) {
      case READ:
        if (frame.data.length !== 2) return undefined
        this.#last = this.#read(frame.data, unixS)
        return this.#last
      case READ_MORE:
        return to === 'broadcast' ? undefined : { control: ABNORMAL | READ_MORE, data: [OTHER_ERROR] }
      case REPEAT:
        return this.#last && { ...this.#last, control: this.#last.control | REPEAT }
      default:
        return WRITES.includes(frame.control) && to !== 'broadcast'
          ? { control: ABNORMAL | frame.control, data: [0x04] }
          : undefined
    }
  }

  #read(data: readonly number[], unixS: number): DltReply {
    const name = [...data]
      .reverse()
      .map(octet => octet.toString(16).padStart(2, '0').toUpperCase())
      .join('')
    const octets = isRefused(this.#meter, name) ? undefined : readItem(this.#meter, name, unixS)
    if (!octets) return { control: ABNORMAL | READ, data: [this.#meter.faults.refusal ?? OTHER_ERROR] }
    return { control: NORMAL | READ, data: [...data, ...octets] }
  }
}

function readItem(meter: Meter, name: string, unixS: number): number[] | undefined {
  const d = [...name].map(digit => Number.parseInt(digit, 16))
  const [class_ = 0, what = 0, group = 0, last = 0] = d
  switch (class_) {
    case 0x9:
    case 0xa:
    case 0xb:
      return class_ === 0xb && what === 6
        ? readVariable(meter, group, last, unixS)
        : readRegister(meter, class_, what, group, last, unixS)
    case 0xc:
      return readParameter(meter, name, unixS)
    default:
      return undefined
  }
}

function readRegister(
  meter: Meter,
  class_: number,
  what: number,
  group: number,
  last: number,
  unixS: number
): number[] | undefined {
  const item = ((what & 3) === 0 ? ACTIVE : (what & 3) === 1 ? REACTIVE : [])[group]
  const programmed = Math.min(meter.setting.tariffs ?? 4, 14)
  if (item === undefined || what >> 2 > 2) return undefined
  const tariffs = last === 0xf ? Array.from({ length: programmed + 1 }, (_, n) => n) : [last]
  if (last !== 0xf && last > programmed) return undefined
  const back = what >> 2
  const local = meter.clock.localAt(unixS)
  const at = back === 0 ? unixS : monthStart(local, back) - meter.surroundings.utcOffsetS
  return tariffs.flatMap(tariff => {
    if (class_ === 0x9) return digits(energyCounts(meter, item, tariff, at), 4)
    const demand = meter.demand.maximum(unixS, tariff, back)
    if (class_ === 0xa) return digits(demand.kw * 10_000, 3)
    const t = toCivil(demand.localS)
    return [t.minute, t.hour, t.day, t.month].flatMap(n => digits(n, 1))
  })
}

/** B6: no decimals in a voltage, two in a current, and no signs in this edition. */
function readVariable(meter: Meter, group: number, last: number, unixS: number): number[] | undefined {
  const now = meter.instant(unixS)
  const withTotal = group >= 3
  if (group < 1 || group > 5) return undefined
  const value = (n: number): number[] => {
    const size = group === 3 ? 3 : 2
    if (n > 0 && meter.isAbsent(n - 1)) return absent(size)
    if (group === 1) return digits((now.voltage[n - 1] ?? 0) / 10, 2)
    if (group === 2) return digits((now.current[n - 1] ?? 0) / 10, 2)
    if (group === 3) return digits(now.active[n] ?? 0, 3)
    return digits(group === 4 ? (now.reactive[n] ?? 0) / 100 : (now.factor[n] ?? 0), 2)
  }
  if (last === 0xf) return (withTotal ? [0, 1, 2, 3] : [1, 2, 3]).flatMap(value)
  return last <= 3 && (withTotal || last > 0) ? value(last) : undefined
}

function readParameter(meter: Meter, name: string, unixS: number): number[] | undefined {
  const t = toCivil(meter.clock.localAt(unixS))
  switch (name) {
    case 'C010':
      return [t.weekday, t.day, t.month, t.year % 100].flatMap(n => digits(n, 1))
    case 'C011':
      return [t.second, t.minute, t.hour].flatMap(n => digits(n, 1))
    case 'C020':
    case 'C021':
      return [0]
    case 'C030':
    case 'C031':
      return digits(1600, 3)
    case 'C032':
    case 'C033':
    case 'C034':
      return addressOctets(meter.setting.address)
    case 'C313':
      return digits(meter.setting.tariffs ?? 4, 1)
    default:
      return undefined
  }
}
