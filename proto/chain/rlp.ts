import { concatBytes } from '../bytes.ts'
import { CodecError } from '../errors.ts'

/** An octet string or a list of items: all that RLP knows (Ethereum yellow paper, appendix B). */
export type RlpItem = Uint8Array | readonly RlpItem[]

/** Deepest nesting a decoder follows; a transaction needs 3. */
const DEPTH_MAX = 16

/** Encodes an item. Numbers are the caller's business: see {@link rlpInteger}. */
export function encodeRlp(item: RlpItem): Uint8Array {
  if (item instanceof Uint8Array) {
    if (item.length === 1 && (item[0] as number) < 0x80) return item.slice()
    return concatBytes(prefix(0x80, item.length), item)
  }
  const body = concatBytes(...item.map(encodeRlp))
  return concatBytes(prefix(0xc0, body.length), body)
}

/**
 * Decodes exactly one item, strictly: shortest lengths only, nothing behind it.
 * @throws CodecError CODEC_TRUNCATED, CODEC_TRAILING, CODEC_NOT_CANONICAL or CODEC_TOO_DEEP with the offset
 */
export function decodeRlp(octets: Uint8Array): RlpItem {
  const { item, end } = decodeAt(octets, 0, octets.length, 0)
  if (end !== octets.length)
    throw fault('CODEC_TRAILING', `${octets.length - end} octets follow the item`, end)
  return item
}

/** Big-endian octets of an unsigned integer without leading zeros; zero is the empty string, never 0x00. */
export function rlpInteger(value: bigint): Uint8Array {
  if (value < 0n) throw new CodecError('CODEC_RANGE', `a negative number has no RLP form: ${value}`)
  if (value === 0n) return new Uint8Array(0)
  const hex = value.toString(16)
  const padded = hex.length % 2 === 0 ? hex : `0${hex}`
  return Uint8Array.from({ length: padded.length / 2 }, (_, i) =>
    Number.parseInt(padded.slice(2 * i, 2 * i + 2), 16)
  )
}

/**
 * The unsigned integer of an item of at most maxOctets.
 * @throws CodecError CODEC_SHAPE for a list, CODEC_NOT_CANONICAL for a leading zero, CODEC_RANGE when it is longer
 */
export function parseRlpInteger(item: RlpItem | undefined, maxOctets: number, at: string): bigint {
  if (!(item instanceof Uint8Array))
    throw new CodecError('CODEC_SHAPE', 'an integer is missing or a list', { at })
  if (item.length > maxOctets) {
    throw new CodecError('CODEC_RANGE', `an integer of ${item.length} octets, ${maxOctets} allowed`, { at })
  }
  if (item[0] === 0) throw new CodecError('CODEC_NOT_CANONICAL', 'an integer with a leading zero', { at })
  let value = 0n
  for (const octet of item) value = (value << 8n) | BigInt(octet)
  return value
}

function prefix(base: number, length: number): Uint8Array {
  if (length < 56) return Uint8Array.of(base + length)
  const size = rlpInteger(BigInt(length))
  return concatBytes(Uint8Array.of(base + 55 + size.length), size)
}

function decodeAt(
  octets: Uint8Array,
  start: number,
  limit: number,
  depth: number
): { item: RlpItem; end: number } {
  if (depth > DEPTH_MAX) throw fault('CODEC_TOO_DEEP', `lists nest deeper than ${DEPTH_MAX}`, start)
  if (start >= limit) throw fault('CODEC_TRUNCATED', 'an item is missing', start)
  const first = octets[start] as number
  if (first < 0x80) return { item: octets.slice(start, start + 1), end: start + 1 }
  const base = first < 0xc0 ? 0x80 : 0xc0
  const { from, end } = span(octets, start, limit, base)
  if (base === 0x80) {
    if (end - from === 1 && (octets[from] as number) < 0x80) {
      throw fault('CODEC_NOT_CANONICAL', 'one small octet stands for itself', start)
    }
    return { item: octets.slice(from, end), end }
  }
  const items: RlpItem[] = []
  for (let at = from; at < end; ) {
    const next = decodeAt(octets, at, end, depth + 1)
    items.push(next.item)
    at = next.end
  }
  return { item: items, end }
}

/** Where the body of a prefixed item lies. */
function span(octets: Uint8Array, start: number, limit: number, base: number): { from: number; end: number } {
  const short = (octets[start] as number) - base
  let length = short
  let from = start + 1
  if (short > 55) {
    const sizeOctets = short - 55
    from += sizeOctets
    if (from > limit) throw fault('CODEC_TRUNCATED', 'a length is cut short', start)
    if (octets[start + 1] === 0) throw fault('CODEC_NOT_CANONICAL', 'a length with a leading zero', start)
    // Above 2^32 the text cannot be in memory: refused before the sum loses precision.
    if (sizeOctets > 4) throw fault('CODEC_TRUNCATED', 'a length beyond the octets given', start)
    length = 0
    for (let i = start + 1; i < from; i++) length = length * 256 + (octets[i] as number)
    if (length < 56) throw fault('CODEC_NOT_CANONICAL', 'a long length for a short item', start)
  }
  if (from + length > limit)
    throw fault('CODEC_TRUNCATED', `${length} octets announced, ${limit - from} there`, start)
  return { from, end: from + length }
}

function fault(
  code: 'CODEC_TRUNCATED' | 'CODEC_TRAILING' | 'CODEC_NOT_CANONICAL' | 'CODEC_TOO_DEEP',
  what: string,
  offset: number
): CodecError {
  return new CodecError(code, `RLP: ${what}`, { at: `offset ${offset}` })
}
