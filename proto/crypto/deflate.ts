import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { CodecError } from '../errors.ts'
import { asOctets } from './provider-native.ts'

/** DEFLATE (RFC 1951) without a wrapper. The octets may differ between zlib versions; what they inflate to does not. */
export function deflateRaw(data: Uint8Array): Uint8Array {
  return asOctets(deflateRawSync(data, { level: 9, memLevel: 9 }))
}

/**
 * Inflates raw DEFLATE that must end with the data and give exactly `size` octets; memory is bounded by `size`.
 * @throws CodecError CODEC_TOO_LARGE, CODEC_TRUNCATED or CODEC_TRAILING
 */
export function inflateRaw(data: Uint8Array, size: number): Uint8Array {
  let out: Uint8Array
  let used: number
  try {
    const result = inflateRawSync(data, { maxOutputLength: Math.max(1, size), info: true }) as unknown as {
      readonly buffer: Uint8Array
      readonly engine: { readonly bytesWritten: number }
    }
    out = asOctets(result.buffer)
    used = result.engine.bytesWritten
  } catch (cause) {
    const tooLarge = cause instanceof RangeError
    throw new CodecError(
      tooLarge ? 'CODEC_TOO_LARGE' : 'CODEC_TRUNCATED',
      tooLarge ? `inflates to more than the ${size} octets announced` : 'not a whole DEFLATE stream',
      { cause }
    )
  }
  if (out.length !== size)
    throw new CodecError('CODEC_TRUNCATED', `inflates to ${out.length} octets where ${size} were announced`)
  if (used !== data.length)
    throw new CodecError('CODEC_TRAILING', `${data.length - used} octets follow the DEFLATE stream`)
  return out
}
