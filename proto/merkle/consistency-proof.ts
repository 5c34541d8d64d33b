import { equalBytes } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import {
  type HashName,
  isDigest,
  isIndex,
  nodeHasher,
  requireHashes,
  splitPoint,
  subtreeRoot
} from './tree.ts'

/** A claim that the tree of size1 and root1 is the beginning of the tree of size2 and root2. */
export interface ConsistencyClaim {
  readonly size1: number
  readonly size2: number
  readonly root1: Uint8Array
  readonly root2: Uint8Array
  readonly path: readonly Uint8Array[]
}

/**
 * PROOF(size1, leaves), RFC 9162 2.1.4.1; empty when size1 is the whole list.
 * @throws CryptoError CRYPTO_ROOT unless 0 < size1 <= count of leaves
 */
export function proveConsistency(
  hash: HashName,
  leafHashes: readonly Uint8Array[],
  size1: number
): Uint8Array[] {
  if (!isIndex(size1) || size1 === 0 || size1 > leafHashes.length)
    throw new CryptoError('CRYPTO_ROOT', `a tree of ${leafHashes.length} has no proof for the size ${size1}`)
  requireHashes(leafHashes)
  const node = nodeHasher(hash)
  const path: Uint8Array[] = []
  let from = 0
  let to = leafHashes.length
  let known = true // the subtree at hand begins at 0, so that a verifier knows its root when it is whole
  while (size1 !== to) {
    const split = from + splitPoint(to - from)
    const left = size1 <= split
    path.push(subtreeRoot(node, leafHashes, left ? split : from, left ? to : split) as Uint8Array)
    if (left) {
      to = split
    } else {
      from = split
      known = false
    }
  }
  if (!known) path.push(subtreeRoot(node, leafHashes, from, to) as Uint8Array)
  return path.reverse()
}

/** RFC 9162 2.1.4.2. False, never a throw, for anything malformed; size1 must be 1 or more. */
export function verifyConsistency(hash: HashName, claim: ConsistencyClaim): boolean {
  const { size1, size2, root1, root2, path } = claim
  if (!isIndex(size1) || !isIndex(size2) || size1 === 0 || size1 > size2) return false
  if (!(root1 instanceof Uint8Array) || !(root2 instanceof Uint8Array) || !Array.isArray(path)) return false
  // one and the same tree: nothing is hashed, so that nothing is asked of the form of its root
  if (size1 === size2) return path.length === 0 && equalBytes(root1, root2)
  if (!isDigest(root1) || !isDigest(root2) || !path.every(isDigest)) return false
  const hashes = isPowerOfTwo(size1) ? [root1, ...path] : [...path]
  const first = hashes.shift()
  if (!first || path.length === 0) return false
  const node = nodeHasher(hash)
  let position = size1 - 1
  let last = size2 - 1
  while (position % 2 === 1) {
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  let old = first
  let grown = first
  for (const sibling of hashes) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      old = node(sibling, old)
      grown = node(sibling, grown)
      while (position % 2 === 0 && position !== 0) {
        position = Math.floor(position / 2)
        last = Math.floor(last / 2)
      }
    } else {
      grown = node(grown, sibling)
    }
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equalBytes(old, root1) && equalBytes(grown, root2)
}

const isPowerOfTwo = (size: number): boolean => {
  let rest = size
  while (rest % 2 === 0) rest /= 2
  return rest === 1
}
