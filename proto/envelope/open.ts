import { equalBytes } from '../bytes.ts'
import { inflateRaw } from '../crypto/deflate.ts'
import { keyId, sm2PublicKey } from '../crypto/sm2-curve.ts'
import { sm2Decrypt } from '../crypto/sm2-envelope.ts'
import { CodecError, CryptoError } from '../errors.ts'
import { merkleRootOfHashes } from '../merkle/tree.ts'
import type { Reading } from '../reading.ts'
import type { Anchor } from '../wire/anchor.ts'
import { type Batch, decodeBatch } from '../wire/batch.ts'
import { COMPRESSION, decodeHeader, type Header, LAYOUT } from '../wire/header.ts'
import { decodePayload } from '../wire/payload.ts'
import { headerHash, rosterHash, sealedHash, suiteOf } from '../wire/suite.ts'
import { decryptBatch, unpad } from './cipher.ts'
import { deriveBatchKeys } from './key-schedule.ts'
import { leafHashes, requireCoverage } from './leaves.ts'
import { recipientsHash } from './seal.ts'
import { verifyAnchor } from './signed-objects.ts'

/** A batch that held in everything: signature, octets, key, tag, payload and root. */
export interface OpenedBatch {
  readonly header: Header
  readonly anchor: Anchor
  readonly anchorHash: Uint8Array
  readonly roster: readonly string[]
  /** in leaf order */
  readonly readings: readonly Reading[]
  /** Ks, 16 octets: with it any leaf's salt and proof can be made */
  readonly saltKey: Uint8Array
}

/**
 * Opens a batch as one of its recipients. The anchor is checked first and everything else against it; the leaves are rebuilt
 * from the payload and must give the signed root.
 * @param batch encoded `batch` @param anchor encoded `signed` anchor
 * @param keys.recipientKey SM2 private key, 32 octets @param keys.gatewayKey SM2 public key of the gateway, 65 octets
 * @throws CodecError for octets that are not of the contract; CryptoError CRYPTO_SIGNATURE (anchor), CRYPTO_SUITE,
 *   CRYPTO_TAG (octets that are not the anchored ones, a key or tag that does not fit), CRYPTO_RECIPIENT (not for this
 *   key, or envelopes other than announced), CRYPTO_ROOT (header, roster or leaves contradict the anchor)
 */
export function openBatch(
  batch: Uint8Array,
  anchor: Uint8Array,
  keys: { readonly recipientKey: Uint8Array; readonly gatewayKey: Uint8Array }
): OpenedBatch {
  const verified = verifyAnchor(anchor, keys.gatewayKey)
  const suite = suiteOf(verified.anchor.suite)
  const parts = decodeBatch(batch)
  const header = requireAnchored(parts, verified.anchor)
  const batchKeys = deriveBatchKeys(unwrapKey(parts, header, keys.recipientKey), header)
  const plain = decryptBatch(suite, batchKeys, parts.header, parts)
  const payload = decodePayload(decompress(header, unpad(plain)))
  const { roster, readings } = payload
  const root = merkleRootOfHashes(suite.hash, leafHashes(suite.hash, batchKeys.salt, readings))
  if (!equalBytes(root, header.root))
    throw wrongRoot('the leaves rebuilt have another root than the signed one')
  if (readings.length !== header.count) throw wrongRoot(`${readings.length} leaves, not ${header.count}`)
  if (!equalBytes(rosterHash(roster, suite.number), header.roster))
    throw wrongRoot('the roster is not the one announced')
  requireCoverage(verified.anchor, payload)
  return { header, ...verified, roster, readings, saltKey: batchKeys.salt }
}

/** The batch must be, octet for octet, what the anchor names, and its header must say what the anchor says. */
const requireAnchored = (batch: Batch, anchor: Anchor): Header => {
  const { suite } = anchor
  if (!equalBytes(headerHash(batch.header, suite), anchor.headerHash))
    throw new CryptoError('CRYPTO_TAG', 'the header is not the one the anchor names')
  if (!equalBytes(sealedHash(batch, suite), anchor.sealedHash))
    throw new CryptoError('CRYPTO_TAG', 'ciphertext, tag or envelopes are not those the anchor names')
  const header = decodeHeader(batch.header)
  const same =
    header.suite === suite &&
    header.gateway === anchor.gateway &&
    equalBytes(header.epoch, anchor.epoch) &&
    header.seq === anchor.seq &&
    header.slotFrom === anchor.slotFrom &&
    header.slotTo === anchor.slotTo &&
    header.count === anchor.count &&
    equalBytes(header.root, anchor.root) &&
    header.created === anchor.created
  if (!same) throw wrongRoot('header and anchor contradict each other')
  if (header.layout !== LAYOUT.columnar)
    throw new CodecError('CODEC_VERSION', `payload layout ${header.layout} is not known here`, {
      at: 'header'
    })
  return header
}

const unwrapKey = (batch: Batch, header: Header, recipientKey: Uint8Array): Uint8Array => {
  if (!equalBytes(recipientsHash(batch.envelopes), header.recipients))
    throw new CryptoError('CRYPTO_RECIPIENT', 'the envelopes are not for the recipients announced')
  const kid = keyId(sm2PublicKey(recipientKey))
  const envelope = batch.envelopes.find(entry => equalBytes(entry.kid, kid))
  if (!envelope) throw new CryptoError('CRYPTO_RECIPIENT', 'no envelope of the batch is for this key')
  const key = sm2Decrypt(recipientKey, envelope.wrappedKey)
  if (key.length !== 32) throw new CryptoError('CRYPTO_TAG', `a content key of ${key.length} octets`)
  return key
}

const decompress = (header: Header, body: Uint8Array): Uint8Array => {
  if (header.compression === COMPRESSION.deflateRaw) return inflateRaw(body, header.plainLen)
  if (header.compression !== COMPRESSION.none)
    throw new CodecError('CODEC_VERSION', `compression ${header.compression} is not known here`, {
      at: 'header'
    })
  if (body.length !== header.plainLen)
    throw new CodecError('CODEC_SHAPE', `${body.length} octets where ${header.plainLen} were announced`, {
      at: 'header.plainLen'
    })
  return body
}

const wrongRoot = (message: string): CryptoError => new CryptoError('CRYPTO_ROOT', message)
