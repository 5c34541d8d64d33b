import { concatBytes, toHex, u32be, utf8 } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import { requireBytes } from './arguments.ts'
import { constantTimeEqual, hkdfSm3, sm3 } from './digest.ts'
import {
  bytesToInteger,
  requirePoint,
  requirePrivateKey,
  SM2_ORDER,
  type Sm2Point,
  sm2Curve
} from './sm2-curve.ts'

const POINT = 65
const CHECK = 32
const EPHEMERAL_INFO = utf8('wattproof/v1/sm2-ephemeral')

/**
 * Encrypts to an SM2 public key (GB/T 32918.4-2016).
 * @param plaintext 1 octet or more
 * @param ephemeralRandom 32 octets or more from which the ephemeral scalar derives: never the same for two plaintexts
 * @returns C1 || C3 || C2, C1 with its leading 04: 97 octets longer than the plaintext
 * @throws CryptoError CRYPTO_KEY
 */
export function sm2Encrypt(
  publicKey: Uint8Array,
  plaintext: Uint8Array,
  ephemeralRandom: Uint8Array
): Uint8Array {
  if (requireBytes(ephemeralRandom, 'ephemeral randomness').length < 32)
    throw new CryptoError('CRYPTO_KEY', 'ephemeral randomness must be 32 octets or more')
  for (let attempt = 0; ; attempt++) {
    // 16 octets more than the order has: the bias of the remainder is below 2^-128 (FIPS 186-5 A.2.1)
    const seed = hkdfSm3(ephemeralRandom, u32be(attempt), EPHEMERAL_INFO, 48)
    const scalar = (bytesToInteger(seed) % (SM2_ORDER - 1n)) + 1n
    const wrapped = sm2EncryptWithScalar(publicKey, plaintext, scalar)
    if (wrapped) return wrapped
  }
}

/**
 * {@link sm2Encrypt} with the ephemeral scalar k given (published examples); undefined when the key stream is all zero and
 * the standard asks for another k.
 */
export function sm2EncryptWithScalar(
  publicKey: Uint8Array,
  plaintext: Uint8Array,
  k: bigint
): Uint8Array | undefined {
  const recipient = recipientPoint(publicKey)
  if (requireBytes(plaintext, 'plaintext').length === 0)
    throw new CryptoError('CRYPTO_KEY', 'SM2 does not encrypt an empty plaintext')
  const shared = coordinates(recipient.multiply(k))
  const stream = keyStream(shared, plaintext.length)
  if (isZero(stream)) return undefined
  const masked = plaintext.map((octet, i) => octet ^ (stream[i] as number))
  return concatBytes(sm2Curve().BASE.multiply(k).toBytes(false), checkValue(shared, plaintext), masked)
}

/**
 * Decrypts C1 || C3 || C2 with C1 = 04 || x || y on the curve.
 * @throws CryptoError CRYPTO_KEY when the private key is unusable, CRYPTO_TAG when the ciphertext is not for it or is damaged
 */
export function sm2Decrypt(privateKey: Uint8Array, wrapped: Uint8Array): Uint8Array {
  const d = bytesToInteger(requirePrivateKey(privateKey))
  if (!(wrapped instanceof Uint8Array) || wrapped.length <= POINT + CHECK) throw refusal()
  let ephemeral: Sm2Point
  try {
    // off the curve, the product would tell of the private key (CVE-2026-23966)
    ephemeral = requirePoint(wrapped.subarray(0, POINT), 'C1')
  } catch (cause) {
    throw refusal(cause)
  }
  const shared = coordinates(ephemeral.multiply(d))
  const masked = wrapped.subarray(POINT + CHECK)
  const stream = keyStream(shared, masked.length)
  const plaintext = masked.map((octet, i) => octet ^ (stream[i] as number))
  const right = constantTimeEqual(checkValue(shared, plaintext), wrapped.subarray(POINT, POINT + CHECK))
  if (!right || isZero(stream)) throw refusal()
  return plaintext.slice()
}

/** Makes the tables for a recipient ahead of the first batch to it. @throws CryptoError CRYPTO_KEY */
export function prepareRecipient(publicKey: Uint8Array): void {
  recipientPoint(publicKey).multiply(SM2_ORDER - 1n)
  sm2Curve().BASE.multiply(SM2_ORDER - 1n)
}

const RECIPIENTS_KEPT = 8
const WINDOW_BITS = 6
const recipients = new Map<string, Sm2Point>()

/**
 * The point of a recipient with its table of multiples: every batch of a gateway goes to the same few keys, and the table
 * makes the multiplication five times faster (and no less constant-time) for 25 ms once.
 */
const recipientPoint = (publicKey: Uint8Array): Sm2Point => {
  const point = requirePoint(publicKey)
  const name = toHex(publicKey)
  const known = recipients.get(name)
  if (known) return known
  if (recipients.size >= RECIPIENTS_KEPT) recipients.clear()
  recipients.set(name, point.precompute(WINDOW_BITS))
  return point
}

const refusal = (cause?: unknown): CryptoError =>
  new CryptoError('CRYPTO_TAG', 'the SM2 ciphertext is damaged or for another key', { cause })

/** x || y of the shared point. */
const coordinates = (point: Sm2Point): Uint8Array => point.toBytes(false).subarray(1)

/** C3 = SM3(x || plaintext || y). */
const checkValue = (shared: Uint8Array, plaintext: Uint8Array): Uint8Array =>
  sm3(concatBytes(shared.subarray(0, 32), plaintext, shared.subarray(32)))

/** The KDF of GB/T 32918.4-2016 5.4.3: SM3(x || y || counter), counter from 1. */
const keyStream = (shared: Uint8Array, size: number): Uint8Array => {
  const out = new Uint8Array(Math.ceil(size / 32) * 32)
  for (let i = 0; 32 * i < size; i++) out.set(sm3(concatBytes(shared, u32be(i + 1))), 32 * i)
  return out.subarray(0, size)
}

const isZero = (bytes: Uint8Array): boolean => bytes.reduce((sum, octet) => sum | octet, 0) === 0
