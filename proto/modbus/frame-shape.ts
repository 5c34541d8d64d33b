import { toHex } from '../bytes.ts'
import { MAX_REGISTERS } from './function-code.ts'

export type FrameDirection = 'request' | 'response'

/** Fields of a frame between function code and CRC. */
export interface BodyFields {
  readonly address?: number
  readonly addressHex?: string
  readonly count?: number
  readonly words?: readonly string[]
  readonly value?: string
  readonly data?: string
  readonly note?: string
}

/** Requests of fixed length, CRC included (Modbus application protocol, section 6). */
const REQUEST_OCTETS: Readonly<Record<number, number>> = {
  1: 8,
  2: 8,
  3: 8,
  4: 8,
  5: 8,
  6: 8,
  7: 4,
  8: 8,
  11: 4,
  12: 4,
  17: 4,
  22: 10,
  24: 6,
  43: 7
}

/** Answers of fixed length, CRC included. */
const RESPONSE_OCTETS: Readonly<Record<number, number>> = {
  5: 8,
  6: 8,
  7: 5,
  8: 8,
  11: 8,
  15: 8,
  16: 8,
  22: 10
}

/** Where the octet that counts the rest stands, for frames of no fixed length. */
const REQUEST_COUNT_AT: Readonly<Record<number, number>> = { 15: 6, 16: 6, 20: 2, 21: 2, 23: 10 }
const RESPONSE_COUNT_AT: Readonly<Record<number, number>> = {
  1: 2,
  2: 2,
  3: 2,
  4: 2,
  12: 2,
  17: 2,
  20: 2,
  21: 2,
  23: 2
}

/**
 * Octets of the frame that starts at `at`, CRC included, by its function code and, where it has one, its byte count.
 * Undefined when the function is unknown or the octets end before the count.
 */
export function frameSize(octets: Uint8Array, at: number, direction: FrameDirection): number | undefined {
  const code = octets[at + 1]
  if (code === undefined) return undefined
  const request = direction === 'request'
  if (code & 0x80) return request || !knownCode(code & 0x7f) ? undefined : 5
  if (!request && code === 43) return deviceIdentificationSize(octets, at)
  const fixed = (request ? REQUEST_OCTETS : RESPONSE_OCTETS)[code]
  if (fixed !== undefined) return fixed
  const countAt = (request ? REQUEST_COUNT_AT : RESPONSE_COUNT_AT)[code]
  const rest = countAt === undefined ? undefined : octets[at + countAt]
  if (countAt === undefined || rest === undefined) return undefined
  if (!request && (code === 3 || code === 4 || code === 23) && (rest % 2 !== 0 || rest === 0))
    return undefined
  return countAt + 1 + rest + 2
}

function knownCode(code: number): boolean {
  return code === 43 || code in REQUEST_OCTETS || code in REQUEST_COUNT_AT
}

/** Walks the objects of a read-device-identification answer (43/14). */
function deviceIdentificationSize(octets: Uint8Array, at: number): number | undefined {
  const objects = octets[at + 7]
  if (octets[at + 2] !== 14 || objects === undefined) return undefined
  let end = at + 8
  for (let i = 0; i < objects; i++) {
    const size = octets[end + 1]
    if (size === undefined) return undefined
    end += 2 + size
  }
  return end + 2 - at
}

/** What a whole frame that is no exception says. */
export function bodyFields(frame: Uint8Array, direction: FrameDirection): BodyFields {
  const code = frame[1] as number
  const body = frame.subarray(2, -2)
  if (direction === 'response' && (code === 3 || code === 4 || code === 23))
    return { words: wordsOf(body.subarray(1)) }
  if (direction === 'response' && (code === 1 || code === 2)) return { data: hex(body.subarray(1)) }
  switch (code) {
    case 1:
    case 2:
      return { ...addressOf(body), count: u16(body, 2) }
    case 3:
    case 4: {
      const count = u16(body, 2)
      const over = count > MAX_REGISTERS || count === 0
      return {
        ...addressOf(body),
        count,
        ...(over ? { note: `a meter may refuse it: the limit is 1..${MAX_REGISTERS}` } : {})
      }
    }
    case 5:
    case 6:
      return { ...addressOf(body), value: hex(body.subarray(2)) }
    case 15:
    case 16:
      return {
        ...addressOf(body),
        count: u16(body, 2),
        ...(direction === 'request' ? { data: hex(body.subarray(5)) } : {})
      }
    case 22:
      return { ...addressOf(body), data: hex(body.subarray(2)) }
    case 23:
      return { ...addressOf(body), count: u16(body, 2), data: hex(body.subarray(4)) }
    default:
      return body.length === 0 ? {} : { data: hex(body) }
  }
}

function wordsOf(octets: Uint8Array): string[] {
  const words: string[] = []
  for (let i = 0; i + 1 < octets.length; i += 2) words.push(hex(octets.subarray(i, i + 2)))
  return words
}

function addressOf(body: Uint8Array): { readonly address: number; readonly addressHex: string } {
  return { address: u16(body, 0), addressHex: hex(body.subarray(0, 2)) }
}

function u16(body: Uint8Array, at: number): number {
  return ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0)
}

function hex(octets: Uint8Array): string {
  return toHex(octets).toUpperCase()
}
