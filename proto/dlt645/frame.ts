import { toHex } from '../bytes.ts'
import { CodecError } from '../errors.ts'
import { decodeAddress, encodeAddress, type MeterAddress } from './address.ts'

/** One frame: 68 A0..A5 68 C L DATA CS 16. */
export interface Dlt645Frame {
  /** 12 upper-case hexadecimal characters, high pair first */
  readonly address: string
  readonly control: number
  /** without the +33H of the line */
  readonly data: Uint8Array
}

const START = 0x68
const END = 0x16
const OFFSET = 0x33

/** Octets of a frame besides its data. */
export const FRAME_OVERHEAD = 12

/** Encodes a frame behind `preamble` wake-up octets FE. @throws CodecError CODEC_RANGE for over 255 data octets */
export function encodeFrame(
  frame: { readonly address: MeterAddress; readonly control: number; readonly data: Uint8Array },
  preamble = 0
): Uint8Array {
  const { data } = frame
  if (data.length > 255) throw new CodecError('CODEC_RANGE', `${data.length} data octets do not fit a frame`)
  const out = new Uint8Array(preamble + FRAME_OVERHEAD + data.length).fill(0xfe, 0, preamble)
  out[preamble] = START
  out.set(encodeAddress(frame.address), preamble + 1)
  out[preamble + 7] = START
  out[preamble + 8] = frame.control
  out[preamble + 9] = data.length
  for (let i = 0; i < data.length; i++) out[preamble + 10 + i] = (data[i] as number) + OFFSET
  out[out.length - 2] = checksum(out, preamble, out.length - 2)
  out[out.length - 1] = END
  return out
}

/**
 * Decodes octets that are exactly one frame, without preamble.
 * @throws CodecError CODEC_TRUNCATED, CODEC_TRAILING or CODEC_SHAPE with the offset
 */
export function decodeFrame(octets: Uint8Array): Dlt645Frame {
  if (octets[0] !== START || (octets.length > 7 && octets[7] !== START)) {
    throw new CodecError('CODEC_SHAPE', 'no frame starts here (68 A0..A5 68)', { at: 'offset 0' })
  }
  const length = octets[9]
  if (length === undefined || octets.length < FRAME_OVERHEAD + length) {
    throw new CodecError('CODEC_TRUNCATED', `the frame ends early, after ${octets.length} octets`)
  }
  if (octets.length > FRAME_OVERHEAD + length) {
    throw new CodecError('CODEC_TRAILING', 'octets follow the frame', { at: `offset ${12 + length}` })
  }
  if (octets[11 + length] !== END) {
    throw new CodecError('CODEC_SHAPE', 'the end octet 16 is missing', { at: `offset ${11 + length}` })
  }
  const sum = checksum(octets, 0, 10 + length)
  if (octets[10 + length] !== sum) {
    const is = octets.subarray(10 + length, 11 + length)
    throw new CodecError('CODEC_SHAPE', `checksum ${toHex(is)} where ${toHex(Uint8Array.of(sum))} is right`, {
      at: `offset ${10 + length}`
    })
  }
  return {
    address: decodeAddress(octets.subarray(1, 7)),
    control: octets[8] as number,
    data: octets.slice(10, 10 + length).map(b => b - OFFSET)
  }
}

/** What a stretch of the line holds. */
export type FrameScan =
  /** octets[start, end) is a frame with right checksum and end */
  | { readonly kind: 'frame'; readonly start: number; readonly end: number }
  /**
   * No whole frame yet. Octets before `keep` can be part of none (a preamble that may belong to one is kept);
   * nothing can be complete before `octets` have come in all.
   */
  | { readonly kind: 'more'; readonly keep: number; readonly octets: number }

/**
 * Finds the first whole frame, trying every octet as a start; a candidate that fails is resumed one octet on.
 * A whole frame inside an unfinished candidate wins: 68 FE FE FE FE FE FE 68 and stray 68s in front are real,
 * and waiting for the false candidate's length would lose the true frame behind it.
 * @param minData least count of data octets a frame can have, to know how much must still come
 */
export function scanFrame(octets: Uint8Array, minData = 0): FrameScan {
  const size = octets.length
  let keep = size
  let need = Number.POSITIVE_INFINITY
  for (let i = 0; i < size; i++) {
    if (octets[i] !== START || (i + 7 < size && octets[i + 7] !== START)) continue
    const length = octets[i + 9]
    const end = i + FRAME_OVERHEAD + (length ?? minData)
    if (length !== undefined && end <= size) {
      if (octets[end - 1] === END && octets[end - 2] === checksum(octets, i, end - 2)) {
        return { kind: 'frame', start: i, end }
      }
      continue
    }
    keep = Math.min(keep, i)
    need = Math.min(need, Math.max(end, size + 1))
  }
  if (keep === size) need = size + FRAME_OVERHEAD + minData
  while (keep > 0 && octets[keep - 1] === 0xfe) keep--
  return { kind: 'more', keep, octets: need }
}

function checksum(octets: Uint8Array, from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum += octets[i] as number
  return sum & 0xff
}
