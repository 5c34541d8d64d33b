import {
  createPrivateKey,
  createPublicKey,
  createSign,
  createVerify,
  type KeyObject,
  timingSafeEqual
} from 'node:crypto'
import { concatBytes, toHex } from '../bytes.ts'
import type { Sm2SignatureProvider } from './provider.ts'
import { asOctets } from './provider-native.ts'
import { sm2Spki } from './sm2-curve.ts'
import { derToRaw, rawToDer } from './sm2-der.ts'

// PKCS#8 (RFC 5958) around ECPrivateKey (RFC 5915) with the public key, curve sm2p256v1
const PKCS8_HEAD = Uint8Array.of(
  ...[0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
  ...[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01],
  ...[0x04, 0x20]
)
const PKCS8_PUBLIC = Uint8Array.of(0xa1, 0x44, 0x03, 0x42, 0x00)

/** PrivateKeyInfo of an SM2 key pair, 138 octets of DER that OpenSSL, GmSSL and BouncyCastle read. */
export function sm2Pkcs8(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return concatBytes(PKCS8_HEAD, privateKey, PKCS8_PUBLIC, publicKey)
}

/**
 * OpenSSL's SM2. The one-shot crypto.sign computes ZA with an empty user id that cannot be set; createSign hashes what it
 * is given and signs that, so that ZA || message through it is the standard signature with any user id. nodejs/node#53761
 * calls the difference a bug: the known answers find out should it ever be "fixed".
 */
export const SM2_NATIVE: Sm2SignatureProvider = {
  name: 'node:crypto',
  sign: (privateKey, publicKey, { za, message }) =>
    derToRaw(asOctets(createSign('sm3').update(za).update(message).sign(signingKey(privateKey, publicKey)))),
  verify: (publicKey, { za, message }, signature) =>
    createVerify('sm3').update(za).update(message).verify(verifyingKey(publicKey), rawToDer(signature))
}

/** OpenSSL takes as long to read a key as to sign with it, and a process signs with one: the last one is kept. */
let lastSigning: { readonly octets: Uint8Array; readonly key: KeyObject } | undefined

const signingKey = (privateKey: Uint8Array, publicKey: Uint8Array): KeyObject => {
  const octets = concatBytes(privateKey, publicKey)
  if (lastSigning && timingSafeEqual(lastSigning.octets, octets)) return lastSigning.key
  const der = Buffer.from(sm2Pkcs8(privateKey, publicKey))
  lastSigning = { octets, key: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) }
  der.fill(0)
  return lastSigning.key
}

const VERIFYING_KEPT = 16
const verifying = new Map<string, KeyObject>()

const verifyingKey = (publicKey: Uint8Array): KeyObject => {
  const name = toHex(publicKey)
  const known = verifying.get(name)
  if (known) return known
  const key = createPublicKey({ key: Buffer.from(sm2Spki(publicKey)), format: 'der', type: 'spki' })
  if (verifying.size >= VERIFYING_KEPT) verifying.clear()
  verifying.set(name, key)
  return key
}
