import { toHex } from '../bytes.ts'
import { CodecError } from '../errors.ts'
import { hasValidCrc } from './crc.ts'

/** The two function codes this product can express: read holding registers, read input registers. */
export type ReadFunction = 3 | 4

/** Registers one request may ask for (Modbus application protocol 6.3, 6.4). */
export const MAX_REGISTERS = 125

/** Names of the public function codes, for explanations only. */
export const FUNCTION_NAMES: Readonly<Record<number, string>> = {
  1: 'read coils',
  2: 'read discrete inputs',
  3: 'read holding registers',
  4: 'read input registers',
  5: 'write single coil',
  6: 'write single register',
  7: 'read exception status',
  8: 'diagnostics',
  11: 'get comm event counter',
  12: 'get comm event log',
  15: 'write multiple coils',
  16: 'write multiple registers',
  17: 'report server id',
  20: 'read file record',
  21: 'write file record',
  22: 'mask write register',
  23: 'read/write multiple registers',
  24: 'read FIFO queue',
  43: 'read device identification'
}

/**
 * The last look before octets go on the line: a whole read request (03 or 04) to one unit and nothing else.
 * Broadcast (unit 0) is refused too: only writes have a use for it.
 * @throws CodecError CODEC_FORBIDDEN_CONTROL
 */
export function assertReadOnlyModbus(octets: Uint8Array): void {
  const fault = readOnlyFault(octets)
  if (fault === undefined) return
  throw new CodecError('CODEC_FORBIDDEN_CONTROL', `not a Modbus read request: ${fault}`, {
    at: toHex(octets.subarray(0, 16)),
    next: 'read registers with function code 03 or 04'
  })
}

function readOnlyFault(octets: Uint8Array): string | undefined {
  const [unit, code, , , high, low] = octets
  if (octets.length !== 8) return `${octets.length} octets, not 8`
  if (code !== 3 && code !== 4) return `function code ${code} is not 03 or 04`
  if (unit === undefined || unit < 1 || unit > 247) return `unit ${unit} is not in 1..247`
  const count = ((high as number) << 8) | (low as number)
  if (count < 1 || count > MAX_REGISTERS) return `${count} registers, not 1..${MAX_REGISTERS}`
  if (!hasValidCrc(octets)) return 'the CRC is wrong'
  return undefined
}
