import { readFileSync } from 'node:fs'
import t from 'tap'
import { concatBytes, equalBytes, fromHex, toHex, utf8 } from '../../proto/bytes.ts'
import { sm3 } from '../../proto/crypto/digest.ts'
import { keyId, sm2PublicKey } from '../../proto/crypto/sm2-curve.ts'
import { sm2Decrypt, sm2Encrypt } from '../../proto/crypto/sm2-envelope.ts'
import { sm2SignDeterministic } from '../../proto/crypto/sm2-signature.ts'
import { encryptBatch, pad, unpad } from '../../proto/envelope/cipher.ts'
import { contentKey, deriveBatchKeys, leafSalt } from '../../proto/envelope/key-schedule.ts'
import {
  createSigner,
  decodePrivateKey,
  decodePublicKey,
  encodePrivateKey,
  encodePublicKey,
  type Signer
} from '../../proto/envelope/keys.ts'
import { openBatch } from '../../proto/envelope/open.ts'
import { recipientsHash, type SealInput, sealBatch } from '../../proto/envelope/seal.ts'
import {
  alarmHash,
  signAlarm,
  signAnchor,
  signReceipt,
  signRequest,
  verifyAlarm,
  verifyAnchor,
  verifyReceipt,
  verifyRequest
} from '../../proto/envelope/signed-objects.ts'
import { CodecError, CryptoError } from '../../proto/errors.ts'
import { merkleRootOfHashes } from '../../proto/merkle/tree.ts'
import { gapRecord, type Reading } from '../../proto/reading.ts'
import { decodeAlarm } from '../../proto/wire/alarm.ts'
import { ANCHOR_REASON, type Anchor } from '../../proto/wire/anchor.ts'
import { type Batch, decodeBatch, encodeBatch } from '../../proto/wire/batch.ts'
import { decodeHeader, encodeHeader, type Header } from '../../proto/wire/header.ts'
import { decodeReceipt } from '../../proto/wire/receipt.ts'
import { decodeRequest } from '../../proto/wire/request.ts'
import { decodeSigned, encodeSigned } from '../../proto/wire/signed.ts'
import { headerHash, sealedHash, suiteOf } from '../../proto/wire/suite.ts'
import { seededOctets, seededRandom } from '../fixtures/random.ts'
import { villageReadings } from '../fixtures/village.ts'
import { readBatch } from '../oracle/wire-reader.ts'

const FOLDER = new URL('../vectors/wire/', import.meta.url)
const load = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'))
const KEYS = load('keys')
const privateKeyOf = (who: string): Uint8Array => fromHex(KEYS[who].privateKey)
const publicKeyOf = (who: string): Uint8Array => fromHex(KEYS[who].publicKey)
const kidOf = (who: string): Uint8Array => fromHex(KEYS[who].kid)

/** Signs as the vectors do: the same octets for the same message. */
const vectorSigner = (who: string): Signer => ({
  kid: kidOf(who),
  publicKey: publicKeyOf(who),
  sign: (userId, message) =>
    sm2SignDeterministic(privateKeyOf(who), userId, message, fromHex(KEYS.signatureEntropy))
})
const SIGNER = vectorSigner('gateway')
const GATEWAY_KEY = publicKeyOf('gateway')
const LEDGER_BOX = { kid: kidOf('ledgerEncryption'), publicKey: publicKeyOf('ledgerEncryption') }
const REGULATOR_BOX = { kid: kidOf('regulatorEncryption'), publicKey: publicKeyOf('regulatorEncryption') }
const LEDGER_KEYS = { recipientKey: privateKeyOf('ledgerEncryption'), gatewayKey: GATEWAY_KEY }

const random = seededRandom(2024)
const SLOT = 1_900_000
const inputFor = (readings: readonly Reading[], more: Partial<SealInput> = {}): SealInput => ({
  suite: 1,
  gateway: 'BD-QY-0017',
  epoch: new Uint8Array(8).fill(7),
  seq: 3,
  prev: new Uint8Array(32),
  slotFrom: SLOT,
  slotTo: SLOT,
  reason: ANCHOR_REASON.slot,
  created: 1_710_000_000,
  roster: [...new Set(readings.map(reading => reading.meter))],
  readings,
  recipients: [LEDGER_BOX, REGULATOR_BOX],
  signer: SIGNER,
  deviceSecret: new Uint8Array(32).fill(9),
  random: size => seededOctets(random, size),
  ...more
})
const codeOf = (call: () => unknown): string => {
  try {
    call()
    return 'none'
  } catch (error) {
    return error instanceof CryptoError || error instanceof CodecError ? error.code : `stray: ${error}`
  }
}

t.test('vectors: sealed again to the same octets, opened by both readers', async t => {
  for (const vector of load('batch').vectors) {
    const [batch, anchor] = [fromHex(vector.batch), fromHex(vector.anchor)]
    const opened = openBatch(batch, anchor, LEDGER_KEYS)
    t.same(opened.readings, vector.readings, vector.name)
    t.same(opened.roster, vector.roster)
    t.equal(toHex(opened.saltKey), vector.saltKey)
    t.equal(toHex(opened.anchorHash), vector.anchorHash)
    const oracle = readBatch(batch, LEDGER_KEYS.recipientKey, LEDGER_BOX.kid)
    t.equal(oracle.root.toString('hex'), vector.root)
    t.same(
      oracle.octets.map(octets => octets.toString('hex')),
      vector.leaves.map((leaf: { reading: string }) => leaf.reading)
    )
    for (const [i, leaf] of vector.leaves.entries()) {
      const { meter, slot } = vector.readings[i]
      t.equal(toHex(leafSalt(fromHex(vector.saltKey), meter, slot)), leaf.salt)
    }
    t.equal(
      toHex(
        merkleRootOfHashes(
          suiteOf(vector.header.suite).hash,
          vector.leaves.map((leaf: { leafHash: string }) => fromHex(leaf.leafHash))
        )
      ),
      vector.root
    )
    if (vector.header.compression !== 0) continue
    let draws = 0
    const fixed = (label: string): Uint8Array => sm3(utf8(`wattproof wire vectors: ${label}`))
    const { anchor: body } = verifyAnchor(anchor, GATEWAY_KEY)
    const again = sealBatch({
      ...body,
      readings: vector.readings,
      roster: vector.roster,
      recipients: decodeBatch(batch).envelopes.length === 1 ? [LEDGER_BOX] : [REGULATOR_BOX, LEDGER_BOX],
      signer: SIGNER,
      deviceSecret: fixed('device secret'),
      random: () => fixed(`random ${draws++}`),
      compress: false
    })
    t.equal(toHex(again.batch), vector.batch, 'batch')
    t.equal(toHex(again.anchor), vector.anchor, 'anchor')
  }
  for (const who of ['gateway', 'ledger', 'ledgerEncryption', 'regulatorEncryption']) {
    t.same(sm2PublicKey(privateKeyOf(who)), publicKeyOf(who))
    t.same(keyId(publicKeyOf(who)), kidOf(who))
  }
})

t.test('a full batch: every suite, both recipients, the oracle, the bounds', async t => {
  const readings = villageReadings(500, SLOT)
  for (const suite of [1, 2, 3]) {
    const out = sealBatch(inputFor([...readings].reverse(), { suite, roster: readings.map(r => r.meter) }))
    t.ok(out.batch.length <= 20_000, `${out.batch.length} octets, suite ${suite}`)
    t.equal(out.count, 500)
    t.same(out.leaves[499], { meter: readings[499]?.meter, slot: SLOT, version: 1 })
    for (const who of ['ledgerEncryption', 'regulatorEncryption']) {
      const keys = { recipientKey: privateKeyOf(who), gatewayKey: GATEWAY_KEY }
      const opened = openBatch(out.batch, out.anchor, keys)
      t.same(opened.readings, readings)
      t.same(opened.saltKey, out.saltKey)
    }
    const oracle = readBatch(out.batch, LEDGER_KEYS.recipientKey, LEDGER_BOX.kid)
    t.equal(toHex(oracle.root), toHex(out.root))
    t.same(oracle.root, oracle.announcedRoot)
  }
})

t.test('what may be sealed', async t => {
  const [a, b] = villageReadings(2, SLOT) as [Reading, Reading]
  const seal = (more: Partial<SealInput>) => sealBatch(inputFor([a, b], more))
  const open = (more: Partial<SealInput>) => {
    const out = seal(more)
    return openBatch(out.batch, out.anchor, LEDGER_KEYS)
  }
  const gap = gapRecord(b.meter, SLOT, 1, 'silent', null)
  const two = { ...b, version: 2 }
  t.same(open({ readings: [gap, a] }).readings, [a, gap], 'a gap record is a leaf')
  t.same(open({ readings: [two, a, gap] }).readings, [a, gap, two], 'several versions')
  const next = (reading: Reading): Reading => ({ ...reading, slot: SLOT + 1 })
  t.equal(open({ readings: [a, b, next(a), next(b)], slotTo: SLOT + 1 }).readings.length, 4, 'several slots')
  const late = { reason: ANCHOR_REASON.supplementary, slotFrom: SLOT - 90 }
  t.same(open({ readings: [two], ...late }).readings, [two], 'a late version alone')
  t.same(
    open({ readings: [], roster: [], reason: ANCHOR_REASON.provision }).readings,
    [],
    'nothing at provision'
  )
  t.same(open({ recipients: [LEDGER_BOX] }).readings, [a, b])
  t.equal(open({ compress: false }).header.compression, 0)

  const refused: readonly (readonly [string, Partial<SealInput>, string])[] = [
    ['a meter left out', { readings: [a], roster: [a.meter, b.meter] }, 'CODEC_SHAPE'],
    ['a slot left out', { slotTo: SLOT + 1 }, 'CODEC_SHAPE'],
    ['a reading outside the slots', { readings: [a, b, next(a)] }, 'CODEC_SHAPE'],
    ['a stranger', { roster: [a.meter] }, 'CODEC_SHAPE'],
    ['a leaf twice', { readings: [a, a, b] }, 'CODEC_SHAPE'],
    ['values under a gap', { readings: [a, { ...b, quality: 1 }] }, 'CODEC_SHAPE'],
    ['a value that is no number', { readings: [a, { ...b, values: [[100, Number.NaN]] }] }, 'CODEC_RANGE'],
    [
      'an infinite value',
      { readings: [a, { ...b, values: [[100, Number.POSITIVE_INFINITY]] }] },
      'CODEC_RANGE'
    ],
    ['nobody to read it', { recipients: [] }, 'CRYPTO_RECIPIENT'],
    ['another id', { recipients: [{ ...LEDGER_BOX, kid: REGULATOR_BOX.kid }] }, 'CRYPTO_RECIPIENT'],
    ['a recipient twice', { recipients: [LEDGER_BOX, LEDGER_BOX] }, 'CODEC_SHAPE'],
    ['no key', { recipients: [{ kid: LEDGER_BOX.kid, publicKey: new Uint8Array(65) }] }, 'CRYPTO_KEY'],
    ['unknown suite', { suite: 4 }, 'CRYPTO_SUITE'],
    ['short secret', { deviceSecret: new Uint8Array(31) }, 'CRYPTO_KEY'],
    ['short randomness', { random: () => new Uint8Array(31) }, 'CRYPTO_KEY'],
    ['short epoch', { epoch: new Uint8Array(7) }, 'CODEC_SHAPE'],
    ['short hash', { prev: new Uint8Array(31) }, 'CODEC_SHAPE'],
    ['unknown reason', { reason: 5 }, 'CODEC_RANGE'],
    ['no gateway', { gateway: '' }, 'CODEC_SHAPE'],
    [
      'a signer of another key',
      { signer: { ...SIGNER, publicKey: LEDGER_BOX.publicKey } },
      'CRYPTO_SIGNATURE'
    ],
    ['a faulty signer', { signer: { ...SIGNER, sign: () => new Uint8Array(64) } }, 'CRYPTO_SIGNATURE']
  ]
  for (const [why, more, code] of refused)
    t.equal(
      codeOf(() => seal(more)),
      code,
      why
    )
})

t.test('keys are fresh even where randomness is dead', async t => {
  const readings = villageReadings(3, SLOT)
  const dead = { random: (size: number) => new Uint8Array(size), compress: false }
  const keyOf = (more: Partial<SealInput>): string => {
    const out = sealBatch(inputFor(readings, { ...dead, ...more }))
    const { envelopes } = decodeBatch(out.batch)
    const mine = envelopes.find(({ kid }) => equalBytes(kid, LEDGER_BOX.kid))
    return toHex(sm2Decrypt(LEDGER_KEYS.recipientKey, mine?.wrappedKey as Uint8Array))
  }
  const keys = [
    keyOf({}),
    keyOf({ seq: 4 }),
    keyOf({ epoch: new Uint8Array(8) }),
    keyOf({ readings: villageReadings(3, SLOT, 2) }),
    keyOf({ deviceSecret: new Uint8Array(32) }),
    keyOf({ random: size => new Uint8Array(size).fill(1) })
  ]
  t.equal(new Set(keys).size, keys.length)
  t.equal(keyOf({}), keys[0])
  // one ephemeral scalar for two content keys, or for two recipients, would give their difference away
  const ephemerals = [inputFor(readings, dead), inputFor(readings, { ...dead, seq: 4 })].flatMap(input =>
    decodeBatch(sealBatch(input).batch).envelopes.map(({ wrappedKey }) => toHex(wrappedKey.subarray(0, 65)))
  )
  t.equal(new Set(ephemerals).size, 4)
  t.notSame(leafSalt(new Uint8Array(16), 'A', 1), leafSalt(new Uint8Array(16), 'A', 2))
  t.notSame(leafSalt(new Uint8Array(16), 'A', 1), leafSalt(new Uint8Array(16), 'B', 1))
})

t.test('every changed octet of batch and anchor is refused', async t => {
  const out = sealBatch(inputFor(villageReadings(1, SLOT), { compress: false, recipients: [LEDGER_BOX] }))
  t.equal(openBatch(out.batch, out.anchor, LEDGER_KEYS).readings.length, 1)
  const codes = new Map<string, number>()
  const attack = (batch: Uint8Array, anchor: Uint8Array): void => {
    const code = codeOf(() => openBatch(batch, anchor, LEDGER_KEYS))
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  for (let at = 0; at < out.batch.length; at++) {
    const changed = out.batch.slice()
    changed[at] = (changed[at] as number) ^ (1 << (at % 8))
    attack(changed, out.anchor)
    if (at % 16 === 0) attack(out.batch.slice(0, at), out.anchor)
  }
  for (let bit = 0; bit < 8 * out.anchor.length; bit += 3) {
    const changed = out.anchor.slice()
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    attack(out.batch, changed)
  }
  t.same(
    [...codes.keys()].filter(code => code === 'none' || code.startsWith('stray')),
    [],
    JSON.stringify([...codes])
  )
  const other = sealBatch(inputFor(villageReadings(1, SLOT), { compress: false, recipients: [LEDGER_BOX] }))
  t.equal(
    codeOf(() => openBatch(other.batch, out.anchor, LEDGER_KEYS)),
    'CRYPTO_TAG',
    'a batch of another anchor'
  )
  const stranger = { ...LEDGER_KEYS, recipientKey: privateKeyOf('regulatorEncryption') }
  t.equal(
    codeOf(() => openBatch(out.batch, out.anchor, stranger)),
    'CRYPTO_RECIPIENT'
  )
  const forger = { ...LEDGER_KEYS, gatewayKey: publicKeyOf('ledger') }
  t.equal(
    codeOf(() => openBatch(out.batch, out.anchor, forger)),
    'CRYPTO_SIGNATURE'
  )
})

t.test('a gateway that lies under its own signature is refused by name', async t => {
  for (const suite of [1, 3]) {
    const readings = villageReadings(2, SLOT)
    const out = sealBatch(inputFor(readings, { suite, compress: false }))
    const honest = decodeBatch(out.batch)
    const header = decodeHeader(honest.header)
    const { anchor } = verifyAnchor(out.anchor, GATEWAY_KEY)
    const key = sm2Decrypt(
      LEDGER_KEYS.recipientKey,
      honest.envelopes.find(({ kid }) => equalBytes(kid, LEDGER_BOX.kid))?.wrappedKey as Uint8Array
    )
    const plain = pad(fromHex(toHex(openedPayload(out.batch, key, suite))))
    /** Everything recomputed around the lie: only what the lie contradicts can tell. */
    const lie = (change: {
      header?: Partial<Header>
      anchor?: Partial<Anchor>
      plain?: Uint8Array
      batch?: (batch: Batch) => Batch
    }): string => {
      const changed = { ...header, ...change.header }
      const octets = encodeHeader(changed)
      const keys = deriveBatchKeys(key, changed)
      const sealed = encryptBatch(suiteOf(suite), keys, octets, change.plain ?? plain)
      const made = { ...honest, header: octets, ...sealed }
      const batch = change.batch?.(made) ?? made
      const signed = signAnchor(
        {
          ...anchor,
          headerHash: headerHash(batch.header, suite),
          sealedHash: sealedHash(batch, suite),
          ...change.anchor
        },
        SIGNER
      )
      return codeOf(() => openBatch(encodeBatch(batch), signed.signed, LEDGER_KEYS))
    }
    t.equal(lie({}), 'none', 'the honest one passes')
    const root = new Uint8Array(32)
    t.equal(lie({ header: { root } }), 'CRYPTO_ROOT', 'header and anchor differ')
    t.equal(
      lie({ header: { root }, anchor: { root } }),
      'CRYPTO_ROOT',
      'a root that is not that of the leaves'
    )
    t.equal(lie({ header: { count: 3 }, anchor: { count: 3 } }), 'CRYPTO_ROOT', 'count')
    t.equal(lie({ header: { roster: root } }), 'CRYPTO_ROOT', 'roster')
    t.equal(lie({ header: { created: 1 } }), 'CRYPTO_ROOT', 'time')
    t.equal(lie({ anchor: { seq: 9 } }), 'CRYPTO_ROOT', 'sequence')
    t.equal(
      lie({ header: { slotTo: SLOT + 1 }, anchor: { slotTo: SLOT + 1 } }),
      'CODEC_SHAPE',
      'a slot uncovered'
    )
    t.equal(lie({ header: { recipients: root } }), 'CRYPTO_RECIPIENT', 'recipients')
    t.equal(lie({ header: { layout: 2 } }), 'CODEC_VERSION', 'layout')
    t.equal(lie({ header: { compression: 2 } }), 'CODEC_VERSION', 'compression')
    t.equal(lie({ header: { compression: 1 } }), 'CODEC_TRUNCATED', 'not compressed at all')
    t.equal(lie({ header: { plainLen: 5 } }), 'CODEC_SHAPE', 'length')
    t.equal(lie({ plain: new Uint8Array(256) }), 'CODEC_SHAPE', 'no padding')
    t.equal(lie({ plain: plain.subarray(1) }), 'CODEC_SHAPE', 'padding to another length')
    t.equal(lie({ plain: concatBytes(plain, new Uint8Array(256)) }), 'CODEC_SHAPE', 'padding too long')
    const tag = (change: (tag: Uint8Array) => Uint8Array) =>
      lie({ batch: batch => ({ ...batch, tag: change(batch.tag) }) })
    t.equal(
      tag(octets => octets.subarray(1)),
      'CRYPTO_TAG'
    )
    t.equal(
      tag(() => new Uint8Array(0)),
      'CRYPTO_TAG'
    )
    t.equal(
      tag(octets => octets.map((octet, i) => (i === octets.length - 1 ? octet ^ 1 : octet))),
      'CRYPTO_TAG'
    )
    t.equal(
      tag(octets => octets.map((octet, i) => (i === 0 ? octet ^ 1 : octet))),
      'CRYPTO_TAG'
    )
    const wrap =
      (content: Uint8Array) =>
      (batch: Batch): Batch => ({
        ...batch,
        envelopes: batch.envelopes.map(({ kid }) => ({
          kid,
          wrappedKey: sm2Encrypt(
            equalBytes(kid, LEDGER_BOX.kid) ? LEDGER_BOX.publicKey : REGULATOR_BOX.publicKey,
            content,
            new Uint8Array(32)
          )
        }))
      })
    t.equal(lie({ batch: wrap(new Uint8Array(32)) }), 'CRYPTO_TAG', 'another key for one recipient')
    t.equal(lie({ batch: wrap(new Uint8Array(16)) }), 'CRYPTO_TAG', 'a short key')
    const stripped = (batch: Batch): Batch => ({
      ...batch,
      envelopes: batch.envelopes.filter(({ kid }) => equalBytes(kid, LEDGER_BOX.kid))
    })
    t.equal(lie({ batch: stripped }), 'CRYPTO_RECIPIENT', 'the regulator stripped')
    t.throws(() => lie({ anchor: { suite: 4 } }), { code: 'CRYPTO_SUITE' })
  }
  t.equal(
    toHex(recipientsHash([REGULATOR_BOX, LEDGER_BOX])),
    toHex(recipientsHash([LEDGER_BOX, REGULATOR_BOX]))
  )
  for (const size of [0, 1, 255, 256, 257]) {
    const data = new Uint8Array(size).fill(0x80)
    t.same(unpad(pad(data)), data)
    t.equal(pad(data).length % 256, 0)
  }
  t.equal(
    codeOf(() => unpad(new Uint8Array(0))),
    'CODEC_SHAPE'
  )
  t.equal(
    contentKey(
      sm3(utf8('a')),
      sm3(utf8('b')),
      { suite: 1, gateway: 'g', epoch: new Uint8Array(8), seq: 0 },
      utf8('c')
    ).length,
    32
  )
})

/** The payload of a sealed batch by the oracle's way: opened, then encoded from what came out. */
const openedPayload = (batch: Uint8Array, key: Uint8Array, suite: number): Uint8Array => {
  const { header, ciphertext, tag } = decodeBatch(batch)
  const { plainLen, ...context } = decodeHeader(header)
  const keys = deriveBatchKeys(key, context)
  // encryption of a stream cipher is its decryption; the tag is of no interest here
  const { ciphertext: plain } = encryptBatch(suiteOf(suite), keys, header, ciphertext)
  return tag.length === 0 ? plain : plain.subarray(0, plainLen)
}

t.test('signed objects: domains, names and keys are kept apart', async t => {
  const ledger = vectorSigner('ledger')
  const receipt = decodeReceipt(fromHex(load('receipt').vectors[0].octets))
  const alarm = decodeAlarm(fromHex(load('alarm').vectors[0].octets))
  const request = decodeRequest(fromHex(load('request').vectors[0].octets))
  for (const vector of load('receipt').vectors)
    t.same(verifyReceipt(fromHex(vector.signed), ledger.publicKey), decodeReceipt(fromHex(vector.octets)))
  for (const vector of load('request').vectors)
    t.same(verifyRequest(fromHex(vector.signed), ledger.publicKey), decodeRequest(fromHex(vector.octets)))
  for (const vector of load('alarm').vectors) {
    t.same(verifyAlarm(fromHex(vector.signed), GATEWAY_KEY), decodeAlarm(fromHex(vector.octets)))
    t.equal(toHex(alarmHash(fromHex(vector.signed))), vector.alarmHash)
  }
  for (const vector of load('anchor').vectors) {
    t.equal(toHex(verifyAnchor(fromHex(vector.signed), GATEWAY_KEY).anchorHash), vector.anchorHash)
    t.equal(
      codeOf(() => verifyReceipt(fromHex(vector.signed), GATEWAY_KEY)),
      'CODEC_SHAPE'
    )
  }
  const live = createSigner(privateKeyOf('ledger'))
  t.same(live.kid, ledger.kid)
  t.equal(toHex(signReceipt(receipt, ledger)), load('receipt').vectors[0].signed)
  t.same(verifyReceipt(signReceipt(receipt, live), ledger.publicKey), receipt)
  t.equal(
    codeOf(() => verifyReceipt(signReceipt(receipt, SIGNER), ledger.publicKey)),
    'CRYPTO_SIGNATURE'
  )
  // receipt and request have the same signer and user id: only the domain tells their signatures apart
  const { body, kid } = decodeSigned(signRequest(request, ledger))
  const { signature } = decodeSigned(signReceipt(receipt, ledger))
  t.equal(
    codeOf(() => verifyRequest(encodeSigned({ body, kid, signature }), ledger.publicKey)),
    'CRYPTO_SIGNATURE'
  )
  const signed = signAlarm(alarm, SIGNER)
  for (let at = 0; at < signed.length; at++) {
    const changed = signed.slice()
    changed[at] = (changed[at] as number) ^ 1
    const code = codeOf(() => verifyAlarm(changed, GATEWAY_KEY))
    if (code === 'none' || code.startsWith('stray')) t.fail(`octet ${at}: ${code}`)
  }
})

t.test('PEM', async t => {
  t.equal(encodePublicKey(GATEWAY_KEY), KEYS.pem.publicKey)
  t.equal(encodePrivateKey(privateKeyOf('gateway')), KEYS.pem.privateKey)
  t.same(decodePublicKey(KEYS.pem.publicKey), GATEWAY_KEY)
  t.same(decodePrivateKey(KEYS.pem.privateKey.replaceAll('\n', '\r\n')), privateKeyOf('gateway'))
  const pem = (label: string, der: Uint8Array): string =>
    `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`
  const derOf = (text: string): Uint8Array => Buffer.from(text.split('-----')[2] as string, 'base64')
  const [spki, pkcs8] = [derOf(KEYS.pem.publicKey), derOf(KEYS.pem.privateKey)]
  // as `openssl pkcs8` writes a key without its public half
  const bare = fromHex(
    `3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420${KEYS.gateway.privateKey}`
  )
  t.same(decodePrivateKey(pem('PRIVATE KEY', bare)), privateKeyOf('gateway'))
  const refused: unknown[] = [
    '',
    undefined,
    'text',
    KEYS.pem.privateKey.replaceAll('PRIVATE', 'RSA PRIVATE'),
    KEYS.pem.publicKey,
    KEYS.pem.privateKey + KEYS.pem.privateKey,
    KEYS.pem.privateKey.replace('M', '*'),
    pem('PRIVATE KEY', pkcs8.slice(0, -1)),
    pem('PRIVATE KEY', concatBytes(pkcs8, Uint8Array.of(0))),
    pem('PRIVATE KEY', concatBytes(pkcs8.slice(0, -65), LEDGER_BOX.publicKey)),
    pem('PRIVATE KEY', new Uint8Array(0)),
    pem('PRIVATE KEY', Uint8Array.of(0x30, 0x84, 1, 1, 1, 1))
  ]
  for (const text of refused)
    t.equal(
      codeOf(() => decodePrivateKey(text as string)),
      'CRYPTO_KEY'
    )
  for (const text of [
    KEYS.pem.privateKey,
    pem('PUBLIC KEY', spki.slice(1)),
    pem(
      'PUBLIC KEY',
      spki.map(o => o ^ 1)
    )
  ])
    t.equal(
      codeOf(() => decodePublicKey(text)),
      'CRYPTO_KEY'
    )
  for (let at = 0; at < pkcs8.length; at++) {
    const changed = pkcs8.slice()
    changed[at] = (changed[at] as number) ^ 0x20
    if (codeOf(() => decodePrivateKey(pem('PRIVATE KEY', changed))) !== 'CRYPTO_KEY') t.fail(`octet ${at}`)
  }
  t.equal(
    codeOf(() => encodePublicKey(new Uint8Array(65))),
    'CRYPTO_KEY'
  )
  t.equal(
    codeOf(() => encodePrivateKey(new Uint8Array(32))),
    'CRYPTO_KEY'
  )
})
