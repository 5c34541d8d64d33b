import { createReadRequest, type ReadRequest } from '../bus-reply.ts'
import { CodecError } from '../errors.ts'
import { appendCrc } from './crc.ts'
import { MAX_REGISTERS, type ReadFunction } from './function-code.ts'
import { createReplyMatcher } from './match-reply.ts'

/** A range of registers of one unit. There is no field in which a write could be said. */
export interface RegisterRange {
  /** 1..247 */
  readonly unit: number
  readonly function: ReadFunction
  /** first register as on the wire, 0..65535 */
  readonly address: number
  /** 1..125 */
  readonly count: number
}

/** The specification's usual response timeout at 9600 baud is one second and up; late answers are caught by the canary. */
export const DEFAULT_TURNAROUND_MAX_MS = 550

/**
 * The request for a range.
 * @param turnaroundMaxMs longest wait for the first octet of the answer
 * @throws CodecError CODEC_RANGE when unit, address or count leave their limits
 */
export function encodeReadRequest(
  range: RegisterRange,
  turnaroundMaxMs: number = DEFAULT_TURNAROUND_MAX_MS
): ReadRequest {
  const { unit, function: code, address, count } = range
  const asked = formatRange(address, count)
  assertRange(unit, 1, 247, 'unit', asked)
  assertRange(count, 1, MAX_REGISTERS, 'count', asked)
  assertRange(address, 0, 0x10000 - count, 'address', asked)
  const octets = appendCrc(
    Uint8Array.of(unit, code, address >>> 8, address & 0xff, count >>> 8, count & 0xff)
  )
  return createReadRequest({
    protocol: 'modbus',
    octets,
    asked,
    expectedReplyOctets: 5 + 2 * count,
    turnaroundMaxMs,
    match: createReplyMatcher({ unit, function: code, count, request: octets })
  })
}

/** A range as text: (72, 2) -> "0x0048:2". */
export function formatRange(address: number, count: number): string {
  return `0x${address.toString(16).toUpperCase().padStart(4, '0')}:${count}`
}

function assertRange(value: number, low: number, high: number, what: string, at: string): void {
  if (!Number.isInteger(value) || value < low || value > high)
    throw new CodecError('CODEC_RANGE', `${what} ${value} is not in ${low}..${high}`, { at })
}
