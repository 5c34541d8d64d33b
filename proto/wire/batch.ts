import { compareBytes } from '../bytes.ts'
import { CodecError } from '../errors.ts'
import type { CborValue } from './cbor.ts'
import { FieldReader, isArray, readObject, writeObject } from './fields.ts'
import { PLAIN_MAX } from './header.ts'

const BATCH_MAX_OCTETS = PLAIN_MAX + 1024 * 1024
const RECIPIENTS_MAX = 32
const WRAPPED_MAX = 1024

/** The key of a batch wrapped for one recipient. */
export interface Envelope {
  /** 8 octets */
  readonly kid: Uint8Array
  readonly wrappedKey: Uint8Array
}

/** A sealed batch: encoded header, ciphertext, tag and an envelope for each recipient, by rising key id. */
export interface Batch {
  readonly header: Uint8Array
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
  readonly envelopes: readonly Envelope[]
}

/** @throws CodecError CODEC_SHAPE unless there is an envelope and key ids rise, each once */
export function encodeBatch(batch: Batch): Uint8Array {
  const envelopes = batch.envelopes.map(({ kid, wrappedKey }) => [kid, wrappedKey])
  return writeObject([batch.header, batch.ciphertext, batch.tag, envelopes], decodeBatch)
}

/** @throws CodecError */
export function decodeBatch(octets: Uint8Array): Batch {
  const fields = readObject('batch', octets, BATCH_MAX_OCTETS)
  const batch: Batch = {
    header: fields.bytes('header'),
    ciphertext: fields.bytes('ciphertext'),
    tag: fields.bytes('tag'),
    envelopes: fields.array('envelopes').map(readEnvelope)
  }
  fields.end()
  const { envelopes } = batch
  const rising = envelopes.every(
    ({ kid }, i) => i === 0 || compareBytes((envelopes[i - 1] as Envelope).kid, kid) < 0
  )
  if (envelopes.length === 0 || envelopes.length > RECIPIENTS_MAX || !rising) {
    throw new CodecError('CODEC_SHAPE', `1 to ${RECIPIENTS_MAX} envelopes by rising key id`, {
      at: 'batch.envelopes'
    })
  }
  return batch
}

const readEnvelope = (entry: CborValue): Envelope => {
  if (!isArray(entry)) throw new CodecError('CODEC_SHAPE', 'not an array', { at: 'batch.envelopes' })
  const fields = new FieldReader('batch.envelopes', entry)
  const kid = fields.bytes('kid', 8)
  const wrappedKey = fields.bytes('wrappedKey')
  fields.end()
  if (wrappedKey.length > WRAPPED_MAX)
    throw new CodecError('CODEC_TOO_LARGE', `a wrapped key of ${wrappedKey.length}`, {
      at: 'batch.envelopes'
    })
  return { kid, wrappedKey }
}
