import { randomBytes } from 'node:crypto'
import { concatBytes } from '../bytes.ts'
import { hmacSm3, sm3 } from './digest.ts'
import type { Sm2DigestInput, Sm2SignatureProvider } from './provider.ts'
import { asOctets } from './provider-native.ts'
import {
  bytesToInteger,
  integerToBytes,
  invertModOrder,
  modOrder,
  requirePoint,
  SM2_ORDER,
  sm2Curve
} from './sm2-curve.ts'

/** SM2 on @noble/curves: constant-time scalar multiplication with blinding, nonces hedged. */
export const SM2_NOBLE: Sm2SignatureProvider = {
  name: '@noble/curves',
  sign: (privateKey, _publicKey, input) => signHedged(privateKey, input, asOctets(randomBytes(32))),
  verify: (publicKey, { za, message }, signature) => {
    const r = bytesToInteger(signature.subarray(0, 32))
    const s = bytesToInteger(signature.subarray(32))
    const t = modOrder(r + s)
    if (t === 0n) return false
    const sum = sm2Curve().BASE.mulAddUnsafe(s, requirePoint(publicKey), t)
    if (sum.is0()) return false
    return modOrder(bytesToInteger(sm3(concatBytes(za, message))) + sum.toAffine().x) === r
  }
}

/**
 * Signs with nonces from RFC 6979's generator over HMAC-SM3 with added entropy: a random generator that repeats itself
 * (cloned card, empty pool at boot) still gives another nonce for another message, and the same signature for the same one.
 * @param entropy octets mixed into the nonce; fixed ones give a reproducible signature
 */
export function signHedged(privateKey: Uint8Array, input: Sm2DigestInput, entropy: Uint8Array): Uint8Array {
  const e = bytesToInteger(sm3(concatBytes(input.za, input.message)))
  const next = nonceGenerator(privateKey, integerToBytes(modOrder(e)), entropy)
  for (;;) {
    const signature = signWithNonce(privateKey, e, next(), bytesToInteger(hmacSm3(privateKey, entropy)))
    if (signature) return signature
  }
}

/**
 * One attempt of GB/T 32918.2-2016 6.1 with the nonce k; undefined when the standard asks for another k.
 * The private key enters bigint arithmetic only under the factor `blind`, whose size and timing say nothing of it.
 */
export function signWithNonce(
  privateKey: Uint8Array,
  e: bigint,
  k: bigint,
  blind: bigint
): Uint8Array | undefined {
  const d = bytesToInteger(privateKey)
  const b = modOrder(blind) || 1n
  const r = modOrder(e + sm2Curve().BASE.multiply(k).toAffine().x)
  if (r === 0n || r + k === SM2_ORDER) return undefined
  const blindedKey = modOrder(b * d)
  // s = (k - r d) / (1 + d), numerator and denominator both times b
  const s = modOrder(invertModOrder(b + blindedKey) * (modOrder(b * k) - modOrder(r * blindedKey)))
  return s === 0n ? undefined : concatBytes(integerToBytes(r), integerToBytes(s))
}

/** RFC 6979 3.2 with HMAC-SM3 and the additional data of 3.6. */
const nonceGenerator = (key: Uint8Array, digest: Uint8Array, entropy: Uint8Array): (() => bigint) => {
  let v: Uint8Array = new Uint8Array(32).fill(1)
  let k: Uint8Array = new Uint8Array(32)
  const absorb = (data: Uint8Array): void => {
    k = hmacSm3(k, concatBytes(v, data))
    v = hmacSm3(k, v)
  }
  const seed = concatBytes(key, digest, entropy)
  absorb(concatBytes(Uint8Array.of(0), seed))
  absorb(concatBytes(Uint8Array.of(1), seed))
  return () => {
    for (;;) {
      v = hmacSm3(k, v)
      const candidate = bytesToInteger(v)
      const fits = candidate >= 1n && candidate < SM2_ORDER
      absorb(Uint8Array.of(0))
      if (fits) return candidate
    }
  }
}
