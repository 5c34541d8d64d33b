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

/** A claim that a leaf stands at an index of the tree of that size and root. */
export interface InclusionClaim {
  readonly leafHash: Uint8Array
  readonly index: number
  readonly size: number
  /** sibling hashes from the leaf up */
  readonly path: readonly Uint8Array[]
  readonly root: Uint8Array
}

/**
 * PATH(index, leaves), RFC 9162 2.1.3.1: the siblings from the leaf up.
 * @throws CryptoError CRYPTO_ROOT when the index is not in the list or a hash is not 32 octets
 */
export function proveInclusion(
  hash: HashName,
  leafHashes: readonly Uint8Array[],
  index: number
): Uint8Array[] {
  if (!isIndex(index) || index >= leafHashes.length)
    throw new CryptoError('CRYPTO_ROOT', `leaf ${index} is not in a tree of ${leafHashes.length}`)
  requireHashes(leafHashes)
  const node = nodeHasher(hash)
  const path: Uint8Array[] = []
  let from = 0
  let to = leafHashes.length
  while (to - from > 1) {
    const split = from + splitPoint(to - from)
    const left = index < split
    path.push(subtreeRoot(node, leafHashes, left ? split : from, left ? to : split) as Uint8Array)
    if (left) to = split
    else from = split
  }
  return path.reverse()
}

/**
 * RFC 9162 2.1.3.2. False, never a throw, for an index outside the tree, a path of another length than the tree's shape
 * asks for, or a hash that is not 32 octets.
 */
export function verifyInclusion(hash: HashName, claim: InclusionClaim): boolean {
  const { leafHash, index, size, path, root } = claim
  if (!isIndex(index) || !isIndex(size) || index >= size) return false
  if (!isDigest(leafHash) || !isDigest(root) || !Array.isArray(path) || !path.every(isDigest)) return false
  const node = nodeHasher(hash)
  let position = index
  let last = size - 1
  let result: Uint8Array = leafHash
  for (const sibling of path) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      result = node(sibling, result)
      while (position % 2 === 0 && position !== 0) {
        position = Math.floor(position / 2)
        last = Math.floor(last / 2)
      }
    } else {
      result = node(result, sibling)
    }
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equalBytes(result, root)
}
