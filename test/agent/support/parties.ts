import type { Clock, Log } from '../../../agent/ports.ts'
import { utf8 } from '../../../proto/bytes.ts'
import { sm3 } from '../../../proto/crypto/digest.ts'
import { keyId, sm2PublicKey } from '../../../proto/crypto/sm2-curve.ts'
import { createSigner } from '../../../proto/envelope/keys.ts'
import type { Reading } from '../../../proto/reading.ts'

/** Fixed keys of the tests' parties. */
export const GATEWAY = 'G-1'
export const LEDGER = 'L-1'
export const gatewaySigner = createSigner(sm3(utf8('gateway')))
export const ledgerSigner = createSigner(sm3(utf8('ledger')))
export const strangerSigner = createSigner(sm3(utf8('stranger')))
export const recipientKey = sm3(utf8('recipient'))
export const strangerRecipientKey = sm3(utf8('another recipient'))
const recipientPublic = sm2PublicKey(recipientKey)
export const recipients = [{ kid: keyId(recipientPublic), publicKey: recipientPublic }]
export const deviceSecret = sm3(utf8('device'))
export const RATIO = { version: 1, ctPrimary: 150, ctSecondary: 5, ptPrimary: 1, ptSecondary: 1 }

/** A generator that never repeats and never surprises. */
export function countingRandom(seed: string): (count: number) => Uint8Array {
  let calls = 0
  return count => sm3(utf8(`${seed} ${calls++}`)).slice(0, count)
}

export const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Time that only moves when told; waits end at once and move it. */
export interface HandClock extends Clock {
  setMs(wallMs: number): void
  pass(ms: number): void
  believe(trusted: boolean): void
}

export function handClock(startMs: number): HandClock {
  let wallMs = startMs
  let monotonicMs = 0
  let trusted = true
  const pass = (ms: number): void => {
    wallMs += ms
    monotonicMs += ms
  }
  return {
    nowMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    trusted: () => trusted,
    async wait(ms, signal) {
      signal?.throwIfAborted()
      pass(ms)
      await new Promise(resolve => setImmediate(resolve))
      signal?.throwIfAborted()
    },
    setMs(ms) {
      wallMs = ms
    },
    pass,
    believe(value) {
      trusted = value
    }
  }
}

export function readingOf(meter: string, slot: number, version = 1, energy = slot * 1_000): Reading {
  return {
    meter,
    slot,
    version,
    quality: 0,
    source: 1,
    readAt: 500,
    meterTime: 1,
    ratio: RATIO,
    values: [
      [100, energy],
      [200, 2_300]
    ]
  }
}
