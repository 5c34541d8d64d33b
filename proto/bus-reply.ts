/**
 * What a codec tells the bus about one request: the octets to send, how long the answer may take and grow,
 * and how to tell the answer from everything else that may be on the line.
 */

/** What the octets received so far are. The bus drops `end` (or `octets`) of them after `not-ours` (or `noise`) and asks again. */
export type MatchResult =
  /** nothing to say before this many octets have come in all */
  | { readonly kind: 'more'; readonly octets: number }
  /** the answer is octets[start, end); what stands before start is noise */
  | { readonly kind: 'reply'; readonly start: number; readonly end: number }
  /** a whole frame, but not the answer: our own request, an older answer, or other people's traffic */
  | {
      readonly kind: 'not-ours'
      readonly start: number
      readonly end: number
      readonly reason: 'echo' | 'late' | 'foreign'
    }
  /** the first so many octets cannot be part of any frame */
  | { readonly kind: 'noise'; readonly octets: number; readonly reason: string }

/** Pure; called with all octets since the request, less those already dropped, as they arrive. */
export type ReplyMatcher = (octets: Uint8Array) => MatchResult

declare const readRequest: unique symbol

/** A request that only reads, made by a codec of proto/ and by nobody else. */
export interface ReadRequest {
  readonly [readRequest]: true
  readonly kind: 'read-request'
  readonly protocol: 'dlt645' | 'modbus'
  /** the whole frame as it goes on the line */
  readonly octets: Uint8Array
  /** what is asked for: a data identifier or a register range, for messages */
  readonly asked: string
  /** length of the usual answer, preamble included; a hint for when to look, never a limit */
  readonly expectedReplyOctets: number
  /** from the last octet of the request to the first of the answer, by the standard or the profile */
  readonly turnaroundMaxMs: number
  readonly match: ReplyMatcher
}

/** The parts of a {@link ReadRequest} a codec has to give. */
export type ReadRequestParts = Pick<
  ReadRequest,
  'protocol' | 'octets' | 'asked' | 'expectedReplyOctets' | 'turnaroundMaxMs' | 'match'
>

const made = new WeakSet<object>()

/** Makes a request. For the codecs of proto/ only: the bus refuses anything that did not come through here. */
export function createReadRequest(parts: ReadRequestParts): ReadRequest {
  const request = Object.freeze({ ...parts, kind: 'read-request' }) as ReadRequest
  made.add(request)
  return request
}

/** True when createReadRequest made it. */
export function isReadRequest(value: object): value is ReadRequest {
  return made.has(value)
}
