/**
 * A gateway in a process of its own that kills itself: `node gateway-child.ts <store> <broker url> <slots> <point> <hit>`.
 * Slots are steps of a hand-driven clock, so that nothing depends on how fast the machine is. Exits 0 when everything is delivered.
 */
import { DeliverLoop } from '../../../agent/deliver/deliver-loop.ts'
import { SealLoop } from '../../../agent/seal/seal-loop.ts'
import { createClock } from '../../../drivers/host/clock.ts'
import { randomOctets } from '../../../drivers/host/random.ts'
import { openAgentStore } from '../../../drivers/store/agent-store.ts'
import { openGatewayUplink } from '../../../drivers/uplink/gateway-uplink.ts'
import { utf8 } from '../../../proto/bytes.ts'
import {
  deviceSecret,
  GATEWAY,
  gatewaySigner,
  handClock,
  ledgerSigner,
  QUIET,
  readingOf,
  recipients
} from './parties.ts'

export const CHILD_FIRST_SLOT = 5_000
export const CHILD_METERS = ['A', 'B', 'C']
const SLOT_MS = 900_000

const [path, url, slotsText, point, hitText] = process.argv.slice(2)
if (path !== undefined && url !== undefined && slotsText !== undefined) {
  await runChild(path, url, Number(slotsText), point ?? '', Number(hitText ?? 0))
}

async function runChild(
  path: string,
  url: string,
  slots: number,
  killAt: string,
  killHit: number
): Promise<void> {
  let hits = 0
  const hit = (point: string): void => {
    if (point === killAt && ++hits === killHit) process.kill(process.pid, 'SIGKILL')
  }
  const real = createClock()
  const clock = handClock(1_700_000_000_000)
  clock.setMs(CHILD_FIRST_SLOT * SLOT_MS + 1)
  // a hand clock of 1970: the trust in it is part of the test's world
  const store = openAgentStore(path, { nowMs: clock.nowMs })
  const uplink = openGatewayUplink({
    broker: { url },
    gateway: GATEWAY,
    offlineState: utf8('offline'),
    clock: real,
    log: QUIET,
    random: () => 0,
    backoffMs: { first: 20, most: 50 }
  })
  const sealing = new SealLoop({
    store,
    clock,
    log: QUIET,
    gateway: GATEWAY,
    slotSeconds: 900,
    suite: 1,
    roster: () => CHILD_METERS.map(meter => ({ meter, ratio: null })),
    recipients,
    signer: gatewaySigner,
    deviceSecret,
    random: randomOctets,
    hit
  })
  const delivery = new DeliverLoop({
    store,
    uplink,
    clock: real,
    log: QUIET,
    gateway: GATEWAY,
    ledgerKey: ledgerSigner.publicKey,
    random: () => 0.5,
    patience: { receiptMs: 300, mostMs: 600 },
    idleMs: 20,
    hit
  })
  const stop = new AbortController()
  const delivering = delivery.run(stop.signal)
  sealing.step()
  for (let slot = CHILD_FIRST_SLOT; slot < CHILD_FIRST_SLOT + slots; slot++) {
    clock.setMs((slot + 1) * SLOT_MS + 1)
    if ((store.lastSealedSlot() ?? 0) < slot) {
      for (const meter of CHILD_METERS) {
        hit('append')
        if (store.highestVersion(meter, slot) === 0) store.appendReadings('bus', [readingOf(meter, slot)])
      }
    }
    while (sealing.step());
    await real.wait(5)
  }
  while (store.undelivered(1).length > 0) await real.wait(5)
  stop.abort()
  await delivering
  await uplink.close()
  store.close()
}
