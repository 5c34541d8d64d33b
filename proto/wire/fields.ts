import { utf8 } from '../bytes.ts'
import { CodecError } from '../errors.ts'
import { type CborValue, decodeCbor, encodeCbor } from './cbor.ts'

/** Version of the wire contract: the first field of every object. */
export const WIRE_VERSION = 1
/** Longest identifier of a gateway, meter, ledger, bus or rule, in octets of UTF-8. */
export const ID_MAX = 64
const DEPTH_MAX = 4

/** The fields of one object in their order, taken off one by one; each refusal names the field. */
export class FieldReader {
  private readonly fields: readonly CborValue[]
  private readonly name: string
  private next = 0

  /** @param name of the object, for the place in errors */
  constructor(name: string, fields: readonly CborValue[]) {
    this.name = name
    this.fields = fields
  }

  get left(): number {
    return this.fields.length - this.next
  }

  uint(field: string, max = Number.MAX_SAFE_INTEGER): number {
    return requireUint(this.take(field), this.at(field), max)
  }

  int(field: string): number {
    const value = this.take(field)
    if (typeof value !== 'number') throw shape(this.at(field), 'an integer')
    return value
  }

  bytes(field: string, size?: number): Uint8Array {
    const value = this.take(field)
    if (!(value instanceof Uint8Array) || (size !== undefined && value.length !== size))
      throw shape(this.at(field), size === undefined ? 'a byte string' : `a byte string of ${size}`)
    return value
  }

  /** An identifier: 1 to {@link ID_MAX} octets of text. */
  id(field: string): string {
    return requireId(this.take(field), this.at(field))
  }

  array(field: string): readonly CborValue[] {
    const value = this.take(field)
    if (!isArray(value)) throw shape(this.at(field), 'an array')
    return value
  }

  /** The version of the contract. @throws CodecError CODEC_VERSION for another */
  version(): void {
    const version = this.uint('version')
    if (version !== WIRE_VERSION)
      throw new CodecError('CODEC_VERSION', `wire version ${version} is not known here`, { at: this.name })
  }

  /** null, or what `read` makes of the field. */
  nullable<T>(read: () => T): T | null {
    if (this.fields[this.next] === null) {
      this.next++
      return null
    }
    return read()
  }

  end(): void {
    if (this.left !== 0)
      throw new CodecError('CODEC_SHAPE', `${this.left} fields too many`, { at: this.name })
  }

  private take(field: string): CborValue {
    const value = this.fields[this.next]
    if (value === undefined) throw new CodecError('CODEC_SHAPE', 'a field is missing', { at: this.at(field) })
    this.next++
    return value
  }

  private at(field: string): string {
    return `${this.name}.${field}`
  }
}

/**
 * Decodes an object that is one array.
 * @throws CodecError whatever {@link decodeCbor} refuses, CODEC_SHAPE when it is no array
 */
export function readObject(name: string, octets: Uint8Array, maxOctets: number): FieldReader {
  const value = decodeCbor(octets, { maxOctets, maxDepth: DEPTH_MAX })
  if (!isArray(value)) throw shape(name, 'an array')
  return new FieldReader(name, value)
}

/** Encodes an object after passing its fields through the checks of the decoder: nothing leaves that would be refused. */
export function writeObject<T>(fields: readonly CborValue[], decode: (octets: Uint8Array) => T): Uint8Array {
  const octets = encodeCbor(fields)
  decode(octets)
  return octets
}

export function isArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value)
}

/** @throws CodecError CODEC_SHAPE or CODEC_RANGE */
export function requireUint(value: CborValue, at: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw shape(at, 'an unsigned integer')
  if (value > max) throw new CodecError('CODEC_RANGE', `${value} is over ${max}`, { at })
  return value
}

/** @throws CodecError CODEC_SHAPE */
export function requireId(value: CborValue, at: string): string {
  // a UTF-16 unit is at most 3 octets: most ids need no encoding to be measured
  if (
    typeof value !== 'string' ||
    value.length === 0 ||
    (3 * value.length > ID_MAX && utf8(value).length > ID_MAX)
  )
    throw shape(at, `text of 1 to ${ID_MAX} octets`)
  return value
}

const shape = (at: string, wanted: string): CodecError =>
  new CodecError('CODEC_SHAPE', `not ${wanted}`, { at })
