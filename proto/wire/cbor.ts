import { equalBytes, fromUtf8, utf8 } from '../bytes.ts'
import { CodecError } from '../errors.ts'

/** The subset of CBOR that the wire contract uses: no maps, floats, tags or indefinite lengths (design section 5). */
export type CborValue = number | string | Uint8Array | null | readonly CborValue[]

/** What a decoder accepts before it looks at the contents. */
export interface CborLimits {
  readonly maxOctets: number
  readonly maxDepth: number
}

const UINT = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const NULL = 0xf6
const TWO_32 = 0x1_0000_0000
const NOTHING = new Uint8Array(0)
const SCRATCH_OCTETS = 1024
const SCRATCH_MAX = 65536

/**
 * Deterministic CBOR (RFC 8949 4.2.1): shortest heads, definite lengths.
 * @throws CodecError CODEC_RANGE for a number that is no safe integer, CODEC_SHAPE for text with a lone surrogate
 */
export function encodeCbor(value: CborValue): Uint8Array {
  return encodeCborAfter(NOTHING, value)
}

/** The prefix and, right behind it, the encoding: what is hashed under a domain is put together without a copy. */
export function encodeCborAfter(prefix: Uint8Array, value: CborValue): Uint8Array {
  SCRATCH.restart()
  SCRATCH.append(prefix)
  write(SCRATCH, value)
  return SCRATCH.take()
}

/**
 * Decodes one value that must be the whole input in its one deterministic form.
 * @throws CodecError CODEC_TOO_LARGE, CODEC_TOO_DEEP, CODEC_TRUNCATED, CODEC_TRAILING, CODEC_NOT_CANONICAL, CODEC_RANGE, CODEC_SHAPE
 */
export function decodeCbor(octets: Uint8Array, limits: CborLimits): CborValue {
  if (!(octets instanceof Uint8Array))
    throw new CodecError('CODEC_SHAPE', 'CBOR is decoded from a Uint8Array')
  if (octets.length > limits.maxOctets) {
    throw new CodecError(
      'CODEC_TOO_LARGE',
      `${octets.length} octets are over the limit of ${limits.maxOctets}`
    )
  }
  const cursor: Cursor = { octets, offset: 0 }
  const value = read(cursor, limits.maxDepth)
  if (cursor.offset !== octets.length) {
    throw new CodecError('CODEC_TRAILING', `${octets.length - cursor.offset} octets follow the value`, {
      at: `octet ${cursor.offset}`
    })
  }
  // the reader refuses every other form on its own; this is the second lock on the same door
  if (!equalBytes(encodeCbor(value), octets))
    throw new CodecError('CODEC_NOT_CANONICAL', 'the value has another deterministic form')
  return value
}

/** A buffer that grows. */
class Octets {
  private octets = new Uint8Array(SCRATCH_OCTETS)
  private view = new DataView(this.octets.buffer)
  private size = 0

  /** Forgets what was written, and a buffer that one large object made large. */
  restart(): void {
    this.size = 0
    if (this.octets.length <= SCRATCH_MAX) return
    this.octets = new Uint8Array(SCRATCH_OCTETS)
    this.view = new DataView(this.octets.buffer)
  }

  head(major: number, argument: number): void {
    const type = major << 5
    if (argument < 24) {
      this.reserve(1)
      this.octets[this.size++] = type | argument
    } else if (argument < 0x100) {
      this.reserve(2)
      this.octets[this.size++] = type | 24
      this.octets[this.size++] = argument
    } else if (argument < 0x1_0000) {
      this.reserve(3)
      this.octets[this.size++] = type | 25
      this.view.setUint16(this.size, argument)
      this.size += 2
    } else if (argument < TWO_32) {
      this.reserve(5)
      this.octets[this.size++] = type | 26
      this.view.setUint32(this.size, argument)
      this.size += 4
    } else {
      this.reserve(9)
      this.octets[this.size++] = type | 27
      this.view.setUint32(this.size, Math.floor(argument / TWO_32))
      this.view.setUint32(this.size + 4, argument % TWO_32)
      this.size += 8
    }
  }

  octet(value: number): void {
    this.reserve(1)
    this.octets[this.size++] = value
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.octets.set(bytes, this.size)
    this.size += bytes.length
  }

  /** Text that is ASCII, as ids are, octet by octet. @returns whether it was; else nothing is written */
  ascii(text: string): boolean {
    const size = text.length
    for (let i = 0; i < size; i++) if (text.charCodeAt(i) > 127) return false
    this.head(TEXT, size)
    this.reserve(size)
    for (let i = 0; i < size; i++) this.octets[this.size++] = text.charCodeAt(i)
    return true
  }

  take(): Uint8Array {
    return this.octets.slice(0, this.size)
  }

  private reserve(more: number): void {
    if (this.size + more <= this.octets.length) return
    const larger = new Uint8Array(Math.max(2 * this.octets.length, this.size + more))
    larger.set(this.octets)
    this.octets = larger
    this.view = new DataView(larger.buffer)
  }
}

/** One for all: encoding is synchronous, and a batch encodes 500 readings one after the other. */
const SCRATCH = new Octets()

const write = (out: Octets, value: CborValue): void => {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new CodecError('CODEC_RANGE', `${value} is not a safe integer`)
    // -0 is 0 here: -1 - value would be the same number
    if (value >= 0) out.head(UINT, Math.abs(value))
    else out.head(NEGATIVE, -1 - value)
  } else if (value instanceof Uint8Array) {
    out.head(BYTES, value.length)
    out.append(value)
  } else if (typeof value === 'string') {
    if (out.ascii(value)) return
    if (/\p{Cs}/u.test(value)) throw new CodecError('CODEC_SHAPE', 'text has a surrogate without its pair')
    const octets = utf8(value)
    out.head(TEXT, octets.length)
    out.append(octets)
  } else if (value === null) {
    out.octet(NULL)
  } else if (Array.isArray(value)) {
    out.head(ARRAY, value.length)
    for (const entry of value as readonly CborValue[]) write(out, entry)
  } else {
    throw new CodecError('CODEC_SHAPE', `${typeof value} has no place in the wire contract`)
  }
}

interface Cursor {
  readonly octets: Uint8Array
  offset: number
}

const read = (cursor: Cursor, depth: number): CborValue => {
  const start = cursor.offset
  const initial = take(cursor, 1)[0] as number
  if (initial === NULL) return null
  const major = initial >> 5
  if (major > ARRAY) {
    throw new CodecError('CODEC_SHAPE', 'maps, tags, floats and simple values have no place here', {
      at: `octet ${start}`
    })
  }
  const argument = readArgument(cursor, initial & 0x1f, start)
  if (major === UINT) return argument
  if (major === NEGATIVE) {
    if (argument === Number.MAX_SAFE_INTEGER) throw outOfRange(start)
    return -1 - argument
  }
  if (major === BYTES) return take(cursor, argument).slice()
  if (major === TEXT) return fromUtf8(take(cursor, argument))
  if (depth <= 0)
    throw new CodecError('CODEC_TOO_DEEP', 'arrays are nested too deep', { at: `octet ${start}` })
  // every entry takes an octet at least: no memory for a count that the input cannot hold
  if (argument > cursor.octets.length - cursor.offset) throw truncated(start)
  const entries: CborValue[] = []
  for (let i = 0; i < argument; i++) entries.push(read(cursor, depth - 1))
  return entries
}

const readArgument = (cursor: Cursor, info: number, start: number): number => {
  if (info < 24) return info
  if (info > 27)
    throw new CodecError('CODEC_NOT_CANONICAL', 'indefinite or reserved length', { at: `octet ${start}` })
  const size = 1 << (info - 24)
  let value = 0
  for (const octet of take(cursor, size)) value = value * 256 + octet
  if (value > Number.MAX_SAFE_INTEGER) throw outOfRange(start)
  const least = size === 1 ? 24 : 2 ** (4 * size)
  if (value < least)
    throw new CodecError('CODEC_NOT_CANONICAL', 'a number is longer than it need be', {
      at: `octet ${start}`
    })
  return value
}

const take = (cursor: Cursor, size: number): Uint8Array => {
  const end = cursor.offset + size
  if (end > cursor.octets.length) throw truncated(cursor.offset)
  const octets = cursor.octets.subarray(cursor.offset, end)
  cursor.offset = end
  return octets
}

const truncated = (offset: number): CodecError =>
  new CodecError('CODEC_TRUNCATED', 'the input ends inside a value', { at: `octet ${offset}` })

const outOfRange = (offset: number): CodecError =>
  new CodecError('CODEC_RANGE', 'a number is beyond the safe integers', { at: `octet ${offset}` })
