import { absent, digits, signedDigits } from './dlt-octets.ts'
import type { Instant, Meter } from './meter-model.ts'

const ALL = 0xff
const VOLTAGE = 0x01

/** DI3 = 02. @returns undefined when the meter has no such item */
export function readVariable(meter: Meter, di: readonly number[], unixS: number): number[] | undefined {
  const [, di2 = 0, di1 = 0, di0 = 0] = di
  if (di2 === 0x80 && di1 === 0) return readSingle(meter, di0, unixS)
  if (di2 === 0x0a || di2 === 0x0b) return readHarmonics(di2, di1, di0)
  const now = meter.instant(unixS)
  const octets = (index: number): number[] | undefined => one(meter, now, di2, index)
  if (di0 !== 0) return undefined
  const hasTotal = di2 >= 0x03 && di2 <= 0x06
  if (di1 !== ALL) {
    if (di1 === 0 && !hasTotal) return undefined
    const single = octets(di1)
    return di2 === VOLTAGE && meter.faults.longVoltage === true && single ? [...single, 0] : single
  }
  const all = (hasTotal ? [0, 1, 2, 3] : [1, 2, 3]).map(octets)
  return all.every(part => part !== undefined) ? all.flat() : undefined
}

/** @param index 0 total, 1..3 phase */
function one(meter: Meter, now: Instant, di2: number, index: number): number[] | undefined {
  if (index > 3) return undefined
  const gone = index > 0 && meter.isAbsent(index - 1)
  const unsigned = (value: number, size: number): number[] => (gone ? absent(size) : digits(value, size))
  const signed = (value: number, size: number): number[] => (gone ? absent(size) : signedDigits(value, size))
  const at = (list: readonly number[]): number => list[index] ?? 0
  const phase = (list: readonly number[]): number => list[index - 1] ?? 0
  switch (di2) {
    case VOLTAGE:
      return unsigned(phase(now.voltage), 2)
    case 0x02:
      return signed(phase(now.current), 3)
    case 0x03:
      return signed(at(now.active), 3)
    case 0x04:
      return signed(at(now.reactive), 3)
    case 0x05:
      return signed(at(now.apparent), 3)
    case 0x06:
      return signed(at(now.factor), 2)
    case 0x07:
      return unsigned(phase(now.angle), 2)
    case 0x08:
      return unsigned(112, 2)
    case 0x09:
      return unsigned(430, 2)
    default:
      return undefined
  }
}

function readHarmonics(di2: number, phase: number, order: number): number[] | undefined {
  if (phase < 1 || phase > 3) return undefined
  const content = (n: number): number[] =>
    digits(n === 1 ? 10_000 : n % 2 === 1 ? (di2 === 0x0a ? 240 : 900) / n : 5, 2)
  if (order === ALL) return Array.from({ length: 21 }, (_, n) => content(n + 1)).flat()
  return order >= 1 && order <= 21 ? content(order) : undefined
}

function readSingle(meter: Meter, di0: number, unixS: number): number[] | undefined {
  const now = meter.instant(unixS)
  const demand = (factor: number): number[] =>
    signedDigits(Math.sign(now.active[0] ?? 0) * meter.demand.present(unixS) * factor * 10_000, 3)
  switch (di0) {
    case 0x01:
      return signedDigits(Math.abs((now.current[0] ?? 0) - (now.current[2] ?? 0)), 3)
    case 0x02:
      return digits(now.frequency, 2)
    case 0x03:
      return signedDigits(now.active[0] ?? 0, 3)
    case 0x04:
      return demand(1)
    case 0x05:
      return demand(Math.sqrt(1 - meter.powerFactor ** 2) / meter.powerFactor)
    case 0x06:
      return demand(1 / meter.powerFactor)
    case 0x07:
      return signedDigits(231, 2)
    case 0x08:
      return digits(361, 2)
    case 0x09:
      return digits(598, 2)
    case 0x0a:
      return digits(0, 4)
    case 0x0b:
      return digits(5283, 4)
    default:
      return undefined
  }
}
