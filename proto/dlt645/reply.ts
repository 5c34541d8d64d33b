import type { MatchResult } from '../bus-reply.ts'
import { equalBytes } from '../bytes.ts'
import { answersTo } from './address.ts'
import { printHigh } from './bcd.ts'
import { CONTROL, errorBits, FUNCTION_2007 } from './control-code.ts'
import { encodeDataIdentifier } from './data-identifier.ts'
import { type Dlt645Frame, decodeFrame, scanFrame } from './frame.ts'
import type { Question } from './question.ts'

/** What a meter answered. */
export type Reply =
  /** `data` stands behind the identifier, without the sequence number of a follow-up frame */
  | { readonly kind: 'data'; readonly data: Uint8Array; readonly followUp: boolean; readonly address: string }
  /** the meter understood and has nothing to give; the word tells why */
  | { readonly kind: 'refused'; readonly word: string; readonly bits: readonly string[] }
  | { readonly kind: 'address'; readonly address: string }
  /** the frame is not an answer to the question */
  | { readonly kind: 'mismatch'; readonly reason: 'echo' | 'late' | 'foreign' }

/**
 * Holds a frame against the question: address, function, identifier and sequence number all have to be right.
 * An error answer carries no identifier, so that an old one cannot be told from the one waited for; it carries no value either.
 */
export function parseReply(question: Question, frame: Dlt645Frame): Reply {
  const { control, data } = frame
  if ((control & CONTROL.fromMeter) === 0) return { kind: 'mismatch', reason: 'foreign' }
  if (!answersTo(question.address, frame.address, question.edition)) {
    return { kind: 'mismatch', reason: 'foreign' }
  }
  if ((control & CONTROL.function) !== question.function) return { kind: 'mismatch', reason: 'late' }
  if ((control & CONTROL.abnormal) !== 0) {
    const word = data.length === 0 ? 0 : (data[0] as number)
    return { kind: 'refused', word: printHigh(Uint8Array.of(word)), bits: errorBits(word, 1) }
  }
  if (question.function === FUNCTION_2007.readAddress) {
    if (data.length !== 6) return { kind: 'mismatch', reason: 'foreign' }
    return { kind: 'address', address: printHigh(data) }
  }
  return parseData(question, frame)
}

function parseData(question: Question, frame: Dlt645Frame): Reply {
  const { data } = frame
  const followUp = (frame.control & CONTROL.followUp) !== 0
  const head = question.di === undefined ? new Uint8Array(0) : encodeDataIdentifier(question.di)
  const tail = question.seq === undefined ? 0 : 1
  if (data.length < head.length + tail || !equalBytes(data.subarray(0, head.length), head)) {
    return { kind: 'mismatch', reason: 'late' }
  }
  if (question.seq !== undefined && data[data.length - 1] !== question.seq) {
    return { kind: 'mismatch', reason: 'late' }
  }
  return {
    kind: 'data',
    data: data.slice(head.length, data.length - tail),
    followUp,
    address: frame.address
  }
}

/**
 * The bus's view of octets that came since the request. An answer ends the moment its last octet is in:
 * its length is known from the tenth octet on.
 * @param request the octets sent, to know the echo of a two-wire line
 */
export function matchReply(question: Question, request: Uint8Array, octets: Uint8Array): MatchResult {
  // Every answer to a read carries at least one octet of data: the error word.
  const scan = scanFrame(octets, 1)
  if (scan.kind === 'more') {
    if (scan.keep > 0) return { kind: 'noise', octets: scan.keep, reason: 'no frame starts there' }
    return { kind: 'more', octets: scan.octets }
  }
  const { start, end } = scan
  const frame = octets.subarray(start, end)
  if (endsWith(request, frame)) return { kind: 'not-ours', start, end, reason: 'echo' }
  const reply = parseReply(question, decodeFrame(frame))
  return reply.kind === 'mismatch'
    ? { kind: 'not-ours', start, end, reason: reply.reason }
    : { kind: 'reply', start, end }
}

function endsWith(octets: Uint8Array, tail: Uint8Array): boolean {
  return octets.length >= tail.length && equalBytes(octets.subarray(octets.length - tail.length), tail)
}
