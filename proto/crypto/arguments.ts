import { CryptoError } from '../errors.ts'

/** @throws CryptoError CRYPTO_KEY unless `value` is a Uint8Array of exactly `size` octets */
export function requireOctets(value: unknown, size: number, what: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== size) {
    const got = value instanceof Uint8Array ? `${value.length} octets` : typeof value
    throw new CryptoError('CRYPTO_KEY', `${what} must be ${size} octets, not ${got}`)
  }
  return value
}

/** @throws CryptoError CRYPTO_KEY unless `value` is a Uint8Array: a string here would be hashed as text, silently */
export function requireBytes(value: unknown, what: string): Uint8Array {
  if (!(value instanceof Uint8Array))
    throw new CryptoError('CRYPTO_KEY', `${what} must be a Uint8Array, not ${typeof value}`)
  return value
}
