import { CodecError } from '../errors.ts'

const TWO_28 = 0x1000_0000
const TWO_49 = 2 ** 49

/** Writes the numbers of a payload: base-128, least significant group first, high bit = more follow (LEB128). */
export class VarintWriter {
  private octets = new Uint8Array(1024)
  private size = 0

  /** @param value 0..2^53-1, or any non-negative bigint */
  uint(value: number | bigint): void {
    let rest = value
    if (typeof rest === 'bigint') {
      for (; rest > 127n; rest >>= 7n) this.put(Number(rest & 127n) | 128)
    } else {
      for (; rest >= TWO_28; rest = Math.floor(rest / 128)) this.put((rest % 128) | 128)
      for (; rest > 127; rest >>>= 7) this.put((rest & 127) | 128)
    }
    this.put(Number(rest))
  }

  /** Zig-zag: 0, -1, 1, -2 ... as 0, 1, 2, 3 ...; exact for every safe integer. */
  int(value: number): void {
    if (Math.abs(value) <= Number.MAX_SAFE_INTEGER / 2) this.uint(value >= 0 ? 2 * value : -2 * value - 1)
    else this.uint(value >= 0 ? 2n * BigInt(value) : -2n * BigInt(value) - 1n)
  }

  append(octets: Uint8Array): void {
    for (const octet of octets) this.put(octet)
  }

  take(): Uint8Array {
    return this.octets.slice(0, this.size)
  }

  private put(octet: number): void {
    if (this.size === this.octets.length) {
      const larger = new Uint8Array(2 * this.size)
      larger.set(this.octets)
      this.octets = larger
    }
    this.octets[this.size++] = octet
  }
}

/** Reads what {@link VarintWriter} wrote; every refusal is a CodecError. */
export class VarintReader {
  private readonly octets: Uint8Array
  private offset = 0

  constructor(octets: Uint8Array) {
    this.octets = octets
  }

  get left(): number {
    return this.octets.length - this.offset
  }

  /** @throws CodecError CODEC_TRUNCATED, CODEC_NOT_CANONICAL (a last group of zero), CODEC_RANGE (above 2^53-1 or `max`) */
  uint(max = Number.MAX_SAFE_INTEGER): number {
    const { low, high } = this.groups()
    const value = high * TWO_49 + low
    if (value > max) throw new CodecError('CODEC_RANGE', `${value} is over ${max}`, { at: 'payload' })
    return value
  }

  /** @throws CodecError as {@link uint}; CODEC_RANGE when it is no safe integer */
  int(): number {
    const { low, high } = this.groups()
    if (high === 0) return low % 2 === 0 ? low / 2 : -(low + 1) / 2
    const value = (BigInt(high) << 49n) | BigInt(low)
    return requireSafe(Number(value % 2n === 0n ? value / 2n : -(value + 1n) / 2n))
  }

  /** @throws CodecError CODEC_TRUNCATED */
  bytes(size: number): Uint8Array {
    if (size > this.left) throw truncated()
    const out = this.octets.slice(this.offset, this.offset + size)
    this.offset += size
    return out
  }

  /** The number as 49 low bits and up to 7 above them: together they may leave the exact numbers. */
  private groups(): { readonly low: number; readonly high: number } {
    let low = 0
    let weight = 1
    for (let group = 0; group < 8; group++) {
      const octet = this.octet()
      if (octet === 0 && group > 0) throw notCanonical()
      if (group === 7 && octet < 128) return { low, high: octet }
      low += (octet & 127) * weight
      if (octet < 128) return { low, high: 0 }
      weight *= 128
    }
    throw new CodecError('CODEC_RANGE', 'a number is beyond the safe integers', { at: 'payload' })
  }

  private octet(): number {
    const octet = this.octets[this.offset]
    if (octet === undefined) throw truncated()
    this.offset++
    return octet
  }
}

/** @throws CodecError CODEC_RANGE */
export function requireSafe(value: number): number {
  if (Number.isSafeInteger(value)) return value
  throw new CodecError('CODEC_RANGE', 'a number is beyond the safe integers', { at: 'payload' })
}

const truncated = (): CodecError =>
  new CodecError('CODEC_TRUNCATED', 'the payload ends inside a number or text', { at: 'payload' })

const notCanonical = (): CodecError =>
  new CodecError('CODEC_NOT_CANONICAL', 'a number is longer than it need be', { at: 'payload' })
