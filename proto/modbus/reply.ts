import { CodecError } from '../errors.ts'
import { hasValidCrc } from './crc.ts'
import { exceptionName } from './exception.ts'
import type { RegisterRange } from './request.ts'

/** What a meter answered: its registers, or why not. */
export type RegisterReply =
  /** two octets a register, as on the wire */
  | { readonly kind: 'registers'; readonly octets: Uint8Array }
  | { readonly kind: 'exception'; readonly code: number; readonly name: string }

/**
 * Reads the answer to a request; the frame must be exactly that.
 * @throws CodecError CODEC_SHAPE naming what does not agree
 */
export function decodeRegisterReply(frame: Uint8Array, range: RegisterRange): RegisterReply {
  const [unit, code, third] = frame
  const mismatch = (what: string) => new CodecError('CODEC_SHAPE', `not the answer asked for: ${what}`)
  if (!hasValidCrc(frame)) throw mismatch('the CRC is wrong')
  if (unit !== range.unit) throw mismatch(`unit ${unit}, not ${range.unit}`)
  if (code === (range.function | 0x80) && frame.length === 5)
    return { kind: 'exception', code: third as number, name: exceptionName(third as number) }
  if (code !== range.function) throw mismatch(`function ${code}, not ${range.function}`)
  if (third !== 2 * range.count || frame.length !== 5 + 2 * range.count)
    throw mismatch(`${third} octets announced in a frame of ${frame.length}, not ${2 * range.count}`)
  return { kind: 'registers', octets: frame.slice(3, -2) }
}
