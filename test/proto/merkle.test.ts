import { readFileSync } from 'node:fs'
import t from 'tap'
import { fromHex, toHex } from '../../proto/bytes.ts'
import { proveConsistency, verifyConsistency } from '../../proto/merkle/consistency-proof.ts'
import { proveInclusion, verifyInclusion } from '../../proto/merkle/inclusion-proof.ts'
import { type HashName, leafHash, merkleRoot, merkleRootOfHashes } from '../../proto/merkle/tree.ts'
import { Rfc9162 } from '../oracle/rfc9162.ts'

interface Vector {
  readonly id: string
  readonly result?: string
  readonly root?: string
  readonly leaves?: readonly string[]
  readonly leafHash: string
  readonly leafIdx: number
  readonly treeSize: number
  readonly proof: readonly string[]
  readonly size1: number
  readonly size2: number
  readonly root1: string
  readonly root2: string
}
const GROUPS: readonly { readonly id: string; readonly vectors: readonly Vector[] }[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto.json', import.meta.url), 'utf8')
).groups
const wrongOnes = (id: string, right: (vector: Vector, hash: HashName) => boolean): string[] => {
  const hash = id.endsWith('sm3') ? 'sm3' : 'sha256'
  const vectors = GROUPS.find(group => group.id === id)?.vectors ?? []
  if (vectors.length === 0) throw new Error(`no vectors ${id}`)
  return vectors.filter(vector => !right(vector, hash)).map(vector => vector.id)
}

t.test('published vectors', async t => {
  for (const id of ['merkle-root-sha256', 'merkle-root-sm3']) {
    const wrong = wrongOnes(
      id,
      (v, hash) => v.leaves === undefined || toHex(merkleRoot(hash, v.leaves.map(fromHex))) === v.root
    )
    t.same(wrong, [], id)
  }
  for (const id of ['merkle-inclusion-sha256', 'merkle-inclusion-sm3']) {
    const wrong = wrongOnes(id, (v, hash) => {
      const claim = {
        leafHash: fromHex(v.leafHash),
        index: v.leafIdx,
        size: v.treeSize,
        root: fromHex(v.root ?? '')
      }
      return verifyInclusion(hash, { ...claim, path: v.proof.map(fromHex) }) === (v.result !== 'invalid')
    })
    t.same(wrong, [], id)
  }
  const wrong = wrongOnes('merkle-consistency-sha256', (v, hash) => {
    // RFC 9162 speaks of 0 < first: an empty tree proves nothing
    const expected = v.result !== 'invalid' && v.size1 > 0
    const claim = { size1: v.size1, size2: v.size2, root1: fromHex(v.root1), root2: fromHex(v.root2) }
    return verifyConsistency(hash, { ...claim, path: v.proof.map(fromHex) }) === expected
  })
  t.same(wrong, [], 'consistency')
})

t.test('every tree up to 33 leaves against the recursive definition', async t => {
  for (const hash of ['sha256', 'sm3'] as const) {
    const oracle = new Rfc9162(hash)
    const entries = Array.from({ length: 33 }, (_, i) => Uint8Array.of(i, i + 1))
    let compared = 0
    for (let size = 0; size <= entries.length; size++) {
      const list = entries.slice(0, size)
      const root = oracle.root(list)
      if (toHex(merkleRoot(hash, list)) !== root.toString('hex')) t.fail(`root of ${size}`)
      const hashes = list.map(entry => leafHash(hash, entry))
      for (let index = 0; index < size; index++) {
        const path = proveInclusion(hash, hashes, index)
        const claim = { leafHash: hashes[index] as Uint8Array, index, size, path, root }
        const same = path.map(toHex).join() === oracle.path(index, list).map(toHex).join()
        // one leaf further, one tree larger, one sibling less or more, root of another tree: all refused
        const forged = [
          { ...claim, index: index + 1 },
          { ...claim, index: index - 1 },
          ...(size > 1 ? [{ ...claim, path: path.slice(1) }] : []),
          { ...claim, path: [...path, root] },
          { ...claim, leafHash: oracle.digest(root) },
          { ...claim, root: oracle.digest(root) }
        ].filter(other => verifyInclusion(hash, other))
        if (!same || !verifyInclusion(hash, claim) || forged.length > 0) t.fail(`leaf ${index} of ${size}`)
        compared++
      }
      for (let size1 = 1; size1 <= size; size1++) {
        const path = proveConsistency(hash, hashes, size1)
        const root1 = oracle.root(entries.slice(0, size1))
        const claim = { size1, size2: size, root1, root2: root, path }
        const same = path.map(toHex).join() === oracle.consistency(size1, list).map(toHex).join()
        const forged = [
          { ...claim, root1: oracle.digest(root) },
          { ...claim, root2: oracle.digest(root) },
          { ...claim, path: [...path, root] },
          ...(path.length > 0 ? [{ ...claim, path: path.slice(1) }] : [])
        ].filter(other => verifyConsistency(hash, other))
        if (!same || !verifyConsistency(hash, claim) || forged.length > 0) t.fail(`${size1} in ${size}`)
        compared++
      }
    }
    t.equal(compared, 2 * 561, hash)
  }
})

t.test('hostile arguments are refused, not thrown at', async t => {
  const leaf = leafHash('sha256', new Uint8Array(0))
  const inclusion = { leafHash: leaf, index: 0, size: 1, path: [] as Uint8Array[], root: leaf }
  t.ok(verifyInclusion('sha256', inclusion))
  const badNumbers = [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY, '0', null]
  for (const bad of badNumbers) {
    t.notOk(verifyInclusion('sha256', { ...inclusion, index: bad as number }))
    t.notOk(verifyInclusion('sha256', { ...inclusion, size: bad as number }))
    t.notOk(
      verifyConsistency('sha256', { size1: bad as number, size2: 1, root1: leaf, root2: leaf, path: [] })
    )
    t.notOk(
      verifyConsistency('sha256', { size1: 1, size2: bad as number, root1: leaf, root2: leaf, path: [] })
    )
  }
  for (const bad of [leaf.subarray(1), toHex(leaf), null, undefined]) {
    const value = bad as Uint8Array
    t.notOk(verifyInclusion('sha256', { ...inclusion, leafHash: value }))
    t.notOk(verifyInclusion('sha256', { ...inclusion, root: value }))
    t.notOk(verifyInclusion('sha256', { ...inclusion, size: 2, path: [value] }))
    t.notOk(verifyInclusion('sha256', { ...inclusion, path: value as unknown as Uint8Array[] }))
    t.notOk(verifyConsistency('sha256', { size1: 1, size2: 2, root1: leaf, root2: leaf, path: [value] }))
    t.notOk(verifyConsistency('sha256', { size1: 1, size2: 2, root1: value, root2: leaf, path: [leaf] }))
  }
  // positions beyond 32 bits are computed, not wrapped
  const path = Array.from({ length: 40 }, () => leaf)
  t.notOk(verifyInclusion('sha256', { leafHash: leaf, index: 2 ** 39 + 5, size: 2 ** 40, path, root: leaf }))
  const throws = (call: () => unknown): void => {
    t.throws(call, { code: 'CRYPTO_ROOT' })
  }
  throws(() => proveInclusion('sha256', [leaf], 1))
  throws(() => proveInclusion('sha256', [], 0))
  throws(() => proveConsistency('sha256', [leaf], 0))
  throws(() => proveConsistency('sha256', [leaf], 2))
  throws(() => merkleRootOfHashes('sha256', [leaf.subarray(1)]))
  t.not(toHex(merkleRoot('sha256', [leaf])), toHex(merkleRootOfHashes('sha256', [leaf])))
})
