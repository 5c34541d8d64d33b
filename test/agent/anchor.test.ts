import { createHash } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AnchorLoop, type AnchorLoopOptions } from '../../agent/anchor/anchor-loop.ts'
import { ANCHOR_PACE, type AnchorStep, backoffMs } from '../../agent/anchor/anchor-step.ts'
import { createContractReader } from '../../agent/anchor/contract-reader.ts'
import { admitGateway, callContract, deployContract, setGatewayStatus } from '../../agent/anchor/registry.ts'
import type { AgentStore, AnchorAttempt, AnchorState, SealedBatch, StoredAlarm } from '../../agent/ports.ts'
import { startAnvil } from '../../drivers/chain/anvil.ts'
import { openEvmChain } from '../../drivers/chain/evm.ts'
import { openAgentStore } from '../../drivers/store/agent-store.ts'
import { equalBytes, fromHex, toHex, utf8 } from '../../proto/bytes.ts'
import { parseAddress } from '../../proto/chain/address.ts'
import { alarmArguments, alarmCode, decodeAlarmCall } from '../../proto/chain/alarm-record.ts'
import { anchorTuple } from '../../proto/chain/anchor-record.ts'
import { createContractCodec, gatewayKey } from '../../proto/chain/contract-codec.ts'
import { ROLE } from '../../proto/chain/contract-tables.ts'
import { decodeLegacyTransaction, signLegacyTransaction } from '../../proto/chain/transaction.ts'
import { keccak256 } from '../../proto/crypto/digest.ts'
import { ethereumAddress } from '../../proto/crypto/secp256k1.ts'
import { alarmHash, signAlarm } from '../../proto/envelope/signed-objects.ts'
import {
  compileContract,
  createHandClock,
  createTestLog,
  type FaultProxy,
  rpc,
  startFaultProxy
} from '../drivers/chain-helpers.ts'
import { gatewaySigner } from './support/parties.ts'

const codec = createContractCodec(keccak256)
const BYTECODE = compileContract()
const CHAIN = 31337n
const hash = (text: string) => new Uint8Array(createHash('sha256').update(text).digest())
const key = (name: string) => hash(`test key ${name}`)
const EPOCHS = ['0102030405060708', '1112131415161718'].map(fromHex) as [Uint8Array, Uint8Array]

const node = await startAnvil({ chainId: CHAIN })
t.teardown(() => node.stop())
const mine = (blocks = 1) => rpc(node.url, 'anvil_mine', [`0x${blocks.toString(16)}`])
const setAutomine = (on: boolean) => rpc(node.url, 'evm_setAutomine', [on])
const height = async () => Number(await rpc<string>(node.url, 'eth_blockNumber'))

let fixtures = 0
/** A gateway of its own on a contract of its own, behind a node door of its own. */
const setUp = async (tap: Test, options: { admitted?: boolean } = {}) => {
  fixtures += 1
  const gateway = `GW-${fixtures}`
  const clock = createHandClock()
  const log = createTestLog()
  const direct = openEvmChain({
    rpc: [node.url],
    chainId: CHAIN,
    clock,
    log: createTestLog(),
    probeEveryMs: 1e12
  })
  const utility = { chain: direct, clock, codec, privateKey: key('utility'), pollMs: 1 }
  const contract = await deployContract(utility, BYTECODE)
  const account = ethereumAddress(key(gateway))
  if (options.admitted !== false) await admitGateway(utility, contract, gateway, account)
  const proxy = await startFaultProxy(node.url)
  tap.teardown(() => proxy.close())
  const path = join(tap.testdir(), 'agent.db')
  let store = openAgentStore(path, { nowMs: clock.nowMs })
  tap.teardown(() => store.close())
  const reader = createContractReader(direct, contract, codec)
  const troubles: string[] = []
  return {
    ...{ gateway, clock, log, utility, contract, account, proxy, reader, direct, troubles },
    own: { ...utility, privateKey: key(gateway) },
    store: () => store,
    reopen: () => {
      store.close()
      store = openAgentStore(path, { nowMs: clock.nowMs })
    },
    /** a process of its own: nothing shared with the one before but the store */
    loop: (change: Partial<AnchorLoopOptions> = {}) =>
      new AnchorLoop({
        ...{ store, clock, log, codec, contract, gateway, privateKey: key(gateway), random: () => 0.5 },
        chain: openEvmChain({ rpc: [proxy.url], clock, log, timeoutMs: 20000 }),
        onTrouble: trouble => troubles.push(trouble?.kind ?? 'over'),
        ...change
      }),
    events: async () => {
      const all = await reader.events({ fromBlock: 0n, toBlock: 'latest', gateway: gatewayKey(gateway) })
      return all.map(({ event }) => event).filter(event => event.name !== 'GatewaySet')
    }
  }
}
type Fixture = Awaited<ReturnType<typeof setUp>>

/** Commits batches seq..seq+count-1 of an epoch, chained on what is there. */
const seal = (
  store: AgentStore,
  epoch: Uint8Array,
  count: number,
  nowMs = 1_800_000_000_000
): SealedBatch[] => {
  return Array.from({ length: count }, () => {
    const head = store.head()
    const seq = head !== undefined && equalBytes(head.epoch, epoch) ? head.seq + 1 : 0
    const batch: SealedBatch = {
      ...{ epoch, seq, slotFrom: 2_000_000 + seq, slotTo: 2_000_000 + seq, reason: seq === 0 ? 2 : 0 },
      ...{
        count: 12,
        root: hash(`root ${toHex(epoch)} ${seq}`),
        batch: utf8('batch'),
        anchor: utf8('anchor')
      },
      anchorHash: hash(`anchor ${toHex(epoch)} ${seq}`),
      prev: head?.anchorHash ?? new Uint8Array(32),
      ...{ saltKey: new Uint8Array(16), leaves: [], createdAt: nowMs }
    }
    store.commitBatch(batch)
    return batch
  })
}

/** An alarm that is raised, signed and stored for the chain, with what its event must say. */
const raise = (fixture: Fixture, rule = 'ratio', signedAs?: Uint8Array) => {
  const store = fixture.store()
  const id = store.nextAlarmId()
  const raised = Math.floor(fixture.clock.nowMs() / 1000)
  const about = { meter: 'M1', bus: 'b1', rule, state: 'raised', class: 'serious' } as const
  const evidence = utf8('{}')
  const content = { ...about, gateway: fixture.gateway, raised, cleared: null, location: null, evidence, id }
  const signed = signAlarm(content, gatewaySigner)
  const alarm: StoredAlarm = {
    ...about,
    ...{ id, raisedAt: raised * 1000, clearedAt: null, acknowledgedAt: null, shelvedUntil: null },
    ...{ evidence: '{}', signed: signedAs ?? signed, delivered: false }
  }
  store.saveAlarm(alarm, true)
  const gateway = gatewayKey(fixture.gateway)
  return { ...alarm, record: { gateway, code: alarmCode(rule), raised, evidence: alarmHash(signed) } }
}
type Raised = ReturnType<typeof raise>

/** The promise for alarms: each filed once, in order, under the hash its receipt names; one payload for each nonce. */
const checkFiled = async (tap: Test, fixture: Fixture, alarms: readonly Raised[]) => {
  const filed = (await fixture.events()).filter(event => event.name === 'AlarmFiled')
  tap.same(
    filed.map(({ fields }) => [fields['code'], fields['raised'], fields['evidence']]),
    alarms.map(({ record }) => [record.code, BigInt(record.raised), record.evidence]),
    'every alarm stands on chain once, in order'
  )
  for (const { id } of alarms) tap.match(fixture.store().alarmFiling(id), { state: 'final' })
  tap.equal(fixture.store().nextDueAlarm(0), undefined)
  checkPayloads(tap, fixture)
}

/** A nonce is never used for other octets. @returns what was sent, as names by nonce */
const checkPayloads = (tap: Test, fixture: Fixture): string[] => {
  const payloads = new Map<bigint, string>()
  for (const raw of fixture.proxy.sent) {
    const { nonce } = decodeLegacyTransaction(fromHex(raw), CHAIN)
    const before = payloads.get(nonce)
    if (before !== undefined && before !== raw) tap.fail(`nonce ${nonce} was sent with two contents`)
    payloads.set(nonce, raw)
  }
  return [...payloads.values()].map(raw => {
    const { data } = decodeLegacyTransaction(fromHex(raw), CHAIN)
    return decodeAlarmCall(codec, data) === undefined ? 'anchor' : 'alarm'
  })
}

/** Steps until `done`, moving the clock as the loop asks, mining where told to. */
const drive = async (
  fixture: Fixture,
  loop: AnchorLoop,
  done: (step: AnchorStep) => boolean,
  each: () => unknown = () => undefined
): Promise<AnchorStep[]> => {
  const steps: AnchorStep[] = []
  for (let i = 0; i < 300; i++) {
    const step = await loop.step()
    steps.push(step)
    if (done(step)) return steps
    if (step.kind === 'waiting') fixture.clock.advance(step.waitMs)
    if (step.kind === 'trouble') fixture.clock.advance(5000)
    await each()
  }
  throw new Error(`not done after 300 steps: ${JSON.stringify(steps.at(-1))}`)
}
const idle = (step: AnchorStep) => step.kind === 'idle'
const isTrouble = (kind: string) => (step: AnchorStep) =>
  step.kind === 'trouble' && step.trouble.kind === kind
const moved = (to: AnchorState) => (step: AnchorStep) => step.kind === 'moved' && step.to === to
const movesOf = (steps: readonly AnchorStep[]) =>
  steps.flatMap(step => (step.kind === 'moved' ? [step.to] : []))

/** The promise: every batch once, in order, under its own hash; nonces without a gap; one payload for each. */
const checkChain = async (tap: Test, fixture: Fixture, batches: readonly SealedBatch[]) => {
  const anchored = (await fixture.events()).filter(event => event.name === 'Anchored')
  tap.same(
    anchored.map(({ fields }) => [fields['seq'], toHex(fields['anchorHash'] as Uint8Array)]),
    batches.map(batch => [BigInt(batch.seq), toHex(batch.anchorHash)]),
    'every anchor stands on chain once, in order'
  )
  const last = batches.at(-1)
  const entry = await fixture.reader.gateway(gatewayKey(fixture.gateway))
  tap.match(
    entry,
    { next: (last?.seq ?? -1) + 1, epoch: last?.epoch, head: last?.anchorHash },
    'and the head is the last'
  )
  checkPayloads(tap, fixture)
}
const ofBatch = (attempts: readonly AnchorAttempt[], { seq, epoch }: SealedBatch) =>
  attempts.filter(attempt => attempt.seq === seq && equalBytes(attempt.epoch, epoch))

t.test('batches go on chain in order: built, sent, mined, final', async t => {
  const fixture = await setUp(t)
  const loop = fixture.loop()
  t.same(await loop.step(), { kind: 'idle' })
  const batches = seal(fixture.store(), EPOCHS[0], 3)
  const steps = await drive(fixture, loop, idle)
  t.same(movesOf(steps), Array(3).fill(['built', 'sent', 'mined', 'final']).flat())
  await checkChain(t, fixture, batches)
  t.same(
    (await fixture.events()).map(event => event.name),
    ['EpochOpened', 'Anchored', 'Anchored', 'Anchored']
  )
  const attempts = fixture.store().attempts({})
  t.same(
    attempts.map(a => [a.seq, a.n, a.state, a.nonce, a.chainId]),
    [0, 1, 2].map(i => [i, 1, 'final', BigInt(i), CHAIN])
  )
  for (const attempt of attempts) {
    const tx = await rpc<{ input: string; hash: string; from: string }>(
      node.url,
      'eth_getTransactionByHash',
      [attempt.txHash]
    )
    t.equal(
      tx.input,
      `0x${toHex(decodeLegacyTransaction(attempt.raw).data)}`,
      'what was kept is what is on chain'
    )
    t.equal(tx.from, attempt.from.toLowerCase())
    t.ok((attempt.finalAt ?? 0) > 0 && (attempt.blockNumber ?? 0n) > 0n)
  }
  // The next epoch names the last hash of the one before.
  const next = seal(fixture.store(), EPOCHS[1], 2)
  await drive(fixture, loop, idle)
  await checkChain(t, fixture, [...batches, ...next])
  const opened = (await fixture.events()).filter(event => event.name === 'EpochOpened')
  t.match(opened[1]?.fields, {
    lastKnown: batches[2]?.anchorHash,
    closedEpoch: EPOCHS[0],
    closedNext: 3n,
    reason: 2n
  })
  t.match(loop.status(), { account: fixture.account, contract: fixture.contract, trouble: undefined })
  t.same(fixture.troubles, [])
  const found = await fixture.reader.findAnchored(gatewayKey(fixture.gateway), EPOCHS[0], 1)
  t.equal(found?.place.txHash, attempts[1]?.txHash)
})

t.test('a kill after any step: the same octets go on, each anchor lands once', async t => {
  for (const soft of ['kept', 'lost']) {
    for (const kill of soft === 'lost' ? [1, 2, 3, 4, 5, 6, 7] : [2, 3]) {
      await t.test(`after ${kill} steps, unsynced notes ${soft}`, async t => {
        const fixture = await setUp(t)
        const batches = seal(fixture.store(), EPOCHS[0], 2)
        // The attempt itself is durable when saveAttempt returns; later notes may be lost with the process.
        const { store } = fixture
        const forgetful = { ...store(), updateAttempt: () => undefined }
        const first = fixture.loop(soft === 'lost' ? { store: forgetful } : {})
        for (let i = 0; i < kill; i++) {
          await first.step()
          fixture.clock.advance(1000)
        }
        const saved = store().inFlight()
        fixture.reopen()
        t.same(store().inFlight()?.raw, saved?.raw, 'the octets survive')
        await drive(fixture, fixture.loop(), idle)
        await checkChain(t, fixture, batches)
        t.same(
          store()
            .attempts({})
            .map(a => a.state),
          ['final', 'final'],
          'one attempt each was enough'
        )
      })
    }
  }
})

const FAULTS: readonly [what: string, start: FaultProxy['faults'], trouble: string | undefined][] = [
  ['the answer is cut after the node took it', { cutAfter: 'eth_sendRawTransaction' }, undefined],
  ['the request is cut before the node has it', { cutBefore: 'eth_sendRawTransaction' }, undefined],
  ['receipts are cut', { cutAfter: 'eth_getTransactionReceipt' }, 'unreachable'],
  ['nothing answers', { cutBefore: '*' }, 'unreachable'],
  ['503', { httpStatus: 503 }, 'unreachable'],
  ['a proxy error page', { garbage: '<html>' }, 'unreachable'],
  ['the hash of another transaction', { hash: `0x${'12'.repeat(32)}` }, undefined],
  ['the pool is full', { refusal: { code: -32000, message: 'txpool is full' } }, undefined],
  ['a gap that is none', { refusal: { code: -32000, message: 'nonce too high' } }, undefined],
  ['an error without sense', { refusal: { code: -32603, message: 'Internal error' } }, undefined],
  ['another chain', { chainId: 5n }, 'wrongChain']
]
const faulted = new Set<string>()
// what hits the sending itself is tried with an alarm in front of the anchors too
const OF_SENDING = FAULTS.filter(([, { cutAfter, cutBefore, hash, refusal }]) =>
  [cutAfter, cutBefore, hash, refusal].some(fault => fault !== undefined)
)
for (const [what, start, expected] of [...OF_SENDING, ...FAULTS]) {
  const withAlarm = OF_SENDING.some(([name]) => name === what) && !faulted.has(what)
  faulted.add(what)
  t.test(`a fault that passes: ${what}${withAlarm ? ', an alarm due' : ''}`, async t => {
    const fixture = await setUp(t)
    const first = seal(fixture.store(), EPOCHS[0], 1)
    const loop = fixture.loop()
    await drive(fixture, loop, idle)
    const batches = [...first, ...seal(fixture.store(), EPOCHS[0], 2)]
    const alarms = withAlarm ? [raise(fixture)] : []
    Object.assign(fixture.proxy.faults, start)
    for (let i = 0; i < 12; i++) {
      const step = await loop.step()
      fixture.clock.advance(step.kind === 'waiting' ? step.waitMs : 16000)
    }
    if (expected !== undefined) t.same(fixture.troubles, [expected], 'said once')
    if (start.chainId !== undefined) t.equal(fixture.proxy.sent.length, 1, 'nothing is sent to another chain')
    for (const fault of Object.keys(start)) delete fixture.proxy.faults[fault as keyof typeof start]
    fixture.clock.advance(16000)
    await drive(fixture, loop, idle)
    await checkChain(t, fixture, batches)
    t.same(
      fixture
        .store()
        .attempts({})
        .map(a => [a.seq, a.n, a.state]),
      [0, 1, 2].map(seq => [seq, 1, 'final'])
    )
    if (expected !== undefined) t.same(fixture.troubles, [expected, 'over'])
    await checkFiled(t, fixture, alarms)
    t.equal(fixture.store().alarmAttempts({}).length, alarms.length, 'one attempt was enough')
  })
}

t.test('null receipts: the nonce is gone, and the head settles it', async t => {
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 2)
  fixture.proxy.faults.nullReceipts = true
  const loop = fixture.loop()
  // The node has no receipts at all: the anchor is found on chain and taken as it is.
  await drive(fixture, loop, idle)
  await checkChain(t, fixture, batches)
  t.equal(fixture.proxy.sent.length, 2, 'nothing was sent twice')
  const states = fixture
    .store()
    .attempts({})
    .map(a => [a.seq, a.n, a.state, a.detail?.slice(0, 8)])
  t.same(states, [
    [0, 1, 'blocked', 'nonce 0 '],
    [0, 2, 'final', 'recorded'],
    [1, 1, 'blocked', 'nonce 1 '],
    [1, 2, 'final', 'recorded']
  ])
})

t.test('a chain where nothing of ours stands, then a gateway nobody admitted', async t => {
  const fixture = await setUp(t, { admitted: false })
  const batches = seal(fixture.store(), EPOCHS[0], 1)
  const elsewhere = fixture.loop({ contract: fixture.account })
  t.match(await elsewhere.step(), { kind: 'trouble', trouble: { kind: 'noContract' } })
  const loop = fixture.loop()
  t.match(await loop.step(), {
    kind: 'trouble',
    trouble: { kind: 'notAdmitted', detail: new RegExp(fixture.account) }
  })
  await loop.step()
  t.equal(fixture.proxy.sent.length, 0)
  await admitGateway(fixture.utility, fixture.contract, fixture.gateway, fixture.account)
  await drive(fixture, loop, idle)
  await checkChain(t, fixture, batches)
  t.same(fixture.troubles, ['noContract', 'notAdmitted', 'over'])
  // The store remembers its chain: a restart against another one is refused.
  fixture.proxy.faults.chainId = 99n
  t.match(await fixture.loop().step(), { kind: 'trouble', trouble: { kind: 'wrongChain', detail: /99/ } })
})

t.test('a reorganisation before finality: back to sent, the same octets again', async t => {
  await setAutomine(false)
  t.teardown(() => setAutomine(true))
  await setAutomine(true)
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 1)
  await setAutomine(false)
  const loop = fixture.loop({ confirmations: 3 })
  await drive(fixture, loop, moved('sent'))
  await mine()
  await drive(fixture, loop, moved('mined'))
  const before = fixture.store().inFlight()
  await rpc(node.url, 'anvil_reorg', [1, []])
  const steps = await drive(fixture, loop, isTrouble('reorganised'))
  t.same(movesOf(steps), [])
  t.match(fixture.store().inFlight(), { state: 'sent', blockNumber: null, raw: before?.raw })
  await drive(fixture, loop, moved('mined'), mine)
  await drive(fixture, loop, idle, mine)
  const final = fixture.store().attempts({ state: 'final' })[0]
  t.equal(final?.txHash, before?.txHash)
  t.ok((await height()) >= Number(final?.blockNumber) + 2, 'three blocks deep')
  t.same(new Set(fixture.proxy.sent).size, 1)
  await checkChain(t, fixture, batches)
  t.same(fixture.troubles, ['reorganised', 'over'])

  // Deeper than anyone promised: what was final is gone and is handed in again, before anything new.
  const more = seal(fixture.store(), EPOCHS[0], 1)
  await rpc(node.url, 'anvil_reorg', [(await height()) - Number(final?.blockNumber) + 1, []])
  await drive(fixture, loop, isTrouble('chainBehind'))
  await mine()
  await drive(fixture, loop, idle, mine)
  await checkChain(t, fixture, [...batches, ...more])
})

t.test('a halted chain: one trouble, nothing sent again, and on with the same octets', async t => {
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 2)
  await rpc(node.url, 'evm_setAutomine', [false])
  await rpc(node.url, 'evm_setIntervalMining', [0])
  t.teardown(() => setAutomine(true))
  const loop = fixture.loop()
  await drive(fixture, loop, isTrouble('halted'))
  for (let i = 0; i < 20; i++) {
    await loop.step()
    fixture.clock.advance(60000)
  }
  t.equal(fixture.proxy.sent.length, 1, 'sending again would help nobody')
  t.same(fixture.troubles, ['halted'])
  const restarted = fixture.loop()
  await drive(fixture, restarted, isTrouble('halted'))
  t.equal(new Set(fixture.proxy.sent).size, 1, 'a restart sends the same octets')
  await setAutomine(true)
  await mine()
  await drive(fixture, restarted, idle, mine)
  await checkChain(t, fixture, batches)
  t.same(fixture.troubles, ['halted', 'halted', 'over'])
})

t.test('accepted by one node and mined by none: sent again when blocks go on', async t => {
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 1)
  await setAutomine(false)
  t.teardown(() => setAutomine(true))
  const loop = fixture.loop()
  const [, sent] = await drive(fixture, loop, moved('sent'))
  t.match(sent, { to: 'sent' })
  const txHash = fixture.store().inFlight()?.txHash
  await rpc(node.url, 'anvil_dropTransaction', [txHash])
  await drive(fixture, loop, moved('mined'), mine)
  t.equal(fixture.proxy.sent.length, 2)
  t.equal(new Set(fixture.proxy.sent).size, 1)
  await drive(fixture, loop, idle, mine)
  await checkChain(t, fixture, batches)
})

t.test('the account is used by someone else', async t => {
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 1)
  const loop = fixture.loop()
  await drive(fixture, loop, moved('built'))
  const tx = { nonce: 0n, gasPrice: 0n, gasLimit: 21000n, to: fixture.account, value: 0n }
  const foreign = signLegacyTransaction(
    { ...tx, data: new Uint8Array(0), chainId: CHAIN },
    key(fixture.gateway)
  )
  await fixture.direct.submit(foreign.raw, foreign.txHash)
  await drive(fixture, loop, idle)
  await checkChain(t, fixture, batches)
  t.same(fixture.troubles, ['keyUsedElsewhere', 'over'])
  t.same(
    fixture
      .store()
      .attempts({})
      .map(a => [a.n, a.nonce, a.state]),
    [
      [1, 0n, 'blocked'],
      [2, 1n, 'final']
    ]
  )
})

t.test('the account is rotated: the old one goes on until the registry names the new', async t => {
  const fixture = await setUp(t)
  const { gateway, utility, contract } = fixture
  const newKey = key(`${gateway} rotated`)
  const rotated = { privateKey: newKey, earlierKeys: [key(gateway)] }
  const batches = seal(fixture.store(), EPOCHS[0], 2)
  const loop = fixture.loop(rotated)
  await drive(fixture, loop, idle)
  t.equal(loop.status().account, fixture.account, 'the utility has not acted yet')
  batches.push(...seal(fixture.store(), EPOCHS[0], 2))
  await drive(fixture, loop, moved('built'))
  await admitGateway(utility, contract, gateway, ethereumAddress(newKey))
  await drive(fixture, loop, isTrouble('reverted'))
  fixture.reopen()
  const restarted = fixture.loop(rotated)
  await drive(fixture, restarted, idle)
  t.equal(restarted.status().account, ethereumAddress(newKey))
  const byAccount = await fixture.events()
  t.same(
    byAccount
      .filter(({ name }) => name === 'Anchored')
      .map(({ fields }) => toHex(fields['by'] as Uint8Array)),
    [fixture.account, fixture.account, ethereumAddress(newKey), ethereumAddress(newKey)].map(account =>
      account.slice(2).toLowerCase()
    )
  )
  const entry = await fixture.reader.gateway(gatewayKey(gateway))
  t.match(entry, { next: 4, head: batches[3]?.anchorHash }, 'every anchor once, in order')
  t.same(
    fixture.troubles.filter(kind => kind === 'notAdmitted'),
    []
  )
})

t.test('recorded by an aggregator: taken as it is, nothing sent', async t => {
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 2)
  const { contract, utility, own, gateway } = fixture
  await callContract(
    utility,
    contract,
    'setRole',
    parseAddress(ethereumAddress(key('hub'))),
    BigInt(ROLE.aggregator)
  )
  await callContract(own, contract, 'openEpoch', gatewayKey(gateway), EPOCHS[0], 0n, new Uint8Array(32), 2n)
  const tuples = batches.map(batch => anchorTuple({ ...batch, gateway: gatewayKey(gateway) }))
  await callContract({ ...utility, privateKey: key('hub') }, contract, 'anchorMany', tuples)
  await drive(fixture, fixture.loop(), idle)
  t.equal(fixture.proxy.sent.length, 0)
  await checkChain(t, fixture, batches)
  t.match(fixture.store().attempts({}), [
    { seq: 0, state: 'final', detail: /recorded by/ },
    { seq: 1, state: 'final' }
  ])

  // A node that has thrown its old logs away: the head is repeated, which changes nothing.
  const bare = await setUp(t)
  const [one] = seal(bare.store(), EPOCHS[0], 1) as [SealedBatch]
  const record = anchorTuple({ ...one, gateway: gatewayKey(bare.gateway) })
  await callContract(bare.own, bare.contract, 'openAndAnchor', record, 2n)
  bare.proxy.faults.noLogs = true
  await drive(bare, bare.loop(), idle)
  await checkChain(t, bare, [one])
  t.match(bare.store().attempts({}), [{ state: 'final', nonce: 1n }])
})

t.test('a conflict leaves evidence, stops the epoch and not the next', async t => {
  const fixture = await setUp(t)
  const { contract, own, gateway } = fixture
  const [first] = seal(fixture.store(), EPOCHS[0], 1) as [SealedBatch]
  const stolen = { ...first, anchorHash: hash('another history'), gateway: gatewayKey(gateway) }
  await callContract(own, contract, 'openAndAnchor', anchorTuple(stolen), 2n)
  seal(fixture.store(), EPOCHS[0], 2)
  const loop = fixture.loop()
  await drive(fixture, loop, isTrouble('conflict'))
  for (let i = 0; i < 6; i++) await loop.step()
  t.equal(fixture.proxy.sent.length, 1, 'offered once')
  const conflict = (await fixture.events()).find(event => event.name === 'AnchorConflict')
  t.match(conflict?.fields, { stored: stolen.anchorHash, offered: first.anchorHash, seq: 0n })
  t.match(fixture.store().attempts({}), [{ seq: 0, state: 'conflict', detail: /another anchor/ }])
  t.equal(fixture.store().nextUnanchored()?.seq, 0, 'nothing is dropped')
  const restarted = fixture.loop()
  await drive(fixture, restarted, isTrouble('conflict'))
  t.equal(fixture.proxy.sent.length, 1, 'once for ever')
  const later = seal(fixture.store(), EPOCHS[1], 2)
  await drive(fixture, restarted, idleOr(isTrouble('conflict')))
  const anchored = (await fixture.events()).filter(event => event.name === 'Anchored')
  t.same(
    anchored.slice(1).map(({ fields }) => fields['anchorHash']),
    later.map(batch => batch.anchorHash)
  )
  t.ok(fixture.log.lines.some(line => line.event === 'anchor-epoch-given-up'))
})
const idleOr = (other: (step: AnchorStep) => boolean) => (step: AnchorStep) => idle(step) || other(step)

t.test('another history before ours, and anchors missing before ours', async t => {
  const fork = await setUp(t)
  const forked = seal(fork.store(), EPOCHS[0], 1)
  const id = gatewayKey(fork.gateway)
  await callContract(fork.own, fork.contract, 'openEpoch', id, EPOCHS[0], 0n, hash('elsewhere'), 2n)
  const loop = fork.loop()
  await drive(fork, loop, isTrouble('fork'))
  t.equal(fork.proxy.sent.length, 0, 'no transaction is spent on what must revert')
  t.equal(ofBatch(fork.store().attempts({}), forked[0] as SealedBatch).length, 0)

  const gap = await setUp(t)
  seal(gap.store(), EPOCHS[0], 3)
  const wanted = gap.store()
  const third = wanted.batch(EPOCHS[0], 2)
  await callContract(
    gap.own,
    gap.contract,
    'openEpoch',
    gatewayKey(gap.gateway),
    EPOCHS[0],
    0n,
    new Uint8Array(32),
    2n
  )
  const holed = gap.loop({ store: { ...wanted, nextUnanchored: () => third } })
  const steps = await drive(gap, holed, isTrouble('gap'))
  t.equal(steps.filter(step => step.kind === 'waiting').length, 3, 'looked at again before it is believed')
  await drive(gap, gap.loop(), idle)

  // Anchoring that moves to another contract in mid-epoch opens it there at its own number.
  const moving = await setUp(t)
  const batches = seal(moving.store(), EPOCHS[0], 3)
  const later = moving.loop({
    store: { ...moving.store(), nextUnanchored: () => moving.store().batch(EPOCHS[0], 2) }
  })
  await drive(moving, later, moved('final'))
  t.match((await moving.events())[0], {
    name: 'EpochOpened',
    fields: { firstSeq: 2n, lastKnown: batches[1]?.anchorHash }
  })

  const closed = await setUp(t)
  seal(closed.store(), EPOCHS[0], 2)
  const runner = closed.loop()
  await drive(closed, runner, moved('final'))
  const state = [gatewayKey(closed.gateway), EPOCHS[1], 0n, new Uint8Array(32), 3n] as const
  await callContract(closed.own, closed.contract, 'openEpoch', ...state)
  await drive(closed, runner, isTrouble('closed'))
})

t.test('a revert burns its nonce and no more', async t => {
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 2)
  const loop = fixture.loop()
  await drive(fixture, loop, moved('final'))
  await drive(fixture, loop, moved('built'))
  await setGatewayStatus(fixture.utility, fixture.contract, fixture.gateway, 'suspended')
  await drive(fixture, loop, isTrouble('reverted'))
  t.match(fixture.store().attempts({ state: 'blocked' }), [{ seq: 1, n: 1, detail: /NotActive/ }])
  await drive(fixture, loop, isTrouble('notAdmitted'))
  t.equal(fixture.proxy.sent.length, 2, 'nothing is sent while suspended')
  await setGatewayStatus(fixture.utility, fixture.contract, fixture.gateway, 'active')
  await drive(fixture, loop, idle)
  await checkChain(t, fixture, batches)
  t.match(fixture.store().attempts({ state: 'final' }), [{ seq: 0 }, { seq: 1, n: 2, nonce: 2n }])
  t.same(fixture.troubles, ['reverted', 'notAdmitted', 'over'])
})

t.test('refused for good: blocked until the node or the configuration is mended', async t => {
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 2)
  const refusal = { code: -32000, message: 'Intrinsic gas exceeds gas limit' }
  fixture.proxy.faults.refusal = refusal
  const loop = fixture.loop()
  await drive(fixture, loop, isTrouble('refused'))
  t.match(fixture.store().attempts({}), [{ state: 'blocked', nonce: 0n, n: 1 }])
  await drive(fixture, loop, isTrouble('refused'))
  t.equal(new Set(fixture.proxy.sent).size, 1, 'the same octets are tried again')
  t.equal(fixture.store().attempts({}).length, 1)
  delete fixture.proxy.faults.refusal
  await drive(fixture, loop, moved('final'))
  fixture.proxy.faults.refusal = refusal
  await drive(fixture, loop, isTrouble('refused'))
  const tried = fixture.proxy.sent.length
  // Mended here: the never accepted octets make way for others under the same nonce.
  delete fixture.proxy.faults.refusal
  await drive(fixture, fixture.loop({ gasLimit: 500000n }), idle)
  t.match(fixture.store().attempts({}), [
    { seq: 0, state: 'final', nonce: 0n },
    { seq: 1, n: 1, state: 'blocked', nonce: 1n },
    { seq: 1, n: 2, state: 'final', nonce: 1n }
  ])
  fixture.proxy.sent.splice(0, tried)
  await checkChain(t, fixture, batches)
})

t.test('run: works until told to stop, waits with jitter, spreads over the slot', async t => {
  const fixture = await setUp(t)
  const batches = seal(fixture.store(), EPOCHS[0], 3, fixture.clock.nowMs())
  const ending = new AbortController()
  const waits: number[] = []
  const clock = {
    ...fixture.clock,
    wait: async (ms: number, signal?: AbortSignal) => {
      waits.push(ms)
      if (fixture.store().nextUnanchored() === undefined && fixture.store().inFlight() === undefined)
        ending.abort()
      await fixture.clock.wait(ms, signal)
    }
  }
  fixture.proxy.faults.cutBefore = 'eth_call'
  const pace = { spreadMs: 600000 }
  const loop = fixture.loop({
    clock,
    pace,
    onTrouble: trouble => trouble && delete fixture.proxy.faults.cutBefore
  })
  const startMs = fixture.clock.nowMs()
  await loop.run(ending.signal)
  await checkChain(t, fixture, batches)
  t.equal(waits[0], 2000, 'the first failure waits 4 s at most, here half of it')
  const id = gatewayKey(fixture.gateway)
  const place = new DataView(id.buffer).getUint32(0) % pace.spreadMs
  const sent = fixture.store().attempts({})[0]?.createdAt ?? 0
  t.ok(
    sent >= startMs + place && sent <= startMs + place + 5000,
    `sent ${sent - startMs} ms into the slot, place ${place}`
  )
  await loop.run(AbortSignal.abort())
  for (let failures = 0; failures < 40; failures++) {
    const most = Math.min(60000, 2000 * 2 ** failures)
    t.equal(
      backoffMs(ANCHOR_PACE, failures, () => 0.999999),
      most
    )
    t.equal(
      backoffMs(ANCHOR_PACE, failures, () => 0),
      1
    )
  }
  // A defect or a broken store is not waited out.
  const broken = fixture.loop({
    store: {
      ...fixture.store(),
      inFlight: () => {
        throw new TypeError('a defect')
      }
    }
  })
  await t.rejects(broken.run(new AbortController().signal), TypeError)
})

t.test('alarms: filed before the next anchor, never within one, each once', async t => {
  const fixture = await setUp(t)
  const { store } = fixture
  const first = raise(fixture)
  const batches = seal(store(), EPOCHS[0], 2)
  const loop = fixture.loop()
  const steps = await drive(fixture, loop, step => step.kind === 'moved' && step.of === 'anchor')
  t.same(steps.map(step => step.kind === 'moved' && `${step.of} ${step.to}`).filter(Boolean), [
    ...['built', 'sent', 'mined', 'final'].map(state => `filing ${state}`),
    'anchor built'
  ])
  fixture.clock.advance(1000)
  const second = raise(fixture, 'event-cover')
  store().saveAlarm({ ...second, state: 'cleared', clearedAt: 1, signed: Uint8Array.of(1) })
  await drive(fixture, loop, idle)
  await checkChain(t, fixture, batches)
  await checkFiled(t, fixture, [first, second])
  t.same(
    (await fixture.events()).map(event => event.name),
    ['AlarmFiled', 'EpochOpened', 'Anchored', 'AlarmFiled', 'Anchored']
  )
  t.same(checkPayloads(t, fixture), ['alarm', 'anchor', 'alarm', 'anchor'])
  t.same(
    store()
      .alarmAttempts({})
      .map(a => [a.alarm, a.n, a.nonce, a.state]),
    [
      [first.id, 1, 0n, 'final'],
      [second.id, 1, 2n, 'final']
    ]
  )
  t.same(
    store()
      .attempts({})
      .map(a => a.nonce),
    [1n, 3n],
    'one sequence of nonces'
  )
  const { txHash, blockNumber } = store().alarmFiling(first.id) ?? {}
  t.same(await fixture.reader.findFiled(first.record), {
    alarm: { ...first.record, by: parseAddress(fixture.account) },
    place: { ...(await fixture.reader.findFiled(first.record))?.place, txHash, blockNumber }
  })
  fixture.reopen()
  const restarted = fixture.loop()
  t.same(await restarted.step(), { kind: 'idle' })
  t.same(fixture.troubles, [])
  // The store knows its chain by its alarms alone too.
  const young = await setUp(t)
  raise(young)
  await drive(young, young.loop(), idle)
  young.proxy.faults.chainId = 99n
  t.match(await young.loop().step(), { kind: 'trouble', trouble: { kind: 'wrongChain' } })
})

t.test('alarms: a kill after any step', async t => {
  for (const soft of ['kept', 'lost']) {
    // built, sent, mined, final of the alarm; the anchor built
    for (const kill of soft === 'lost' ? [1, 2, 3, 5, 6] : [2, 3]) {
      await t.test(`after ${kill} steps, unsynced notes ${soft}`, async t => {
        const fixture = await setUp(t)
        const { store } = fixture
        const alarm = raise(fixture)
        const batches = seal(store(), EPOCHS[0], 1)
        const first = fixture.loop(
          soft === 'lost' ? { store: { ...store(), updateAttempt: () => undefined } } : {}
        )
        for (let i = 0; i < kill; i++) {
          await first.step()
          fixture.clock.advance(1000)
        }
        const saved = store().inFlight()
        fixture.reopen()
        t.same(store().inFlight()?.raw, saved?.raw, 'the octets survive')
        await drive(fixture, fixture.loop(), idle)
        await checkChain(t, fixture, batches)
        await checkFiled(t, fixture, [alarm])
        t.same(checkPayloads(t, fixture), ['alarm', 'anchor'])
        t.equal(store().alarmAttempts({}).length, 1, 'one attempt was enough')
      })
    }
  }
})

t.test('alarms: what is on chain already is taken as it is', async t => {
  // No receipts: the nonce is gone, and the event settles it.
  const blind = await setUp(t)
  const batches = seal(blind.store(), EPOCHS[0], 1)
  const alarm = raise(blind)
  blind.proxy.faults.nullReceipts = true
  await drive(blind, blind.loop(), idle)
  await checkChain(t, blind, batches)
  await checkFiled(t, blind, [alarm])
  t.equal(blind.proxy.sent.length, 2, 'nothing was sent twice')
  t.match(blind.store().alarmAttempts({}), [
    { n: 1, state: 'blocked', nonce: 0n },
    { n: 2, state: 'final', detail: /recorded by/ }
  ])

  // Filed by hand, as by a store that was lost since; and not deep enough yet.
  const lost = await setUp(t)
  const filed = raise(lost)
  await callContract(lost.own, lost.contract, 'fileAlarm', ...alarmArguments(filed.record))
  const loop = lost.loop({ confirmations: 3 })
  t.match(await loop.step(), { kind: 'waiting' })
  await mine(2)
  await drive(lost, loop, idle)
  await checkFiled(t, lost, [filed])
  t.equal(lost.proxy.sent.length, 0)

  // The account is used by someone else: the alarm takes the next nonce.
  const shared = await setUp(t)
  const own = raise(shared)
  const runner = shared.loop()
  await drive(shared, runner, moved('built'))
  await callContract(
    shared.own,
    shared.contract,
    'fileAlarm',
    ...alarmArguments({ ...own.record, raised: 1 })
  )
  await drive(shared, runner, idle)
  t.same(shared.troubles, ['keyUsedElsewhere', 'over'])
  t.same(
    shared
      .store()
      .alarmAttempts({})
      .map(a => [a.n, a.nonce, a.state]),
    [
      [1, 0n, 'blocked'],
      [2, 1n, 'final']
    ]
  )
})

t.test('alarms: a revert is blocked with its reason and stops no anchor', async t => {
  const fixture = await setUp(t)
  const { store, utility, contract, gateway, account } = fixture
  const alarm = raise(fixture)
  const batches = seal(store(), EPOCHS[0], 1)
  const loop = fixture.loop()
  await drive(fixture, loop, moved('built'))
  // another signer: the registry as it was when the transaction was made is no more
  await admitGateway(utility, contract, gateway, utilityAddress)
  await drive(fixture, loop, moved('blocked'))
  t.match(store().alarmFiling(alarm.id), { state: 'blocked', detail: /NotAllowed role 8/ })
  await drive(fixture, loop, isTrouble('notAdmitted'))
  for (let i = 0; i < 5; i++) await loop.step()
  t.equal(fixture.proxy.sent.length, 1, 'no second revert')
  await admitGateway(utility, contract, gateway, account)
  await drive(fixture, loop, idle)
  await checkFiled(t, fixture, [alarm])
  await checkChain(t, fixture, batches)
  t.match(store().alarmAttempts({}), [
    { n: 1, nonce: 0n, state: 'blocked' },
    { n: 2, nonce: 1n }
  ])
  t.same(fixture.troubles, ['notAdmitted', 'over'], 'the revert of an alarm is no trouble of the anchors')

  // The registry is whole again before anyone looks: tried again at the next start, not before.
  const brief = await setUp(t)
  const later = raise(brief)
  const more = seal(brief.store(), EPOCHS[0], 2)
  const runner = brief.loop()
  await drive(brief, runner, moved('built'))
  await admitGateway(utility, brief.contract, brief.gateway, utilityAddress)
  await drive(brief, runner, moved('sent'))
  await admitGateway(utility, brief.contract, brief.gateway, brief.account)
  await drive(brief, runner, idle)
  await checkChain(t, brief, more)
  t.same(checkPayloads(t, brief), ['alarm', 'anchor', 'anchor'], 'the anchors went on')
  t.match(brief.store().alarmFiling(later.id), { state: 'blocked' })
  t.ok(brief.log.lines.some(line => line.event === 'filing-reverted' && line.level === 'error'))
  t.same(brief.troubles, [])
  await drive(brief, brief.loop(), idle)
  await checkFiled(t, brief, [later])

  // Five transactions, then it is left; a damaged one is left at once.
  const spent = await setUp(t)
  const old = raise(spent)
  raise(spent, 'ratio', utf8('no signed object'))
  const last = raise(spent, 'event-magnet')
  for (let n = 1; n <= 5; n++) {
    const made = {
      n,
      chainId: CHAIN,
      from: 'another account',
      nonce: BigInt(n),
      raw: utf8('x'),
      txHash: `0x${n}`
    }
    const state = { createdAt: 1, blockNumber: 1n, blockHash: '0x', finalAt: null, detail: 'NotAllowed' }
    spent.store().saveAttempt({ alarm: old.id, ...made, ...state, state: 'blocked' })
  }
  await drive(spent, spent.loop(), idle)
  t.same(checkPayloads(t, spent), ['alarm'])
  t.match(spent.store().alarmFiling(last.id), { state: 'final' })
  t.match(spent.store().alarmFiling(old.id), { state: 'blocked', detail: 'NotAllowed' })
  t.ok(spent.log.lines.some(line => line.event === 'filing-damaged'))
})
const utilityAddress = ethereumAddress(key('utility'))

t.test('alarms: refused by the node, first its own octets again, then it makes way', async t => {
  const refusal = { code: -32000, message: 'Sender account not authorized to send transactions' }
  const fixture = await setUp(t)
  const alarm = raise(fixture)
  const batches = seal(fixture.store(), EPOCHS[0], 1)
  fixture.proxy.faults.refusal = refusal
  const loop = fixture.loop()
  await drive(fixture, loop, isTrouble('refused'))
  await drive(fixture, loop, isTrouble('refused'))
  t.equal(new Set(fixture.proxy.sent).size, 1, 'the same octets are tried again')
  delete fixture.proxy.faults.refusal
  await drive(fixture, loop, idle)
  await checkFiled(t, fixture, [alarm])
  await checkChain(t, fixture, batches)
  t.equal(fixture.store().alarmAttempts({}).length, 1)
  t.same(fixture.troubles, ['refused', 'over'])

  // A node that takes anchors and no alarm: octets it never took make way, as those of an anchor do.
  const picky = await setUp(t)
  const unwanted = raise(picky)
  const anchors = seal(picky.store(), EPOCHS[0], 2)
  picky.proxy.faults.refusal = refusal
  const runner = picky.loop()
  for (let i = 0; i < 3; i++) await drive(picky, runner, isTrouble('refused'))
  t.equal(new Set(picky.proxy.sent).size, 1)
  picky.proxy.sent.splice(0)
  delete picky.proxy.faults.refusal
  await drive(picky, runner, idle)
  await checkChain(t, picky, anchors)
  t.match(picky.store().alarmFiling(unwanted.id), { state: 'blocked', detail: /not authorized/ })
  t.same(picky.troubles, ['refused', 'over'])
  await drive(picky, picky.loop(), idle)
  await checkFiled(t, picky, [unwanted])
  t.match(picky.store().alarmAttempts({}), [
    { n: 1, nonce: 0n },
    { n: 2, nonce: 2n, state: 'final' }
  ])

  // An anchor's refused octets have their nonce before any alarm.
  const behind = await setUp(t)
  const held = seal(behind.store(), EPOCHS[0], 1)
  behind.proxy.faults.refusal = refusal
  const patient = behind.loop()
  await drive(behind, patient, isTrouble('refused'))
  const waiting = raise(behind)
  await drive(behind, patient, isTrouble('refused'))
  delete behind.proxy.faults.refusal
  await drive(behind, patient, idle)
  await checkChain(t, behind, held)
  await checkFiled(t, behind, [waiting])
  t.same(checkPayloads(t, behind), ['anchor', 'alarm'])
})

t.test('alarms: a chain that loses blocks gets them again, in the order of the nonces', async t => {
  const fixture = await setUp(t)
  await setAutomine(false)
  t.teardown(() => setAutomine(true))
  const alarm = raise(fixture)
  const loop = fixture.loop({ confirmations: 2 })
  await drive(fixture, loop, moved('sent'))
  await mine()
  await drive(fixture, loop, moved('mined'))
  const before = fixture.store().inFlight()
  await rpc(node.url, 'anvil_reorg', [1, []])
  await drive(fixture, loop, isTrouble('reorganised'))
  t.match(fixture.store().inFlight(), { state: 'sent', blockNumber: null, raw: before?.raw })
  await drive(fixture, loop, idle, mine)
  t.equal(new Set(fixture.proxy.sent).size, 1)
  await checkFiled(t, fixture, [alarm])
  t.same(fixture.troubles, ['reorganised', 'over'])

  // Deeper than anyone promised: an alarm and an anchor that were final, and another of each after them.
  const batches = seal(fixture.store(), EPOCHS[0], 1)
  await drive(fixture, loop, idle, mine)
  const second = raise(fixture, 'event-cover')
  const lowest = fixture.store().alarmFiling(alarm.id)?.blockNumber ?? 0n
  await rpc(node.url, 'anvil_reorg', [(await height()) - Number(lowest) + 1, []])
  t.equal((await fixture.events()).length, 0, 'all of it is gone')
  fixture.proxy.sent.splice(0)
  await drive(fixture, loop, isTrouble('chainBehind'))
  t.same(checkPayloads(t, fixture), ['alarm', 'anchor'], 'both are handed in again')
  await mine()
  const more = seal(fixture.store(), EPOCHS[0], 1)
  await drive(fixture, loop, idle, mine)
  await checkFiled(t, fixture, [alarm, second])
  await checkChain(t, fixture, [...batches, ...more])
})

t.test('alarms: a chain that stands still, and one whose anchors are stuck', async t => {
  const fixture = await setUp(t)
  const { contract, own, gateway } = fixture
  const [first] = seal(fixture.store(), EPOCHS[0], 1) as [SealedBatch]
  const stolen = { ...first, anchorHash: hash('another history'), gateway: gatewayKey(gateway) }
  await callContract(own, contract, 'openAndAnchor', anchorTuple(stolen), 2n)
  const loop = fixture.loop()
  await drive(fixture, loop, isTrouble('conflict'))
  const alarm = raise(fixture)
  await drive(fixture, loop, isTrouble('conflict'))
  await checkFiled(t, fixture, [alarm])
  t.same(fixture.troubles, ['conflict'], 'a filed alarm does not end what keeps the anchors')

  const storm = await setUp(t)
  const many = Array.from({ length: 20 }, () => raise(storm))
  const batches = seal(storm.store(), EPOCHS[0], 2)
  await drive(storm, storm.loop(), idle)
  await checkFiled(t, storm, many)
  await checkChain(t, storm, batches)
  const kinds = checkPayloads(t, storm)
  t.same(
    kinds.flatMap((kind, n) => (kind === 'anchor' ? [n] : [])),
    [8, 17],
    'a storm of alarms leaves room for the anchors'
  )

  const halted = await setUp(t)
  const waiting = raise(halted)
  await setAutomine(false)
  t.teardown(() => setAutomine(true))
  const runner = halted.loop()
  await drive(halted, runner, isTrouble('halted'))
  t.equal(halted.proxy.sent.length, 1)
  await setAutomine(true)
  await mine()
  await drive(halted, runner, idle, mine)
  await checkFiled(t, halted, [waiting])
  t.same(halted.troubles, ['halted', 'over'])
})
