import { readObject, writeObject } from './fields.ts'
import { COUNT_MAX, requireSlots } from './header.ts'

const ANCHOR_MAX_OCTETS = 1024

/** Why an anchor was made. Slot order is free (late versions come in supplementary batches), sequence is not. */
export const ANCHOR_REASON = { slot: 0, supplementary: 1, provision: 2, restore: 3, keyRotation: 4 } as const

/** One link of a gateway's chain: commits to the leaves (root) and to the sealed octets (headerHash, sealedHash). */
export interface Anchor {
  readonly suite: number
  readonly gateway: string
  /** 8 octets, new after provisioning, restore or loss of state */
  readonly epoch: Uint8Array
  /** contiguous within the epoch, from 0 */
  readonly seq: number
  /** anchorHash of the one before; in a new epoch of the last acknowledged one; 32 zero octets when there is none */
  readonly prev: Uint8Array
  readonly slotFrom: number
  readonly slotTo: number
  readonly count: number
  readonly root: Uint8Array
  readonly headerHash: Uint8Array
  readonly sealedHash: Uint8Array
  /** one of {@link ANCHOR_REASON} */
  readonly reason: number
  /** unix seconds */
  readonly created: number
}

/** @throws CodecError when a field is out of its range */
export function encodeAnchor(anchor: Anchor): Uint8Array {
  return writeObject(
    [
      1,
      anchor.suite,
      anchor.gateway,
      anchor.epoch,
      anchor.seq,
      anchor.prev,
      anchor.slotFrom,
      anchor.slotTo,
      anchor.count,
      anchor.root,
      anchor.headerHash,
      anchor.sealedHash,
      anchor.reason,
      anchor.created
    ],
    decodeAnchor
  )
}

/** Decodes an anchor; the suite is any number here, see suiteOf. @throws CodecError */
export function decodeAnchor(octets: Uint8Array): Anchor {
  const fields = readObject('anchor', octets, ANCHOR_MAX_OCTETS)
  fields.version()
  const anchor: Anchor = {
    suite: fields.uint('suite'),
    gateway: fields.id('gateway'),
    epoch: fields.bytes('epoch', 8),
    seq: fields.uint('seq'),
    prev: fields.bytes('prev', 32),
    slotFrom: fields.uint('slotFrom'),
    slotTo: fields.uint('slotTo'),
    count: fields.uint('count', COUNT_MAX),
    root: fields.bytes('root', 32),
    headerHash: fields.bytes('headerHash', 32),
    sealedHash: fields.bytes('sealedHash', 32),
    reason: fields.uint('reason', ANCHOR_REASON.keyRotation),
    created: fields.uint('created')
  }
  fields.end()
  requireSlots(anchor, 'anchor')
  return anchor
}
