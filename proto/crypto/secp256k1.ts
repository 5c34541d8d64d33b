import { secp256k1 } from '@noble/curves/secp256k1.js'
import { toHex, utf8 } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import { requireOctets } from './arguments.ts'
import { keccak256 } from './digest.ts'

/** An ECDSA signature with low s, and the parity of R.y from which a chain recovers the signer. */
export interface Secp256k1Signature {
  readonly r: bigint
  readonly s: bigint
  readonly recovery: 0 | 1
}

/**
 * Signs a digest with ECDSA over secp256k1: nonce by RFC 6979, low s (EIP-2).
 * @param privateKey 32 octets @param digest 32 octets, e.g. a keccak-256
 * @param entropy optional octets mixed into the nonce (RFC 6979 3.6); without them the signature is reproducible
 * @throws CryptoError CRYPTO_KEY
 */
export function secp256k1Sign(
  privateKey: Uint8Array,
  digest: Uint8Array,
  entropy?: Uint8Array
): Secp256k1Signature {
  requireSecret(privateKey)
  const octets = secp256k1.sign(requireOctets(digest, 32, 'digest'), privateKey, {
    prehash: false,
    lowS: true,
    format: 'recovered',
    ...(entropy === undefined ? {} : { extraEntropy: entropy })
  })
  const { r, s, recovery } = secp256k1.Signature.fromBytes(octets, 'recovered')
  // 2 and 3 mean r >= n, one signature in 2^128: chains cannot carry it
  if (recovery !== 0 && recovery !== 1)
    throw new CryptoError('CRYPTO_SIGNATURE', 'the signature has no recovery bit a chain accepts')
  return { r, s, recovery }
}

/** Public key, 65 octets 04 || x || y. @throws CryptoError CRYPTO_KEY */
export function secp256k1PublicKey(privateKey: Uint8Array): Uint8Array {
  return secp256k1.getPublicKey(requireSecret(privateKey), false)
}

/**
 * Ethereum address with its EIP-55 checksum, "0x" and 40 digits.
 * @param key private key (32 octets) or public key (65 octets, 04 || x || y)
 * @throws CryptoError CRYPTO_KEY
 */
export function ethereumAddress(key: Uint8Array): string {
  const publicKey = key instanceof Uint8Array && key.length === 32 ? secp256k1PublicKey(key) : key
  requireOctets(publicKey, 65, 'secp256k1 key')
  if (publicKey[0] !== 4 || !secp256k1.utils.isValidPublicKey(publicKey, false))
    throw new CryptoError('CRYPTO_KEY', 'secp256k1 public key is not a point of the curve')
  return checksumAddress(keccak256(publicKey.subarray(1)).subarray(12))
}

/** EIP-55: a digit is upper case where the hash of the lower-case text has 8 or more. @param address 20 octets */
export function checksumAddress(address: Uint8Array): string {
  const text = toHex(requireOctets(address, 20, 'address'))
  const hash = toHex(keccak256(utf8(text)))
  const digits = [...text].map((digit, i) =>
    Number.parseInt(hash[i] as string, 16) >= 8 ? digit.toUpperCase() : digit
  )
  return `0x${digits.join('')}`
}

const requireSecret = (key: Uint8Array): Uint8Array => {
  requireOctets(key, 32, 'secp256k1 private key')
  if (!secp256k1.utils.isValidSecretKey(key))
    throw new CryptoError('CRYPTO_KEY', 'secp256k1 private key is out of range')
  return key
}
