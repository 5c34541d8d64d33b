import { concatBytes, u64be } from '../bytes.ts'
import { constantTimeEqual, hmacSm3 } from '../crypto/digest.ts'
import { sm4Ctr, sm4GcmOpen, sm4GcmSeal } from '../crypto/sm4.ts'
import { CodecError, CryptoError } from '../errors.ts'
import { DOMAIN, type Suite } from '../wire/suite.ts'
import type { BatchKeys } from './key-schedule.ts'

const PAD = 256
// Constant because a key is never used for a second batch: there is no nonce state to lose with a restored backup.
const CTR_IV = new Uint8Array(16)
const GCM_IV = new Uint8Array(12)
const GCM_TAG = 16

export interface Sealed {
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

/** Encrypts and authenticates `plain` with the header as associated data. */
export function encryptBatch(suite: Suite, keys: BatchKeys, header: Uint8Array, plain: Uint8Array): Sealed {
  if (suite.cipher === 'sm4-gcm') {
    const { ciphertext, tag } = sm4GcmSeal(keys.encryption, GCM_IV, header, plain)
    return { ciphertext, tag: concatBytes(tag, commitment(keys, header)) }
  }
  const ciphertext = sm4Ctr(keys.encryption, CTR_IV, plain)
  return { ciphertext, tag: macTag(keys, header, ciphertext) }
}

/**
 * Checks the tag in constant time, then decrypts.
 * @throws CryptoError CRYPTO_TAG
 */
export function decryptBatch(suite: Suite, keys: BatchKeys, header: Uint8Array, sealed: Sealed): Uint8Array {
  const { ciphertext, tag } = sealed
  if (suite.cipher === 'sm4-gcm') {
    if (!constantTimeEqual(tag.subarray(GCM_TAG), commitment(keys, header))) throw wrongTag()
    return sm4GcmOpen(keys.encryption, GCM_IV, header, ciphertext, tag.subarray(0, GCM_TAG))
  }
  if (!constantTimeEqual(tag, macTag(keys, header, ciphertext))) throw wrongTag()
  return sm4Ctr(keys.encryption, CTR_IV, ciphertext)
}

/** Fills up to whole 256 octets, 80 then zeros (ISO/IEC 9797-1 method 2), so that the size tells little. */
export function pad(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(PAD * (Math.floor(data.length / PAD) + 1))
  out.set(data)
  out[data.length] = 0x80
  return out
}

/** @throws CodecError CODEC_SHAPE when the padding is not that of {@link pad} */
export function unpad(padded: Uint8Array): Uint8Array {
  let end = padded.length - 1
  while (end > 0 && padded[end] === 0) end--
  if (padded.length % PAD !== 0 || padded[end] !== 0x80 || padded.length - end > PAD)
    throw new CodecError('CODEC_SHAPE', 'the padding is not 80 00 ... to whole 256 octets', { at: 'batch' })
  return padded.subarray(0, end)
}

/** Lengths close the input so that header and ciphertext cannot trade octets. */
const macTag = (keys: BatchKeys, header: Uint8Array, ciphertext: Uint8Array): Uint8Array =>
  hmacSm3(
    keys.mac,
    concatBytes(header, CTR_IV, ciphertext, u64be(8 * header.length), u64be(8 * ciphertext.length))
  )

/** GCM alone does not commit to its key: two recipients could be given two plaintexts of one ciphertext. */
const commitment = (keys: BatchKeys, header: Uint8Array): Uint8Array =>
  hmacSm3(keys.mac, concatBytes(DOMAIN.commit, header))

const wrongTag = (): CryptoError =>
  new CryptoError('CRYPTO_TAG', 'the tag does not fit key, header and ciphertext')
