import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { createContractReader } from '../../agent/anchor/contract-reader.ts'
import { admitGateway, callContract, deployContract, setGatewayStatus } from '../../agent/anchor/registry.ts'
import { findAnvil, startAnvil } from '../../drivers/chain/anvil.ts'
import { loadContract } from '../../drivers/chain/artefact.ts'
import { ChainError, RpcRefusal } from '../../drivers/chain/errors.ts'
import { openEvmChain } from '../../drivers/chain/evm.ts'
import { classifyAccepted, classifyRefused } from '../../drivers/chain/submit-outcome.ts'
import { concatBytes, fromHex, toHex, u32be, u64be, utf8 } from '../../proto/bytes.ts'
import type { AbiValue } from '../../proto/chain/abi.ts'
import { parseAddress } from '../../proto/chain/address.ts'
import { alarmArguments, alarmCode } from '../../proto/chain/alarm-record.ts'
import { type AnchorRecord, anchorTuple } from '../../proto/chain/anchor-record.ts'
import { createContractCodec, gatewayKey } from '../../proto/chain/contract-codec.ts'
import { ANCHOR_OUTCOME, type FunctionName, ROLE } from '../../proto/chain/contract-tables.ts'
import { signLegacyTransaction } from '../../proto/chain/transaction.ts'
import { keccak256 } from '../../proto/crypto/digest.ts'
import { ethereumAddress } from '../../proto/crypto/secp256k1.ts'
import {
  compileContract,
  createHandClock,
  createTestLog,
  rpc,
  rpcBatch,
  startFaultProxy
} from './chain-helpers.ts'

const codec = createContractCodec(keccak256)
const BYTECODE = compileContract()
const hash = (...parts: Uint8Array[]) =>
  new Uint8Array(
    createHash('sha256')
      .update(concatBytes(...parts))
      .digest()
  )
const fill = (octet: number) => new Uint8Array(32).fill(octet)
const key = (name: string) => hash(utf8(`test key ${name}`))
const address = (name: string) => ethereumAddress(key(name))
const octets = (name: string) => parseAddress(address(name))

const node = await startAnvil({ chainId: 31337n })
t.teardown(() => node.stop())
const clock = createHandClock()
const chain = openEvmChain({ rpc: [node.url], chainId: 31337n, clock, log: createTestLog() })
const as = (name: string) => ({ chain, clock, codec, privateKey: key(name), pollMs: 1 })

/** A fresh contract with one admitted gateway. */
const setUp = async (gateway = 'GW-1') => {
  const contract = await deployContract(as('utility'), BYTECODE)
  await admitGateway(as('utility'), contract, gateway, address(gateway))
  const reader = createContractReader(chain, contract, codec)
  const send = async (who: string, name: FunctionName, ...values: AbiValue[]) => {
    const receipt = await callContract(as(who), contract, name, ...values)
    const events = receipt.logs.map(log => codec.decodeEvent(log))
    const { gasUsed } = await rpc<{ gasUsed: string }>(node.url, 'eth_getTransactionReceipt', [
      receipt.txHash
    ])
    return { events, names: events.map(event => event?.name), gas: Number(gasUsed) }
  }
  const outcome = async (who: string, name: FunctionName, ...values: AbiValue[]) => {
    const { kind, data } = await chain.simulate(address(who), contract, codec.encodeCall(name, ...values))
    if (kind === 'reverted') return codec.decodeRevert(data).name
    const [value] = codec.decodeResult(name, data)
    return typeof value === 'bigint' ? ANCHOR_OUTCOME[Number(value)] : value
  }
  return { contract, reader, send, outcome }
}

const EPOCH = fromHex('0102030405060708')
/** Anchor `seq` of a chain of hashes; `salt` makes other content. */
const anchor = (seq: number, change: Partial<AnchorRecord> = {}, gateway = 'GW-1'): AnchorRecord => ({
  gateway: gatewayKey(gateway),
  epoch: EPOCH,
  seq,
  slotFrom: 1000 + seq,
  slotTo: 1000 + seq,
  count: 10,
  root: hash(utf8(`root ${gateway} ${seq}`)),
  prev: seq === 0 ? fill(0) : hash(utf8(`anchor ${gateway} ${seq - 1}`)),
  anchorHash: hash(utf8(`anchor ${gateway} ${seq}`)),
  ...change
})
const tuple = (...args: Parameters<typeof anchor>) => anchorTuple(anchor(...args))

t.test('anchors: one chain of hashes, repeats without effect, conflicts with evidence', async t => {
  const { contract, send, outcome, reader } = await setUp()
  const id = gatewayKey('GW-1')
  t.equal(await reader.version(), 1n)
  t.equal(await outcome('GW-1', 'anchor', tuple(0)), 'EpochUnknown')
  const opened = await send('GW-1', 'openEpoch', id, EPOCH, 0n, fill(0), 2n)
  t.match(opened.events, [{ name: 'EpochOpened', fields: { epoch: EPOCH, reason: 2n, closedNext: 0n } }])
  t.same(
    (await send('GW-1', 'openEpoch', id, EPOCH, 0n, fill(0), 2n)).names,
    [],
    'opening again changes nothing'
  )
  t.same((await send('GW-1', 'anchor', tuple(0))).names, ['Anchored'])
  const second = await send('GW-1', 'anchor', tuple(1))
  const expected = { gateway: id, epoch: EPOCH, seq: 1n, slotFrom: 1001n, slotTo: 1001n, count: 10n }
  t.match(second.events[0]?.fields, { ...expected, root: anchor(1).root, by: octets('GW-1') })
  t.match(await reader.gateway(id), { status: 'active', epoch: EPOCH, next: 2, slotTo: 1001 })
  t.same((await reader.epoch(id, EPOCH)).head, anchor(1).anchorHash)

  t.equal(await outcome('GW-1', 'anchor', tuple(1)), 'repeated')
  const repeat = await send('GW-1', 'anchor', tuple(1))
  t.same(repeat.names, [], 'a repeat succeeds and says nothing')

  const other = tuple(1, { anchorHash: fill(9), root: fill(8) })
  t.equal(await outcome('GW-1', 'anchor', other), 'conflict')
  const conflict = await send('GW-1', 'anchor', other)
  const both = { stored: anchor(1).anchorHash, offered: fill(9), by: octets('GW-1'), seq: 1n }
  t.match(conflict.events, [{ name: 'AnchorConflict', fields: both }])
  t.same((await reader.epoch(id, EPOCH)).head, anchor(1).anchorHash, 'the state is untouched')

  t.equal(await outcome('GW-1', 'anchor', tuple(0)), 'stale')
  t.same((await send('GW-1', 'anchor', tuple(0))).names, ['AnchorStale'])
  t.equal(await outcome('GW-1', 'anchor', tuple(3)), 'SeqGap')
  t.equal(await outcome('GW-1', 'anchor', tuple(2, { prev: fill(1) })), 'PrevMismatch')
  t.equal(await outcome('stranger', 'anchor', tuple(2)), 'NotSigner')
  const gap = await chain.simulate(address('GW-1'), contract, codec.encodeCall('anchor', tuple(7)))
  t.match(codec.decodeRevert(gap.data).fields, { offered: 7n, next: 2n, head: anchor(1).anchorHash })
  await t.rejects(send('GW-1', 'anchor', tuple(3)), {
    code: 'ANCHOR_REVERTED',
    message: /SeqGap offered 3 next 2/
  })

  t.equal(
    await outcome('GW-1', 'anchor', tuple(2, { slotFrom: 5, slotTo: 900 })),
    'accepted',
    'slots may go back'
  )
  const backlog = await send(
    'GW-1',
    'anchorBacklog',
    [2, 3, 4, 5].map(seq => tuple(seq))
  )
  t.same(backlog.names, Array(4).fill('Anchored'), 'a backlog in one transaction')
  const broken = [tuple(6), tuple(8)]
  t.equal(await outcome('GW-1', 'anchorBacklog', broken), 'SeqGap', 'a backlog is placed whole or not at all')

  // A new epoch closes the old one, for ever.
  const late = fromHex('ff00000000000001')
  const first = { epoch: late, seq: 0, prev: anchor(5).anchorHash, anchorHash: fill(0x51) }
  t.equal(await outcome('stranger', 'openAndAnchor', tuple(0, first), 3n), 'NotSigner')
  const both2 = await send('GW-1', 'openAndAnchor', tuple(0, first), 3n)
  t.same(both2.names, ['EpochOpened', 'Anchored'])
  t.match(both2.events[0]?.fields, { reason: 3n, lastKnown: first.prev, closedEpoch: EPOCH, closedNext: 6n })
  t.same((await send('GW-1', 'openAndAnchor', tuple(0, first), 3n)).names, [], 'and that repeats too')
  t.equal(await outcome('GW-1', 'anchor', tuple(6)), 'EpochClosed')
  t.equal(await outcome('GW-1', 'openEpoch', id, EPOCH, 0n, fill(0), 3n), 'EpochClosed')
  t.equal(await outcome('GW-1', 'openEpoch', id, new Uint8Array(8), 0n, fill(0), 3n), 'BadArgument')
  t.equal(await outcome('GW-1', 'anchor', tuple(5)), 'repeated', 'the closed head is still known')
  t.equal(await outcome('GW-1', 'anchor', tuple(5, { anchorHash: fill(1) })), 'conflict', 'and still guarded')
  t.match(await reader.epoch(id, EPOCH), { opened: true, next: 6, head: anchor(5).anchorHash })

  const found = await reader.findAnchored(id, EPOCH, 3)
  t.same(found?.anchor.root, anchor(3).root)
  t.equal(await reader.findAnchored(id, EPOCH, 6), undefined)
  const all = await reader.events({ fromBlock: 0n, toBlock: 'latest', name: 'Anchored', gateway: id })
  const chained = all.map(({ event }) => event.fields)
  t.equal(chained.length, 7)
  for (let i = 1; i < chained.length; i++) {
    t.same(
      chained[i]?.['prev'],
      chained[i - 1]?.['anchorHash'],
      'the whole chain of hashes stands in the logs'
    )
  }
})

t.test('registry: roles, admission, suspension', async t => {
  const { contract, send, outcome, reader } = await setUp()
  const id = gatewayKey('GW-1')
  t.match(await reader.gateway(gatewayKey('nobody')), { status: 'none', signer: new Uint8Array(20), next: 0 })
  t.equal(await outcome('stranger', 'admit', id, octets('stranger')), 'NotAllowed')
  t.equal(await outcome('stranger', 'setStatus', id, 2n), 'NotAllowed')
  t.equal(await outcome('stranger', 'setRole', octets('stranger'), 1n), 'NotAllowed')
  t.equal(await outcome('stranger', 'setCouncil', [octets('stranger')]), 'NotAllowed')
  t.equal(await outcome('utility', 'admit', id, new Uint8Array(20)), 'BadArgument')
  t.equal(
    await outcome('utility', 'setRole', octets('utility'), 2n),
    'BadArgument',
    'an administrator remains'
  )
  t.equal(await outcome('utility', 'setStatus', gatewayKey('nobody'), 1n), 'BadArgument')
  await send('GW-1', 'openAndAnchor', tuple(0), 2n)
  await setGatewayStatus(as('utility'), contract, 'GW-1', 'suspended')
  t.equal(await outcome('GW-1', 'anchor', tuple(1)), 'NotActive')
  await setGatewayStatus(as('utility'), contract, 'GW-1', 'active')
  // Another signer: the chain of anchors goes on.
  await admitGateway(as('utility'), contract, 'GW-1', address('new key'))
  t.equal(await outcome('GW-1', 'anchor', tuple(1)), 'NotSigner')
  t.same((await send('new key', 'anchor', tuple(1))).names, ['Anchored'])
  await setGatewayStatus(as('utility'), contract, 'GW-1', 'retired')
  t.equal(await outcome('utility', 'admit', id, octets('GW-1')), 'BadArgument', 'retired is for ever')
  t.equal(await outcome('utility', 'setStatus', id, 1n), 'BadArgument')

  t.equal(await outcome('stranger', 'fileAlarm', id, fill(1), 5n, fill(2)), 'NotAllowed')
  await send('utility', 'setRole', octets('regulator'), BigInt(ROLE.regulator))
  for (const who of ['new key', 'regulator']) {
    t.match((await send(who, 'fileAlarm', id, fill(1), 5n, fill(2))).events, [
      { name: 'AlarmFiled', fields: { code: fill(1), raised: 5n, by: octets(who) } }
    ])
  }
  const names = (await reader.events({ fromBlock: 0n, toBlock: 'latest' })).map(({ event }) => event.name)
  const set = names.filter(name => name === 'GatewaySet')
  t.equal(set.length, 5, 'every change of the registry stands in the logs')
})

t.test(
  'alarms: an event is found by its gateway, rule, time and hash, also where nodes search little',
  async t => {
    const { contract, send } = await setUp()
    const alarm = {
      gateway: gatewayKey('GW-1'),
      code: alarmCode('ratio'),
      raised: 1_790_000_000,
      evidence: fill(5)
    }
    const file = (change: Partial<typeof alarm> = {}) =>
      send('GW-1', 'fileAlarm', ...alarmArguments({ ...alarm, ...change }))
    const proxy = await startFaultProxy(node.url)
    t.teardown(() => proxy.close())
    const door = openEvmChain({ rpc: [proxy.url], clock, log: createTestLog(), probeEveryMs: 1e12 })
    const reader = createContractReader(door, contract, codec)
    t.equal(await reader.findFiled(alarm), undefined)
    await file({ evidence: fill(6) })
    await file({ code: alarmCode('event-cover') })
    await file({ raised: 1_790_000_001 })
    t.equal(await reader.findFiled(alarm), undefined, 'others of the gateway are others')
    const filed = await file()
    t.match(filed.events, [
      { name: 'AlarmFiled', fields: { ...alarm, raised: 1_790_000_000n, by: octets('GW-1') } }
    ])
    const found = await reader.findFiled(alarm)
    t.same(found?.alarm, { ...alarm, by: octets('GW-1') })
    t.match(await chain.receipt(found?.place.txHash ?? ''), {
      status: 'success',
      blockNumber: found?.place.blockNumber
    })

    await send('GW-1', 'openAndAnchor', tuple(0), 2n)
    proxy.faults.logsRange = 5_000
    await rpc(node.url, 'anvil_mine', ['0x1388'])
    t.equal(await reader.findFiled(alarm), undefined, 'older than what the node searches')
    t.equal(await reader.findAnchored(gatewayKey('GW-1'), EPOCH, 0), undefined)
    await file()
    t.ok(await reader.findFiled(alarm), 'the recent blocks are searched')
    proxy.faults.logsRange = 0
    t.equal(await reader.findFiled(alarm), undefined, 'a node that searches nothing has nothing')
    proxy.faults.cutBefore = 'eth_getLogs'
    await t.rejects(reader.findFiled(alarm), { code: 'CHAIN_UNREACHABLE' }, 'silence is no answer')
  }
)

t.test('registry: a council admits by three quarters of its votes', async t => {
  const { send, outcome, reader } = await setUp()
  const members = ['A', 'B', 'C', 'D', 'E']
  await send('utility', 'setCouncil', members.map(octets))
  const id = gatewayKey('GW-9')
  t.equal(
    await outcome('utility', 'admit', id, octets('GW-9')),
    'NotOnCouncil',
    'the registrar no longer decides'
  )
  t.match((await send('A', 'admit', id, octets('GW-9'))).events, [
    { name: 'Voted', fields: { votes: 1n, needed: 4n } }
  ])
  t.equal(await outcome('A', 'admit', id, octets('GW-9')), 'AlreadyVoted')
  t.same(
    (await send('B', 'admit', id, octets('stranger'))).names,
    ['Voted'],
    'a vote for another signer is another proposal'
  )
  for (const member of ['C', 'D']) t.same((await send(member, 'admit', id, octets('GW-9'))).names, ['Voted'])
  t.equal((await reader.gateway(id)).status, 'none', 'three of five are not three quarters')
  t.same((await send('E', 'admit', id, octets('GW-9'))).names, ['Voted', 'GatewaySet'])
  t.match(await reader.gateway(id), { status: 'active', signer: octets('GW-9') })
  t.same(
    (await send('A', 'admit', id, octets('GW-9'))).names,
    ['Voted'],
    'a decided proposal can come up again'
  )
  // The council renews itself by the same majority; votes of the old one do not count in the new.
  t.equal(await outcome('utility', 'setCouncil', [octets('utility')]), 'NotOnCouncil')
  for (const member of ['A', 'B', 'C']) await send(member, 'setCouncil', [octets('F')])
  t.same((await send('D', 'setCouncil', [octets('F')])).names, ['Voted', 'CouncilSet'])
  t.equal(await outcome('A', 'admit', id, octets('GW-9')), 'NotOnCouncil')
  t.same(
    (await send('F', 'admit', gatewayKey('GW-10'), octets('GW-9'))).names,
    ['Voted', 'GatewaySet'],
    'a council of one'
  )
  t.equal(await outcome('F', 'setCouncil', [octets('F'), octets('F')]), 'BadArgument', 'no seat twice')
})

t.test('aggregator: many gateways in one transaction, or one root over them', async t => {
  const { send, outcome, contract, reader } = await setUp()
  const ids = ['GW-1', 'GW-2', 'GW-3']
  for (const id of ids.slice(1)) await admitGateway(as('utility'), contract, id, address(id))
  t.equal(await outcome('hub', 'anchorMany', [tuple(0)]), 'NotAllowed')
  t.equal(await outcome('hub', 'aggregate', 0n, 1n, 3n, fill(1), fill(0), fill(2)), 'NotAllowed')
  await send('utility', 'setRole', octets('hub'), BigInt(ROLE.aggregator))
  for (const id of ids) await send(id, 'openEpoch', gatewayKey(id), EPOCH, 0n, fill(0), 2n)
  const round = await send('hub', 'anchorMany', [
    tuple(0, {}, 'GW-1'),
    tuple(4, {}, 'GW-2'),
    tuple(0, {}, 'GW-3')
  ])
  t.same(round.names, ['Anchored', 'AnchorRefused', 'Anchored'], 'one that does not fit leaves the others')
  t.match(round.events[1]?.fields, { outcome: 7n, next: 0n, seq: 4n })
  t.match(round.events[0]?.fields, { by: octets('hub') })
  const again = await send('hub', 'anchorMany', [
    tuple(0, {}, 'GW-1'),
    tuple(0, {}, 'GW-2'),
    tuple(1, { prev: fill(7) }, 'GW-3')
  ])
  t.same(again.names, ['Anchored', 'AnchorRefused'])
  t.match(await reader.gateway(gatewayKey('GW-2')), { next: 1 })

  const head = (seq: number, root: Uint8Array, prev: Uint8Array) =>
    hash(octets('hub'), u64be(seq), u64be(77), u32be(3), root, prev, fill(2))
  const first = head(0, fill(1), fill(0))
  const made = await send('hub', 'aggregate', 0n, 77n, 3n, fill(1), fill(0), fill(2))
  t.match(made.events, [
    { name: 'Aggregated', fields: { seq: 0n, root: fill(1), head: first, manifest: fill(2) } }
  ])
  t.same((await send('hub', 'aggregate', 0n, 77n, 3n, fill(1), fill(0), fill(2))).names, [])
  t.match((await send('hub', 'aggregate', 0n, 77n, 3n, fill(5), fill(0), fill(2))).events, [
    { name: 'AggregateConflict', fields: { stored: first, offered: head(0, fill(5), fill(0)) } }
  ])
  t.equal(await outcome('hub', 'aggregate', 2n, 77n, 3n, fill(1), first, fill(2)), 'SeqGap')
  t.equal(await outcome('hub', 'aggregate', 1n, 77n, 3n, fill(1), fill(3), fill(2)), 'PrevMismatch')
  t.equal(await outcome('hub', 'aggregate', 1n, 77n, 3n, fill(1), first, fill(2)), 'accepted')
})

t.test('gas', async t => {
  const { contract, send } = await setUp()
  await send('utility', 'setRole', octets('hub'), BigInt(ROLE.aggregator))
  const id = gatewayKey('GW-1')
  const rows: [string, number, number][] = []
  const measure = async (what: string, limit: number, sent: Promise<{ gas: number }>) => {
    rows.push([what, (await sent).gas, limit])
  }
  await measure('admit', 75000, send('utility', 'admit', gatewayKey('GW-7'), octets('GW-7')))
  await measure('open epoch and first anchor', 160000, send('GW-1', 'openAndAnchor', tuple(0), 2n))
  await measure('anchor', 60000, send('GW-1', 'anchor', tuple(1)))
  await measure('repeat', 42000, send('GW-1', 'anchor', tuple(1)))
  await measure('conflict', 45000, send('GW-1', 'anchor', tuple(1, { anchorHash: fill(1) })))
  await measure('stale offer', 45000, send('GW-1', 'anchor', tuple(0)))
  const day = Array.from({ length: 96 }, (_, i) => tuple(i + 2))
  await measure('backlog of 96', 96 * 22000, callLarge('GW-1', contract, 'anchorBacklog', day))
  await measure('aggregate, first', 90000, send('hub', 'aggregate', 0n, 77n, 3n, fill(1), fill(0), fill(2)))
  await measure('alarm', 40000, send('GW-1', 'fileAlarm', id, fill(1), 5n, fill(2)))
  for (const [what, gas, limit] of rows) {
    t.comment(`gas ${String(gas).padStart(8)}  ${what}`)
    t.ok(gas <= limit, `${what}: ${gas} <= ${limit}`)
  }
})

/** A node that mines at once still answers before it has. */
const waitMined = async (txHash: string) => {
  for (;;) {
    const receipt = await rpc<{ gasUsed: string; status: string } | null>(
      node.url,
      'eth_getTransactionReceipt',
      [txHash]
    )
    if (receipt !== null) return receipt
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

const callLarge = async (who: string, contract: string, name: FunctionName, ...values: AbiValue[]) => {
  const nonce = await chain.nonce(address(who))
  const data = codec.encodeCall(name, ...values)
  const tx = { nonce, gasPrice: 0n, gasLimit: 20_000_000n, to: contract, value: 0n, data, chainId: 31337n }
  const { raw, txHash } = signLegacyTransaction(tx, key(who))
  t.same(await chain.submit(raw, txHash), { kind: 'accepted' })
  const { gasUsed, status } = await waitMined(txHash)
  t.equal(status, '0x1')
  return { gas: Number(gasUsed) }
}

/** RFC 9162 2.1.1 by its definition, slowly: the root of the entries and the path of one of them. */
const slowTree = (leaves: readonly Uint8Array[], index: number): { root: Uint8Array; path: Uint8Array[] } => {
  if (leaves.length === 1) return { root: leaves[0] as Uint8Array, path: [] }
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  const left = slowTree(leaves.slice(0, split), index)
  const right = slowTree(leaves.slice(split), index - split)
  const root = hash(Uint8Array.of(1), left.root, right.root)
  if (index < 0 || index >= leaves.length) return { root, path: [] }
  return { root, path: index < split ? [...left.path, right.root] : [...right.path, left.root] }
}

t.test('verifyLeaf: every leaf of every size from 1 to 130, and its forgeries', async t => {
  const { contract, reader } = await setUp()
  const entries = Array.from({ length: 131 }, (_, i) => utf8(`salt of 16 octets and reading ${i}`))
  const leaves = entries.map(entry => hash(Uint8Array.of(0), entry))
  const call = (root: Uint8Array, entry: Uint8Array, index: number, size: number, path: Uint8Array[]) => {
    const data = `0x${toHex(codec.encodeCall('verifyLeaf', root, entry, BigInt(index), BigInt(size), path))}`
    return { method: 'eth_call', params: [{ to: contract, data }, 'latest'] }
  }
  let right = 0
  let wrong = 0
  let asked = 0
  for (let size = 1; size <= 130; size++) {
    const good: ReturnType<typeof call>[] = []
    const bad: ReturnType<typeof call>[] = []
    for (let index = 0; index < size; index++) {
      const { root, path } = slowTree(leaves.slice(0, size), index)
      const entry = entries[index] as Uint8Array
      good.push(call(root, entry, index, size, path))
      if (index % 16 !== size % 16) continue
      bad.push(call(root, entries[index + 1] as Uint8Array, index, size, path))
      if (size > 1) bad.push(call(root, entry, (index + 1) % size, size, path))
      bad.push(call(root, entry, index, size, [...path, fill(0)]))
      if (path.length > 0) bad.push(call(root, entry, index, size, path.slice(1)))
      bad.push(call(fill(3), entry, index, size, path), call(root, entry, size, size, path))
      bad.push(call(root, leaves[index] as Uint8Array, index, size, path))
    }
    const answers = await rpcBatch(node.url, [...good, ...bad])
    right += answers.slice(0, good.length).filter(a => a.result === `0x${'0'.repeat(63)}1`).length
    wrong += answers.slice(good.length).filter(a => a.result === `0x${'0'.repeat(64)}`).length
    asked += bad.length
  }
  t.equal(right, (130 * 131) / 2, 'every true proof holds')
  t.equal(wrong, asked, `every one of ${asked} forgeries is refused`)
  const { root, path } = slowTree(leaves.slice(0, 5), 3)
  t.equal(await reader.verifyLeaf({ root, entry: entries[3] as Uint8Array, index: 3, size: 5, path }), true)
  t.equal(await reader.verifyLeaf({ root, entry: entries[2] as Uint8Array, index: 3, size: 5, path }), false)
  t.equal(
    await reader.verifyLeaf({ root, entry: entries[2] as Uint8Array, index: 0, size: 0, path: [] }),
    false
  )
})

t.test('submission: what nodes say, read without regard to letter case', async t => {
  const refusal = (text: string) => new RpcRefusal({ code: -32000, text, data: undefined }, {})
  const table: [string, string][] = [
    ['already known', 'known'],
    ['Known transaction', 'known'],
    ['Unknown transaction', 'unknown'],
    ['transaction already imported', 'known'],
    ['Transaction with the same hash was already imported.', 'known'],
    ['nonce too low: next nonce 5, tx nonce 4', 'consumed'],
    ['Nonce too low', 'consumed'],
    ['replacement transaction underpriced', 'occupied'],
    ['nonce too high', 'gap'],
    ['Transaction nonce is too distant from current sender nonce', 'gap'],
    ['Nonce too far in the future', 'gap'],
    ['txpool is full', 'busy'],
    ['Too many requests', 'busy'],
    ['intrinsic gas too low', 'permanent'],
    ['Intrinsic gas exceeds gas limit', 'permanent'],
    ['invalid sender', 'permanent'],
    ['insufficient funds for gas * price + value', 'permanent'],
    ['max fee per gas less than block base fee', 'permanent'],
    ['only replay-protected (EIP-155) transactions allowed over RPC', 'permanent'],
    ['Sender account not authorized to send transactions', 'permanent'],
    ['internal error', 'unknown']
  ]
  for (const [text, kind] of table) {
    for (const said of [text, text.toUpperCase()]) t.equal(classifyRefused(refusal(said)).kind, kind, said)
  }
  t.equal(classifyRefused(new ChainError('CHAIN_BUSY', 'busy')).kind, 'busy')
  t.equal(classifyRefused(new ChainError('CHAIN_UNREACHABLE', 'cut')).kind, 'unknown')
  t.throws(() => classifyRefused(new TypeError('a defect')), TypeError)
  const ours = `0x${'ab'.repeat(32)}`
  t.same(classifyAccepted(ours.toUpperCase().replace('0X', '0x'), ours), { kind: 'accepted' })
  t.equal(classifyAccepted(`0x${'cd'.repeat(32)}`, ours).kind, 'suspect')
  t.equal(classifyAccepted(null, ours).kind, 'suspect')
})

t.test('several equal nodes: sticky primary, health, failover', async t => {
  const one = await startFaultProxy(node.url)
  const two = await startFaultProxy(node.url)
  t.teardown(() => Promise.all([one.close(), two.close()]))
  const hands = createHandClock()
  const log = createTestLog()
  const pair = openEvmChain({ rpc: [one.url, two.url], chainId: 31337n, clock: hands, log, timeoutMs: 20000 })
  const primary = () => pair.nodes().findIndex(status => status.primary)
  const probeAgain = async () => {
    hands.advance(20000)
    await pair.height()
  }
  await pair.height()
  await pair.height()
  t.equal(primary(), 0)
  t.equal(
    two.asked.filter(method => method === 'eth_blockNumber').length,
    1,
    'the second is only asked for its health'
  )

  one.faults.cutBefore = '*'
  t.ok((await pair.height()) > 0n, 'a dead primary is passed over')
  t.equal(primary(), 1)
  delete one.faults.cutBefore
  await probeAgain()
  t.equal(primary(), 1, 'the new primary stays while it is well')
  t.same(
    pair.nodes().map(status => status.state),
    ['good', 'good']
  )

  two.faults.height = 1n
  await rpc(node.url, 'anvil_mine', ['0x8'])
  await probeAgain()
  t.equal(primary(), 0, 'a follower that stands still is left')
  t.equal(pair.nodes()[1]?.state, 'lagging')
  one.faults.httpStatus = 503
  t.equal(await pair.height(), 1n, 'and asked only when there is no other')
  delete one.faults.httpStatus
  delete two.faults.height

  one.faults.chainId = 5n
  await probeAgain()
  t.match(pair.nodes()[0], { state: 'wrongChain', primary: false })
  two.faults.chainId = 6n
  hands.advance(20000)
  await t.rejects(pair.height(), { code: 'CHAIN_WRONG_CHAIN' })
  delete one.faults.chainId
  delete two.faults.chainId
  await probeAgain()

  for (const garbage of ['', '<html>', '[]', '{}', '{"jsonrpc":"2.0","id":-1,"result":"0x1"}']) {
    Object.assign(one.faults, { garbage })
    Object.assign(two.faults, { garbage })
    hands.advance(20000)
    await t.rejects(
      pair.height(),
      { name: 'ChainError', code: /CHAIN_(UNREACHABLE|ANSWER)/ },
      JSON.stringify(garbage)
    )
  }
  delete one.faults.garbage
  delete two.faults.garbage
  await probeAgain()

  // A transaction: the receipt is asked of every healthy node before it counts as absent.
  const data = codec.encodeCall('VERSION')
  const make = async () => {
    const nonce = await pair.nonce(address('payer'))
    return signLegacyTransaction(
      { nonce, gasPrice: 0n, gasLimit: 50000n, to: address('payer'), value: 0n, data, chainId: 31337n },
      key('payer')
    )
  }
  const first = await make()
  const [p, q] = primary() === 0 ? [one, two] : [two, one]
  p.faults.cutAfter = 'eth_sendRawTransaction'
  t.match(
    await pair.submit(first.raw, first.txHash),
    { kind: /known|consumed/ },
    'cut after acceptance: the next node knows it'
  )
  delete p.faults.cutAfter
  await probeAgain()
  await waitMined(first.txHash)
  p.faults.nullReceipts = true
  q.faults.nullReceipts = false
  t.match(
    await pair.receipt(first.txHash),
    { status: 'success', txHash: first.txHash },
    'a null receipt is no proof'
  )
  q.faults.nullReceipts = true
  t.equal(await pair.receipt(first.txHash), undefined)
  p.faults.nullReceipts = false
  q.faults.nullReceipts = false
  t.match(await pair.submit(first.raw, first.txHash), { kind: 'consumed' })
  const second = await make()
  one.faults.hash = two.faults.hash = first.txHash
  t.match(
    await pair.submit(second.raw, second.txHash),
    { kind: 'suspect' },
    'another hash than ours is no acceptance'
  )
  delete one.faults.hash
  delete two.faults.hash
  await waitMined(second.txHash)
  t.match(await pair.submit(second.raw, second.txHash), { kind: 'consumed' }, 'though it had landed')
  one.faults.httpStatus = two.faults.httpStatus = 503
  t.match(await pair.submit(second.raw, second.txHash), { kind: 'busy' })
  await t.rejects(pair.nonce(address('payer')), { name: 'ChainError' })
  delete one.faults.httpStatus
  delete two.faults.httpStatus
  await probeAgain()
  const before = [one.sent.length, two.sent.length]
  await pair.submit(second.raw, second.txHash)
  t.same(
    [one.sent.length, two.sent.length],
    before.map(n => n + 1),
    'handed in again, it goes to every node'
  )

  await t.rejects(
    pair.call(address('payer'), data).then(answer => codec.decodeResult('VERSION', answer)),
    {
      code: 'CODEC_TRUNCATED'
    }
  )
  const { contract } = await setUp()
  await t.rejects(pair.call(contract, codec.encodeCall('anchor', tuple(0))), { code: 'CHAIN_REVERTED' })
  t.notOk(
    log.lines.some(line => JSON.stringify(line.fields, (_, v) => String(v)).includes('http://')),
    'no URL in the log'
  )
})

t.test('local node: found, started, ended with its keeper', async t => {
  t.match(findAnvil(), /anvil/)
  t.match(findAnvil({ PATH: '' }), /anvil/, 'the npm package needs no PATH')
  const own = await startAnvil({ chainId: 77n, blockSeconds: 1 })
  t.equal(await rpc(own.url, 'eth_chainId'), '0x4d')
  t.match(readFileSync(`/proc/${own.pid}/cmdline`, 'utf8'), /anvil/)
  await own.stop()
  t.throws(() => process.kill(own.pid, 0), { code: 'ESRCH' }, 'nothing is left')
  const refused = { code: 'CHAIN_NO_NODE', next: /RPC address/ }
  await t.rejects(startAnvil({ program: '/nonexistent/anvil' }), refused)
  await t.rejects(startAnvil({ program: '/bin/false' }), refused)
  await t.rejects(startAnvil({ program: '/bin/sleep' }), refused)
  // The artefact is there after a build and is the same contract; without one the error says what to do.
  try {
    t.ok(loadContract().bytecode.length > 1000)
  } catch (error) {
    t.match(error, { code: 'CHAIN_ARTEFACT', next: /npm run build/ })
  }
})
