import { createReadRequest, type ReadRequest } from '../bus-reply.ts'
import { BROADCAST_ADDRESS } from './address.ts'
import { assertReadOnlyDlt645, FUNCTION_2007 } from './control-code.ts'
import { encodeFrame } from './frame.ts'
import { broadcastTimeData } from './freeze.ts'
import type { LocalTime } from './local-time.ts'
import { REQUEST_PREAMBLE } from './request.ts'

/**
 * The one frame this product can make that is no read: the time of day to every meter, which each takes over or not by its own rules.
 * The bus refuses it unless the operator has switched it on. Nobody answers.
 */
export function buildBroadcastTime(time: LocalTime): ReadRequest {
  const octets = encodeFrame(
    { address: BROADCAST_ADDRESS, control: FUNCTION_2007.broadcastTime, data: broadcastTimeData(time) },
    REQUEST_PREAMBLE
  )
  assertReadOnlyDlt645(octets, { broadcastTime: true })
  return createReadRequest({
    protocol: 'dlt645',
    octets,
    asked: 'broadcast time',
    expectedReplyOctets: 0,
    turnaroundMaxMs: 0,
    match: received => ({ kind: 'more', octets: received.length + 1 })
  })
}
