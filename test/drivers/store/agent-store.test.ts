import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t from 'tap'
import { Freshness } from '../../../agent/control/freshness.ts'
import { buildStatus } from '../../../agent/control/status.ts'
import type { AlarmAttempt, AnchorAttempt, SealedBatch, StoredAlarm } from '../../../agent/ports.ts'
import { openAgentStore } from '../../../drivers/store/agent-store.ts'
import { decodeBlock, encodeBlock } from '../../../drivers/store/column-codec.ts'
import { isRetryable, StoreError } from '../../../drivers/store/errors.ts'
import { OctetReader, OctetWriter } from '../../../drivers/store/octets.ts'
import { gapRecord, type Reading } from '../../../proto/reading.ts'

const nowMs = (): number => Date.UTC(2026, 0, 2, 3, 4, 5)
const RATIO = { version: 1, ctPrimary: 150, ctSecondary: 5, ptPrimary: 1, ptSecondary: 1 }

function tempDir(t: { teardown(fn: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'wattproof-store-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

function reading(meter: string, slot: number, version = 1, base = slot): Reading {
  return {
    meter,
    slot,
    version,
    quality: 0,
    source: 1,
    readAt: 1_234,
    meterTime: -2,
    ratio: RATIO,
    values: [
      [100, base * 1_000],
      [200, 2_305],
      [210, null]
    ]
  }
}

const EPOCH = new Uint8Array(8).fill(7)
const hashOf = (n: number): Uint8Array => new Uint8Array(32).fill(n + 1)

function batchOf(seq: number, readings: readonly Reading[], change: Partial<SealedBatch> = {}): SealedBatch {
  const slots = readings.map(({ slot }) => slot)
  return {
    epoch: EPOCH,
    seq,
    slotFrom: Math.min(...slots),
    slotTo: Math.max(...slots),
    reason: 0,
    count: readings.length,
    root: hashOf(100 + seq),
    batch: new Uint8Array(3_000).fill(seq),
    anchor: new Uint8Array(200).fill(seq),
    anchorHash: hashOf(seq),
    prev: seq === 0 ? new Uint8Array(32) : hashOf(seq - 1),
    saltKey: new Uint8Array(16).fill(seq),
    leaves: readings.map(({ meter, slot, version }) => ({ meter, slot, version })),
    createdAt: 1_700_000_000,
    ...change
  }
}

t.test('columns keep every integer', async t => {
  const out = new OctetWriter()
  const values = [
    0,
    1,
    -1,
    63,
    64,
    -64,
    8_191,
    -8_192,
    2 ** 31,
    -(2 ** 32),
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    null
  ]
  for (const value of values) out.signed(value)
  for (const value of [0, 127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER]) out.unsigned(value)
  out.octets(Uint8Array.of(1, 2, 3))
  const input = new OctetReader(out.finish())
  for (const value of values) t.equal(input.signed(), value)
  for (const value of [0, 127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER]) t.equal(input.unsigned(), value)
  t.same([...input.octets()], [1, 2, 3])
  t.equal(input.ended, true)
  t.throws(() => input.unsigned(), { code: 'STORE_CORRUPT' })

  const readings = [
    reading('A', 9),
    gapRecord('B', 9, 1, 'silent', null),
    {
      ...reading('C', 9),
      values: [[100, Number.MIN_SAFE_INTEGER]] as Reading['values'],
      quality: 1 << 24,
      meterTime: null
    },
    { ...reading('A', 9, 2), ratio: { ...RATIO, version: 2 } }
  ]
  const names = ['A', 'B', 'C']
  const block = encodeBlock(readings, meter => names.indexOf(meter))
  t.same(
    decodeBlock(block, number => names[number] as string, 'here'),
    readings
  )
  for (let i = 0; i < block.length; i++) {
    const damaged = block.slice()
    damaged[i] = (damaged[i] as number) ^ 0x10
    try {
      t.same(
        decodeBlock(damaged, number => names[number] ?? '?', 'here'),
        readings,
        'a padding bit'
      )
    } catch (error) {
      t.match(error, { code: 'STORE_CORRUPT' }, `octet ${i}`)
    }
  }
})

t.test('readings are kept once, sealed once and found again', async t => {
  const path = join(tempDir(t), 'store.sqlite')
  let store = openAgentStore(path, { nowMs })
  const meters = ['A', 'B', 'C']
  for (const slot of [10, 11, 12]) {
    t.equal(store.appendReadings('bus1', [reading('A', slot), reading('B', slot)]), 2)
    t.equal(
      store.appendReadings('bus2', [reading('C', slot), reading('A', slot, 1, 999)]),
      1,
      'a version stays as it is'
    )
  }
  t.equal(store.appendReadings('bus1', []), 0)
  t.equal(store.highestVersion('A', 11), 1)
  t.equal(store.highestVersion('Z', 11), 0)
  t.same(
    store.queryReadings({ meter: 'A' }).map(({ slot, values }) => [slot, values[0]?.[1]]),
    [
      [10, 10_000],
      [11, 11_000],
      [12, 12_000]
    ]
  )
  t.same(store.queryReadings({ meter: 'Z' }), [])
  t.same(
    store.queryReadings({ fromSlot: 11, newestFirst: true, limit: 4 }).map(({ meter, slot }) => meter + slot),
    ['C12', 'B12', 'A12', 'C11']
  )
  t.equal(store.unsealed(0, 100).length, 9)

  const slot10 = meters.map(meter => reading(meter, 10))
  t.equal(store.head(), undefined)
  t.equal(store.lastSealedSlot(), undefined)
  store.commitBatch(batchOf(0, slot10))
  t.match(store.head(), { seq: 0, slotTo: 10, anchorHash: hashOf(0), epoch: EPOCH })
  t.equal(store.unsealed(0, 100).length, 6)

  const refusals: [string, SealedBatch, string][] = [
    ['the same number again', batchOf(0, slot10, { root: hashOf(5) }), 'STORE_SEQ'],
    ['a number left out', batchOf(2, [reading('A', 11)]), 'STORE_SEQ'],
    ['another past', batchOf(1, [reading('A', 11)], { prev: hashOf(9) }), 'STORE_SEQ'],
    ['a new epoch not from 0', batchOf(1, [reading('A', 11)], { epoch: new Uint8Array(8) }), 'STORE_SEQ'],
    ['a reading sealed before', batchOf(1, slot10), 'STORE_MEMBER'],
    ['a reading not stored', batchOf(1, [reading('A', 55)]), 'STORE_MEMBER'],
    ['a leaf twice', batchOf(1, [reading('A', 11), reading('A', 11)]), 'STORE_MEMBER']
  ]
  for (const [name, batch, code] of refusals) t.throws(() => store.commitBatch(batch), { code }, name)
  t.equal(store.head()?.seq, 0, 'nothing was changed')
  t.equal(store.unsealed(0, 100).length, 6)

  store.commitBatch(batchOf(1, [reading('A', 11)]))
  t.same(
    store.unsealed(11, 11).map(({ meter }) => meter),
    ['B', 'C'],
    'a block may be sealed in parts'
  )
  store.appendReadings('bus1', [reading('A', 10, 2)])
  store.commitBatch(batchOf(2, [reading('B', 11), reading('C', 11), reading('A', 10, 2)], { reason: 1 }))
  t.equal(store.lastSealedSlot(), 11)
  t.equal(store.findLeaf('A', 10)?.index, 2, 'the highest version')
  t.match(store.findLeaf('A', 10, 1), { index: 0, batch: { seq: 0 } })
  t.equal(store.findLeaf('Z', 10), undefined)

  store.set('breaker A', 'open')
  store.set('breaker B', 'open')
  store.delete('breaker B')
  store.setMeta('firstSlot', '10')
  t.throws(() => openAgentStore(path, { nowMs }), { code: 'STORE_LOCKED' })
  const reader = openAgentStore(path, { nowMs, readOnly: true })
  t.equal(reader.head()?.seq, 2)
  t.throws(() => reader.setMeta('x', 'y'), { code: 'STORE_READONLY' })
  reader.close()
  store.close()
  store.close()
  store = openAgentStore(path, { nowMs })
  t.equal(store.get('breaker A'), 'open')
  t.equal(store.get('breaker B'), undefined)
  t.equal(store.getMeta('firstSlot'), '10')
  t.equal(store.getMeta('stateLost'), undefined)
  t.equal(store.unsealed(0, 100).length, 3)
  t.equal(store.appendReadings('bus2', [reading('A', 12)]), 0, 'known after a restart too')
  t.same(store.batch(EPOCH, 1), {
    ...batchOf(1, [reading('A', 11)]),
    state: 'sealed',
    publishedAt: null,
    attempts: 0,
    receipt: null,
    refusal: null
  })
  t.equal(store.batch(new Uint8Array(8), 1), undefined)
  t.equal(store.batchByAnchorHash(hashOf(2))?.seq, 2)
  store.close()
})

const ACCOUNT = { chainId: 31_337n, from: '0xAbC' }
const NEW = {
  state: 'built',
  createdAt: 1,
  blockNumber: null,
  blockHash: null,
  finalAt: null,
  detail: null
} as const

function anchorAttempt(seq: number, nonce: bigint): AnchorAttempt {
  return { epoch: EPOCH, seq, n: 0, ...ACCOUNT, nonce, raw: Uint8Array.of(seq), txHash: `0x${seq}`, ...NEW }
}

function alarmAttempt(alarm: number, n: number, nonce: bigint): AlarmAttempt {
  return { alarm, n, ...ACCOUNT, nonce, raw: Uint8Array.of(alarm, n), txHash: `0xa${alarm}${n}`, ...NEW }
}

function raisedAlarm(id: number): StoredAlarm {
  return {
    id,
    meter: 'A',
    bus: 'bus',
    rule: 'overload',
    state: 'raised',
    class: 'serious',
    raisedAt: 1,
    clearedAt: null,
    acknowledgedAt: null,
    shelvedUntil: null,
    evidence: '{}',
    signed: Uint8Array.of(1),
    delivered: false
  }
}

t.test('delivery, anchors, alarms and retention', async t => {
  const path = join(tempDir(t), 'store.sqlite')
  const store = openAgentStore(path, { nowMs })
  t.teardown(() => store.close())
  for (let seq = 0; seq < 6; seq++) {
    const readings = ['A', 'B'].map(meter => reading(meter, 100 + seq))
    store.appendReadings('bus', readings)
    store.commitBatch(batchOf(seq, readings))
  }
  const states = (): string[] => store.queryBatches({}).map(({ state }) => state)
  t.equal(store.undelivered(4).length, 4)
  store.notePublished(EPOCH, 0, 5_000)
  store.notePublished(EPOCH, 0, 6_000)
  t.match(store.batch(EPOCH, 0), { attempts: 2, publishedAt: 6_000 })
  store.refuse(EPOCH, 1, 'rootMismatch')
  t.match(store.batch(EPOCH, 1), { state: 'refused', refusal: 'rootMismatch' })
  t.match(store.batch(EPOCH, 0), { attempts: 2, publishedAt: 6_000 }, 'held back, then written')
  t.same(
    [
      store.undelivered(9, 'refused').length,
      store.undelivered(9, 'sealed').length,
      store.undelivered(9).length
    ],
    [1, 5, 6]
  )
  t.equal(store.acknowledge(EPOCH, 2, Uint8Array.of(1, 2)), true)
  t.equal(store.acknowledge(EPOCH, 2, Uint8Array.of(3)), false)
  t.equal(store.acknowledge(EPOCH, 22, Uint8Array.of(3)), false)
  t.equal(store.acknowledge(new Uint8Array(8), 2, Uint8Array.of(3)), false)
  t.same(states(), ['sealed', 'refused', 'delivered', 'sealed', 'sealed', 'sealed'], 'a refusal stays')
  t.equal(store.acknowledge(EPOCH, 1, Uint8Array.of(4)), true, 'until that very batch is accepted')
  store.acknowledge(EPOCH, 0, Uint8Array.of(4))
  t.same(states(), ['delivered', 'delivered', 'delivered', 'sealed', 'sealed', 'sealed'])
  t.same([...(store.batch(EPOCH, 2)?.receipt ?? [])], [1, 2])
  t.same(
    store
      .queryBatches({ state: 'delivered', newestFirst: true, limit: 2, fromSlot: 100, toSlot: 101 })
      .map(({ seq }) => seq),
    [1, 0]
  )

  t.same(store.summary(), {
    undelivered: 3,
    refused: 0,
    oldestUndeliveredAt: store.batch(EPOCH, 3)?.createdAt,
    anchors: {},
    alarmsRaised: 0,
    alarmsSerious: 0
  })
  store.refuse(EPOCH, 4, 'gap')
  t.match(store.summary(), { undelivered: 3, refused: 1 }, 'a refused batch is not delivered')
  t.equal(store.lastNonce(31_337n, '0xAbC'), undefined)
  t.equal(store.inFlight(), undefined)
  t.equal(store.nextUnanchored()?.seq, 0)
  t.equal(store.nextUnanchored(EPOCH), undefined, 'nothing after the only epoch')
  t.equal(store.nextUnanchored(new Uint8Array(8))?.seq, 0, 'an unknown epoch ends nothing')
  store.saveAttempt(anchorAttempt(0, 2n ** 60n))
  t.same(store.inFlight(), anchorAttempt(0, 2n ** 60n))
  t.equal(store.nextUnanchored()?.seq, 1)
  t.equal(store.lastNonce(31_337n, '0xAbC'), 2n ** 60n)
  store.updateAttempt('0x0', { state: 'mined', blockNumber: 7n, blockHash: '0xb' })
  t.match(store.inFlight(), { state: 'mined', blockNumber: 7n, blockHash: '0xb', detail: null })
  store.updateAttempt('0x0', { state: 'final', finalAt: 9 })
  store.updateAttempt('0xunknown', { state: 'final' })
  t.equal(store.inFlight(), undefined)
  store.saveAttempt(anchorAttempt(1, 5n))
  store.updateAttempt('0x1', { state: 'blocked', detail: 'reverted' })
  t.equal(store.nextUnanchored()?.seq, 1, 'a blocked one is still to be anchored')
  t.equal(store.lastNonce(31_337n, '0xAbC'), 2n ** 60n)
  t.same(
    store.attempts({ newestFirst: true }).map(({ txHash }) => txHash),
    ['0x1', '0x0']
  )
  t.same(
    store.attempts({ state: 'final', limit: 3 }).map(({ txHash }) => txHash),
    ['0x0']
  )
  t.throws(() => store.saveAttempt(anchorAttempt(77, 1n)), { code: 'STORE_MEMBER' })
  t.same(store.summary().anchors, { final: 1, blocked: 1 })

  const limits = { readingsBeforeSlot: 104, batchesBeforeSlot: 104 }
  t.same(store.prune(limits), { readingBlocks: 1, batches: 1 }, 'only what is delivered and anchored')
  t.equal(store.queryReadings({}).length, 10)
  t.same(store.prune({ ...limits, requireAnchored: false }), { readingBlocks: 2, batches: 2 })
  for (const seq of [3, 4, 5]) store.acknowledge(EPOCH, seq, Uint8Array.of(9))
  store.appendReadings('bus', [reading('A', 103, 2)])
  t.same(
    store.prune({ readingsBeforeSlot: 999, batchesBeforeSlot: 999, requireAnchored: false }),
    { readingBlocks: 0, batches: 0 },
    'an unsealed version holds its slot'
  )
  store.commitBatch(batchOf(6, [reading('A', 103, 2)], { reason: 1 }))
  store.acknowledge(EPOCH, 6, Uint8Array.of(9))
  store.prune({ readingsBeforeSlot: 999, batchesBeforeSlot: 999, requireAnchored: false })
  t.equal(store.queryReadings({}).length, 0)
  t.match(store.queryBatches({}), [{ seq: 6 }], 'the head stays')
  t.equal(store.head()?.seq, 6)
  t.ok(store.sizeBytes() > 10_000)

  const id = store.nextAlarmId()
  t.equal(store.nextAlarmId(), id + 1)
  const alarm = raisedAlarm(id)
  const cleared: StoredAlarm = { ...alarm, state: 'cleared', clearedAt: 2, signed: Uint8Array.of(2) }
  store.saveAlarm(alarm)
  store.saveAlarm({ ...alarm, acknowledgedAt: 1, signed: Uint8Array.of(77) })
  t.match(store.summary(), { alarmsRaised: 1, alarmsSerious: 1 })
  store.saveAlarm(cleared)
  t.same(store.undeliveredAlarms(9), [{ ...alarm }, cleared], 'raise, then clear; bytes once signed stay')
  store.acknowledgeAlarmDelivery(id, 'raised', Uint8Array.of(5))
  t.same(store.undeliveredAlarms(9), [cleared])
  store.acknowledgeAlarmDelivery(id, 'cleared', Uint8Array.of(5))
  t.same(store.alarms({ meter: 'A', rule: 'overload', state: 'cleared', limit: 1 }), [
    { ...cleared, delivered: true }
  ])
  t.same(store.alarms({ state: 'raised' }), [])
  t.match(store.summary(), { alarmsRaised: 0, alarmsSerious: 0, oldestUndeliveredAt: null })
})

t.test('alarms for the chain: due with their raise, one nonce sequence with the anchors', async t => {
  const path = join(tempDir(t), 'store.sqlite')
  let store = openAgentStore(path, { nowMs })
  t.teardown(() => store.close())
  const reopen = () => {
    store.close()
    store = openAgentStore(path, { nowMs })
  }
  for (let seq = 0; seq < 2; seq++) {
    store.appendReadings('bus', [reading('A', 100 + seq)])
    store.commitBatch(batchOf(seq, [reading('A', 100 + seq)]))
  }
  store.saveAlarm(raisedAlarm(1))
  t.equal(store.nextDueAlarm(0), undefined, 'not without being asked')
  t.equal(store.alarmFiling(1), undefined)
  store.saveAlarm(raisedAlarm(2), true)
  store.saveAlarm(raisedAlarm(3), true)
  store.saveAlarm({ ...raisedAlarm(4), state: 'cleared', clearedAt: 2 }, true)
  store.saveAlarm({ ...raisedAlarm(1), acknowledgedAt: 5 }, true)
  store.saveAlarm({ ...raisedAlarm(2), state: 'cleared', clearedAt: 2, signed: Uint8Array.of(9) }, true)
  const due = () => {
    const ids: number[] = []
    for (let one = store.nextDueAlarm(0); one; one = store.nextDueAlarm(one.id)) ids.push(one.id)
    return ids
  }
  t.same(due(), [2, 3], 'raises only, and only when they are raised')
  reopen()
  t.same(store.nextDueAlarm(0), { id: 2, signed: Uint8Array.of(1), attempts: 0 }, 'the raise, not the clear')
  t.same(store.alarmFiling(2), { state: 'due', txHash: null, blockNumber: null, detail: null })

  store.saveAttempt(anchorAttempt(0, 0n))
  store.updateAttempt('0x0', { state: 'final', blockNumber: 5n })
  store.saveAttempt(alarmAttempt(2, 1, 1n))
  reopen()
  t.same(store.inFlight(), alarmAttempt(2, 1, 1n), 'octets and nonce survive')
  t.equal(store.lastNonce(31_337n, '0xAbC'), 1n, 'one sequence')
  t.match(store.nextDueAlarm(0), { id: 2, attempts: 1 }, 'due until its event stands')
  store.updateAttempt('0xa21', { state: 'mined', blockNumber: 6n, blockHash: '0xb' })
  t.match(store.inFlight(), { alarm: 2, state: 'mined', blockNumber: 6n, blockHash: '0xb' })
  store.updateAttempt('0xa21', { state: 'final', finalAt: 9 })
  t.equal(store.inFlight(), undefined)
  t.same(due(), [3])
  t.match(store.alarmFiling(2), { state: 'final', txHash: '0xa21', blockNumber: 6n })
  store.saveAlarm({ ...raisedAlarm(2), shelvedUntil: 7 }, true)
  t.same(due(), [3], 'what was filed is not due again')

  store.saveAttempt(alarmAttempt(3, 1, 2n))
  store.updateAttempt('0xa31', { state: 'blocked', detail: 'NotAllowed', blockNumber: 8n })
  t.same(due(), [3], 'a blocked one is still to be filed')
  t.match(store.alarmFiling(3), { state: 'blocked', detail: 'NotAllowed' })
  store.updateAttempt('0xa31', { state: 'built' })
  t.match(store.inFlight(), { txHash: '0xa31', state: 'built' }, 'found again when it was not live')
  store.updateAttempt('0xa31', { state: 'blocked' })
  const adopted = {
    ...alarmAttempt(3, 2, 0n),
    raw: new Uint8Array(0),
    state: 'final',
    from: '0xReg'
  } as const
  store.saveAttempt(adopted)
  t.same(due(), [])
  t.equal(store.lastNonce(31_337n, '0xReg'), undefined, 'the transaction of another takes no nonce of ours')
  store.saveAttempt(anchorAttempt(1, 3n))
  t.same(
    store.transactions(ACCOUNT, 0n, 4n, 9).map(one => [one.nonce, one.txHash, [...one.raw]]),
    [
      [0n, '0x0', [0]],
      [1n, '0xa21', [2, 1]],
      [2n, '0xa31', [3, 1]],
      [3n, '0x1', [1]]
    ],
    'both kinds in the order of the chain'
  )
  t.same(store.transactions(ACCOUNT, 1n, 3n, 1).length, 1)
  t.same(store.transactions({ ...ACCOUNT, chainId: 5n }, 0n, 4n, 9), [])
  t.same(
    store.attempts({}).map(({ txHash }) => txHash),
    ['0x0', '0x1'],
    'attempts are those of anchors'
  )
  t.same(
    store.alarmAttempts({ newestFirst: true, limit: 2 }).map(({ txHash }) => txHash),
    ['0xa32', '0xa31']
  )
  t.same(
    store.alarmAttempts({ state: 'blocked' }).map(({ txHash }) => txHash),
    ['0xa31']
  )
  t.same(store.summary().anchors, { final: 1, built: 1 })
})

t.test('a store of version 1 is brought up to date, with a copy of what it was', async t => {
  const path = join(tempDir(t), 'store.sqlite')
  const before = openAgentStore(path, { nowMs })
  before.appendReadings('bus', [reading('A', 100)])
  before.commitBatch(batchOf(0, [reading('A', 100)]))
  before.saveAttempt(anchorAttempt(0, 41n))
  before.saveAlarm(raisedAlarm(1))
  before.close()
  // what version 2 added is taken out again: the file is as version 1 left it
  const old = new Database(path)
  old.exec('DROP TABLE alarm_due; DROP TABLE alarm_attempt')
  old.pragma('user_version = 1')
  old.close()
  const reader = { code: 'STORE_SCHEMA', next: /start the daemon once/ }
  t.throws(() => openAgentStore(path, { nowMs, readOnly: true }), reader)

  const store = openAgentStore(path, { nowMs })
  t.same(store.inFlight(), anchorAttempt(0, 41n))
  t.equal(store.lastNonce(31_337n, '0xAbC'), 41n)
  t.match(store.alarms({}), [{ id: 1, state: 'raised' }])
  t.equal(store.nextDueAlarm(0), undefined, 'alarms of before are not filed in a flood')
  store.saveAlarm(raisedAlarm(2), true)
  t.equal(store.nextDueAlarm(0)?.id, 2)
  t.equal(store.queryReadings({}).length, 1)
  store.close()
  const copy = new Database(`${path}.before-2`, { readonly: true })
  t.equal(copy.pragma('user_version', { simple: true }), 1)
  t.match(copy.prepare('SELECT count(*) AS n FROM alarm').get(), { n: 1 })
  copy.close()
  openAgentStore(path, { nowMs, readOnly: true }).close()
})

t.test('ages of the meters are known as readings come, and after a start', async t => {
  const store = openAgentStore(join(tempDir(t), 'store.sqlite'), { nowMs })
  t.teardown(() => store.close())
  const meters = ['A', 'B', 'C', 'D'].map(id => ({ id, bus: 'bus' }))
  const subject = { slotSeconds: 900, meters }
  const agesAt = (freshness: Freshness, slot: number) =>
    freshness.ages((slot + 1) * 900_000).map(({ ageSeconds }) => ageSeconds)
  const live = new Freshness(subject)
  const watched = live.watch(store)
  watched.appendReadings('bus', [
    reading('A', 5_000),
    reading('B', 5_000),
    gapRecord('C', 5_000, 1, 'silent', null)
  ])
  t.same(agesAt(live, 5_000), [0, 0, null, null], 'a gap record is no good reading')
  watched.appendReadings('bus', [reading('A', 5_001), gapRecord('B', 5_001, 1, 'silent', null)])
  t.same(agesAt(live, 5_001), [0, 900, null, null])
  watched.appendReadings('bus', [reading('C', 4_990), reading('B', 5_001, 2)])
  t.same(agesAt(live, 5_001), [0, 0, 9_900, null], 'what is filled later counts by its slot')
  watched.appendReadings('bus', [reading('C', 4_980)])
  t.same(agesAt(live, 5_001), [0, 0, 9_900, null], 'older ones change nothing')

  const restarted = new Freshness(subject)
  restarted.load(store, 5_002 * 900_000)
  t.same(agesAt(restarted, 5_001), agesAt(live, 5_001), 'the same from the store')
  const status = buildStatus({ ...subject, gateway: 'G', buses: [] }, store, 5_002 * 900_000, null)
  t.same(
    new Map(status.meters.map(({ meter, ageSeconds }) => [meter, ageSeconds])),
    new Map(restarted.ages(5_002 * 900_000).map(({ meter, ageSeconds }) => [meter, ageSeconds])),
    'and the same as status says'
  )
})

t.test('a bad disk is met with a clear error and a whole store', async t => {
  const dir = tempDir(t)
  const path = join(dir, 'store.sqlite')
  t.throws(() => openAgentStore(path, { nowMs, readOnly: true }), { code: 'STORE_MISSING' })
  t.throws(() => openAgentStore(join(dir, 'no', 'such', 'x'), { nowMs }), { code: 'STORE_OPEN' })

  // disk full: the write fails whole, reading and sealing what is there go on
  let store = openAgentStore(path, { nowMs, maxBytes: 120_000 })
  let slot = 0
  let full: unknown
  while (full === undefined) {
    const readings = Array.from({ length: 40 }, (_, i) =>
      reading(`M${i}`, slot, 1, i * 7_919 + slot * 104_729)
    )
    try {
      store.appendReadings('bus', readings)
      slot++
    } catch (error) {
      full = error
    }
  }
  t.match(full, { code: 'STORE_FULL', next: /free space/ })
  t.equal(isRetryable(full), true)
  t.equal(isRetryable(new StoreError('STORE_SEQ', 'x')), false)
  t.equal(store.queryReadings({ fromSlot: slot }).length, 0, 'nothing of the failed one')
  t.equal(store.queryReadings({}).length, slot * 40)
  t.equal(store.highestVersion('M1', slot), 0, 'memory believes what the disk holds')
  store.close()
  store = openAgentStore(path, { nowMs })
  const again = Array.from({ length: 40 }, (_, i) => reading(`M${i}`, slot))
  t.equal(store.appendReadings('bus', again), 40)

  // a copy says that it is one
  const copy = await store.backup(dir, 2)
  const first = readFileSync(copy)
  t.equal(first.length > 0, true)
  store.close()
  const restored = join(dir, 'restored.sqlite')
  copyFileSync(copy, restored)
  const second = openAgentStore(restored, { nowMs })
  t.match(second.getMeta('stateLost'), /restored from a copy of 2026-01-02/)
  t.equal(second.queryReadings({}).length, (slot + 1) * 40)
  second.close()

  // a damaged page is noticed before anything is signed, set aside, and the next start knows
  const size = statSync(path).size
  const damaged = readFileSync(path)
  damaged.fill(0xa5, 512 * 3, size)
  writeFileSync(path, damaged)
  t.throws(() => openAgentStore(path, { nowMs }), {
    code: 'STORE_CORRUPT',
    at: /corrupt-20260102T030405Z/,
    next: /start again/
  })
  t.equal(existsSync(path), false)
  const fresh = openAgentStore(path, { nowMs })
  t.match(fresh.getMeta('stateLost'), /set aside/)
  fresh.setMeta('stateLost', '')
  fresh.close()
  const later = openAgentStore(path, { nowMs })
  t.equal(later.getMeta('stateLost'), '', 'told once')
  later.close()
  writeFileSync(join(dir, 'text.sqlite'), 'not a database '.repeat(100))
  t.throws(() => openAgentStore(join(dir, 'text.sqlite'), { nowMs }), { code: 'STORE_CORRUPT' })
  t.ok(readdirSync(dir).some(name => name.startsWith('text.sqlite.corrupt-')))

  // versions
  const newer = new Database(path)
  newer.pragma('user_version = 99')
  newer.close()
  t.throws(() => openAgentStore(path, { nowMs }), { code: 'STORE_SCHEMA' })
  t.throws(() => openAgentStore(path, { nowMs, readOnly: true }), { code: 'STORE_SCHEMA' })
  const other = new Database(join(dir, 'other.sqlite'))
  other.exec('CREATE TABLE x (y)')
  other.pragma('user_version = 1')
  other.close()
  t.throws(() => openAgentStore(join(dir, 'other.sqlite'), { nowMs }), { code: 'STORE_SCHEMA' })
})
