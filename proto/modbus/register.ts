import { toHex } from '../bytes.ts'
import { CodecError } from '../errors.ts'
import { type ByteOrder, reorderOctets } from './byte-order.ts'
import { type Decimal, floatStep, floatToDecimal } from './decimal-value.ts'

/** Encodings of a value in registers. bcd, mod10, ascii and bits say their length with `count`. */
export type RegisterType =
  | 'u16'
  | 'i16'
  | 'u32'
  | 'i32'
  | 'u48'
  | 'u64'
  | 'i64'
  | 'f32'
  | 'f64'
  | 'bcd'
  | 'mod10'
  | 'ascii'
  | 'bits'

/** Registers of each type; 0 where `count` decides. */
export const REGISTERS_OF: Readonly<Record<RegisterType, number>> = {
  u16: 1,
  i16: 1,
  u32: 2,
  i32: 2,
  u48: 3,
  u64: 4,
  i64: 4,
  f32: 2,
  f64: 4,
  bcd: 0,
  mod10: 0,
  ascii: 0,
  bits: 0
}

/** How to read one value out of its registers. */
export interface RegisterSpec {
  readonly type: RegisterType
  readonly order: ByteOrder
  /** registers */
  readonly count: number
  /** for 'bits': lowest bit and how many, counted from the least significant bit of the big-endian value */
  readonly bit?: number
  readonly width?: number
  /** octets in big-endian order, lower-case hexadecimal, by which the meter says that it has no such value */
  readonly missing?: readonly string[]
}

export type RegisterValue =
  | {
      readonly kind: 'number'
      readonly value: Decimal
      /** for floats: the least difference the register can show at this size, in the register's own unit */
      readonly step?: number
    }
  | { readonly kind: 'text'; readonly text: string }
  /** a sentinel, or not a number */
  | { readonly kind: 'missing' }
  /** the octets are no value of this type */
  | { readonly kind: 'invalid'; readonly reason: string }

/**
 * Reads a value from its registers. Total for octets of the right length.
 * @throws CodecError CODEC_SHAPE when the count of octets is not the spec's
 */
export function decodeRegister(octets: Uint8Array, spec: RegisterSpec): RegisterValue {
  if (octets.length !== 2 * spec.count)
    throw new CodecError('CODEC_SHAPE', `${octets.length} octets for ${spec.count} registers`)
  const big = reorderOctets(octets, spec.order)
  if (spec.missing?.includes(toHex(big))) return { kind: 'missing' }
  switch (spec.type) {
    case 'f32':
    case 'f64':
      return decodeFloat(big, spec.type === 'f32' ? 32 : 64)
    case 'bcd':
      return decodeBcd(big)
    case 'mod10':
      return decodeMod10(big)
    case 'ascii':
      return decodeAscii(big)
    case 'bits':
      return integer(
        (toUnsigned(big) >> BigInt(spec.bit ?? 0)) & ((1n << BigInt(spec.width ?? 16 * spec.count)) - 1n)
      )
    case 'i16':
    case 'i32':
    case 'i64':
      return integer(BigInt.asIntN(16 * spec.count, toUnsigned(big)))
    default:
      return integer(toUnsigned(big))
  }
}

function integer(digits: bigint): RegisterValue {
  return { kind: 'number', value: { digits, exponent: 0 } }
}

function toUnsigned(big: Uint8Array): bigint {
  return big.length === 0 ? 0n : BigInt(`0x${toHex(big)}`)
}

function decodeFloat(big: Uint8Array, bits: 32 | 64): RegisterValue {
  const view = new DataView(big.buffer, big.byteOffset, big.length)
  const value = bits === 32 ? view.getFloat32(0) : view.getFloat64(0)
  if (Number.isNaN(value)) return { kind: 'missing' }
  if (!Number.isFinite(value)) return { kind: 'invalid', reason: 'the float is infinite' }
  return { kind: 'number', value: floatToDecimal(value, bits), step: floatStep(value, bits) }
}

/** Two decimal digits an octet. */
function decodeBcd(big: Uint8Array): RegisterValue {
  const digits = toHex(big)
  return /^\d+$/.test(digits)
    ? integer(BigInt(digits))
    : { kind: 'invalid', reason: `${digits.toUpperCase()} is not BCD` }
}

/** Four decimal digits a register, each register signed like the whole (M10K of power meters). */
function decodeMod10(big: Uint8Array): RegisterValue {
  const view = new DataView(big.buffer, big.byteOffset, big.length)
  let value = 0n
  for (let at = 0; at < big.length; at += 2) {
    const part = view.getInt16(at)
    if (Math.abs(part) > 9999)
      return { kind: 'invalid', reason: `register ${at / 2 + 1} holds ${part}, not -9999..9999` }
    value = value * 10_000n + BigInt(part)
  }
  return integer(value)
}

function decodeAscii(big: Uint8Array): RegisterValue {
  let text = ''
  for (const octet of big) {
    if (octet === 0) break
    if (octet < 0x20 || octet > 0x7e)
      return { kind: 'invalid', reason: `octet ${octet.toString(16).toUpperCase()} is not printable ASCII` }
    text += String.fromCharCode(octet)
  }
  return { kind: 'text', text: text.trim() }
}
