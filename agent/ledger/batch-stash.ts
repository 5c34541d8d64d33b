import { toHex } from '../../proto/bytes.ts'

/** Octets of batches kept for each gateway until their anchor comes. */
const MOST_OCTETS = 4 * 1_024 * 1_024

/** Batches that overtook their anchor. In memory only: what is lost here is sent again, since no receipt was given. */
export class BatchStash {
  readonly #batches = new Map<string, Map<string, Uint8Array>>()

  put(gateway: string, epoch: Uint8Array, seq: number, batch: Uint8Array): void {
    const own = this.#batches.get(gateway) ?? new Map<string, Uint8Array>()
    this.#batches.set(gateway, own)
    own.delete(keyOf(epoch, seq))
    own.set(keyOf(epoch, seq), batch)
    let octets = 0
    for (const entry of own.values()) octets += entry.length
    for (const [key, entry] of own) {
      if (octets <= MOST_OCTETS) break
      own.delete(key)
      octets -= entry.length
    }
  }

  take(gateway: string, epoch: Uint8Array, seq: number): Uint8Array | undefined {
    const own = this.#batches.get(gateway)
    const batch = own?.get(keyOf(epoch, seq))
    own?.delete(keyOf(epoch, seq))
    return batch
  }
}

function keyOf(epoch: Uint8Array, seq: number): string {
  return `${toHex(epoch)}/${seq}`
}
