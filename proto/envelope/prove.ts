import { equalBytes } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import { proveInclusion } from '../merkle/inclusion-proof.ts'
import { merkleRootOfHashes } from '../merkle/tree.ts'
import type { Reading } from '../reading.ts'
import { decodeAnchor } from '../wire/anchor.ts'
import { encodeProof } from '../wire/proof.ts'
import { encodeReading } from '../wire/reading.ts'
import { decodeSigned } from '../wire/signed.ts'
import { suiteOf } from '../wire/suite.ts'
import { leafSalt } from './key-schedule.ts'
import { leafHashes } from './leaves.ts'

/** What a proof is made from; a gateway has it in its store, a recipient from opening the batch. */
export interface ProofInput {
  /** encoded `signed` anchor */
  readonly anchor: Uint8Array
  /** Ks of the batch, 16 octets */
  readonly saltKey: Uint8Array
  /** every reading of the batch, in leaf order */
  readonly readings: readonly Reading[]
  /** which of them is proved */
  readonly leafIndex: number
  /** encoded `signed` receipt of the ledger, where had */
  readonly receipt?: Uint8Array | null
}

/**
 * Evidence for one reading; gives away that reading and its salt, nothing of the others.
 * @returns encoded `proof`
 * @throws CryptoError CRYPTO_ROOT when the readings are not those of the anchor or the index is not among them
 */
export function buildProof(input: ProofInput): Uint8Array {
  const { anchor, saltKey, readings, leafIndex } = input
  const { root, suite } = decodeAnchor(decodeSigned(anchor).body)
  const { hash } = suiteOf(suite)
  const hashes = leafHashes(hash, saltKey, readings)
  if (!equalBytes(merkleRootOfHashes(hash, hashes), root))
    throw new CryptoError('CRYPTO_ROOT', 'the readings do not give the root of the anchor')
  const path = proveInclusion(hash, hashes, leafIndex)
  const reading = readings[leafIndex] as Reading
  return encodeProof({
    signed: anchor,
    leafIndex,
    salt: leafSalt(saltKey, reading.meter, reading.slot),
    reading: encodeReading(reading),
    path,
    receipt: input.receipt ?? null
  })
}
