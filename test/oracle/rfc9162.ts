import { createHash } from 'node:crypto'

/** RFC 9162 2.1 word for word: recursive and slow, over node's streaming hash. */
export class Rfc9162 {
  private readonly hash: string

  constructor(hash: 'sha256' | 'sm3') {
    this.hash = hash
  }

  digest(...parts: readonly Uint8Array[]): Buffer {
    const hash = createHash(this.hash)
    for (const part of parts) hash.update(part)
    return hash.digest()
  }

  /** MTH(D[n]) */
  root(entries: readonly Uint8Array[]): Buffer {
    const n = entries.length
    if (n === 0) return this.digest()
    if (n === 1) return this.digest(Uint8Array.of(0), entries[0] as Uint8Array)
    const k = split(n)
    return this.digest(Uint8Array.of(1), this.root(entries.slice(0, k)), this.root(entries.slice(k)))
  }

  /** PATH(m, D[n]) */
  path(m: number, entries: readonly Uint8Array[]): Buffer[] {
    const n = entries.length
    if (n === 1) return []
    const k = split(n)
    return m < k
      ? [...this.path(m, entries.slice(0, k)), this.root(entries.slice(k))]
      : [...this.path(m - k, entries.slice(k)), this.root(entries.slice(0, k))]
  }

  /** PROOF(m, D[n]) */
  consistency(m: number, entries: readonly Uint8Array[]): Buffer[] {
    return this.subproof(m, entries, true)
  }

  private subproof(m: number, entries: readonly Uint8Array[], known: boolean): Buffer[] {
    const n = entries.length
    if (m === n) return known ? [] : [this.root(entries)]
    const k = split(n)
    return m <= k
      ? [...this.subproof(m, entries.slice(0, k), known), this.root(entries.slice(k))]
      : [...this.subproof(m - k, entries.slice(k), false), this.root(entries.slice(0, k))]
  }
}

const split = (n: number): number => 2 ** Math.ceil(Math.log2(n) - 1)
