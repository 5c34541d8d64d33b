import { concatBytes } from '../bytes.ts'
import { sha256, sm3 } from '../crypto/digest.ts'
import { CryptoError } from '../errors.ts'

/** Hash of a tree: the suite decides. */
export type HashName = 'sha256' | 'sm3'

const DIGEST = 32
const LEAF = Uint8Array.of(0)

/** H of the suite. */
export function hashWith(hash: HashName): (message: Uint8Array) => Uint8Array {
  return hash === 'sm3' ? sm3 : sha256
}

/** MTH of one entry: H(0x00 || entry), RFC 9162 2.1.1. */
export function leafHash(hash: HashName, entry: Uint8Array): Uint8Array {
  return hashWith(hash)(concatBytes(LEAF, entry))
}

/** H(0x01 || left || right) under one buffer: a tree of 500 leaves makes 499 of these. */
export function nodeHasher(hash: HashName): (left: Uint8Array, right: Uint8Array) => Uint8Array {
  const digest = hashWith(hash)
  const input = new Uint8Array(1 + 2 * DIGEST)
  input[0] = 1
  return (left, right) => {
    input.set(left, 1)
    input.set(right, 1 + DIGEST)
    return digest(input)
  }
}

/** Root of a list of entries (hashed with 0x00 here), RFC 9162 2.1.1; the empty list has H(""). */
export function merkleRoot(hash: HashName, entries: readonly Uint8Array[]): Uint8Array {
  return merkleRootOfHashes(
    hash,
    entries.map(entry => leafHash(hash, entry))
  )
}

/** Root over leaf hashes. @throws CryptoError CRYPTO_ROOT when one is not 32 octets */
export function merkleRootOfHashes(hash: HashName, leafHashes: readonly Uint8Array[]): Uint8Array {
  return (
    subtreeRoot(nodeHasher(hash), requireHashes(leafHashes), 0, leafHashes.length) ?? hashWith(hash)(EMPTY)
  )
}

const EMPTY = new Uint8Array(0)

/** Root of leaves[from..to), undefined for none. Level by level: a last node without a sibling moves up as it is. */
export function subtreeRoot(
  node: (left: Uint8Array, right: Uint8Array) => Uint8Array,
  leafHashes: readonly Uint8Array[],
  from: number,
  to: number
): Uint8Array | undefined {
  let level = leafHashes.slice(from, to)
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i + 1 < level.length; i += 2)
      above.push(node(level[i] as Uint8Array, level[i + 1] as Uint8Array))
    if (level.length % 2 === 1) above.push(level[level.length - 1] as Uint8Array)
    level = above
  }
  return level[0]
}

/** The largest power of two below n (n > 1): where RFC 9162 splits a list. */
export function splitPoint(size: number): number {
  let k = 1
  while (2 * k < size) k *= 2
  return k
}

export function requireHashes(hashes: readonly Uint8Array[]): readonly Uint8Array[] {
  for (const hash of hashes)
    if (!isDigest(hash)) throw new CryptoError('CRYPTO_ROOT', `a hash of a tree is ${DIGEST} octets`)
  return hashes
}

export function isDigest(hash: unknown): hash is Uint8Array {
  return hash instanceof Uint8Array && hash.length === DIGEST
}

export function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
