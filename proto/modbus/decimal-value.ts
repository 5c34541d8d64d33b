import { CodecError } from '../errors.ts'

/** An exact decimal: digits x 10^exponent. */
export interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

export const ONE: Decimal = { digits: 1n, exponent: 0 }

/** Powers a profile or a float register can sensibly reach; beyond it the value is nonsense and bigint work would only cost time. */
const EXPONENT_LIMIT = 400

/**
 * Parses decimal text, also with an exponent: "0.01", "-5", "1e-3".
 * @throws CodecError CODEC_RANGE
 */
export function parseDecimal(text: string): Decimal {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text.trim())
  if (!match) throw new CodecError('CODEC_RANGE', `not a decimal: ${JSON.stringify(text)}`)
  const fraction = match[3] ?? ''
  const digits = BigInt(`${match[2]}${fraction}`)
  const exponent = Number(match[4] ?? 0) - fraction.length
  if (Math.abs(exponent) > EXPONENT_LIMIT)
    throw new CodecError('CODEC_RANGE', `exponent out of reach: ${JSON.stringify(text)}`)
  return { digits: match[1] === '-' ? -digits : digits, exponent }
}

/** Exact product. */
export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, exponent: a.exponent + b.exponent }
}

/** a / b as a whole number of 10^exponent, half away from zero; `exact` tells whether digits were lost. b must not be 0. */
export function divideDecimals(a: Decimal, b: Decimal, exponent: number): RoundedDecimal {
  const shift = a.exponent - b.exponent - exponent
  const up = shift > 0 ? 10n ** BigInt(shift) : 1n
  const down = shift < 0 ? 10n ** BigInt(-shift) : 1n
  return roundQuotient(a.digits * up, b.digits * down)
}

export interface RoundedDecimal {
  readonly digits: bigint
  readonly exact: boolean
}

/** The value as a whole number of 10^exponent, half away from zero; `exact` tells whether digits were lost. */
export function roundDecimal(value: Decimal, exponent: number): RoundedDecimal {
  const shift = value.exponent - exponent
  if (shift >= 0) return { digits: value.digits * 10n ** BigInt(shift), exact: true }
  return roundQuotient(value.digits, 10n ** BigInt(-shift))
}

function roundQuotient(dividend: bigint, divisor: bigint): RoundedDecimal {
  const negative = dividend < 0n !== divisor < 0n
  const a = dividend < 0n ? -dividend : dividend
  const b = divisor < 0n ? -divisor : divisor
  const half = (2n * a + b) / (2n * b)
  return { digits: negative ? -half : half, exact: a % b === 0n }
}

/** The nearest number; for plausibility and display, never for energy. */
export function decimalToNumber(value: Decimal): number {
  return Number(`${value.digits}e${value.exponent}`)
}

/**
 * The shortest decimal that a float register of that width would hold as the same octets: the meter's own figure wherever
 * its decimals fit the mantissa (233.412 of 43696978H, not 233.4119873046875). Zero for ±0; the value must be finite.
 */
export function floatToDecimal(value: number, bits: 32 | 64): Decimal {
  if (bits === 64) return parseDecimal(String(value))
  for (let precision = 1; precision < 9; precision++) {
    const text = value.toPrecision(precision)
    if (Math.fround(Number(text)) === value) return parseDecimal(text)
  }
  return parseDecimal(value.toPrecision(9))
}

/** The step to the next value a float of that width can hold: what the register can tell apart at this size. */
export function floatStep(value: number, bits: 32 | 64): number {
  const mantissa = bits === 32 ? 23 : 52
  const least = bits === 32 ? -126 : -1022
  const size = Math.abs(value)
  if (size === 0) return 2 ** (least - mantissa)
  let exponent = Math.floor(Math.log2(size))
  // log2 may round up across a power of two
  if (2 ** exponent > size) exponent--
  return 2 ** (Math.max(exponent, least) - mantissa)
}
