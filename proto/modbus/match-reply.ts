import type { MatchResult, ReplyMatcher } from '../bus-reply.ts'
import { equalBytes } from '../bytes.ts'
import { hasValidCrc } from './crc.ts'
import type { ReadFunction } from './function-code.ts'

/** What tells an answer from everything else: an RTU answer carries no register address. */
export interface ExpectedReply {
  readonly unit: number
  readonly function: ReadFunction
  readonly count: number
  /** the request itself, to know its echo */
  readonly request: Uint8Array
}

const EXCEPTION_OCTETS = 5

/**
 * Finds the answer by unit, function, byte count and CRC. Undriven 00/FF octets, echoes and other frames around it do no harm:
 * an RTU master on Linux cannot frame by t3.5, so only length and CRC decide.
 */
export function createReplyMatcher(expected: ExpectedReply): ReplyMatcher {
  return octets => matchReply(octets, expected)
}

function matchReply(octets: Uint8Array, expected: ExpectedReply): MatchResult {
  const { unit, function: code, count, request } = expected
  const replyOctets = 5 + 2 * count
  let awaited = 0
  let wrongCrc = 0
  let stray: MatchResult | undefined
  for (let at = 0; at < octets.length; at++) {
    const left = octets.length - at
    if (left >= request.length && equalBytes(octets.subarray(at, at + request.length), request))
      return { kind: 'not-ours', start: at, end: at + request.length, reason: 'echo' }
    if (octets[at] === unit) {
      const size = ownSize(octets, at, code, replyOctets)
      if (size > 0 && size <= left) {
        if (hasValidCrc(octets, at, at + size) && !isOverrun(octets, at, at + size))
          return { kind: 'reply', start: at, end: at + size }
        wrongCrc ||= at + size
      } else if (size > 0 && left > 2) awaited ||= at + size
    }
    if (!awaited && !stray && wrongCrc <= at) stray = matchStray(octets, at, unit)
  }
  if (stray) return stray
  if (awaited) return { kind: 'more', octets: awaited }
  if (wrongCrc) return { kind: 'noise', octets: wrongCrc, reason: 'wrong CRC' }
  return matchNothing(octets, unit)
}

/** Octets of the answer that seems to start here; 0 when none does. */
function ownSize(octets: Uint8Array, at: number, code: number, replyOctets: number): number {
  const second = octets[at + 1]
  if (second === (code | 0x80)) return EXCEPTION_OCTETS
  return second === code && octets[at + 2] === replyOctets - 5 ? replyOctets : 0
}

/**
 * A cut answer and the frame after it can make a valid CRC by chance (1 in 65536): when a whole frame begins inside the answer
 * and ends behind it, one of the two is an accident.
 */
function isOverrun(octets: Uint8Array, start: number, end: number): boolean {
  if (octets.length <= end) return false
  for (let at = start + 3; at < end; at++) {
    const size = straySize(octets, at)
    if (at + size > end && at + size <= octets.length && hasValidCrc(octets, at, at + size)) return true
  }
  return false
}

/** A whole frame of somebody else, or an answer of this unit to an older request. */
function matchStray(octets: Uint8Array, at: number, unit: number): MatchResult | undefined {
  const size = straySize(octets, at)
  const end = at + size
  if (size === 0 || end > octets.length || !hasValidCrc(octets, at, end)) return undefined
  return { kind: 'not-ours', start: at, end, reason: octets[at] === unit ? 'late' : 'foreign' }
}

function straySize(octets: Uint8Array, at: number): number {
  const first = octets[at] as number
  const second = octets[at + 1]
  const third = octets[at + 2]
  if (first < 1 || first > 247 || third === undefined) return 0
  if (second === 0x83 || second === 0x84) return EXCEPTION_OCTETS
  if (second !== 3 && second !== 4) return 0
  // another master's request has 8 octets; an answer says its own length
  if (at + 8 <= octets.length && hasValidCrc(octets, at, at + 8)) return 8
  return third > 0 && third % 2 === 0 && third <= 250 ? 5 + third : 0
}

/** Nothing whole is there: how much can be thrown away, and how much must come before anything can be said. */
function matchNothing(octets: Uint8Array, unit: number): MatchResult {
  for (let at = 0; at < octets.length; at++) {
    const rest = octets.length - at
    const mayStart = octets[at] === unit && rest <= 2
    const size = straySize(octets, at)
    if (!mayStart && size <= rest) continue
    if (at > 0) return { kind: 'noise', octets: at, reason: 'noise' }
    // the answer itself may follow whatever this is
    return {
      kind: 'more',
      octets: Math.min(mayStart ? EXCEPTION_OCTETS : size, octets.length + EXCEPTION_OCTETS)
    }
  }
  return octets.length === 0
    ? { kind: 'more', octets: EXCEPTION_OCTETS }
    : { kind: 'noise', octets: octets.length, reason: 'noise' }
}
