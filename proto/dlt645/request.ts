import { createReadRequest, type ReadRequest } from '../bus-reply.ts'
import { assertReadOnlyDlt645 } from './control-code.ts'
import { createItemTable, findDataItem, type ItemTable, usualOctets } from './data-items.ts'
import { encodeFrame, FRAME_OVERHEAD } from './frame.ts'
import { type Question, questionData } from './question.ts'
import { matchReply } from './reply.ts'

/** Td of the standard: the answer starts within 500 ms. */
export const TURNAROUND_MAX_MS = 500

/** Wake-up octets in front of a request. */
export const REQUEST_PREAMBLE = 4

const STANDARD_ITEMS = createItemTable()

export interface RequestOptions {
  /** count of FE in front of the request */
  readonly preamble?: number
  /** count of FE this meter puts in front of its answers, when known */
  readonly replyPreamble?: number
  readonly table?: ItemTable
  /** data octets (behind the identifier) the answer will have, when known better than from the table */
  readonly expectedData?: number
}

/**
 * The request that asks a question. Only reads can be expressed; the octets are checked all the same.
 * @throws CodecError CODEC_FORBIDDEN_CONTROL
 */
export function buildRequest(question: Question, options: RequestOptions = {}): ReadRequest {
  const octets = encodeFrame(
    { address: question.address, control: question.function, data: questionData(question) },
    options.preamble ?? REQUEST_PREAMBLE
  )
  assertReadOnlyDlt645(octets)
  return createReadRequest({
    protocol: 'dlt645',
    octets,
    asked: askedText(question),
    expectedReplyOctets: (options.replyPreamble ?? 4) + FRAME_OVERHEAD + expectedData(question, options),
    turnaroundMaxMs: TURNAROUND_MAX_MS,
    match: received => matchReply(question, octets, received)
  })
}

function askedText(question: Question): string {
  if (question.di === undefined) return 'address'
  return question.seq === undefined ? question.di : `${question.di}#${question.seq}`
}

function expectedData(question: Question, options: RequestOptions): number {
  if (question.di === undefined) return 6
  const head = question.di.length / 2
  if (options.expectedData !== undefined) return head + options.expectedData
  const match = findDataItem(options.table ?? STANDARD_ITEMS, question.di)
  return Math.min(200, head + usualOctets(match))
}
