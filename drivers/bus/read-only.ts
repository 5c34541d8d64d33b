import { isReadRequest, type ReadRequest } from '../../proto/bus-reply.ts'
import { assertReadOnlyDlt645 } from '../../proto/dlt645/control-code.ts'
import { assertReadOnlyModbus } from '../../proto/modbus/function-code.ts'
import type { BusConfig } from './config.ts'
import { BusError } from './errors.ts'

/**
 * The last look at what is about to go on a line.
 * @throws BusError BUS_NOT_A_REQUEST when no codec made it, CodecError CODEC_FORBIDDEN_CONTROL when it does not only read
 */
export function assertReadOnly(request: ReadRequest, bus: Pick<BusConfig, 'name' | 'allow'>): void {
  if (!isReadRequest(request))
    throw new BusError('BUS_NOT_A_REQUEST', 'not a request made by a codec', { at: bus.name })
  if (request.protocol === 'modbus') assertReadOnlyModbus(request.octets)
  else assertReadOnlyDlt645(request.octets, bus.allow)
}
