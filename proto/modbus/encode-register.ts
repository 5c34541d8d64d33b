import { CodecError } from '../errors.ts'
import { reorderOctets } from './byte-order.ts'
import { type Decimal, decimalToNumber, roundDecimal } from './decimal-value.ts'
import type { RegisterSpec } from './register.ts'

/**
 * Registers that hold a value: the reverse of decodeRegister, for simulated meters and tests.
 * A fraction below what the type can hold is rounded.
 * @throws CodecError CODEC_RANGE when the type cannot hold the value
 */
export function encodeRegister(value: Decimal | string, spec: RegisterSpec): Uint8Array {
  const big = new Uint8Array(2 * spec.count)
  if (typeof value === 'string') writeAscii(big, value)
  else writeNumber(big, value, spec)
  return reorderOctets(big, spec.order)
}

function writeAscii(big: Uint8Array, text: string): void {
  for (let i = 0; i < Math.min(big.length, text.length); i++) big[i] = text.charCodeAt(i)
}

function writeNumber(big: Uint8Array, value: Decimal, spec: RegisterSpec): void {
  const view = new DataView(big.buffer)
  const { digits } = roundDecimal(value, 0)
  switch (spec.type) {
    case 'f32':
      view.setFloat32(0, decimalToNumber(value))
      break
    case 'f64':
      view.setFloat64(0, decimalToNumber(value))
      break
    case 'bcd':
      writeBcd(big, digits)
      break
    case 'mod10':
      writeMod10(view, digits)
      break
    case 'bits':
      assertFits(digits, 0n, 1n << BigInt(spec.width ?? 16 * spec.count))
      writeUnsigned(big, digits << BigInt(spec.bit ?? 0))
      break
    default:
      writeInteger(big, digits, spec.type.startsWith('i'))
  }
}

function writeInteger(big: Uint8Array, digits: bigint, signed: boolean): void {
  const bits = 8 * big.length
  const beyond = 1n << BigInt(signed ? bits - 1 : bits)
  assertFits(digits, signed ? -beyond : 0n, beyond)
  writeUnsigned(big, BigInt.asUintN(bits, digits))
}

function assertFits(digits: bigint, low: bigint, beyond: bigint): void {
  if (digits < low || digits >= beyond)
    throw new CodecError('CODEC_RANGE', `${digits} is not in ${low}..${beyond - 1n}`)
}

function writeUnsigned(big: Uint8Array, value: bigint): void {
  let rest = value
  for (let i = big.length - 1; i >= 0; i--) {
    big[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
}

function writeBcd(big: Uint8Array, digits: bigint): void {
  const text = digits.toString().padStart(2 * big.length, '0')
  if (digits < 0n || text.length > 2 * big.length)
    throw new CodecError('CODEC_RANGE', `${digits} does not fit ${2 * big.length} decimal digits`)
  for (let i = 0; i < big.length; i++) big[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
}

function writeMod10(view: DataView, digits: bigint): void {
  let rest = digits
  for (let at = view.byteLength - 2; at >= 0; at -= 2) {
    view.setInt16(at, Number(rest % 10_000n))
    rest /= 10_000n
  }
  if (rest !== 0n)
    throw new CodecError('CODEC_RANGE', `${digits} does not fit ${2 * view.byteLength} decimal digits`)
}
