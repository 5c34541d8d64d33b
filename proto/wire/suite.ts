import { concatBytes, utf8 } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import { type HashName, hashWith } from '../merkle/tree.ts'
import { encodeCbor } from './cbor.ts'

/** A set of algorithms; there is no negotiation, ledger and gateway pin what they allow. */
export interface Suite {
  readonly number: number
  readonly hash: HashName
  readonly cipher: 'sm4-ctr+hmac-sm3' | 'sm4-gcm'
}

/** 1: SHA-256 tree, so that an EVM chain can check a leaf with its precompile. */
export const SUITES: Readonly<Record<number, Suite>> = {
  1: { number: 1, hash: 'sha256', cipher: 'sm4-ctr+hmac-sm3' },
  2: { number: 2, hash: 'sm3', cipher: 'sm4-ctr+hmac-sm3' },
  3: { number: 3, hash: 'sm3', cipher: 'sm4-gcm' }
}

/** @throws CryptoError CRYPTO_SUITE for a number that this version does not know */
export function suiteOf(number: number): Suite {
  const suite = Object.hasOwn(SUITES, number) ? SUITES[number] : undefined
  if (!suite) throw new CryptoError('CRYPTO_SUITE', `suite ${number} is not known here`)
  return suite
}

/** Signatures and anchor hashes are kept apart by these prefixes; each ends with one zero octet. */
export const DOMAIN = {
  anchor: utf8('wattproof/v1/anchor\0'),
  receipt: utf8('wattproof/v1/receipt\0'),
  alarm: utf8('wattproof/v1/alarm\0'),
  request: utf8('wattproof/v1/request\0'),
  leaf: utf8('wattproof/v1/leaf\0'),
  commit: utf8('wattproof/v1/commit\0')
} as const

/** headerHash = H(0x10 || header). */
export function headerHash(header: Uint8Array, suite: number): Uint8Array {
  return tagged(suite, 0x10, header)
}

/** sealedHash = H(0x11 || cbor([ciphertext, tag, envelopes])). */
export function sealedHash(
  sealed: {
    readonly ciphertext: Uint8Array
    readonly tag: Uint8Array
    readonly envelopes: readonly { readonly kid: Uint8Array; readonly wrappedKey: Uint8Array }[]
  },
  suite: number
): Uint8Array {
  const envelopes = sealed.envelopes.map(({ kid, wrappedKey }) => [kid, wrappedKey])
  return tagged(suite, 0x11, encodeCbor([sealed.ciphertext, sealed.tag, envelopes]))
}

/** Hash of a roster, H(0x12 || cbor(ids)): the meters in the order in which a batch covers them. */
export function rosterHash(ids: readonly string[], suite = 1): Uint8Array {
  return tagged(suite, 0x12, encodeCbor(ids))
}

/** anchorHash = H("wattproof/v1/anchor" 00 || anchor): what the next anchor, the receipt and the chain name. */
export function anchorHash(anchor: Uint8Array, suite: number): Uint8Array {
  return hashWith(suiteOf(suite).hash)(concatBytes(DOMAIN.anchor, anchor))
}

const tagged = (suite: number, tag: number, octets: Uint8Array): Uint8Array =>
  hashWith(suiteOf(suite).hash)(concatBytes(Uint8Array.of(tag), octets))
