import { CodecError } from '../errors.ts'
import type { Edition } from './address.ts'

/**
 * What is asked for, upper-case hexadecimal, high octet first: 8 digits (DI3..DI0) in 2007, 4 (DI1 DI0) in 1997.
 * The count of digits tells the edition. On the line the low octet goes first.
 */
export type DataIdentifier = string & { readonly dataIdentifier: true }

/** Parses 8 or 4 hexadecimal digits. @throws CodecError CODEC_SHAPE */
export function parseDataIdentifier(text: string): DataIdentifier {
  const upper = text.trim().toUpperCase()
  if (!/^(?:[0-9A-F]{8}|[0-9A-F]{4})$/.test(upper)) {
    throw new CodecError('CODEC_SHAPE', `not a data identifier: ${JSON.stringify(text)}`, {
      next: 'give 8 hexadecimal digits (DL/T 645-2007) or 4 (DL/T 645-1997), e.g. 00010000 or 9010'
    })
  }
  return upper as DataIdentifier
}

/** The edition an identifier belongs to. */
export function editionOf(di: DataIdentifier): Edition {
  return di.length === 4 ? '1997' : '2007'
}

/** Octets as they go on the line (before +33H), low first. */
export function encodeDataIdentifier(di: DataIdentifier): Uint8Array {
  const size = di.length / 2
  const out = new Uint8Array(size)
  for (let i = 0; i < size; i++) out[size - 1 - i] = Number.parseInt(di.slice(2 * i, 2 * i + 2), 16)
  return out
}

/** The identifier at the head of a frame's data; undefined when the data is shorter. */
export function decodeDataIdentifier(data: Uint8Array, edition: Edition): DataIdentifier | undefined {
  const size = edition === '1997' ? 2 : 4
  if (data.length < size) return undefined
  let out = ''
  for (let i = size - 1; i >= 0; i--) out += (data[i] as number).toString(16).padStart(2, '0').toUpperCase()
  return out as DataIdentifier
}

/** Octet `n` of the identifier as DIn counts: DI0 is the last pair. */
export function octetOf(di: DataIdentifier, n: number): number {
  const at = di.length - 2 * (n + 1)
  return Number.parseInt(di.slice(at, at + 2), 16)
}

/** The identifier with octet DIn replaced. */
export function withOctet(di: DataIdentifier, n: number, value: number): DataIdentifier {
  const at = di.length - 2 * (n + 1)
  const pair = value.toString(16).padStart(2, '0').toUpperCase()
  return `${di.slice(0, at)}${pair}${di.slice(at + 2)}` as DataIdentifier
}
