import type { SealedBatch } from '../../../agent/ports.ts'
import { type SealInput, sealBatch } from '../../../proto/envelope/seal.ts'
import { signAnchor } from '../../../proto/envelope/signed-objects.ts'
import type { Reading } from '../../../proto/reading.ts'
import { ANCHOR_REASON, decodeAnchor } from '../../../proto/wire/anchor.ts'
import { decodeSigned } from '../../../proto/wire/signed.ts'
import { countingRandom, deviceSecret, GATEWAY, gatewaySigner, readingOf, recipients } from './parties.ts'

const random = countingRandom('sealing')
export const EPOCH = new Uint8Array(8).fill(1)
export const METERS = ['A', 'B']

/** A batch of the tests' gateway. */
export function sealAs(change: Partial<SealInput> = {}): SealedBatch {
  return sealBatch({
    suite: 1,
    gateway: GATEWAY,
    epoch: EPOCH,
    seq: 0,
    prev: new Uint8Array(32),
    slotFrom: 100,
    slotTo: 100,
    reason: ANCHOR_REASON.slot,
    created: 1_700_000_000,
    roster: METERS,
    readings: slotReadings(100),
    recipients,
    signer: gatewaySigner,
    deviceSecret,
    random,
    ...change
  })
}

export function slotReadings(slot: number): Reading[] {
  return METERS.map(meter => readingOf(meter, slot))
}

/** Batches 0, 1, 2 ... of one epoch, one slot each. */
export function sealChain(count: number, change: Partial<SealInput> = {}): SealedBatch[] {
  const chain: SealedBatch[] = []
  for (let seq = 0; seq < count; seq++) {
    const before = chain[seq - 1]
    chain.push(
      sealAs({
        seq,
        slotFrom: 100 + seq,
        slotTo: 100 + seq,
        readings: slotReadings(100 + seq),
        reason: seq === 0 ? ANCHOR_REASON.provision : ANCHOR_REASON.slot,
        ...(before ? { prev: before.anchorHash } : {}),
        ...change
      })
    )
  }
  return chain
}

/** The batch that follows, whose anchor names another root than its header and its leaves, signed all the same. */
export function forgeRoot(before: SealedBatch): SealedBatch {
  const seq = before.seq + 1
  const slot = before.slotTo + 1
  const honest = sealAs({
    seq,
    prev: before.anchorHash,
    slotFrom: slot,
    slotTo: slot,
    readings: slotReadings(slot)
  })
  const anchor = decodeAnchor(decodeSigned(honest.anchor).body)
  const { signed, anchorHash } = signAnchor({ ...anchor, root: new Uint8Array(32).fill(0xee) }, gatewaySigner)
  return { ...honest, anchor: signed, anchorHash }
}
