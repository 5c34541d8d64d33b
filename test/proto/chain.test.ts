import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import t from 'tap'
import { concatBytes, equalBytes, fromHex, toHex, utf8 } from '../../proto/bytes.ts'
import { type AbiValue, decodeAbi, encodeAbi, parseTypes, selector } from '../../proto/chain/abi.ts'
import { contractAddress, parseAddress } from '../../proto/chain/address.ts'
import {
  alarmArguments,
  alarmCode,
  decodeAlarmCall,
  decodeAlarmFiled
} from '../../proto/chain/alarm-record.ts'
import { anchorTuple, decodeAnchorCall, decodeAnchored } from '../../proto/chain/anchor-record.ts'
import { createContractCodec, encodeTopic, gatewayKey } from '../../proto/chain/contract-codec.ts'
import {
  ANCHOR_OUTCOME,
  ERRORS,
  EVENTS,
  FUNCTIONS,
  GATEWAY_STATUS,
  ROLE
} from '../../proto/chain/contract-tables.ts'
import { decodeRlp, encodeRlp, parseRlpInteger, type RlpItem, rlpInteger } from '../../proto/chain/rlp.ts'
import {
  decodeLegacyTransaction,
  intrinsicGas,
  type LegacyTransaction,
  signingDigest,
  signLegacyTransaction,
  transactionHash
} from '../../proto/chain/transaction.ts'
import { keccak256, sha256, sm3 } from '../../proto/crypto/digest.ts'
import { checksumAddress, ethereumAddress } from '../../proto/crypto/secp256k1.ts'

interface Vector {
  readonly id: string
  readonly kind: string
  readonly raw: string
  readonly hash: string
  readonly signHash: string
  readonly from: string
  readonly privateKey?: string
  readonly exception: string
  readonly fields: Readonly<Record<string, string | number | null>>
  readonly in: unknown
  readonly out: string
  readonly publicKey: string
  readonly address: string
  readonly signature: string
  readonly selector: string
  readonly algorithm: string
  readonly utf8: string
}

const VECTORS: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../vectors/chain.json', import.meta.url), 'utf8')
).vectors
const ofKind = (kind: string) => VECTORS.filter(vector => vector.kind === kind)
const hex = (octets: Uint8Array) => `0x${toHex(octets)}`
const code = (value: string) => ({ code: value })

const toItem = (value: unknown): RlpItem => {
  if (Array.isArray(value)) return value.map(toItem)
  if (typeof value === 'number') return rlpInteger(BigInt(value))
  const text = value as string
  return text.startsWith('#') ? rlpInteger(BigInt(text.slice(1))) : utf8(text)
}

t.test('RLP: public vectors both ways', async t => {
  t.equal(ofKind('rlp').length, 14)
  for (const { id, in: value, out } of ofKind('rlp')) {
    t.equal(hex(encodeRlp(toItem(value))), out, id)
    t.same(decodeRlp(fromHex(out)), toItem(value), `${id} back`)
  }
})

t.test('RLP: only the shortest form, whole and alone', async t => {
  const refused: [string, string, string][] = [
    ['', 'CODEC_TRUNCATED', 'nothing'],
    ['8161', 'CODEC_NOT_CANONICAL', 'one small octet with a prefix'],
    ['b800', 'CODEC_NOT_CANONICAL', 'a long length with a leading zero'],
    ['b801ff', 'CODEC_NOT_CANONICAL', 'a long length for a short string'],
    ['f801c0', 'CODEC_NOT_CANONICAL', 'a long length for a short list'],
    ['bfffffffffffffffff', 'CODEC_TRUNCATED', 'a length of 2^64'],
    ['bbffffffff', 'CODEC_TRUNCATED', 'a length of 2^32'],
    ['b9', 'CODEC_TRUNCATED', 'a length cut short'],
    ['83646f', 'CODEC_TRUNCATED', 'a string cut short'],
    ['c2830102', 'CODEC_TRUNCATED', 'an item that leaves its list'],
    ['c0c0', 'CODEC_TRAILING', 'two items'],
    ['c1'.repeat(40), 'CODEC_TRUNCATED', 'a cut nest'],
    ['d1d0cfcecdcccbcac9c8c7c6c5c4c3c2c1c0', 'CODEC_TOO_DEEP', 'lists 17 deep']
  ]
  for (const [text, expected, what] of refused) t.throws(() => decodeRlp(fromHex(text)), code(expected), what)
  t.throws(() => rlpInteger(-1n), code('CODEC_RANGE'))
  t.throws(() => parseRlpInteger([], 8, 'x'), code('CODEC_SHAPE'))
  for (let n = 0; n < 300; n++) {
    const item = [new Uint8Array(n).fill(n), [new Uint8Array(n % 60)]]
    t.same(decodeRlp(encodeRlp(item)), item)
  }
})

t.test('legacy transactions: decoded, hashed, recovered and made again octet for octet', async t => {
  t.equal(ofKind('evm-raw-tx-type0').length, 26)
  for (const vector of ofKind('evm-raw-tx-type0')) {
    const raw = fromHex(vector.raw)
    const { fields } = vector
    t.equal(transactionHash(raw), vector.hash, vector.id)
    t.equal(hex(encodeRlp(decodeRlp(raw))), vector.raw, `${vector.id} as RLP`)
    if (vector.id === 'ethereum-tests-txtest-1') {
      // Valid on the Frontier chain of 2015 only: its s is in the upper half, which EIP-2 forbids.
      t.throws(() => decodeLegacyTransaction(raw), { code: 'CODEC_RANGE', at: 's' }, vector.id)
      continue
    }
    const tx = decodeLegacyTransaction(raw)
    const to = tx.to === null ? null : hex(tx.to)
    const v = tx.chainId === undefined ? 27 + tx.recovery : 35 + 2 * Number(tx.chainId) + tx.recovery
    t.match(
      { ...tx, to, v: BigInt(v), data: hex(tx.data) },
      {
        nonce: BigInt(fields['nonce'] as string),
        gasPrice: BigInt(fields['gasPrice'] as string),
        gasLimit: BigInt(fields['gasLimit'] as string),
        value: BigInt(fields['value'] as string),
        v: BigInt(fields['v'] as string),
        r: BigInt(fields['r'] as string),
        s: BigInt(fields['s'] as string),
        data: fields['data'] as string
      },
      `${vector.id} fields`
    )
    t.equal(to, fields['to'], `${vector.id} to`)
    if (tx.chainId !== undefined) {
      t.equal(hex(signingDigest(toUnsigned(tx, tx.chainId))), vector.signHash, `${vector.id} digest`)
    }
    const recovered = new secp256k1.Signature(tx.r, tx.s)
      .addRecoveryBit(tx.recovery)
      .recoverPublicKey(fromHex(vector.signHash))
    t.equal(ethereumAddress(recovered.toBytes(false)).toLowerCase(), vector.from, `${vector.id} signer`)
    if (vector.privateKey !== undefined && tx.chainId !== undefined) {
      const signed = signLegacyTransaction(toUnsigned(tx, tx.chainId), fromHex(vector.privateKey))
      t.equal(hex(signed.raw), vector.raw, `${vector.id} signed again`)
      t.equal(signed.txHash, vector.hash)
      t.equal(signed.from.toLowerCase(), vector.from)
    }
  }
})

const toUnsigned = (tx: ReturnType<typeof decodeLegacyTransaction>, chainId: bigint): LegacyTransaction => ({
  nonce: tx.nonce,
  gasPrice: tx.gasPrice,
  gasLimit: tx.gasLimit,
  to: tx.to === null ? null : checksumAddress(tx.to),
  value: tx.value,
  data: tx.data,
  chainId
})

t.test('typed transactions: their hash and RLP hold, and the legacy decoder says what they are', async t => {
  const typed = VECTORS.filter(vector => /^evm-raw-tx-type[123]$/.test(vector.kind))
  t.equal(typed.length, 5)
  for (const vector of typed) {
    const raw = fromHex(vector.raw)
    t.equal(transactionHash(raw), vector.hash, vector.id)
    const list = decodeRlp(raw.slice(1)) as RlpItem[]
    t.equal(hex(concatBytes(raw.slice(0, 1), encodeRlp(list))), vector.raw, `${vector.id} back`)
    t.equal(String(parseRlpInteger(list[0], 8, 'chainId')), String(vector.fields['chainId']))
    t.equal(String(parseRlpInteger(list[1], 8, 'nonce')), String(vector.fields['nonce']))
    t.throws(() => decodeLegacyTransaction(raw), code('CODEC_VERSION'), `${vector.id} is not legacy`)
  }
})

t.test('invalid transactions are refused', async t => {
  t.equal(ofKind('evm-raw-tx-INVALID').length, 42)
  for (const { id, raw, exception } of ofKind('evm-raw-tx-INVALID')) {
    t.throws(() => decodeLegacyTransaction(fromHex(raw), 1n), /./, `${id}: ${exception}`)
    t.throws(() => decodeLegacyTransaction(fromHex(raw), 1n), { name: 'CodecError' }, `${id} on purpose`)
  }
  const [example] = ofKind('evm-raw-tx-type0').filter(vector => vector.id === 'eip155-example')
  const raw = fromHex(example?.raw ?? '')
  t.throws(() => decodeLegacyTransaction(raw, 5n), code('CODEC_RANGE'), 'for another chain')
  for (let size = 0; size < raw.length; size++) {
    t.throws(() => decodeLegacyTransaction(raw.slice(0, size)), { name: 'CodecError' }, `cut at ${size}`)
  }
})

t.test('signing refuses what no node takes', async t => {
  const key = new Uint8Array(32).fill(7)
  const tx: LegacyTransaction = {
    nonce: 0n,
    gasPrice: 0n,
    gasLimit: 100000n,
    to: checksumAddress(new Uint8Array(20).fill(0xab)),
    value: 0n,
    data: fromHex('00ff'),
    chainId: 2021n
  }
  t.equal(intrinsicGas(tx.data, false), 21020n)
  t.throws(() => signLegacyTransaction({ ...tx, gasLimit: 21019n }, key), {
    code: 'CODEC_RANGE',
    at: 'gasLimit'
  })
  t.throws(() => signLegacyTransaction({ ...tx, chainId: 0n }, key), code('CODEC_RANGE'))
  t.throws(() => signLegacyTransaction({ ...tx, nonce: 2n ** 64n }, key), {
    code: 'CODEC_RANGE',
    at: 'nonce'
  })
  t.throws(() => signLegacyTransaction({ ...tx, to: '0x12' }, key), code('CODEC_ADDRESS'))
  const signed = signLegacyTransaction(tx, key)
  t.same(signLegacyTransaction(tx, key).raw, signed.raw, 'the same octets for ever')
  t.match(decodeLegacyTransaction(signed.raw, 2021n), { nonce: 0n, gasLimit: 100000n, chainId: 2021n })
  t.equal(signed.from, ethereumAddress(key))
})

t.test('addresses', async t => {
  for (const { publicKey, address } of ofKind('crypto-address')) {
    t.equal(hex(keccak256(fromHex(publicKey)).slice(12)), address)
  }
  // EIP-55, test cases
  for (const address of [
    '0x52908400098527886E0F7030069857D2E4169EE7',
    '0xde709f2102306220921060314715629080e2fb77',
    '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
    '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
    '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB'
  ]) {
    t.equal(checksumAddress(parseAddress(address)), address)
    t.same(parseAddress(address.toLowerCase()), parseAddress(address))
  }
  const wrong = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed'
  t.throws(() => parseAddress(wrong), code('CODEC_ADDRESS'), 'one letter in the wrong case')
  t.throws(() => parseAddress('0x5aAeb6'), code('CODEC_ADDRESS'))
  // The first two contracts of a well-known account (ethereum/go-ethereum crypto_test.go, TestNewContractAddress)
  const creator = '0x970e8128ab834e8eac17ab8e3812f010678cf791'
  t.equal(contractAddress(creator, 0n).toLowerCase(), '0x333c3310824b7c685133f2bedb2ca4b8b4df633d')
  t.equal(contractAddress(creator, 1n).toLowerCase(), '0x8bda78331c916a08481428e4b07c96d3e916d165')
})

t.test('selectors with either hash', async t => {
  for (const { id, signature, hash, selector: expected } of ofKind('abi-selector')) {
    t.equal(hex(selector(signature, hash === 'sm3' ? sm3 : keccak256)), expected, id)
  }
  for (const { id, algorithm, utf8: text, hash } of ofKind('crypto-hash')) {
    t.equal(hex((algorithm === 'sm3' ? sm3 : keccak256)(utf8(text))), hash, id)
  }
})

t.test('ABI: the examples of the specification, and strictness', async t => {
  // Solidity documentation, "Contract ABI Specification", examples: sam(bytes,bool,uint256[]) and f(uint256,uint32[],bytes10,bytes)
  const sam: [string, AbiValue[], string][] = [
    [
      'bytes,bool,uint256[]',
      [utf8('dave'), true, [1n, 2n, 3n]],
      '0000000000000000000000000000000000000000000000000000000000000060' +
        '0000000000000000000000000000000000000000000000000000000000000001' +
        '00000000000000000000000000000000000000000000000000000000000000a0' +
        '0000000000000000000000000000000000000000000000000000000000000004' +
        '6461766500000000000000000000000000000000000000000000000000000000' +
        '0000000000000000000000000000000000000000000000000000000000000003' +
        '0000000000000000000000000000000000000000000000000000000000000001' +
        '0000000000000000000000000000000000000000000000000000000000000002' +
        '0000000000000000000000000000000000000000000000000000000000000003'
    ],
    [
      'uint256,uint32[],bytes10,bytes',
      [0x123n, [0x456n, 0x789n], utf8('1234567890'), utf8('Hello, world!')],
      '0000000000000000000000000000000000000000000000000000000000000123' +
        '0000000000000000000000000000000000000000000000000000000000000080' +
        '3132333435363738393000000000000000000000000000000000000000000000' +
        '00000000000000000000000000000000000000000000000000000000000000e0' +
        '0000000000000000000000000000000000000000000000000000000000000002' +
        '0000000000000000000000000000000000000000000000000000000000000456' +
        '0000000000000000000000000000000000000000000000000000000000000789' +
        '000000000000000000000000000000000000000000000000000000000000000d' +
        '48656c6c6f2c20776f726c642100000000000000000000000000000000000000'
    ]
  ]
  for (const [types, values, text] of sam) {
    t.equal(toHex(encodeAbi(parseTypes(types), values)), text, types)
    t.same(decodeAbi(parseTypes(types), fromHex(text)), values, `${types} back`)
    for (let i = 0; i < text.length; i += 64) {
      t.throws(() => decodeAbi(parseTypes(types), fromHex(text.slice(0, i))), { name: 'CodecError' })
    }
    t.throws(() => decodeAbi(parseTypes(types), fromHex(`${text}00`)), code('CODEC_NOT_CANONICAL'))
  }
  const refused: [string, string, string][] = [
    ['bool', `${'00'.repeat(31)}02`, 'CODEC_NOT_CANONICAL'],
    ['uint8', `${'00'.repeat(30)}0100`, 'CODEC_RANGE'],
    ['address', `01${'00'.repeat(31)}`, 'CODEC_NOT_CANONICAL'],
    ['bytes8', `${'00'.repeat(31)}01`, 'CODEC_NOT_CANONICAL'],
    ['bytes', 'ff'.repeat(64), 'CODEC_RANGE'],
    ['uint256[]', `${'00'.repeat(31)}20${'00'.repeat(31)}3f`, 'CODEC_RANGE']
  ]
  for (const [types, text, expected] of refused) {
    t.throws(() => decodeAbi(parseTypes(types), fromHex(text)), code(expected), types)
  }
  t.throws(() => parseTypes('fixed128x18'), code('CODEC_SHAPE'))
  t.throws(() => encodeAbi(parseTypes('uint8'), [256n]), code('CODEC_RANGE'))
  t.throws(() => encodeAbi(parseTypes('uint8'), []), code('CODEC_SHAPE'))
  t.throws(() => encodeAbi(parseTypes('bytes32'), [utf8('short')]), code('CODEC_SHAPE'))
})

interface AbiEntry {
  readonly type: string
  readonly name: string
  readonly inputs: readonly AbiParameter[]
  readonly outputs?: readonly AbiParameter[]
}
interface AbiParameter {
  readonly type: string
  readonly name: string
  readonly indexed?: boolean
  readonly components?: readonly AbiParameter[]
}

t.test('the contract compiles clean and says what our tables say', async t => {
  const source = readFileSync(new URL('../../proto/chain/MeterAnchor.sol', import.meta.url), 'utf8')
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string }
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: { 'MeterAnchor.sol': { content: source } },
        settings: {
          evmVersion: 'paris',
          optimizer: { enabled: true, runs: 10000 },
          outputSelection: { '*': { '*': ['abi', 'evm.methodIdentifiers', 'evm.deployedBytecode.object'] } }
        }
      })
    )
  )
  t.same(output.errors ?? [], [], 'no errors, no warnings')
  const built = output.contracts['MeterAnchor.sol'].MeterAnchor
  t.ok(built.evm.deployedBytecode.object.length / 2 < 24576, 'below the limit of EIP-170')
  t.match(source, /^pragma solidity \^0\.8\.11;$/m)
  t.notMatch(
    source.replaceAll(/\/\*\*[\s\S]*?\*\//g, ''),
    /keccak256\(/,
    'nothing that a guomi chain hashes otherwise'
  )

  const abi: readonly AbiEntry[] = built.abi
  const typeText = (parameter: AbiParameter): string =>
    parameter.type.replace('tuple', `(${(parameter.components ?? []).map(typeText).join(',')})`)
  const list = (parameters: readonly AbiParameter[] = []) => parameters.map(typeText).join(',')
  const named = (parameters: readonly AbiParameter[]) => parameters.map(p => `${p.name}:${p.type}`).join(' ')
  const constants = ['ADMIN', 'REGISTRAR', 'AGGREGATOR', 'REGULATOR']
  const outcomes = ANCHOR_OUTCOME.map(name => name.replaceAll(/[A-Z]/g, '_$&').toUpperCase())
  const functions = abi.filter(e => e.type === 'function' && ![...constants, ...outcomes].includes(e.name))
  t.strictSame(
    Object.fromEntries(functions.map(e => [e.name, { takes: list(e.inputs), gives: list(e.outputs) }])),
    FUNCTIONS
  )
  const events = abi.filter(e => e.type === 'event')
  t.strictSame(
    Object.fromEntries(
      events.map(e => [
        e.name,
        { indexed: named(e.inputs.filter(p => p.indexed)), data: named(e.inputs.filter(p => !p.indexed)) }
      ])
    ),
    EVENTS
  )
  const { Error: _text, Panic: _code, ...ours } = ERRORS
  t.strictSame(
    Object.fromEntries(abi.filter(e => e.type === 'error').map(e => [e.name, named(e.inputs)])),
    ours
  )
  for (const [name, value] of outcomes.map((name, i) => [name, i] as const)) {
    t.match(source, new RegExp(`constant ${name} = ${value};`))
  }
  for (const [i, name] of constants.entries()) {
    t.match(source, new RegExp(`constant ${name} = ${Object.values(ROLE)[i]};`))
  }
  t.match(source.replaceAll(/\s+/g, ' '), /enum Status \{ None, Active, Suspended, Retired \}/)
  t.same(GATEWAY_STATUS, ['none', 'active', 'suspended', 'retired'])
  const codec = createContractCodec(keccak256)
  const methods: Record<string, string> = built.evm.methodIdentifiers
  for (const [signature, digits] of Object.entries(methods)) {
    t.equal(toHex(selector(signature, keccak256)), digits, signature)
  }
  t.equal(codec.topic('Voted'), hex(keccak256(utf8('Voted(bytes32,address,uint32,uint32)'))))
})

t.test('calls, events and reverts of the contract', async t => {
  const codec = createContractCodec(keccak256)
  const record = {
    gateway: gatewayKey('BD-QY-0017'),
    epoch: fromHex('0102030405060708'),
    seq: 41,
    slotFrom: 1_900_000,
    slotTo: 1_900_000,
    count: 128,
    root: new Uint8Array(32).fill(1),
    prev: new Uint8Array(32).fill(2),
    anchorHash: new Uint8Array(32).fill(3)
  }
  t.same(record.gateway, sha256(utf8('BD-QY-0017')))
  const plain = codec.encodeCall('anchor', anchorTuple(record))
  t.equal(plain.length, 4 + 9 * 32)
  t.same(decodeAnchorCall(codec, plain), record)
  t.same(decodeAnchorCall(codec, codec.encodeCall('openAndAnchor', anchorTuple(record), 3n)), record)
  t.equal(decodeAnchorCall(codec, codec.encodeCall('VERSION')), undefined)
  t.equal(codec.decodeCall(fromHex('00000000')), undefined)
  const guomi = createContractCodec(sm3).encodeCall('anchor', anchorTuple(record))
  t.notOk(equalBytes(guomi.subarray(0, 4), plain.subarray(0, 4)), 'SM3 gives other selectors')
  t.same(guomi.subarray(4), plain.subarray(4))

  const by = new Uint8Array(20).fill(9)
  const topics = [
    codec.topic('Anchored'),
    encodeTopic('bytes32', record.gateway),
    encodeTopic('bytes8', record.epoch),
    encodeTopic('uint64', 41n)
  ]
  const dataTypes = parseTypes('uint64,uint64,uint32,bytes32,bytes32,bytes32,address')
  const data = hex(
    encodeAbi(dataTypes, [1_900_000n, 1_900_000n, 128n, record.root, record.prev, record.anchorHash, by])
  )
  t.same(decodeAnchored(codec, { topics, data }), { ...record, by })
  t.equal(decodeAnchored(codec, { topics: [`0x${'00'.repeat(32)}`], data: '0x' }), undefined)
  t.throws(() => decodeAnchored(codec, { topics: topics.slice(0, 3), data }), code('CODEC_SHAPE'))
  t.throws(() => decodeAnchored(codec, { topics, data: data.slice(0, -64) }), code('CODEC_TRUNCATED'))
  const huge = [...topics.slice(0, 3), encodeTopic('uint64', 2n ** 60n)]
  t.throws(() => decodeAnchored(codec, { topics: huge, data }), code('CODEC_RANGE'))

  const gap = concatBytes(
    selector('SeqGap(uint64,uint64,bytes32)', keccak256),
    encodeAbi(parseTypes('uint64,uint64,bytes32'), [43n, 41n, record.prev])
  )
  t.same(codec.decodeRevert(gap), { name: 'SeqGap', fields: { offered: 43n, next: 41n, head: record.prev } })
  t.equal(codec.decodeRevert(gap.subarray(0, 40)).name, 'unknown', 'a cut revert')
  t.equal(codec.decodeRevert(new Uint8Array(0)).name, 'unknown')
  const text = concatBytes(fromHex('08c379a0'), encodeAbi(parseTypes('bytes'), [utf8('no')]))
  t.same(codec.decodeRevert(text), { name: 'Error', fields: { text: utf8('no') } })
})

t.test('an alarm as the contract files it', async t => {
  const text = (octets: Uint8Array) => new TextDecoder().decode(octets)
  t.equal(text(alarmCode('ratio')), `ratio${'\0'.repeat(27)}`, 'the rule from the left, zeros behind')
  const longest = 'a-rule-whose-id-has-32-octets-aa'
  t.equal(text(alarmCode(longest)), longest)
  t.same(alarmCode(`${longest}a`), sha256(utf8(`${longest}a`)), 'what does not fit is hashed')
  t.equal(alarmCode('变比不符的计量点').length, 32, 'octets count, not characters')

  const codec = createContractCodec(keccak256)
  const alarm = {
    gateway: gatewayKey('BD-QY-0017'),
    code: alarmCode('event-cover'),
    raised: 1_790_000_100,
    evidence: new Uint8Array(32).fill(7)
  }
  const call = codec.encodeCall('fileAlarm', ...alarmArguments(alarm))
  t.equal(call.length, 4 + 4 * 32)
  t.same(call.subarray(36, 68), alarm.code)
  t.same(decodeAlarmCall(codec, call), alarm)
  t.equal(decodeAlarmCall(codec, codec.encodeCall('VERSION')), undefined)
  t.equal(decodeAlarmCall(codec, fromHex('00000000')), undefined)

  const by = new Uint8Array(20).fill(9)
  const topics = [
    codec.topic('AlarmFiled'),
    encodeTopic('bytes32', alarm.gateway),
    encodeTopic('bytes32', alarm.code)
  ]
  const data = hex(encodeAbi(parseTypes('uint64,bytes32,address'), [1_790_000_100n, alarm.evidence, by]))
  t.same(decodeAlarmFiled(codec, { topics, data }), { ...alarm, by })
  const role = {
    topics: [codec.topic('RoleSet'), encodeTopic('address', by)],
    data: hex(encodeAbi(parseTypes('uint256,address'), [1n, by]))
  }
  t.equal(decodeAlarmFiled(codec, role), undefined, 'another event of ours')
  t.equal(decodeAlarmFiled(codec, { topics: [`0x${'00'.repeat(32)}`], data }), undefined)
  t.throws(() => decodeAlarmFiled(codec, { topics: topics.slice(0, 2), data }), code('CODEC_SHAPE'))
  t.throws(() => decodeAlarmFiled(codec, { topics, data: data.slice(0, -64) }), code('CODEC_TRUNCATED'))
})
