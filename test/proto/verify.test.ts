import { readFileSync } from 'node:fs'
import t from 'tap'
import * as api from '../../proto/api.ts'
import { fromHex, toHex, utf8 } from '../../proto/bytes.ts'
import { sm2SignDeterministic } from '../../proto/crypto/sm2-signature.ts'
import type { Signer } from '../../proto/envelope/keys.ts'
import { buildProof } from '../../proto/envelope/prove.ts'
import { signReceipt } from '../../proto/envelope/signed-objects.ts'
import type { Reading } from '../../proto/reading.ts'
import { openProof, type VerifyTrust, verifyProof } from '../../proto/verify.ts'
import { decodeProof, encodeProof, type Proof } from '../../proto/wire/proof.ts'
import { encodeReading } from '../../proto/wire/reading.ts'
import type { Receipt } from '../../proto/wire/receipt.ts'

const load = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/wire/${name}.json`, import.meta.url), 'utf8'))
const KEYS = load('keys')
const gatewayKey = fromHex(KEYS.gateway.publicKey)
const ledgerKey = fromHex(KEYS.ledger.publicKey)
const LEDGER: Signer = {
  kid: fromHex(KEYS.ledger.kid),
  publicKey: ledgerKey,
  sign: (userId, message) =>
    sm2SignDeterministic(fromHex(KEYS.ledger.privateKey), userId, message, new Uint8Array(0))
}
const BATCH = load('batch').vectors[0]
const batch = {
  anchor: fromHex(BATCH.anchor),
  saltKey: fromHex(BATCH.saltKey),
  readings: BATCH.readings as Reading[]
}
const RECEIPT: Receipt = {
  ledger: 'BD-LEDGER',
  gateway: 'BD-QY-0017',
  epoch: fromHex(BATCH.header.epoch),
  upToSeq: BATCH.header.seq,
  anchorHash: fromHex(BATCH.anchorHash),
  status: 0,
  ledgerHead: null,
  time: 1
}
const verdicts = (octets: Uint8Array, trust: VerifyTrust): string =>
  verifyProof(octets, trust)
    .map(({ check, verdict }) => `${check} ${verdict}`)
    .join(', ')
const fails = (octets: Uint8Array, trust: VerifyTrust): boolean =>
  verifyProof(octets, trust).some(finding => finding.verdict === 'fails')

t.test('what holds, what fails, what was not checked', async t => {
  const bare = buildProof({ ...batch, leafIndex: 1 })
  t.equal(
    verdicts(bare, {}),
    'form holds, reading holds, inclusion holds, anchor-signature not-checked, receipt not-checked, chain not-checked'
  )
  const proof = buildProof({ ...batch, leafIndex: 1, receipt: signReceipt(RECEIPT, LEDGER) })
  const chainAnchor = { anchorHash: fromHex(BATCH.anchorHash), root: fromHex(BATCH.root), count: 5, seq: 41 }
  t.equal(
    verdicts(proof, { gatewayKey, ledgerKey, chainAnchor }),
    'form holds, reading holds, inclusion holds, anchor-signature holds, receipt holds, chain holds'
  )
  t.match(verdicts(proof, { gatewayKey: ledgerKey }), /anchor-signature fails, receipt not-checked/)
  t.match(verdicts(proof, { ledgerKey: gatewayKey }), /receipt fails/)
  t.match(verdicts(proof, { chainAnchor: null }), /chain fails/)
  const other = new Uint8Array(32)
  for (const wrong of [{ anchorHash: other }, { root: other }, { count: 6 }, { seq: 40 }])
    t.match(verdicts(proof, { chainAnchor: { ...chainAnchor, ...wrong } }), /chain fails/)
  const withReceipt = (change: Partial<Receipt>): Uint8Array =>
    buildProof({ ...batch, leafIndex: 1, receipt: signReceipt({ ...RECEIPT, ...change }, LEDGER) })
  for (const wrong of [
    { status: 2 },
    { gateway: 'BD-QY-0018' },
    { epoch: new Uint8Array(8) },
    { upToSeq: 40 },
    { anchorHash: other }
  ]) {
    t.match(verdicts(withReceipt(wrong), { ledgerKey }), /receipt fails/)
    t.match(verdicts(withReceipt(wrong), {}), /receipt fails/, 'a contradiction shows without a key')
  }
  t.match(verdicts(withReceipt({ upToSeq: 99, anchorHash: other }), { ledgerKey }), /receipt holds/)
  t.equal(verdicts(new Uint8Array(3), {}), 'form fails')
  t.equal(verdicts(undefined as unknown as Uint8Array, {}), 'form fails')
  t.match(verifyProof(bare, {})[1]?.detail, /meter QY-000123, slot 1973664, version 1/)
  t.same(openProof(bare).reading, batch.readings[1])
})

t.test('published proofs hold and carry their reading', async t => {
  for (const vector of load('proof').vectors) {
    const octets = fromHex(vector.octets)
    t.notOk(fails(octets, { gatewayKey, ledgerKey }), vector.name)
    t.same(openProof(octets).reading, vector.reading)
  }
})

t.test('a changed proof fails, wherever it is changed', async t => {
  const proof = buildProof({ ...batch, leafIndex: 2, receipt: signReceipt(RECEIPT, LEDGER) })
  const trust = { gatewayKey, ledgerKey }
  t.notOk(fails(proof, trust))
  const passed: string[] = []
  for (let at = 0; at < proof.length; at++) {
    const changed = proof.slice()
    changed[at] = (changed[at] as number) ^ (1 << (at % 8))
    if (!fails(changed, trust)) passed.push(`octet ${at}`)
  }
  for (let size = 0; size < proof.length; size++)
    if (!fails(proof.slice(0, size), trust)) passed.push(`cut ${size}`)
  t.same(passed, [])

  const parts = decodeProof(proof)
  const forge = (change: Partial<Proof>): string => verdicts(encodeProof({ ...parts, ...change }), trust)
  const reading = batch.readings[2] as Reading
  const neighbour = batch.readings[1] as Reading
  t.match(forge({ reading: encodeReading({ ...reading, readAt: 5 }) }), /inclusion fails/, 'another value')
  t.match(forge({ reading: encodeReading(neighbour) }), /inclusion fails/, "a neighbour's reading")
  t.match(forge({ reading: encodeReading({ ...reading, slot: 1 }) }), /reading fails, inclusion fails/)
  t.match(forge({ leafIndex: 3 }), /inclusion fails/)
  t.match(forge({ leafIndex: 99_999 }), /inclusion fails/)
  t.match(forge({ salt: new Uint8Array(16) }), /inclusion fails/)
  t.match(forge({ path: [] }), /inclusion fails/)
  t.match(forge({ reading: utf8('{}') }), /^form fails$/)
  t.match(
    forge({ signed: fromHex(load('anchor').vectors[1].signed) }),
    /inclusion fails/,
    "another suite's anchor"
  )
})

t.test('a proof is made only from the readings of its anchor', async t => {
  const [first, ...rest] = batch.readings as [Reading, ...Reading[]]
  const code = 'CRYPTO_ROOT'
  t.throws(() => buildProof({ ...batch, readings: rest, leafIndex: 0 }), { code })
  t.throws(() => buildProof({ ...batch, readings: [{ ...first, quality: 512 }, ...rest], leafIndex: 0 }), {
    code
  })
  t.throws(() => buildProof({ ...batch, saltKey: new Uint8Array(16), leafIndex: 0 }), { code })
  for (const leafIndex of [-1, 5, 0.5]) t.throws(() => buildProof({ ...batch, leafIndex }), { code })
})

t.test('the public surface', async t => {
  // what tools of others are written against: additions are free, losses are not
  const promised = `sm3 sha256 keccak256 hmacSm3 hkdfSm3 sm4Ctr sm4GcmSeal sm4GcmOpen sm2Sign sm2Verify sm2PublicKey
    sm2Encrypt sm2Decrypt keyId secp256k1Sign secp256k1PublicKey ethereumAddress runSelfTest merkleRoot
    merkleRootOfHashes leafHash proveInclusion verifyInclusion proveConsistency verifyConsistency sealBatch openBatch
    buildProof verifyProof leafSalt anchorHash rosterHash verifyAnchor signReceipt verifyReceipt signAlarm verifyAlarm
    encodeReading decodeReading encodeHeader decodeHeader encodeBatch decodeBatch encodeAnchor decodeAnchor encodeSigned
    decodeSigned encodeReceipt decodeReceipt encodeAlarm decodeAlarm encodeProof decodeProof encodePayload
    decodePayload encodePublicKey decodePublicKey encodePrivateKey decodePrivateKey createSigner`
  const names = promised.split(/\s+/)
  t.same(
    names.filter(name => typeof (api as Readonly<Record<string, unknown>>)[name] !== 'function'),
    []
  )
  t.equal(toHex(api.sm3(utf8('abc'))).slice(0, 8), '66c7f0f4')
})
