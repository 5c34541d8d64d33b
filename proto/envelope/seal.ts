import { compareBytes, concatBytes } from '../bytes.ts'
import { requireOctets } from '../crypto/arguments.ts'
import { deflateRaw } from '../crypto/deflate.ts'
import { sm3 } from '../crypto/digest.ts'
import { keyId } from '../crypto/sm2-curve.ts'
import { sm2Encrypt } from '../crypto/sm2-envelope.ts'
import { CodecError, CryptoError } from '../errors.ts'
import { CATALOGUE_VERSION } from '../items.ts'
import { merkleRootOfHashes } from '../merkle/tree.ts'
import { finish } from '../pieces.ts'
import type { Reading } from '../reading.ts'
import { type Envelope, encodeBatch } from '../wire/batch.ts'
import { COMPRESSION, encodeHeader, LAYOUT, PLAIN_MAX } from '../wire/header.ts'
import { encodePayloadInPieces } from '../wire/payload.ts'
import { headerHash, rosterHash, sealedHash, suiteOf } from '../wire/suite.ts'
import { encryptBatch, pad } from './cipher.ts'
import { contentKey, deriveBatchKeys, ephemeralSeed } from './key-schedule.ts'
import type { Signer } from './keys.ts'
import { inLeafOrder, leafHashesInPieces, requireCoverage } from './leaves.ts'
import { signAnchor } from './signed-objects.ts'

/** A party that may read the batch. */
export interface Recipient {
  /** 8 octets, the key's id */
  readonly kid: Uint8Array
  /** SM2 encryption key, 65 octets */
  readonly publicKey: Uint8Array
}

/** What is sealed, under which number, for whom and by whom. */
export interface SealInput {
  /** 1, 2 or 3 */
  readonly suite: number
  readonly gateway: string
  /** 8 octets */
  readonly epoch: Uint8Array
  readonly seq: number
  /** hash of the anchor before, 32 octets; zeros when there is none */
  readonly prev: Uint8Array
  readonly slotFrom: number
  readonly slotTo: number
  /** one of ANCHOR_REASON */
  readonly reason: number
  /** unix seconds */
  readonly created: number
  /** the meters in their order */
  readonly roster: readonly string[]
  /** in any order; for the anchor of slots every meter of the roster in every slot */
  readonly readings: readonly Reading[]
  /** at least one */
  readonly recipients: readonly Recipient[]
  readonly signer: Signer
  /** 32 octets, this device's alone: keeps keys fresh where the random generator fails */
  readonly deviceSecret: Uint8Array
  readonly random: (octets: number) => Uint8Array
  /** false leaves the payload as it is; it is also left where compression does not pay */
  readonly compress?: boolean
}

/** A sealed batch with its signed anchor; the fields of the agent's store entry that follow from the octets. */
export interface SealOutput {
  readonly epoch: Uint8Array
  readonly seq: number
  readonly slotFrom: number
  readonly slotTo: number
  readonly reason: number
  readonly count: number
  readonly root: Uint8Array
  /** encoded `batch` */
  readonly batch: Uint8Array
  /** encoded `signed` anchor */
  readonly anchor: Uint8Array
  readonly anchorHash: Uint8Array
  readonly prev: Uint8Array
  /** Ks, 16 octets */
  readonly saltKey: Uint8Array
  /** in leaf order */
  readonly leaves: readonly { readonly meter: string; readonly slot: number; readonly version: number }[]
  /** unix milliseconds */
  readonly createdAt: number
}

/**
 * Seals readings: leaves, root, encryption, envelopes, signed anchor. Two sealings never share a key, so that a batch once
 * published must be sent again from its stored octets and never sealed again under its number.
 * @throws CodecError when readings break their rules, the order or the cover of the roster; CryptoError for unusable keys
 */
export function sealBatch(input: SealInput): SealOutput {
  return finish(sealInPieces(input))
}

/**
 * {@link sealBatch} in pieces of a few milliseconds each, so that a gateway answers its buses between them: a batch of
 * 500 meters takes 15 ms of a fast processor and ten times that of a small one. The input must not change meanwhile.
 */
export function* sealInPieces(input: SealInput): Generator<undefined, SealOutput> {
  const suite = suiteOf(input.suite)
  const { gateway, epoch, seq, prev, slotFrom, slotTo, reason, created, roster } = input
  const readings = inLeafOrder(input)
  requireCoverage(input, { roster, readings })
  const recipients = sortRecipients(input.recipients)
  const deviceSecret = requireOctets(input.deviceSecret, 32, 'device secret')
  const random = (): Uint8Array => requireOctets(input.random(32), 32, 'random octets')

  const payload = yield* encodePayloadInPieces({ roster, readings })
  if (payload.length > PLAIN_MAX)
    throw new CodecError('CODEC_TOO_LARGE', `a payload of ${payload.length} octets`, {
      next: 'seal fewer readings at a time'
    })
  const key = contentKey(deviceSecret, random(), input, payload)
  const keys = deriveBatchKeys(key, input)
  const leaves = yield* leafHashesInPieces(suite.hash, keys.salt, readings)
  yield
  const root = merkleRootOfHashes(suite.hash, leaves)
  yield
  const { compression, body } = compress(payload, input.compress ?? true)
  const shared = {
    suite: suite.number,
    gateway,
    epoch,
    seq,
    slotFrom,
    slotTo,
    count: readings.length,
    root,
    created
  }
  const header = encodeHeader({
    ...shared,
    schema: CATALOGUE_VERSION,
    roster: rosterHash(roster, suite.number),
    layout: LAYOUT.columnar,
    compression,
    plainLen: payload.length,
    recipients: recipientsHash(recipients)
  })
  const encrypted = encryptBatch(suite, keys, header, pad(body))
  const envelopes: Envelope[] = []
  for (const { kid, publicKey } of recipients) {
    yield
    const seed = ephemeralSeed(deviceSecret, random(), key, kid)
    envelopes.push({ kid, wrappedKey: sm2Encrypt(publicKey, key, seed) })
  }
  yield
  const sealed = { ...encrypted, envelopes }
  const anchor = {
    ...shared,
    prev,
    reason,
    headerHash: headerHash(header, suite.number),
    sealedHash: sealedHash(sealed, suite.number)
  }
  const signed = signAnchor(anchor, input.signer)
  return {
    epoch,
    seq,
    slotFrom,
    slotTo,
    reason,
    count: readings.length,
    root,
    batch: encodeBatch({ header, ...sealed }),
    anchor: signed.signed,
    anchorHash: signed.anchorHash,
    prev,
    saltKey: keys.salt,
    leaves: readings.map(({ meter, slot, version }) => ({ meter, slot, version })),
    createdAt: 1000 * created
  }
}

/** SM3 of the key ids, one after the other, by rising order. */
export function recipientsHash(recipients: readonly { readonly kid: Uint8Array }[]): Uint8Array {
  return sm3(concatBytes(...recipients.map(({ kid }) => kid).sort(compareBytes)))
}

const sortRecipients = (recipients: readonly Recipient[]): Recipient[] => {
  for (const { kid, publicKey } of recipients) {
    if (compareBytes(keyId(publicKey), kid) !== 0)
      throw new CryptoError('CRYPTO_RECIPIENT', 'a recipient is listed under the id of another key')
  }
  if (recipients.length === 0) {
    throw new CryptoError('CRYPTO_RECIPIENT', 'a batch for nobody could never be opened', {
      next: 'configure at least one recipient'
    })
  }
  return [...recipients].sort((a, b) => compareBytes(a.kid, b.kid))
}

const compress = (
  payload: Uint8Array,
  wanted: boolean
): { readonly compression: number; readonly body: Uint8Array } => {
  const body = wanted ? deflateRaw(payload) : payload
  return body.length < payload.length
    ? { compression: COMPRESSION.deflateRaw, body }
    : { compression: COMPRESSION.none, body: payload }
}
