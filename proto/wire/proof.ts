import { CodecError } from '../errors.ts'
import { readObject, writeObject } from './fields.ts'
import { COUNT_MAX } from './header.ts'

const PROOF_MAX_OCTETS = 128 * 1024
const PATH_MAX = 64

/** Evidence for one reading: its octets and salt, its way up to the root, the signed anchor, the receipt where had. */
export interface Proof {
  /** `signed` anchor */
  readonly signed: Uint8Array
  readonly leafIndex: number
  /** 16 octets */
  readonly salt: Uint8Array
  /** encoded `reading` */
  readonly reading: Uint8Array
  /** sibling hashes from the leaf up */
  readonly path: readonly Uint8Array[]
  /** `signed` receipt of the ledger; null when there is none */
  readonly receipt: Uint8Array | null
}

/** @throws CodecError when a field is out of its range */
export function encodeProof(proof: Proof): Uint8Array {
  const fields = [1, proof.signed, proof.leafIndex, proof.salt, proof.reading, proof.path]
  return writeObject(proof.receipt === null ? fields : [...fields, proof.receipt], decodeProof)
}

/** @throws CodecError */
export function decodeProof(octets: Uint8Array): Proof {
  const fields = readObject('proof', octets, PROOF_MAX_OCTETS)
  fields.version()
  const proof: Proof = {
    signed: fields.bytes('signed'),
    leafIndex: fields.uint('leafIndex', COUNT_MAX - 1),
    salt: fields.bytes('salt', 16),
    reading: fields.bytes('reading'),
    path: fields.array('path').map(hash => {
      if (hash instanceof Uint8Array && hash.length === 32) return hash
      throw new CodecError('CODEC_SHAPE', 'not a byte string of 32', { at: 'proof.path' })
    }),
    receipt: fields.left === 0 ? null : fields.bytes('receipt')
  }
  fields.end()
  if (proof.path.length > PATH_MAX)
    throw new CodecError('CODEC_TOO_LARGE', `a path of ${proof.path.length} hashes`, { at: 'proof.path' })
  return proof
}
