import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t from 'tap'
import { enrolGateway } from '../../../agent/ledger/enrolment.ts'
import { Ledger } from '../../../agent/ledger/ledger.ts'
import type { LedgerUplink, SealedBatch, UplinkTopic } from '../../../agent/ports.ts'
import { openLedgerStore } from '../../../drivers/store/ledger-store.ts'
import { toHex, utf8 } from '../../../proto/bytes.ts'
import { sm3 } from '../../../proto/crypto/digest.ts'
import { keyId } from '../../../proto/crypto/sm2-curve.ts'
import { createSigner, type Signer } from '../../../proto/envelope/keys.ts'
import {
  openRegistration,
  type Registration,
  type Replacement,
  signRegistration,
  signReplacement
} from '../../../proto/envelope/registration.ts'
import type { SealInput } from '../../../proto/envelope/seal.ts'
import { alarmHash, signAlarm, verifyReceipt, verifyRequest } from '../../../proto/envelope/signed-objects.ts'
import { ANCHOR_REASON } from '../../../proto/wire/anchor.ts'
import { decodeBatch, encodeBatch } from '../../../proto/wire/batch.ts'
import { RECEIPT_STATUS } from '../../../proto/wire/receipt.ts'
import {
  GATEWAY,
  gatewaySigner,
  LEDGER,
  ledgerSigner,
  QUIET,
  readingOf,
  recipientKey,
  strangerRecipientKey,
  strangerSigner
} from '../support/parties.ts'
import { EPOCH, forgeRoot, sealAs, sealChain, slotReadings } from '../support/sealing.ts'

function setUp(
  t: { teardown(fn: () => void): void },
  options: { recipientKey?: Uint8Array; suites?: number[] } = {}
) {
  const dir = mkdtempSync(join(tmpdir(), 'wattproof-ledger-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const published: { gateway: string; topic: UplinkTopic; payload: Uint8Array }[] = []
  const uplink: LedgerUplink = {
    async onMessage() {},
    async publish(gateway, topic, payload) {
      published.push({ gateway, topic, payload })
    },
    async close() {}
  }
  const nowMs = (): number => 1_700_000_000_000
  const path = join(dir, 'ledger.sqlite')
  const open = () => {
    const store = openLedgerStore(path, { nowMs })
    const ledger = new Ledger({
      ledger: LEDGER,
      store,
      uplink,
      signer: ledgerSigner,
      recipientKey: options.recipientKey ?? recipientKey,
      suites: options.suites ?? [1, 2],
      clock: { nowMs },
      log: QUIET
    })
    return { store, ledger }
  }
  const state = open()
  state.store.enrol({
    gateway: GATEWAY,
    signKey: gatewaySigner.publicKey,
    kid: gatewaySigner.kid,
    status: 'active'
  })
  t.teardown(() => state.store.close())
  const restart = (): void => {
    state.store.close()
    Object.assign(state, open())
  }
  /** Status of the verdict and of the last receipt, which must agree. */
  const take = (topic: UplinkTopic, payload: Uint8Array, gateway = GATEWAY): string => {
    published.length = 0
    const verdict = state.ledger.take(gateway, topic, payload)
    if (verdict.kind === 'wait') return 'wait'
    const receipt = verifyReceipt(published[0]?.payload as Uint8Array, ledgerSigner.publicKey)
    if (receipt.status !== RECEIPT_STATUS[verdict.status] || receipt.gateway !== gateway)
      return 'the receipt says otherwise'
    return verdict.status
  }
  const both = (batch: SealedBatch): string[] => [take('anchor', batch.anchor), take('batch', batch.batch)]
  return { state, take, both, published, restart }
}

t.test('a chain is taken in order, once, whatever comes twice', async t => {
  const { state, take, both, published, restart } = setUp(t)
  const [b0, b1, b2, b3] = sealChain(4) as [SealedBatch, SealedBatch, SealedBatch, SealedBatch]
  t.same(both(b1), ['gap', 'wait'], 'not from the middle')
  t.same(both(b0), ['wait', 'accepted'])
  const receipt = verifyReceipt(published[0]?.payload as Uint8Array, ledgerSigner.publicKey)
  t.match(receipt, {
    upToSeq: 0,
    anchorHash: b0.anchorHash,
    ledgerHead: b0.anchorHash,
    epoch: EPOCH,
    ledger: LEDGER
  })
  t.same(both(b0), ['accepted', 'accepted'], 'known')
  t.equal(take('batch', b1.batch), 'wait', 'the batch overtakes its anchor')
  t.equal(take('anchor', b1.anchor), 'accepted')
  t.equal(take('anchor', b2.anchor), 'wait')
  restart()
  t.equal(take('anchor', b2.anchor), 'wait', 'twice')
  t.equal(take('batch', b2.batch), 'accepted', 'the anchor outlived the restart')
  t.same(both(b3), ['wait', 'accepted'])
  t.same(state.store.counts(GATEWAY), { anchors: 4, readings: 8, alarms: 0, evidence: 0 })
  t.same(state.store.readings({ gateway: GATEWAY, fromSlot: 102, toSlot: 102 }), slotReadings(102))
  const late = sealAs({
    seq: 4,
    prev: b3.anchorHash,
    reason: ANCHOR_REASON.supplementary,
    roster: ['B'],
    readings: [readingOf('B', 100, 2), readingOf('B', 101)],
    slotFrom: 100,
    slotTo: 101
  })
  t.same(both(late), ['wait', 'accepted'])
  t.equal(state.store.counts(GATEWAY).readings, 9, 'a version that is there stays as it is')

  // a lost state: a new epoch names what it knows, and the old epoch is over
  const other = new Uint8Array(8).fill(2)
  const restored = { epoch: other, slotFrom: 105, slotTo: 105, readings: slotReadings(105) }
  t.same(both(sealAs({ ...restored, prev: b3.anchorHash })), ['malformed', 'wait'], 'without its reason')
  t.same(both(sealAs({ ...restored, reason: ANCHOR_REASON.restore, prev: new Uint8Array(32).fill(9) })), [
    'gap',
    'wait'
  ])
  const opening = sealAs({ ...restored, reason: ANCHOR_REASON.restore, prev: b3.anchorHash })
  t.same(both(opening), ['wait', 'accepted'])
  const late5 = sealAs({
    seq: 5,
    prev: late.anchorHash,
    slotFrom: 106,
    slotTo: 106,
    readings: slotReadings(106)
  })
  t.same(
    take('anchor', late5.anchor),
    'fork',
    'the old epoch goes on elsewhere: two gateways with one identity'
  )
  t.equal(state.store.gateway(GATEWAY)?.status, 'frozen')
})

const bundleOf = (signer: Signer, replaces: readonly Replacement[] = []): Registration =>
  openRegistration(
    JSON.stringify(
      signRegistration({ gateway: GATEWAY, chainAccount: '0x1', chainGatewayId: '0x2' }, signer, replaces)
    )
  )

t.test('a further key needs the signature of the newest, and is over when a newer one has begun', async t => {
  const { state, take, both, restart } = setUp(t)
  const [second, third, thief] = ['second', 'third', 'thief'].map(name => createSigner(sm3(utf8(name)))) as [
    Signer,
    Signer,
    Signer
  ]
  const toSecond = signReplacement(GATEWAY, gatewaySigner, second, 1_700_000_000)
  const toThird = signReplacement(GATEWAY, second, third, 1_700_000_100)
  const [b0, b1, b2] = sealChain(3) as [SealedBatch, SealedBatch, SealedBatch]
  const alarm = {
    gateway: GATEWAY,
    meter: null,
    rule: 'line',
    state: 'raised',
    class: 'general',
    cleared: null,
    location: null,
    evidence: new Uint8Array(0),
    bus: null
  } as const
  const alarmAt = (raised: number, signer: Signer) =>
    take('alarm', signAlarm({ ...alarm, raised, id: raised }, signer))
  const enrol = (registration: Registration, trusted: string[] = []): string =>
    enrolGateway(state.store, registration, trusted)
  const rotation = (change: Partial<SealInput> = {}): SealedBatch =>
    sealAs({
      ...{ epoch: new Uint8Array(8).fill(2), prev: b2.anchorHash, reason: ANCHOR_REASON.keyRotation },
      ...{ slotFrom: 103, slotTo: 103, readings: slotReadings(103), signer: second, created: 1_700_001_000 },
      ...change
    })
  t.same(both(b0), ['wait', 'accepted'])
  t.equal(enrol(bundleOf(gatewaySigner)), 'known')
  t.throws(() => enrol(bundleOf(second)), { code: 'CRYPTO_SIGNATURE', next: /--trust-key [0-9a-f]{16}/ })
  const signedByThief = signReplacement(GATEWAY, thief, second, 1)
  t.throws(() => enrol(bundleOf(second, [signedByThief])), { code: 'CRYPTO_SIGNATURE' }, 'by a stranger')
  t.equal(take('anchor', b1.anchor), 'wait')
  t.equal(take('anchor', rotation().anchor), 'badSignature', 'a key that is not enrolled')
  t.equal(enrol(bundleOf(second, [toSecond])), 'keyReplaced')
  t.equal(enrol(bundleOf(second, [toSecond])), 'known')
  t.equal(enrol(bundleOf(gatewaySigner)), 'known', 'the bundle before changes nothing')
  restart()
  t.equal(take('anchor', rotation().anchor), 'gap', 'the batches under the old key come first')
  t.equal(
    take('anchor', sealAs({ seq: 1, prev: b0.anchorHash, signer: second }).anchor),
    'badSignature',
    'never two keys in one epoch'
  )
  t.same(
    [...both(b1), ...both(b2)],
    ['wait', 'accepted', 'wait', 'accepted'],
    'nothing signed before is lost'
  )
  t.equal(
    alarmAt(1_700_000_900, gatewaySigner),
    'alarmAccepted',
    'the old key counts until the new one is used'
  )
  const pending = rotation({ epoch: new Uint8Array(8).fill(3), signer: gatewaySigner })
  t.equal(take('anchor', pending.anchor), 'wait', 'as long as the new key has not begun')
  t.same(both(rotation()), ['wait', 'accepted'])

  t.equal(take('batch', pending.batch), 'badSignature', 'it waited too long')
  const next = { seq: 3, prev: b2.anchorHash, slotFrom: 103, slotTo: 103, readings: slotReadings(103) }
  t.equal(take('anchor', sealAs(next).anchor), 'badSignature', 'the old key goes on in its epoch')
  t.equal(
    take('anchor', sealAs({ ...next, seq: 2, prev: b1.anchorHash }).anchor),
    'badSignature',
    'or signs a number twice'
  )
  t.equal(state.store.gateway(GATEWAY)?.status, 'active', 'whoever stole it stops nothing')
  t.same(
    [...both(b1), ...both(b2)],
    ['accepted', 'accepted', 'accepted', 'accepted'],
    'stored ones come again'
  )
  t.equal(alarmAt(1_700_000_999, gatewaySigner), 'alarmAccepted', 'a stored alarm comes late')
  t.equal(alarmAt(1_700_001_001, gatewaySigner), 'badSignature', 'raised after the key was over')
  t.equal(alarmAt(1_700_001_001, second), 'alarmAccepted')

  const branch = signReplacement(GATEWAY, gatewaySigner, thief, 1_700_002_000)
  t.throws(() => enrol(bundleOf(thief, [branch])), { code: 'CRYPTO_SIGNATURE' }, 'an old key admits nobody')
  t.equal(enrol(bundleOf(third, [toThird, toSecond])), 'keyReplaced')
  t.throws(() => openRegistration('{}'), { code: 'CRYPTO_KEY' }, 'no bundle')
  t.throws(() => bundleOf(third, [toSecond]), { code: 'CRYPTO_SIGNATURE' }, 'a link is missing')
  t.throws(() => bundleOf(third, [{ ...toThird, time: 1 }]), { code: 'CRYPTO_SIGNATURE' }, 'changed')
  t.equal(enrol(bundleOf(thief), [toHex(thief.kid)]), 'keyReplaced', 'a lost key: a person has compared it')

  const fresh = setUp(t)
  t.equal(enrolGateway(fresh.state.store, bundleOf(third, [toThird, toSecond]), []), 'keyReplaced')
  t.equal(fresh.state.store.gateway(GATEWAY)?.keys.length, 3, 'two rotations in one bundle')
  t.equal(
    enrolGateway(fresh.state.store, { ...bundleOf(third, [toThird, toSecond]), gateway: 'G-3' }, []),
    'enrolled'
  )
  t.equal(fresh.state.store.gateway('G-3')?.keys.length, 3, 'what the earlier keys signed may still come')
})

t.test('a database of the version before keeps its gateways and their key', async t => {
  const dir = t.testdir()
  const path = join(dir, 'ledger.db')
  const options = { nowMs: () => 1_700_000_000_000 }
  const entry = { gateway: GATEWAY, signKey: gatewaySigner.publicKey, kid: gatewaySigner.kid }
  const before = openLedgerStore(path, options)
  before.enrol({ ...entry, status: 'active' })
  before.setStatus(GATEWAY, 'frozen')
  before.close()
  const sql = new Database(path)
  sql.exec('DROP TABLE gateway_key; PRAGMA user_version = 1')
  sql.close()
  const after = openLedgerStore(path, options)
  t.match(after.gateway(GATEWAY), { status: 'frozen', keys: [{ kid: gatewaySigner.kid, since: null }] })
  after.close()
})

t.test('what does not hold is refused with its reason', async t => {
  const { state, take, both } = setUp(t)
  const [b0, b1] = sealChain(2) as [SealedBatch, SealedBatch]
  const damaged = (octets: Uint8Array, at: number): Uint8Array =>
    octets.with(at < 0 ? octets.length + at : at, 0x55)
  const cases: [string, () => string, string][] = [
    ['an unknown gateway', () => take('anchor', b0.anchor, 'G-2'), 'unknownGateway'],
    ['its batch', () => take('batch', b0.batch, 'G-2'), 'unknownGateway'],
    ['its alarm', () => take('alarm', b0.batch, 'G-2'), 'unknownGateway'],
    ['no anchor at all', () => take('anchor', Uint8Array.of(1, 2, 3)), 'malformed'],
    ['no batch at all', () => take('batch', Uint8Array.of(1, 2, 3)), 'malformed'],
    ['no alarm at all', () => take('alarm', Uint8Array.of(1, 2, 3)), 'malformed'],
    ['a damaged signature', () => take('anchor', damaged(b0.anchor, -1)), 'badSignature'],
    [
      "a stranger's signature",
      () => take('anchor', sealAs({ signer: strangerSigner }).anchor),
      'badSignature'
    ],
    ["another gateway's anchor", () => take('anchor', sealAs({ gateway: 'G-9' }).anchor), 'wrongGateway'],
    ["another gateway's batch", () => take('batch', sealAs({ gateway: 'G-9' }).batch), 'wrongGateway'],
    [
      'a suite not taken',
      () => take('anchor', sealAs({ suite: 3, reason: ANCHOR_REASON.provision }).anchor),
      'unknownSuite'
    ],
    [
      'a suite taken',
      () => both(sealAs({ suite: 2, reason: ANCHOR_REASON.provision })).join(),
      'wait,accepted'
    ],
    ['another anchor of that number', () => take('anchor', b0.anchor), 'fork'],
    ['everything after a fork', () => take('anchor', b1.anchor), 'frozen']
  ]
  for (const [name, run, expected] of cases) t.equal(run(), expected, name)
  state.store.enrol({
    gateway: GATEWAY,
    signKey: gatewaySigner.publicKey,
    kid: keyId(gatewaySigner.publicKey),
    status: 'active'
  })
  t.equal(state.store.gateway(GATEWAY)?.status, 'frozen', 'enrolling again does not thaw')
  t.ok(state.store.counts(GATEWAY).evidence >= 3)
})

t.test('a batch that does not hold is set aside, the next is taken', async t => {
  const { state, take, both } = setUp(t)
  const [b0, b1, b2] = sealChain(3) as [SealedBatch, SealedBatch, SealedBatch]
  t.same(both(b0), ['wait', 'accepted'])
  t.equal(take('anchor', b1.anchor), 'wait')
  const parts = decodeBatch(b1.batch)
  const flipped = encodeBatch({
    ...parts,
    ciphertext: parts.ciphertext.with(3, (parts.ciphertext[3] as number) ^ 1)
  })
  t.equal(take('batch', flipped), 'wait', 'damaged on the way: not what the anchor names')
  t.equal(take('batch', b1.batch), 'accepted', 'the right octets are still welcome')
  t.equal(take('anchor', b2.anchor), 'wait')
  t.equal(take('batch', b2.batch), 'accepted')

  // a gateway that signs nonsense: the anchor names octets whose leaves have another root
  const poison = forgeRoot(b2)
  t.same(both(poison), ['wait', 'rootMismatch'])
  t.same(both(poison), ['wait', 'rootMismatch'], 'and again')
  const next = sealAs({
    seq: 4,
    prev: poison.anchorHash,
    slotFrom: 104,
    slotTo: 104,
    readings: slotReadings(104)
  })
  t.same(both(next), ['wait', 'accepted'])
  t.same(state.store.counts(GATEWAY), { anchors: 5, readings: 8, alarms: 0, evidence: 1 })

  const blind = setUp(t, { recipientKey: strangerRecipientKey })
  t.same(blind.both(b0), ['wait', 'undecryptable'])
  t.equal(blind.state.store.head(GATEWAY), undefined, 'a batch for another key is not given up')
})

t.test('alarms are kept once and requests are signed', async t => {
  const { state, take, published } = setUp(t)
  const alarm = {
    gateway: GATEWAY,
    meter: 'A',
    rule: 'overload',
    state: 'raised',
    class: 'serious',
    raised: 1_700_000_000,
    cleared: null,
    location: null,
    evidence: new Uint8Array(0),
    id: 7,
    bus: null
  } as const
  const signed = signAlarm(alarm, gatewaySigner)
  t.equal(take('alarm', signed), 'alarmAccepted')
  t.match(verifyReceipt(published[0]?.payload as Uint8Array, ledgerSigner.publicKey), {
    upToSeq: 7,
    anchorHash: alarmHash(signed)
  })
  t.equal(take('alarm', signed), 'alarmAccepted')
  t.equal(take('alarm', signAlarm({ ...alarm, gateway: 'G-9' }, gatewaySigner)), 'wrongGateway')
  t.equal(take('alarm', signAlarm(alarm, strangerSigner)), 'badSignature')
  t.equal(take('state', Uint8Array.of(1)), 'wait')
  t.equal(state.store.counts().alarms, 1)
  published.length = 0
  await state.ledger.request({
    gateway: GATEWAY,
    kind: 'reread',
    epoch: new Uint8Array(8),
    from: 1,
    to: 2,
    meter: 'A'
  })
  t.match(verifyRequest(published[0]?.payload as Uint8Array, ledgerSigner.publicKey), {
    kind: 'reread',
    from: 1,
    to: 2,
    time: 1_700_000_000
  })
})
