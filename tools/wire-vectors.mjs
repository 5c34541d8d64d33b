// Writes test/vectors/wire/: every object of the wire contract from fixed keys and fixed randomness.
// usage: node tools/wire-vectors.mjs [MODULE]   (default: the built package, wattproof/proto)
import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const proto = await import(process.argv[2] ? pathToFileURL(resolve(process.argv[2])).href : 'wattproof/proto')

const hex = octets => Buffer.from(octets).toString('hex')
const text = value => new TextEncoder().encode(value)
const join8 = (...parts) => Uint8Array.from(parts.flatMap(part => [...part]))
/** Octets that stand for randomness: SM3 of a label. */
const fixed = label => proto.sm3(text(`wattproof wire vectors: ${label}`))
/** What JSON says of an object: octets in hexadecimal. */
const plain = value =>
  value instanceof Uint8Array
    ? hex(value)
    : Array.isArray(value)
      ? value.map(plain)
      : value && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]))
        : value

const party = label => {
  const privateKey = fixed(label)
  const publicKey = proto.sm2PublicKey(privateKey)
  return {
    privateKey,
    publicKey,
    kid: proto.keyId(publicKey),
    // nonce from key, message and this entropy alone: anybody can make the same signature
    sign: (userId, message) => proto.sm2SignDeterministic(privateKey, userId, message, fixed('nonce'))
  }
}
const gateway = party('gateway signing key')
const ledger = party('ledger signing key')
const ledgerBox = party('ledger encryption key')
const regulatorBox = party('regulator encryption key')
const keysOf = who => ({ privateKey: who.privateKey, publicKey: who.publicKey, kid: who.kid })

const EPOCH = fixed('epoch').slice(0, 8)
const SLOT = 1_973_664
const CREATED = 900 * (SLOT + 1) + 42
const RATIO = { version: 2, ctPrimary: 150, ctSecondary: 5, ptPrimary: 1, ptSecondary: 1 }
const single = (meter, slot, total, volts, more = {}) => ({
  meter,
  slot,
  version: 1,
  quality: 0,
  source: 1,
  readAt: 3120,
  meterTime: null,
  ratio: RATIO,
  values: [
    [100, total],
    [101, total - 30],
    [102, 10],
    [103, 10],
    [104, 10],
    [301, volts],
    [302, null],
    [311, -4],
    [320, 12345]
  ],
  ...more
})
const gap = (meter, slot, reason) => ({
  meter,
  slot,
  version: 1,
  quality: reason,
  source: 0,
  readAt: null,
  meterTime: null,
  ratio: null,
  values: []
})
const ROSTER = ['QY-000100', 'QY-000123', 'QY-000124', '台区-7', 'QY-000200']
const READINGS = [
  single('QY-000100', SLOT, 123456780, 22010),
  single('QY-000123', SLOT, 9870, 22990, { readAt: 61250, meterTime: -3 }),
  gap('QY-000124', SLOT, 1),
  single('台区-7', SLOT, 0, 38000, { quality: 1 << 15, ratio: null }),
  gap('QY-000200', SLOT, 5)
]
const LATE = [
  single('QY-000124', SLOT - 2, 5550, 0, { version: 2, source: 3, readAt: 86_400_000, meterTime: 0 }),
  single('QY-000124', SLOT - 1, 5560, 0, { version: 2, source: 3, readAt: 86_400_100, meterTime: 0 }),
  single('QY-000124', SLOT - 1, 5561, 0, { version: 3, source: 3, values: [[100, Number.MAX_SAFE_INTEGER]] }),
  single('QY-000200', SLOT - 2, 7, 0, { version: 2, values: [[100, Number.MIN_SAFE_INTEGER]] })
]

const seal = (suite, readings, more) => {
  let draws = 0
  return proto.sealBatch({
    suite,
    gateway: 'BD-QY-0017',
    epoch: EPOCH,
    seq: 41,
    prev: fixed('anchor before'),
    slotFrom: SLOT,
    slotTo: SLOT,
    reason: 0,
    created: CREATED,
    roster: ROSTER,
    readings,
    recipients: [ledgerBox, regulatorBox],
    signer: gateway,
    deviceSecret: fixed('device secret'),
    random: () => fixed(`random ${draws++}`),
    compress: false,
    ...more
  })
}

/** A sealed batch with every value on the way to it. */
const sealedCase = (name, suite, readings, more = {}) => {
  const out = seal(suite, readings, more)
  const batch = proto.decodeBatch(out.batch)
  const header = proto.decodeHeader(batch.header)
  const envelope = batch.envelopes.find(entry => hex(entry.kid) === hex(ledgerBox.kid))
  const contentKey = proto.sm2Decrypt(ledgerBox.privateKey, envelope.wrappedKey)
  const keys = proto.deriveBatchKeys(contentKey, header)
  const salts = out.leaves.map(leaf => proto.leafSalt(out.saltKey, leaf.meter, leaf.slot))
  const opened = proto.openBatch(out.batch, out.anchor, {
    recipientKey: ledgerBox.privateKey,
    gatewayKey: gateway.publicKey
  })
  const leaves = opened.readings.map(proto.encodeReading)
  const hash = suite === 1 ? 'sha256' : 'sm3'
  return {
    name,
    batch: out.batch,
    anchor: out.anchor,
    anchorHash: out.anchorHash,
    header,
    contentKey,
    encryptionKey: keys.encryption,
    macKey: keys.mac,
    saltKey: keys.salt,
    payload: proto.encodePayload({ roster: ROSTER, readings: opened.readings }),
    roster: ROSTER,
    readings: opened.readings,
    leaves: leaves.map((reading, i) => ({
      reading,
      salt: salts[i],
      leafHash: proto.leafHash(hash, join8(salts[i], reading))
    })),
    root: out.root
  }
}

const write = (name, description, content) => {
  const document = {
    description,
    source: 'made by tools/wire-vectors.mjs after proto/wire/wattproof.cddl; octets in hexadecimal',
    ...plain(content)
  }
  writeFileSync(join(root, 'test/vectors/wire', `${name}.json`), `${JSON.stringify(document, null, 1)}\n`)
}

write(
  'keys',
  'The parties of all vectors. Private keys are SM3 of a text: never use them for anything else.',
  {
    gateway: keysOf(gateway),
    ledger: keysOf(ledger),
    ledgerEncryption: keysOf(ledgerBox),
    regulatorEncryption: keysOf(regulatorBox),
    signatureEntropy: fixed('nonce'),
    pem: {
      publicKey: proto.encodePublicKey(gateway.publicKey),
      privateKey: proto.encodePrivateKey(gateway.privateKey)
    }
  }
)
write('reading', 'Readings and their encoded octets (section 3).', {
  vectors: [...READINGS, ...LATE].map(value => ({ value, octets: proto.encodeReading(value) }))
})
write('payload', 'Columnar payloads before compression (section 7).', {
  vectors: [
    { name: 'one slot', value: { roster: ROSTER, readings: READINGS } },
    { name: 'late versions', value: { roster: ROSTER, readings: LATE } },
    { name: 'nothing', value: { roster: [], readings: [] } }
  ].map(vector => ({ ...vector, octets: proto.encodePayload(vector.value) }))
})
const cases = [
  sealedCase('suite 1', 1, READINGS),
  sealedCase('suite 2', 2, READINGS),
  sealedCase('suite 3', 3, READINGS),
  sealedCase('suite 1, compressed', 1, READINGS.concat(LATE), {
    slotFrom: SLOT - 2,
    reason: 1,
    compress: true
  }),
  sealedCase('late versions, one recipient', 1, LATE, {
    slotFrom: SLOT - 2,
    slotTo: SLOT - 1,
    reason: 1,
    seq: 42,
    recipients: [ledgerBox]
  })
]
write(
  'batch',
  'Sealed batches with every value on the way: keys, payload, salts, leaves, root (sections 4 to 8).',
  {
    vectors: cases
  }
)
const [first] = cases
const sectionOf = octets => proto.decodeSigned(octets)
write('header', 'A header (section 4).', {
  vectors: [{ value: first.header, octets: proto.encodeHeader(first.header) }]
})
write('anchor', 'Anchors, signed (sections 8 and 9); the user id is the gateway.', {
  vectors: cases.map(({ anchor, anchorHash }) => {
    const { body, ...rest } = sectionOf(anchor)
    return { value: proto.decodeAnchor(body), octets: body, anchorHash, ...rest, signed: anchor }
  })
})

const signedCase = (value, encode, sign, signer) => {
  const signed = sign(value, signer)
  const { body, ...rest } = sectionOf(signed)
  if (hex(encode(value)) !== hex(body)) throw new Error('signed something else')
  return { value, octets: body, ...rest, signed }
}
const receipt = {
  ledger: 'BD-LEDGER',
  gateway: 'BD-QY-0017',
  epoch: EPOCH,
  upToSeq: 41,
  anchorHash: first.anchorHash,
  status: 0,
  ledgerHead: first.anchorHash,
  time: CREATED + 2
}
const alarm = {
  gateway: 'BD-QY-0017',
  meter: 'QY-000123',
  rule: 'ct-ratio',
  state: 'raised',
  class: 'serious',
  raised: CREATED,
  cleared: null,
  location: { latE7: 387651000, lonE7: -1154903000 },
  evidence: text('{"factor":2}'),
  id: 7,
  bus: 'rs485-1'
}
const signedAlarm = signedCase(alarm, proto.encodeAlarm, proto.signAlarm, gateway)
write('receipt', "The ledger's receipts, signed (sections 9 and 10); the user id is the ledger.", {
  vectors: [
    receipt,
    { ...receipt, upToSeq: 39, status: 1, ledgerHead: null },
    {
      ...receipt,
      epoch: new Uint8Array(8),
      upToSeq: 7,
      status: 32,
      anchorHash: proto.alarmHash(signedAlarm.signed)
    }
  ].map(value => signedCase(value, proto.encodeReceipt, proto.signReceipt, ledger))
})
write('alarm', 'Alarms, signed (sections 9 and 10); the user id is the gateway.', {
  vectors: [
    signedAlarm,
    signedCase(
      {
        ...alarm,
        meter: null,
        state: 'cleared',
        cleared: CREATED + 900,
        location: null,
        class: 'general',
        bus: null
      },
      proto.encodeAlarm,
      proto.signAlarm,
      gateway
    )
  ].map(vector => ({ ...vector, alarmHash: proto.alarmHash(vector.signed) }))
})
const request = {
  ledger: 'BD-LEDGER',
  gateway: 'BD-QY-0017',
  kind: 'resend',
  epoch: EPOCH,
  from: 40,
  to: 41,
  meter: null,
  time: CREATED + 60
}
write('request', "The ledger's requests, signed (sections 9 and 10); the user id is the ledger.", {
  vectors: [
    request,
    { ...request, kind: 'reread', epoch: new Uint8Array(8), from: SLOT - 4, to: SLOT, meter: 'QY-000124' }
  ].map(value => signedCase(value, proto.encodeRequest, proto.signRequest, ledger))
})
write('proof', 'Proofs of one reading (section 10).', {
  vectors: cases.flatMap(({ name, anchor, saltKey, readings }) =>
    readings.slice(0, 3).map((reading, leafIndex) => {
      const withReceipt = name === 'suite 1' && leafIndex === 1
      const octets = proto.buildProof({
        anchor,
        saltKey,
        readings,
        leafIndex,
        receipt: withReceipt ? proto.signReceipt(receipt, ledger) : null
      })
      return { name: `${name}, leaf ${leafIndex}`, reading, octets, value: proto.decodeProof(octets) }
    })
  )
})
