import { randomBytes } from 'node:crypto'
import type { Clock, Log } from '../../agent/ports.ts'
import { utf8 } from '../../proto/bytes.ts'
import { sm3 } from '../../proto/crypto/digest.ts'
import { keyId, sm2PublicKey } from '../../proto/crypto/sm2-curve.ts'
import { createSigner } from '../../proto/envelope/keys.ts'
import type { SealInput } from '../../proto/envelope/seal.ts'
import { ANCHOR_REASON } from '../../proto/wire/anchor.ts'
import { villageReadings } from '../fixtures/village.ts'

/** The size every figure is about: one gateway's slot. */
export const METERS = 500
export const SLOTS_A_DAY = 96
export const FIRST_SLOT = 1_900_000
export const SLOT_SECONDS = 900
export const GATEWAY = 'BENCH-0001'

/** Fixed keys: they are nobody's. */
export const gatewayKey = sm3(utf8('bench gateway'))
export const gatewaySigner = () => createSigner(gatewayKey)
export const ledgerSigner = () => createSigner(sm3(utf8('bench ledger')))
export const recipientKeys = [sm3(utf8('bench ledger box')), sm3(utf8('bench regulator box'))] as const
export const recipients = () =>
  recipientKeys.map(key => {
    const publicKey = sm2PublicKey(key)
    return { kid: keyId(publicKey), publicKey }
  })

export const randomOctets = (size: number): Uint8Array => new Uint8Array(randomBytes(size))

/** One slot of the village, sealed for two recipients; everything but signature and ciphertext follows from the slot. */
export function sealInput(slot: number, random: SealInput['random'] = randomOctets): SealInput {
  const readings = villageReadings(METERS, slot, slot)
  return {
    suite: 1,
    gateway: GATEWAY,
    epoch: new Uint8Array(8).fill(1),
    seq: slot - FIRST_SLOT,
    prev: new Uint8Array(32),
    slotFrom: slot,
    slotTo: slot,
    reason: ANCHOR_REASON.slot,
    created: slot * SLOT_SECONDS + 960,
    roster: readings.map(({ meter }) => meter),
    readings,
    recipients: recipients(),
    signer: gatewaySigner(),
    deviceSecret: sm3(utf8('bench device')),
    random
  }
}

export const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Wall time that moves when told; waits only let the event loop turn. */
export function steppedClock(startMs: number): Clock & { set(ms: number): void } {
  let wallMs = startMs
  return {
    nowMs: () => wallMs,
    monotonicMs: () => wallMs - startMs,
    trusted: () => true,
    async wait(_ms, signal) {
      await new Promise(resolve => setImmediate(resolve))
      signal?.throwIfAborted()
    },
    set(ms) {
      wallMs = ms
    }
  }
}
