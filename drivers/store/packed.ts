import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { StoreError } from './errors.ts'

const FORMAT = 1
/** No block of the store inflates to more; a larger one is damage. */
const MAX_PLAIN = 64 * 1024 * 1024

/** Format octet, CRC-32 of the plain octets, deflate-raw. SQLite checks its pages' structure, not their content: this does. */
export function pack(plain: Uint8Array): Uint8Array {
  const body = deflateRawSync(plain, { level: 6 })
  const out = new Uint8Array(5 + body.length)
  out[0] = FORMAT
  new DataView(out.buffer).setUint32(1, crc32(plain))
  out.set(body, 5)
  return out
}

/** @throws StoreError STORE_CORRUPT when the octets are not what {@link pack} made */
export function unpack(packed: Uint8Array, at: string): Uint8Array {
  let plain: Uint8Array | undefined
  try {
    if (packed[0] === FORMAT) plain = inflateRawSync(packed.subarray(5), { maxOutputLength: MAX_PLAIN })
  } catch {
    plain = undefined
  }
  if (plain === undefined || crc32(plain) !== new DataView(packed.buffer, packed.byteOffset).getUint32(1)) {
    throw new StoreError('STORE_CORRUPT', 'a stored block does not match its checksum', {
      at,
      next: 'restart: the damaged file is set aside and a new epoch begins'
    })
  }
  return plain
}
