import { createCipheriv, createHash, hash } from 'node:crypto'
import type { SymmetricProvider } from './provider.ts'

// crypto.hash is one call into OpenSSL; a Hash object costs about three times as much for the short messages of a tree.
const digest = (algorithm: string, message: Uint8Array): Uint8Array =>
  asOctets(
    typeof hash === 'function'
      ? hash(algorithm, message, 'buffer')
      : createHash(algorithm).update(message).digest()
  )

const cipher = (name: string, key: Uint8Array, iv: Uint8Array | null, data: Uint8Array): Uint8Array => {
  const encrypt = createCipheriv(name, key, iv)
  encrypt.setAutoPadding(false)
  const out = asOctets(encrypt.update(data))
  // nothing may be left over: a stream mode has no rest and ECB gets whole blocks only
  if (encrypt.final().length !== 0 || out.length !== data.length)
    throw new RangeError(`${name} kept octets back`)
  return out
}

/** A plain Uint8Array over the same octets: proto never hands out a Buffer. */
export function asOctets(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}

/** OpenSSL through node:crypto. */
export const NATIVE: SymmetricProvider = {
  name: 'node:crypto',
  sm3: message => digest('sm3', message),
  sha256: message => digest('sha256', message),
  sm4Ecb: (key, blocks) => cipher('sm4-ecb', key, null, blocks),
  sm4Ctr: (key, iv, data) => cipher('sm4-ctr', key, iv, data)
}
