import { toHex } from '../../../proto/bytes.ts'
import { leafHashes } from '../../../proto/envelope/leaves.ts'
import { openBatch } from '../../../proto/envelope/open.ts'
import { merkleRootOfHashes } from '../../../proto/merkle/tree.ts'
import type { Reading } from '../../../proto/reading.ts'
import { openProof } from '../../../proto/verify.ts'
import { encodeProof } from '../../../proto/wire/proof.ts'
import { decodeReading, encodeReading } from '../../../proto/wire/reading.ts'
import { suiteOf } from '../../../proto/wire/suite.ts'
import type { StoredBatch } from '../../ports.ts'

/** An attempt to pass off something that was not read, and what must become of it. */
export interface Trial {
  readonly name: 'forged-reading' | 'dropped-reading' | 'swapped-neighbour'
  readonly about: string
  /** true: the attempt was caught */
  readonly caught: boolean
  readonly detail: string
}

/** The proof with the first value of its reading one count higher: what somebody would do to a bill. */
export function forgeReading(proof: Uint8Array): Uint8Array {
  const { proof: parts, reading } = openProof(proof)
  let changed = false
  const values = reading.values.map(([item, value]) => {
    if (changed || value === null) return [item, value] as const
    changed = true
    return [item, value + 1] as const
  })
  return encodeProof({ ...parts, reading: encodeReading({ ...reading, values }) })
}

/** The neighbour's reading under this customer's path. */
export function swapNeighbour(proof: Uint8Array, neighbour: Uint8Array): Uint8Array {
  const own = openProof(proof).proof
  const other = openProof(neighbour).proof
  return encodeProof({ ...own, reading: other.reading, salt: other.salt })
}

/**
 * Takes one reading out of a batch as somebody with the decryption key could, and compares the root of what is left with the anchored one.
 */
export function dropReading(
  batch: StoredBatch,
  keys: { readonly recipientKey: Uint8Array; readonly gatewayKey: Uint8Array },
  meter: string
): Trial {
  const opened = openBatch(batch.batch, batch.anchor, keys)
  const left: Reading[] = opened.readings.filter(reading => reading.meter !== meter)
  const { hash } = suiteOf(opened.anchor.suite)
  const root = merkleRootOfHashes(hash, leafHashes(hash, opened.saltKey, left))
  const caught = left.length === opened.readings.length - 1 && toHex(root) !== toHex(opened.anchor.root)
  return {
    name: 'dropped-reading',
    about: `the batch without ${meter}`,
    caught,
    detail: `${left.length} leaves give root ${toHex(root).slice(0, 16)}, the signed anchor says ${opened.anchor.count} leaves and ${toHex(opened.anchor.root).slice(0, 16)}`
  }
}

/** Reading of a proof, for what is shown. */
export function readingOfProof(proof: Uint8Array): Reading {
  return decodeReading(openProof(proof).proof.reading)
}
