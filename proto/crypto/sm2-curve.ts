import { randomBytes } from 'node:crypto'
import {
  type WeierstrassPoint,
  type WeierstrassPointCons,
  weierstrass
} from '@noble/curves/abstract/weierstrass.js'
import { concatBytes, toHex } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import { requireBytes, requireOctets } from './arguments.ts'
import { sm3 } from './digest.ts'

/** sm2p256v1, GB/T 32918.5-2017 clause 2. */
const CURVE = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n
} as const

/** Order of the group. */
export const SM2_ORDER = CURVE.n

export type Sm2Point = WeierstrassPoint<bigint>

let point: WeierstrassPointCons<bigint> | undefined

/** The curve; its tables are made at the first use. */
export function sm2Curve(): WeierstrassPointCons<bigint> {
  point ??= weierstrass<bigint>(CURVE, { randomBytes: size => new Uint8Array(randomBytes(size ?? 32)) })
  return point
}

export function bytesToInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`)
}

/** Big-endian, 32 octets. */
export function integerToBytes(value: bigint): Uint8Array {
  const out = new Uint8Array(32)
  const view = new DataView(out.buffer)
  for (let i = 0; i < 4; i++) view.setBigUint64(24 - 8 * i, BigInt.asUintN(64, value >> BigInt(64 * i)))
  return out
}

/** The remainder in 0..n-1. */
export function modOrder(value: bigint): bigint {
  const rest = value % CURVE.n
  return rest < 0n ? rest + CURVE.n : rest
}

/** Inverse modulo the order. Not constant-time: blind the argument when it is secret. */
export function invertModOrder(value: bigint): bigint {
  return sm2Curve().Fn.inv(modOrder(value))
}

/**
 * Checks a private key: 32 octets, 1..n-2 (GB/T 32918.1-2016 6.1). d = n-1 has no signature, 1 + d being 0.
 * @throws CryptoError CRYPTO_KEY
 */
export function requirePrivateKey(key: unknown): Uint8Array {
  const octets = requireOctets(key, 32, 'SM2 private key')
  const d = bytesToInteger(octets)
  if (d < 1n || d > CURVE.n - 2n) throw new CryptoError('CRYPTO_KEY', 'SM2 private key is out of range')
  return octets
}

/** A gateway meets the same few public keys at every batch; those that proved right are not proved again. */
const POINTS_KEPT = 16
const points = new Map<string, Sm2Point>()

/**
 * The point of a public key in its one canonical form: 65 octets, 04 || x || y, x and y below p, on the curve.
 * Hybrid (06, 07) and compressed forms are refused so that a key has one id.
 * @throws CryptoError CRYPTO_KEY
 */
export function requirePoint(key: unknown, what = 'SM2 public key'): Sm2Point {
  const octets = requireOctets(key, 65, what)
  const name = toHex(octets)
  const known = points.get(name)
  if (known) return known
  if (octets[0] !== 4) throw new CryptoError('CRYPTO_KEY', `${what} must start with 04`)
  try {
    const found = sm2Curve().fromBytes(octets)
    found.assertValidity()
    if (points.size >= POINTS_KEPT) points.clear()
    points.set(name, found)
    return found
  } catch (cause) {
    throw new CryptoError('CRYPTO_KEY', `${what} is not a point of the curve`, { cause })
  }
}

/** True for a canonical public key: 65 octets, 04 || x || y, on the curve. */
export function isSm2PublicKey(key: unknown): key is Uint8Array {
  try {
    requirePoint(key)
    return true
  } catch {
    return false
  }
}

/**
 * Public key of a private key, 65 octets.
 * @throws CryptoError CRYPTO_KEY
 */
export function sm2PublicKey(privateKey: Uint8Array): Uint8Array {
  return sm2Curve()
    .BASE.multiply(bytesToInteger(requirePrivateKey(privateKey)))
    .toBytes(false)
}

/**
 * ZA, the hash of the signer's identity and key (GB/T 32918.2-2016 5.5).
 * @param userId at most 8191 octets, its length in bits being two octets
 * @throws CryptoError CRYPTO_KEY
 */
export function identityHash(publicKey: Uint8Array, userId: Uint8Array): Uint8Array {
  if (requireBytes(userId, 'user id').length > 8191)
    throw new CryptoError('CRYPTO_KEY', `a user id of ${userId.length} octets is over the limit of 8191`)
  const bits = 8 * userId.length
  return sm3(
    concatBytes(
      Uint8Array.of(bits >> 8, bits & 0xff),
      userId,
      integerToBytes(CURVE.a),
      integerToBytes(CURVE.b),
      integerToBytes(CURVE.Gx),
      integerToBytes(CURVE.Gy),
      publicKey.subarray(1)
    )
  )
}

const SPKI_PREFIX = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08],
  ...[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d, 0x03, 0x42, 0x00]
)

/** SubjectPublicKeyInfo (RFC 5280, curve OID 1.2.156.10197.1.301) of a public key, 91 octets of DER. */
export function sm2Spki(publicKey: Uint8Array): Uint8Array {
  return concatBytes(SPKI_PREFIX, requireOctets(publicKey, 65, 'SM2 public key'))
}

/**
 * Short name of a public key: the first 8 octets of SM3(SubjectPublicKeyInfo).
 * @throws CryptoError CRYPTO_KEY when the key is not a point of the curve
 */
export function keyId(publicKey: Uint8Array): Uint8Array {
  requirePoint(publicKey)
  return sm3(sm2Spki(publicKey)).slice(0, 8)
}
