import { concatBytes, u64be, utf8 } from '../bytes.ts'
import { hkdfSm3, hmacSm3, keyedHmacSm3, sm3 } from '../crypto/digest.ts'
import { encodeCbor } from '../wire/cbor.ts'
import { DOMAIN } from '../wire/suite.ts'

const INFO = utf8('wattproof/v1/batch-keys')
const CONTENT_KEY = utf8('wattproof/v1/content-key\0')
const EMPTY = new Uint8Array(0)
const EPHEMERAL = utf8('wattproof/v1/ephemeral\0')

/** What tells one sealing from another and is bound into its keys. */
export interface SealingContext {
  readonly suite: number
  readonly gateway: string
  readonly epoch: Uint8Array
  readonly seq: number
}

/** The three keys of a batch. */
export interface BatchKeys {
  /** Ke, 16 octets: SM4 */
  readonly encryption: Uint8Array
  /** Km, 32 octets: HMAC-SM3 */
  readonly mac: Uint8Array
  /** Ks, 16 octets: leaf salts */
  readonly salt: Uint8Array
}

/**
 * The fresh key of a sealing, 32 octets. Hedged: a random generator that repeats itself gives another key as long as device,
 * number or contents differ; where all are equal the ciphertext is the same, which tells nothing.
 */
export function contentKey(
  deviceSecret: Uint8Array,
  random: Uint8Array,
  context: SealingContext,
  payload: Uint8Array
): Uint8Array {
  const { epoch, seq } = context
  return hmacSm3(deviceSecret, concatBytes(CONTENT_KEY, random, epoch, u64be(seq), sm3(payload)))
}

/** The seed of an envelope's ephemeral scalar, hedged likewise: two keys under one scalar would give away their difference. */
export function ephemeralSeed(
  deviceSecret: Uint8Array,
  random: Uint8Array,
  key: Uint8Array,
  kid: Uint8Array
): Uint8Array {
  return hmacSm3(deviceSecret, concatBytes(EPHEMERAL, random, key, kid))
}

/**
 * HKDF-SM3 over the content key. The salt binds suite, gateway, epoch and sequence, not the header: the header holds the
 * root, which depends on the leaf salts, which depend on these keys. The tag binds the header.
 */
export function deriveBatchKeys(key: Uint8Array, context: SealingContext): BatchKeys {
  const { suite, gateway, epoch, seq } = context
  const okm = hkdfSm3(key, sm3(encodeCbor([1, suite, gateway, epoch, seq])), INFO, 64)
  return { encryption: okm.slice(0, 16), mac: okm.slice(16, 48), salt: okm.slice(48, 64) }
}

/**
 * Salt of a leaf, 16 octets: without it a customer's path would hand him his neighbour's leaf hash, and readings are few
 * enough to guess.
 */
export function leafSalt(saltKey: Uint8Array, meter: string, slot: number): Uint8Array {
  return leafSalter(saltKey)(meter, slot)
}

/** {@link leafSalt} for many leaves under one key. */
export function leafSalter(saltKey: Uint8Array): (meter: string, slot: number) => Uint8Array {
  const mac = keyedHmacSm3(saltKey)
  let last: { readonly slot: number; readonly octets: Uint8Array } = { slot: -1, octets: EMPTY }
  return (meter, slot) => {
    if (slot !== last.slot) last = { slot, octets: u64be(slot) }
    return mac(DOMAIN.leaf, last.octets, utf8(meter)).subarray(0, 16)
  }
}
