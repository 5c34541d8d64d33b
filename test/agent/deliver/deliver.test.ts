import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { DeliverLoop, type DeliverOptions, type DeliverTrouble } from '../../../agent/deliver/deliver-loop.ts'
import { stateDocument } from '../../../agent/deliver/state-document.ts'
import { Ledger } from '../../../agent/ledger/ledger.ts'
import type { SealedBatch, StoredAlarm } from '../../../agent/ports.ts'
import { createClock } from '../../../drivers/host/clock.ts'
import { openAgentStore } from '../../../drivers/store/agent-store.ts'
import { openLedgerStore } from '../../../drivers/store/ledger-store.ts'
import { startBroker } from '../../../drivers/uplink/embedded-broker.ts'
import { openLedgerUplink } from '../../../drivers/uplink/ledger-uplink.ts'
import { fromUtf8 } from '../../../proto/bytes.ts'
import { signAlarm, signReceipt, signRequest } from '../../../proto/envelope/signed-objects.ts'
import { isGap } from '../../../proto/reading.ts'
import { ANCHOR_REASON } from '../../../proto/wire/anchor.ts'
import { RECEIPT_STATUS, type ReceiptStatus } from '../../../proto/wire/receipt.ts'
import { compileOnce } from '../support/compile.ts'
import { CHILD_FIRST_SLOT, CHILD_METERS } from '../support/gateway-child.ts'
import {
  GATEWAY,
  gatewaySigner,
  handClock,
  LEDGER,
  ledgerSigner,
  QUIET,
  readingOf,
  recipientKey,
  strangerSigner
} from '../support/parties.ts'
import { EPOCH, forgeRoot, METERS, sealAs, sealChain, slotReadings } from '../support/sealing.ts'
import { createWire } from '../support/wire.ts'

const NOW_MS = 1_700_000_000_000

function setUp(t: { teardown(fn: () => void): void }, change: Partial<DeliverOptions> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'wattproof-deliver-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const clock = handClock(NOW_MS)
  const store = openAgentStore(join(dir, 'agent.sqlite'), { nowMs: clock.nowMs })
  const ledgerStore = openLedgerStore(join(dir, 'ledger.sqlite'), { nowMs: clock.nowMs })
  t.teardown(() => {
    store.close()
    ledgerStore.close()
  })
  ledgerStore.enrol({
    gateway: GATEWAY,
    signKey: gatewaySigner.publicKey,
    kid: gatewaySigner.kid,
    status: 'active'
  })
  const wire = createWire(GATEWAY)
  const ledger = new Ledger({
    ledger: LEDGER,
    store: ledgerStore,
    uplink: wire.ledgerUplink,
    signer: ledgerSigner,
    recipientKey,
    suites: [1],
    clock,
    log: QUIET
  })
  const troubles: (DeliverTrouble | undefined)[] = []
  const loop = new DeliverLoop({
    store,
    uplink: wire.uplink,
    clock,
    log: QUIET,
    gateway: GATEWAY,
    ledgerKey: ledgerSigner.publicKey,
    random: () => 0.5,
    onTrouble: trouble => troubles.push(trouble),
    ...change
  })
  const commit = (batches: readonly SealedBatch[]): void => {
    for (const batch of batches) {
      const readings = batch.leaves.map(({ meter, slot, version }) => readingOf(meter, slot, version))
      store.appendReadings('bus', readings)
      store.commitBatch(batch)
    }
  }
  const begin = async (): Promise<void> => {
    await ledger.start()
    await loop.start()
    await wire.settle()
  }
  /** Lets the receipt deadline pass. */
  const later = async (ms = 61_000): Promise<void> => {
    clock.pass(ms)
    loop.pump()
    await wire.settle()
  }
  const states = (): string =>
    store
      .queryBatches({})
      .map(({ state }) => state[0])
      .join('')
  const receipt = (
    batch: SealedBatch,
    status: ReceiptStatus,
    change: object = {},
    signer = ledgerSigner
  ): Uint8Array =>
    signReceipt(
      {
        ...{
          ledger: LEDGER,
          gateway: GATEWAY,
          epoch: batch.epoch,
          upToSeq: batch.seq,
          anchorHash: batch.anchorHash
        },
        ...{ status: RECEIPT_STATUS[status], ledgerHead: null, time: NOW_MS / 1_000 },
        ...change
      },
      signer
    )
  return { store, ledgerStore, wire, loop, ledger, clock, troubles, commit, begin, later, states, receipt }
}

t.test('batches flow in order and are delivered by the receipt alone', async t => {
  const { store, ledgerStore, wire, commit, begin, later, states, loop } = setUp(t)
  commit(sealChain(25))
  const order: string[] = []
  wire.fate = topic => {
    order.push(topic)
    return 'twice'
  }
  await begin()
  t.equal(states(), 'd'.repeat(25))
  t.same(order.slice(0, 4), ['state', 'anchor', 'batch', 'anchor'], 'the anchor before its batch')
  t.equal(ledgerStore.counts().readings, 50)
  t.equal(loop.status().inFlight, 0)
  t.equal(loop.status().lastReceiptAt, NOW_MS)
  const sent = wire.sent['batch']
  await later()
  t.equal(wire.sent['batch'], sent, 'nothing is sent without need')
  t.equal(store.batch(EPOCH, 3)?.attempts, 1)
})

t.test('lost messages, a dead ledger and a dead broker', async t => {
  const { store, ledgerStore, wire, commit, begin, later, states, troubles, loop } = setUp(t)
  const chain = sealChain(14)
  commit(chain.slice(0, 12))
  wire.fate = topic => (topic === 'receipt' ? 'drop' : 'pass')
  await begin()
  t.equal(states(), 's'.repeat(12), 'a PUBACK is not delivery')
  t.equal(wire.sent['batch'], 10, 'the window')
  t.equal(ledgerStore.counts().anchors, 10)
  await later(30_000)
  t.equal(wire.sent['batch'], 10, 'not before the deadline')
  wire.fate = () => 'drop'
  for (let i = 0; i < 4; i++) await later(400_000)
  t.match(troubles, [{ kind: 'silent' }])
  wire.connect(false)
  await later(400_000)
  wire.fate = () => 'pass'
  wire.connect(true)
  await wire.settle()
  t.equal(states(), 'd'.repeat(12))
  t.equal(troubles.at(-1), undefined, 'over')
  t.equal(ledgerStore.counts().readings, 24, 'once each')

  // one anchor is lost: the ledger says what it has, delivery goes on from there without waiting for a deadline
  let lost = false
  wire.fate = topic => {
    if (topic !== 'anchor' || lost) return 'pass'
    lost = true
    return 'drop'
  }
  commit(chain.slice(12))
  loop.pump()
  await wire.settle()
  t.equal(states(), 'd'.repeat(14))
  t.equal(store.undelivered(1).length, 0)
})

t.test('a poison batch is set aside and the others flow', async t => {
  const { store, ledgerStore, wire, commit, begin, states, troubles } = setUp(t)
  const chain = sealChain(2)
  const poison = forgeRoot(chain[1] as SealedBatch)
  const next = sealAs({
    seq: 3,
    prev: poison.anchorHash,
    slotFrom: 103,
    slotTo: 103,
    readings: slotReadings(103)
  })
  commit([...chain, poison, next])
  await begin()
  t.equal(states(), 'ddrd')
  t.equal(store.batch(EPOCH, 2)?.refusal, 'rootMismatch')
  t.match(troubles[0], { kind: 'refused' })
  t.equal(ledgerStore.counts().evidence, 1)
  t.equal(wire.sent['batch'], 4)
})

t.test('receipts that are not to be believed', async t => {
  const { wire, commit, begin, states, receipt, store, loop, later, troubles } = setUp(t)
  const [b0, b1] = sealChain(2) as [SealedBatch, SealedBatch]
  commit([b0, b1])
  wire.fate = () => 'drop'
  await begin()
  for (const [name, payload] of [
    ['no receipt', Uint8Array.of(1, 2)],
    ["a stranger's", receipt(b0, 'accepted', {}, strangerSigner)],
    ['for another gateway', receipt(b0, 'accepted', { gateway: 'G-9' })],
    ['for another anchor', receipt(b0, 'accepted', { anchorHash: new Uint8Array(32).fill(3) })],
    ['of another epoch', receipt(b0, 'accepted', { epoch: new Uint8Array(8) })],
    ['a refusal of something unknown', receipt(b0, 'fork', { anchorHash: new Uint8Array(32).fill(3) })]
  ] as const) {
    wire.toGateway('receipt', payload)
    t.equal(states(), 'ss', name)
  }
  wire.toGateway('receipt', receipt(b1, 'accepted'))
  t.equal(states(), 'sd', 'the later says nothing about the earlier')
  wire.toGateway('receipt', receipt(b0, 'accepted'))
  wire.toGateway('receipt', receipt(b0, 'accepted', { time: 5 }))
  wire.toGateway('receipt', receipt(b0, 'rootMismatch'))
  t.equal(states(), 'dd', 'what is delivered stays delivered')

  const b2 = sealAs({ seq: 2, prev: b1.anchorHash, slotFrom: 102, slotTo: 102, readings: slotReadings(102) })
  commit([b2])
  loop.pump()
  const sent = wire.sent['batch'] as number
  wire.toGateway('receipt', receipt(b2, 'unknownSuite'))
  t.match(troubles.at(-1), { kind: 'held' })
  await later(59_000)
  t.equal(wire.sent['batch'], sent, 'held')
  await later()
  t.equal(wire.sent['batch'], sent + 1, 'and tried again')
  wire.toGateway('receipt', receipt(b2, 'gap', { ledgerHead: new Uint8Array(32).fill(4) }))
  t.match(troubles.at(-1), { kind: 'ledgerAhead' })
  wire.toGateway(
    'receipt',
    receipt(b0, 'unknownGateway', { anchorHash: new Uint8Array(32), epoch: new Uint8Array(8) })
  )
  t.match(troubles.at(-1), { kind: 'held' })
  wire.toGateway('receipt', receipt(b2, 'fork'))
  t.match(troubles.at(-1), { kind: 'fork' })
  for (let i = 0; i < 3; i++) await later(400_000)
  t.equal(wire.sent['batch'], sent + 1, 'a fork stops')
  t.equal(states(), 'ddr')
  t.equal(store.batch(EPOCH, 2)?.refusal, 'fork')
})

t.test('a ledger that lost its past is told again; a new epoch waits for the old', async t => {
  const { ledgerStore, wire, commit, begin, states, clock, loop, store, later } = setUp(t)
  commit(sealChain(14))
  // delivered to a ledger that is gone
  for (let seq = 0; seq < 12; seq++) store.acknowledge(EPOCH, seq, Uint8Array.of(1))
  await begin()
  t.equal(ledgerStore.counts().anchors, 14, 'from the first of the epoch, though delivered long ago')
  t.equal(states(), 'd'.repeat(14))

  clock.pass(10_000)
  const last = store.head()
  const late = sealAs({
    seq: 14,
    prev: last?.anchorHash as Uint8Array,
    slotFrom: 114,
    slotTo: 114,
    readings: slotReadings(114)
  })
  const opening = sealAs({
    epoch: new Uint8Array(8).fill(5),
    reason: 3,
    prev: last?.anchorHash as Uint8Array,
    slotFrom: 115,
    slotTo: 115,
    readings: slotReadings(115)
  })
  commit([late, opening])
  wire.fate = () => 'drop'
  loop.pump()
  const sent = wire.sent['batch']
  await later(400_000)
  t.equal(wire.sent['batch'], (sent as number) + 1, 'only the old one, again')
  wire.fate = () => 'pass'
  await later(400_000)
  t.equal(states(), 'd'.repeat(16))
  t.equal(ledgerStore.counts().evidence, 0)
})

t.test('the key changes among undelivered batches: all of the old key first, nothing lost', async t => {
  const { ledgerStore, wire, commit, begin, states, store, later, troubles } = setUp(t)
  const old = sealChain(5)
  const after = { epoch: new Uint8Array(8).fill(6), signer: strangerSigner }
  const opening = sealAs({
    ...after,
    reason: ANCHOR_REASON.keyRotation,
    prev: (old[4] as SealedBatch).anchorHash,
    slotFrom: 105,
    slotTo: 105,
    readings: slotReadings(105)
  })
  const next = sealAs({
    ...after,
    seq: 1,
    prev: opening.anchorHash,
    slotFrom: 106,
    slotTo: 106,
    readings: slotReadings(106)
  })
  commit([...old, opening, next])
  // set aside once, by a ledger that had the wrong key perhaps: its next epoch names it
  store.refuse(EPOCH, 4, 'undecryptable')
  await begin()
  t.equal(states(), 'ddddrss', 'the new key is not known there yet')
  t.match(troubles.at(-1), { kind: 'held', detail: /badSignature/ })
  t.equal(ledgerStore.counts(GATEWAY).anchors, 4)
  const { kid, publicKey: signKey } = strangerSigner
  ledgerStore.enrol({ gateway: GATEWAY, signKey, kid, status: 'active' })
  for (let i = 0; i < 4; i++) await later(400_000)
  t.equal(states(), 'd'.repeat(7), 'what the ledger misses of the old epoch is sent again before the new one')
  t.same(ledgerStore.counts(GATEWAY), { anchors: 7, readings: 14, alarms: 0, evidence: 2 })
  t.equal(troubles.at(-1), undefined)
  t.equal(wire.sent['anchor'], wire.sent['batch'])
})

t.test('alarms and requests', async t => {
  const asked: unknown[] = []
  const { wire, commit, begin, store, ledger, clock, ledgerStore, later } = setUp(t, {
    onReread: request => asked.push(request)
  })
  commit(sealChain(5))
  const alarm: StoredAlarm = {
    ...{
      id: 1,
      meter: 'A',
      bus: null,
      rule: 'overload',
      state: 'raised',
      class: 'serious',
      raisedAt: NOW_MS,
      clearedAt: null
    },
    ...{ acknowledgedAt: null, shelvedUntil: null, evidence: '{}', delivered: false },
    signed: signAlarm(
      {
        ...{
          gateway: GATEWAY,
          meter: 'A',
          rule: 'overload',
          state: 'raised',
          class: 'serious',
          raised: 1,
          cleared: null
        },
        ...{ location: null, evidence: new Uint8Array(0), id: 1, bus: null }
      },
      gatewaySigner
    )
  }
  store.saveAlarm(alarm)
  let drops = 1
  wire.fate = topic => (topic === 'alarm' && drops-- > 0 ? 'drop' : 'pass')
  await begin()
  t.equal(store.undeliveredAlarms(9).length, 1)
  await later()
  t.equal(store.undeliveredAlarms(9).length, 0)
  t.equal(ledgerStore.counts().alarms, 1)

  const sent = wire.sent['batch'] as number
  await ledger.request({ gateway: GATEWAY, kind: 'resend', epoch: EPOCH, from: 1, to: 3, meter: null })
  await wire.settle()
  t.equal(wire.sent['batch'], sent + 3)
  await ledger.request({
    gateway: GATEWAY,
    kind: 'reread',
    epoch: new Uint8Array(8),
    from: 100,
    to: 101,
    meter: 'A'
  })
  await wire.settle()
  t.match(asked, [{ kind: 'reread', from: 100, to: 101, meter: 'A' }])
  const body = {
    ledger: LEDGER,
    gateway: GATEWAY,
    kind: 'reread',
    epoch: new Uint8Array(8),
    from: 1,
    to: 2,
    meter: null
  } as const
  const time = Math.floor(clock.nowMs() / 1_000)
  const good = signRequest({ ...body, time }, ledgerSigner)
  for (const payload of [
    good,
    good,
    signRequest({ ...body, time: time - 4_000 }, ledgerSigner),
    signRequest({ ...body, time: time + 1, gateway: 'G-9' }, ledgerSigner),
    signRequest({ ...body, time: time + 2 }, strangerSigner),
    Uint8Array.of(7)
  ]) {
    wire.toGateway('request', payload)
  }
  t.equal(asked.length, 2, 'once, fresh, for us and by our ledger')
  t.same(JSON.parse(fromUtf8(stateDocument('G', 'online', { slot: 1 }))), {
    gateway: 'G',
    state: 'online',
    slot: 1
  })
  t.equal(METERS.length, 2)
})

t.test('a gateway that is killed at any step loses nothing, doubles nothing, forks nothing', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'wattproof-kill-'))
  const clock = createClock()
  const broker = await startBroker()
  const ledgerStore = openLedgerStore(join(dir, 'ledger.sqlite'), { nowMs: clock.nowMs })
  ledgerStore.enrol({
    gateway: GATEWAY,
    signKey: gatewaySigner.publicKey,
    kid: gatewaySigner.kid,
    status: 'active'
  })
  const verdicts: string[] = []
  const openUplink = () =>
    openLedgerUplink({
      broker: { url: broker.url },
      ledger: LEDGER,
      clock,
      log: QUIET,
      random: () => 0,
      backoffMs: { first: 20, most: 50 }
    })
  let uplink = openUplink()
  const startLedger = async (): Promise<void> => {
    await new Ledger({
      ...{
        ledger: LEDGER,
        store: ledgerStore,
        uplink,
        signer: ledgerSigner,
        recipientKey,
        suites: [1],
        clock,
        log: QUIET
      },
      onVerdict: (_gateway, verdict) => verdicts.push(verdict.kind === 'answer' ? verdict.status : 'wait')
    }).start()
  }
  await startLedger()
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))

  const child = compileOnce('test/agent/support/gateway-child.ts', 'gateway-child')
  const run = (slots: number, point: string, hit: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const started = spawn(
        process.execPath,
        [
          ...process.execArgv,
          child,
          join(dir, 'agent.sqlite'),
          broker.url,
          String(slots),
          point,
          String(hit)
        ],
        { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } }
      )
      started.on('error', reject)
      started.on('exit', (code, signal) => resolve(signal ?? String(code)))
    })
  const kills: [string, number][] = [
    ['append', 2],
    ['completed', 1],
    ['sealed', 1],
    ['committed', 1],
    ['publishing', 1],
    ['published', 1],
    ['receipt', 1],
    ['delivered', 1]
  ]
  let slots = 1
  for (const [point, hit] of kills) {
    t.equal(await run(slots, point, hit), 'SIGKILL', `${point} ${hit}`)
    slots += 2
  }
  await uplink.close()
  uplink = openUplink()
  await startLedger()
  t.equal(
    await run(slots, 'never', 0),
    '0',
    'the last one ends by itself: everything is delivered, to a ledger that began anew'
  )
  await uplink.close()
  await broker.close()

  const readings = ledgerStore.readings({ gateway: GATEWAY })
  const keys = readings.map(({ meter, slot, version }) => `${meter} ${slot} ${version}`)
  t.equal(new Set(keys).size, keys.length, 'nothing twice')
  for (let slot = CHILD_FIRST_SLOT; slot < CHILD_FIRST_SLOT + slots; slot++) {
    for (const meter of CHILD_METERS) {
      const found = readings.filter(
        reading => reading.slot === slot && reading.meter === meter && reading.version === 1
      )
      t.equal(found.length, 1, `${meter} ${slot}`)
      t.ok(
        found[0] && (isGap(found[0]) || found[0].values[0]?.[1] === slot * 1_000),
        'unaltered, or a gap that is owned up to'
      )
    }
  }
  t.same(
    verdicts.filter(verdict => verdict !== 'wait' && verdict !== 'accepted' && verdict !== 'gap'),
    [],
    'no fork, no refusal'
  )
  const store = openAgentStore(join(dir, 'agent.sqlite'), { nowMs: clock.nowMs })
  t.equal(ledgerStore.counts(GATEWAY).anchors, (store.head()?.seq ?? -1) + 1)
  t.equal(store.undelivered(1).length, 0)
  store.close()
  ledgerStore.close()
})
