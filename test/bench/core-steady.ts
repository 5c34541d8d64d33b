import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DeliverLoop } from '../../agent/deliver/deliver-loop.ts'
import type { Uplink } from '../../agent/ports.ts'
import { SealLoop } from '../../agent/seal/seal-loop.ts'
import { openAgentStore } from '../../drivers/store/agent-store.ts'
import { signReceipt, verifyAnchor } from '../../proto/envelope/signed-objects.ts'
import { slotEndMs } from '../../proto/slot.ts'
import { RECEIPT_STATUS } from '../../proto/wire/receipt.ts'
import { villageReadings } from '../fixtures/village.ts'
import { cpuMs } from './core-figures.ts'
import {
  FIRST_SLOT,
  GATEWAY,
  gatewaySigner,
  ledgerSigner,
  METERS,
  QUIET,
  randomOctets,
  recipients,
  SLOT_SECONDS,
  steppedClock
} from './core-parts.ts'

export interface SteadySample {
  readonly slots: number
  readonly delivered: number
  readonly rssOctets: number
  readonly heapOctets: number
  readonly cpuMsPerSlot: number
}

/** Readings kept: shorter than the run, so that removal is part of it. */
const KEPT_SLOTS = 96

/**
 * The life of a gateway without the waiting: record, seal, publish, receipt, prune, with the agent's own loops and store.
 * A round is so many slots; memory is read after a collection (`--expose-gc`).
 */
export function openSteady(options: { readonly folder: string }): (slots: unknown) => Promise<SteadySample> {
  const clock = steppedClock(FIRST_SLOT * SLOT_SECONDS * 1000)
  const store = openAgentStore(join(options.folder, 'steady.db'), { nowMs: clock.nowMs })
  const signer = gatewaySigner()
  const roster = villageReadings(METERS, FIRST_SLOT).map(({ meter, ratio }) => ({ meter, ratio }))
  const seal = new SealLoop({
    ...{ store, clock, log: QUIET, gateway: GATEWAY, slotSeconds: SLOT_SECONDS, suite: 1, signer },
    roster: () => roster,
    recipients: recipients(),
    deviceSecret: randomOctets(32),
    random: randomOctets
  })
  const uplink = answeringUplink(signer.publicKey)
  const deliver = new DeliverLoop({
    ...{ store, uplink, clock, log: QUIET, gateway: GATEWAY, random: Math.random },
    ledgerKey: ledgerSigner().publicKey
  })
  seal.step()
  let slot = FIRST_SLOT
  let delivered = 0
  const started = deliver.start()

  const oneSlot = async (): Promise<void> => {
    const readings = villageReadings(METERS, slot, slot)
    for (let bus = 0; bus < 4; bus++)
      store.appendReadings(`bus${bus}`, readings.slice((bus * METERS) / 4, ((bus + 1) * METERS) / 4))
    clock.set(slotEndMs(slot, SLOT_SECONDS) + 1000)
    if (!seal.step()) throw new Error('the slot was not sealed')
    deliver.pump()
    await new Promise(resolve => setImmediate(resolve))
    delivered += store.undelivered(1).length === 0 ? 1 : 0
    const limit = slot - KEPT_SLOTS
    store.prune({ readingsBeforeSlot: limit, batchesBeforeSlot: limit, requireAnchored: false })
    slot++
  }
  return async slots => {
    await started
    const cpu = cpuMs()
    for (let i = 0; i < Number(slots); i++) await oneSlot()
    const cpuMsPerSlot = (cpuMs() - cpu) / Number(slots)
    globalThis.gc?.()
    const { heapUsed } = process.memoryUsage()
    return { slots: slot - FIRST_SLOT, delivered, rssOctets: rss(), heapOctets: heapUsed, cpuMsPerSlot }
  }
}

/** A ledger that accepts every anchor it sees. */
function answeringUplink(gatewayKey: Uint8Array): Uplink {
  const ledger = ledgerSigner()
  let onReceipt: (payload: Uint8Array) => void = () => undefined
  return {
    connected: true,
    async publish(topic, payload) {
      if (topic !== 'anchor') return
      const { anchor, anchorHash } = verifyAnchor(payload, gatewayKey)
      const receipt = signReceipt(
        {
          ...{
            ledger: 'BENCH-LEDGER',
            gateway: GATEWAY,
            epoch: anchor.epoch,
            upToSeq: anchor.seq,
            anchorHash
          },
          ...{ status: RECEIPT_STATUS.accepted, ledgerHead: anchorHash, time: anchor.created }
        },
        ledger
      )
      queueMicrotask(() => onReceipt(receipt))
    },
    async subscribe(topic, onMessage) {
      if (topic === 'receipt') onReceipt = onMessage
    },
    onConnect: () => undefined,
    close: async () => undefined
  }
}

function rss(): number {
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? Number.NaN)
}
