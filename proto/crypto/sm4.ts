import { GHASH } from '@noble/ciphers/_polyval.js'
import { concatBytes, u64be } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import { requireBytes, requireOctets } from './arguments.ts'
import { constantTimeEqual } from './digest.ts'
import { symmetric } from './symmetric.ts'

const KEY = 16
const BLOCK = 16
const GCM_IV = 12

/**
 * SM4 in counter mode (GB/T 32907-2016, 128-bit big-endian counter); encryption and decryption are the same.
 * @param key 16 octets @param iv 16 octets, the first counter block
 */
export function sm4Ctr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  return symmetric().sm4Ctr(
    requireOctets(key, KEY, 'SM4 key'),
    requireOctets(iv, BLOCK, 'SM4-CTR IV'),
    requireBytes(data, 'data')
  )
}

/**
 * SM4-GCM (RFC 8998), put together from ECB, CTR and GHASH because Node before 26.10 cannot name it.
 * @param key 16 octets @param iv 12 octets, never twice under one key
 * @returns ciphertext as long as the message, and a 16-octet tag
 */
export function sm4GcmSeal(
  key: Uint8Array,
  iv: Uint8Array,
  aad: Uint8Array,
  message: Uint8Array
): { ciphertext: Uint8Array; tag: Uint8Array } {
  const start = counterZero(iv)
  const ciphertext = sm4Ctr(key, counterOne(start), message)
  return { ciphertext, tag: gcmTag(key, start, aad, ciphertext) }
}

/**
 * Opens SM4-GCM; nothing is decrypted before the tag is found right.
 * @throws CryptoError CRYPTO_TAG when the tag (16 octets, never shortened) is not right
 */
export function sm4GcmOpen(
  key: Uint8Array,
  iv: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array
): Uint8Array {
  const start = counterZero(iv)
  const right = gcmTag(key, start, requireBytes(aad, 'aad'), requireBytes(ciphertext, 'ciphertext'))
  if (!(tag instanceof Uint8Array) || !constantTimeEqual(right, tag))
    throw new CryptoError('CRYPTO_TAG', 'the SM4-GCM tag does not fit key, IV, header and ciphertext')
  return sm4Ctr(key, counterOne(start), ciphertext)
}

const counterZero = (iv: Uint8Array): Uint8Array =>
  concatBytes(requireOctets(iv, GCM_IV, 'SM4-GCM IV'), Uint8Array.of(0, 0, 0, 1))

// The counter is 32 bits wide; below 2^32 blocks (64 GiB) CTR's 128-bit one counts the same.
const counterOne = (start: Uint8Array): Uint8Array =>
  concatBytes(start.subarray(0, GCM_IV), Uint8Array.of(0, 0, 0, 2))

const gcmTag = (key: Uint8Array, start: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array => {
  const blocks = symmetric().sm4Ecb(
    requireOctets(key, KEY, 'SM4 key'),
    concatBytes(new Uint8Array(BLOCK), start)
  )
  const lengths = concatBytes(u64be(8 * aad.length), u64be(8 * ciphertext.length))
  // GHASH pads every piece to whole blocks on its own, as SP 800-38D 7.1 asks of AAD and ciphertext
  const hash = new GHASH(blocks.slice(0, BLOCK)).update(aad).update(ciphertext).update(lengths).digest()
  return hash.map((octet, i) => octet ^ (blocks[BLOCK + i] as number))
}
