import { createReadRequest, type ReadRequest } from '../bus-reply.ts'
import { BROADCAST_ADDRESS } from './address.ts'
import { assertReadOnlyDlt645, type BeyondReading, FUNCTION_2007 } from './control-code.ts'
import { encodeFrame } from './frame.ts'
import { broadcastTimeData, freezeCommandData } from './freeze.ts'
import type { LocalTime } from './local-time.ts'
import { REQUEST_PREAMBLE } from './request.ts'

/**
 * One of the two frames this product can make that are no reads: the time of day to every meter, which each takes over or not by its own rules.
 * The bus refuses it unless the operator has switched it on. Nobody answers.
 */
export function buildBroadcastTime(time: LocalTime): ReadRequest {
  return unanswered('broadcast time', FUNCTION_2007.broadcastTime, broadcastTimeData(time), {
    broadcastTime: true
  })
}

/**
 * The other one: every meter on the line stores its registers at the time given (now, when nothing is), beside the others it keeps.
 * Likewise refused unless switched on, and unanswered.
 */
export function buildBroadcastFreeze(when: Parameters<typeof freezeCommandData>[0] = {}): ReadRequest {
  return unanswered('broadcast freeze', FUNCTION_2007.freeze, freezeCommandData(when), { freeze: true })
}

function unanswered(asked: string, control: number, data: Uint8Array, beyond: BeyondReading): ReadRequest {
  const octets = encodeFrame({ address: BROADCAST_ADDRESS, control, data }, REQUEST_PREAMBLE)
  assertReadOnlyDlt645(octets, beyond)
  return createReadRequest({
    protocol: 'dlt645',
    octets,
    asked,
    expectedReplyOctets: 0,
    turnaroundMaxMs: 0,
    match: received => ({ kind: 'more', octets: received.length + 1 })
  })
}
