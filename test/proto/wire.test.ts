import { readdirSync, readFileSync } from 'node:fs'
import * as cborg from 'cborg'
import t from 'tap'
import { concatBytes, fromHex, toHex } from '../../proto/bytes.ts'
import { CodecError, isWattproofError } from '../../proto/errors.ts'
import type { Reading } from '../../proto/reading.ts'
import { decodeAlarm, encodeAlarm } from '../../proto/wire/alarm.ts'
import { decodeAnchor, encodeAnchor } from '../../proto/wire/anchor.ts'
import { decodeBatch, encodeBatch } from '../../proto/wire/batch.ts'
import { type CborValue, decodeCbor, encodeCbor } from '../../proto/wire/cbor.ts'
import { decodeHeader, encodeHeader } from '../../proto/wire/header.ts'
import { decodePayload, encodePayload } from '../../proto/wire/payload.ts'
import { decodeProof, encodeProof } from '../../proto/wire/proof.ts'
import { decodeReading, encodeReading } from '../../proto/wire/reading.ts'
import { decodeReceipt, encodeReceipt } from '../../proto/wire/receipt.ts'
import { decodeRequest, encodeRequest } from '../../proto/wire/request.ts'
import { decodeSigned, encodeSigned } from '../../proto/wire/signed.ts'
import { suiteOf } from '../../proto/wire/suite.ts'
import { VarintReader, VarintWriter } from '../../proto/wire/varint.ts'
import { seededOctets, seededRandom } from '../fixtures/random.ts'
import { villageReadings } from '../fixtures/village.ts'

type Json = null | number | string | boolean | readonly Json[] | { readonly [key: string]: Json }
const FOLDER = new URL('../vectors/wire/', import.meta.url)
const vectorsOf = (name: string): readonly { readonly [key: string]: Json }[] =>
  JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')).vectors

/** Octets as the hexadecimal of the vectors. */
const plain = (value: unknown): Json => {
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]))
  return value as Json
}

interface Codec {
  readonly decode: (octets: Uint8Array) => unknown
  readonly encode: (value: never) => Uint8Array
}
const CODECS: Readonly<Record<string, Codec>> = {
  reading: { decode: decodeReading, encode: encodeReading },
  header: { decode: decodeHeader, encode: encodeHeader },
  anchor: { decode: decodeAnchor, encode: encodeAnchor },
  receipt: { decode: decodeReceipt, encode: encodeReceipt },
  alarm: { decode: decodeAlarm, encode: encodeAlarm },
  request: { decode: decodeRequest, encode: encodeRequest },
  proof: { decode: decodeProof, encode: encodeProof },
  payload: { decode: decodePayload, encode: encodePayload }
}
/** Those whose octets stand in other fields of the vectors. */
const CARRIERS: Readonly<Record<string, Codec>> = {
  signed: { decode: decodeSigned, encode: encodeSigned },
  batch: { decode: decodeBatch, encode: encodeBatch }
}
const sampleOf = (name: string): Uint8Array[] => {
  if (name === 'signed') return vectorsOf('receipt').map(vector => fromHex(vector['signed'] as string))
  const field = name === 'batch' ? 'batch' : 'octets'
  return vectorsOf(name).map(vector => fromHex(vector[field] as string))
}

t.test('every vector decodes to its value and back to its octets', async t => {
  for (const [name, codec] of Object.entries(CODECS)) {
    for (const vector of vectorsOf(name)) {
      const decoded = codec.decode(fromHex(vector['octets'] as string))
      t.same(plain(decoded), vector['value'], name)
      t.equal(toHex(codec.encode(decoded as never)), vector['octets'], name)
    }
  }
  for (const [name, codec] of Object.entries(CARRIERS)) {
    for (const octets of sampleOf(name))
      t.equal(toHex(codec.encode(codec.decode(octets) as never)), toHex(octets))
  }
  const covered = [...Object.keys(CODECS), 'batch', 'keys', 'README']
  t.same(
    readdirSync(FOLDER)
      .map(file => file.replace(/\..*/, ''))
      .sort(),
    covered.sort()
  )
})

t.test('CBOR: deterministic, and as another encoder writes it', async t => {
  const random = seededRandom(7)
  const pick = (depth: number): CborValue => {
    const kind = Math.floor(random() * (depth > 0 ? 6 : 5))
    const magnitude = Math.floor(2 ** (53 * random()))
    if (kind === 0) return Math.min(magnitude, Number.MAX_SAFE_INTEGER)
    if (kind === 1) return -Math.min(magnitude, Number.MAX_SAFE_INTEGER)
    if (kind === 2) return seededOctets(random, Math.floor(random() * 300))
    if (kind === 3) return '电表 a'.repeat(Math.floor(random() * 20))
    if (kind === 4) return null
    return Array.from({ length: Math.floor(random() * 30) }, () => pick(depth - 1))
  }
  for (let i = 0; i < 300; i++) {
    const value = pick(4)
    const octets = encodeCbor(value)
    if (toHex(octets) !== toHex(cborg.encode(value))) t.fail(`differs: ${toHex(octets)}`)
    t.same(decodeCbor(octets, { maxOctets: 1e6, maxDepth: 4 }), value)
  }
  const edges = [23, 24, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]
  for (const edge of [...edges, ...edges.map(n => -n), 0, -1]) {
    t.equal(toHex(encodeCbor(edge)), toHex(cborg.encode(edge)))
    t.equal(decodeCbor(encodeCbor(edge), { maxOctets: 9, maxDepth: 0 }), edge)
  }
  const refused: readonly (readonly [string, string, string])[] = [
    ['1800', 'CODEC_NOT_CANONICAL', 'a longer head than needed'],
    ['190017', 'CODEC_NOT_CANONICAL', 'a longer head than needed'],
    ['1a00000001', 'CODEC_NOT_CANONICAL', 'a longer head than needed'],
    ['1b0000000000000001', 'CODEC_NOT_CANONICAL', 'a longer head than needed'],
    ['5800', 'CODEC_NOT_CANONICAL', 'a longer length than needed'],
    ['9fff', 'CODEC_NOT_CANONICAL', 'indefinite array'],
    ['5f4100ff', 'CODEC_NOT_CANONICAL', 'indefinite bytes'],
    ['1c', 'CODEC_NOT_CANONICAL', 'reserved'],
    ['1b0020000000000000', 'CODEC_RANGE', '2^53'],
    ['3b001fffffffffffff', 'CODEC_RANGE', '-2^53'],
    ['1bffffffffffffffff', 'CODEC_RANGE', '2^64 - 1'],
    ['a0', 'CODEC_SHAPE', 'map'],
    ['c000', 'CODEC_SHAPE', 'tag'],
    ['f93c00', 'CODEC_SHAPE', 'float'],
    ['f4', 'CODEC_SHAPE', 'false'],
    ['f7', 'CODEC_SHAPE', 'undefined'],
    ['f818', 'CODEC_SHAPE', 'simple value'],
    ['ff', 'CODEC_SHAPE', 'break'],
    ['61ff', 'CODEC_SHAPE', 'not UTF-8'],
    ['63eda080', 'CODEC_SHAPE', 'a surrogate in UTF-8'],
    ['63efbbbf', 'CODEC_NOT_CANONICAL', 'a byte order mark that a decoder would drop'],
    ['', 'CODEC_TRUNCATED', 'nothing'],
    ['18', 'CODEC_TRUNCATED', 'half a head'],
    ['42aa', 'CODEC_TRUNCATED', 'half a string'],
    ['82', 'CODEC_TRUNCATED', 'an array without its entries'],
    ['9a7fffffff', 'CODEC_TRUNCATED', 'an array of 2^31'],
    ['5b001fffffffffffff', 'CODEC_TRUNCATED', 'a string of 2^53'],
    ['0000', 'CODEC_TRAILING', 'two values'],
    ['8180', 'CODEC_TOO_DEEP', 'nested beyond the limit'],
    ['81'.repeat(20000), 'CODEC_TOO_LARGE', 'too large']
  ]
  for (const [octets, code, why] of refused)
    t.throws(() => decodeCbor(fromHex(octets), { maxOctets: 16, maxDepth: 1 }), { code }, why)
  t.throws(() => decodeCbor(fromHex('81'.repeat(20000)), { maxOctets: 1e6, maxDepth: 4 }), {
    code: 'CODEC_TOO_DEEP'
  })
  t.throws(() => decodeCbor('00' as unknown as Uint8Array, { maxOctets: 1, maxDepth: 1 }), {
    code: 'CODEC_SHAPE'
  })
  for (const bad of [0.5, Number.NaN, 2 ** 53, -(2 ** 53)])
    t.throws(() => encodeCbor(bad), { code: 'CODEC_RANGE' })
  for (const bad of ['\ud800', true, undefined, {}])
    t.throws(() => encodeCbor(bad as CborValue), { code: 'CODEC_SHAPE' })
  t.equal(toHex(encodeCbor(-0)), '00')
})

const base: Reading = {
  meter: 'QY-000123',
  slot: 1_900_000,
  version: 1,
  quality: 0,
  source: 1,
  readAt: 12,
  meterTime: null,
  ratio: null,
  values: [[100, 5]]
}

t.test('objects refuse what breaks their rules', async t => {
  const readings: readonly (readonly [object, string])[] = [
    [{ meter: '' }, 'CODEC_SHAPE'],
    [{ meter: 'x'.repeat(65) }, 'CODEC_SHAPE'],
    [{ meter: '表'.repeat(22) }, 'CODEC_SHAPE'],
    [{ slot: -1 }, 'CODEC_SHAPE'],
    [{ slot: 1.5 }, 'CODEC_SHAPE'],
    [{ version: 0 }, 'CODEC_RANGE'],
    [{ quality: 2 ** 31 }, 'CODEC_RANGE'],
    [{ quality: 3 }, 'CODEC_SHAPE'],
    [{ readAt: 0.1 }, 'CODEC_RANGE'],
    [{ meterTime: 2 ** 53 }, 'CODEC_RANGE'],
    [{ ratio: { version: 1, ctPrimary: -1, ctSecondary: 5, ptPrimary: 1, ptSecondary: 1 } }, 'CODEC_SHAPE'],
    [{ values: [[100, 1.5]] }, 'CODEC_RANGE'],
    [
      {
        values: [
          [101, 1],
          [100, 1]
        ]
      },
      'CODEC_SHAPE'
    ],
    [
      {
        values: [
          [100, 1],
          [100, 1]
        ]
      },
      'CODEC_SHAPE'
    ],
    [{ values: Array.from({ length: 1025 }, (_, i) => [i, null]) }, 'CODEC_TOO_LARGE']
  ]
  for (const [change, code] of readings) t.throws(() => encodeReading({ ...base, ...change }), { code })
  t.ok(encodeReading({ ...base, quality: 1, values: [] }))

  const change = (name: string, at: number, value: CborValue): Uint8Array => {
    const fields = decodeCbor(sampleOf(name)[0] as Uint8Array, { maxOctets: 1e6, maxDepth: 4 }) as CborValue[]
    return encodeCbor(fields.map((field, i) => (i === at ? value : field)))
  }
  const objects: readonly (readonly [string, number, CborValue, string])[] = [
    ['header', 0, 2, 'CODEC_VERSION'],
    ['header', 3, new Uint8Array(7), 'CODEC_SHAPE'],
    ['header', 6, 0, 'CODEC_RANGE'],
    ['header', 9, 100_001, 'CODEC_RANGE'],
    ['header', 13, 16_777_217, 'CODEC_RANGE'],
    ['anchor', 0, 0, 'CODEC_VERSION'],
    ['anchor', 4, null, 'CODEC_SHAPE'],
    ['anchor', 5, new Uint8Array(33), 'CODEC_SHAPE'],
    ['anchor', 12, 5, 'CODEC_RANGE'],
    ['receipt', 1, 5, 'CODEC_SHAPE'],
    ['receipt', 6, 65_536, 'CODEC_RANGE'],
    ['alarm', 4, 2, 'CODEC_RANGE'],
    ['alarm', 4, 1, 'CODEC_SHAPE'],
    ['alarm', 8, [0], 'CODEC_RANGE'],
    ['alarm', 8, [0, 0, 0], 'CODEC_RANGE'],
    ['alarm', 8, [900_000_001, 0], 'CODEC_RANGE'],
    ['request', 3, 2, 'CODEC_RANGE'],
    ['request', 5, 1e9, 'CODEC_RANGE'],
    ['proof', 2, 100_000, 'CODEC_RANGE'],
    ['proof', 3, new Uint8Array(15), 'CODEC_SHAPE'],
    ['proof', 5, [new Uint8Array(31)], 'CODEC_SHAPE'],
    ['proof', 5, Array.from({ length: 65 }, () => new Uint8Array(32)), 'CODEC_TOO_LARGE'],
    ['signed', 1, new Uint8Array(9), 'CODEC_SHAPE'],
    ['signed', 2, new Uint8Array(65), 'CODEC_SHAPE'],
    ['batch', 3, [], 'CODEC_SHAPE'],
    [
      'batch',
      3,
      [
        [new Uint8Array(8), new Uint8Array(1)],
        [new Uint8Array(8), new Uint8Array(1)]
      ],
      'CODEC_SHAPE'
    ],
    ['batch', 3, [[new Uint8Array(8), new Uint8Array(1025)]], 'CODEC_TOO_LARGE'],
    ['batch', 3, [null], 'CODEC_SHAPE']
  ]
  const all = { ...CODECS, ...CARRIERS }
  for (const [name, at, value, code] of objects)
    t.throws(() => all[name]?.decode(change(name, at, value)), { code }, `${name} field ${at}`)
  for (const name of Object.keys(all).filter(name => name !== 'payload')) {
    const fields = decodeCbor(sampleOf(name)[0] as Uint8Array, { maxOctets: 1e6, maxDepth: 4 }) as CborValue[]
    for (const wrong of [
      encodeCbor([...fields, 0, 0]),
      encodeCbor(fields.slice(0, 2)),
      encodeCbor([]),
      encodeCbor(1)
    ])
      t.throws(() => all[name]?.decode(wrong), { code: 'CODEC_SHAPE' }, name)
  }
  for (const number of [0, 4, -1, 1.5]) t.throws(() => suiteOf(number), { code: 'CRYPTO_SUITE' })
})

t.test('payload: gives back every reading, whatever it holds', async t => {
  const random = seededRandom(99)
  const extremes = [
    0,
    -1,
    1,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    2 ** 48,
    -(2 ** 48) - 1,
    10 ** 12
  ]
  const integer = (): number =>
    random() < 0.2
      ? (extremes[Math.floor(random() * extremes.length)] as number)
      : Math.floor((random() - 0.3) * 10 ** Math.floor(random() * 9)) * (random() < 0.5 ? 10 : 1)
  const orNull = <T>(value: T): T | null => (random() < 0.3 ? null : value)
  for (let round = 0; round < 60; round++) {
    const roster = Array.from(
      { length: Math.floor(random() * 12) },
      (_, i) => `M${round % 3 ? '' : '表'}-${i * 37}`
    )
    const readings = roster.flatMap(meter =>
      Array.from({ length: Math.floor(random() * 4) }, (_, version): Reading => {
        const gap = random() < 0.2
        const ids = [100, 101, 102, 103, 104, 301, 320, 321, 322, 323, 9007199254740991]
        return {
          meter,
          slot: 1_900_000,
          version: version + 1,
          quality: gap ? 1 + Math.floor(random() * 255) : 256 * Math.floor(random() * 2 ** 22),
          source: Math.floor(random() * 6),
          readAt: orNull(integer()),
          meterTime: orNull(integer()),
          ratio: orNull({
            version: round,
            ctPrimary: 150,
            ctSecondary: 5,
            ptPrimary: 10_000,
            ptSecondary: 100
          }),
          values: gap ? [] : ids.filter(() => random() < 0.7).map(id => [id, orNull(integer())])
        }
      })
    )
    const octets = encodePayload({ roster, readings })
    const back = decodePayload(octets)
    t.same(back, { roster, readings })
    const leaves = (list: readonly Reading[]): string =>
      list.map(reading => toHex(encodeReading(reading))).join()
    t.equal(leaves(back.readings), leaves(readings))
    t.throws(() => decodePayload(concatBytes(octets, Uint8Array.of(0))), { code: 'CODEC_TRAILING' })
  }
  const village = villageReadings(500, 1_900_000)
  const roster = village.map(reading => reading.meter)
  t.same(decodePayload(encodePayload({ roster, readings: village })).readings, village)

  const refuse = (readings: readonly Reading[], ids: readonly string[], code = 'CODEC_SHAPE'): void => {
    t.throws(() => encodePayload({ roster: ids, readings }), { code })
  }
  refuse([base], [])
  refuse([base, base], [base.meter])
  refuse([{ ...base, version: 2 }, base], [base.meter])
  refuse([base, { ...base, meter: 'A' }], ['A', base.meter])
  refuse([], ['A', 'A'])
  refuse([], [''])
  refuse([{ ...base, values: [[100, 0.5]] }], [base.meter], 'CODEC_RANGE')
})

t.test('payload: hostile octets', async t => {
  const write = (build: (out: VarintWriter) => void): Uint8Array => {
    const out = new VarintWriter()
    build(out)
    return out.take()
  }
  const numbers = (...list: readonly number[]): Uint8Array => numbersOf(list)
  const numbersOf = (list: readonly number[]): Uint8Array =>
    write(out => {
      for (const n of list) out.uint(n)
    })
  // one meter "A", no ratios; then the class table and what follows
  const after = (...list: readonly number[]): Uint8Array =>
    concatBytes(numbers(1, 0, 1), Uint8Array.of(65), numbers(0, ...list))
  // one class without fields, one item 100 that is there; one row; columns of base mode: class 0, meter 0, slot 9, version 1 ...
  const row = [1, 0, 1, 100, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 18, 0, 0, 1, 2, 0, 0, 1, 0, 0, 0, 1, 2, 0]
  t.same(decodePayload(after(...row, 3, 84)).readings, [
    { ...base, meter: 'A', slot: 9, readAt: null, source: 1, values: [[100, 42]] }
  ])
  const refused: readonly (readonly [Uint8Array, string, string])[] = [
    [new Uint8Array(0), 'CODEC_TRUNCATED', 'nothing'],
    [numbers(20_001), 'CODEC_RANGE', 'a roster without end'],
    [numbers(9000), 'CODEC_TRUNCATED', 'a roster that is not there'],
    [concatBytes(numbers(1, 1, 1), Uint8Array.of(65)), 'CODEC_RANGE', 'an id that shares with nothing'],
    [Uint8Array.of(0x80, 0), 'CODEC_NOT_CANONICAL', 'a longer number than needed'],
    [new Uint8Array(9).fill(255), 'CODEC_RANGE', 'a number without end'],
    [Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 31), 'CODEC_RANGE', 'a number of 56 bits'],
    [after(1, 8), 'CODEC_RANGE', 'unknown flags'],
    [after(1, 0, 2, 100, 0, 3), 'CODEC_SHAPE', 'an item twice'],
    [after(1, 0, 1, 100, 3), 'CODEC_NOT_CANONICAL', 'bits beyond the items'],
    [after(1, 0, 0, 100_001), 'CODEC_RANGE', 'rows without end'],
    [after(1, 0, 0, 100_000), 'CODEC_TRUNCATED', 'rows that are not there'],
    [after(1, 0, 0, 1, 0, 1, 0, 1), 'CODEC_RANGE', 'a class that is not there'],
    [after(1, 0, 0, 1, 9, 0), 'CODEC_SHAPE', 'an unknown mode'],
    [after(1, 0, 0, 1, 0, 0, 0, 0), 'CODEC_RANGE', 'a factor of 0'],
    [after(...row, 2, 1, 101, 0), 'CODEC_SHAPE', 'a sum over what is not there'],
    [after(...row, 0, 2 ** 30, 0, 2 ** 30), 'CODEC_RANGE', 'a product beyond the safe integers'],
    [after(...row, 3), 'CODEC_TRUNCATED', 'a column that is not there'],
    [after(...row, 3, 84, 0), 'CODEC_TRAILING', 'a column too many']
  ]
  for (const [octets, code, why] of refused) t.throws(() => decodePayload(octets), { code }, why)

  // a null costs no octet: 50000 rows of 1024 nulls are refused by their count, before memory is taken
  const items = Array.from({ length: 1024 }, () => 1)
  const rows = 50_000
  const column = (base: number): number[] => [0, 1, base, ...Array.from({ length: rows }, () => 0)]
  const bomb = concatBytes(
    after(1, 0, 1024, ...items),
    new Uint8Array(128),
    numbersOf([rows, ...[0, 0, 18, 2, 0, 2].flatMap(column)])
  )
  t.throws(() => decodePayload(bomb), { code: 'CODEC_TOO_LARGE' })

  const integers = [
    0,
    -1,
    1,
    63,
    -64,
    64,
    2 ** 47,
    -(2 ** 52),
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER
  ]
  const reader = new VarintReader(
    write(out => {
      for (const n of integers) out.int(n)
    })
  )
  for (const n of integers) t.equal(reader.int(), n)
  t.equal(reader.left, 0)
})

t.test('decoders throw nothing but their own errors', async t => {
  const random = seededRandom(4711)
  const outcomes = { refused: 0, accepted: 0 }
  const strange: unknown[] = []
  const all = { ...CODECS, ...CARRIERS }
  const attempt = (name: string, octets: Uint8Array): void => {
    try {
      all[name]?.decode(octets)
      outcomes.accepted++
    } catch (error) {
      outcomes.refused++
      if (!(error instanceof CodecError) || !isWattproofError(error))
        strange.push([name, toHex(octets), error])
    }
  }
  for (const name of Object.keys(all)) {
    const samples = sampleOf(name)
    for (let i = 0; i < 1500; i++) {
      const octets = (samples[Math.floor(random() * samples.length)] as Uint8Array).slice()
      const cut = Math.floor(random() * octets.length)
      const kind = i % 4
      if (kind === 0) attempt(name, seededOctets(random, Math.floor(random() * 80)))
      else if (kind === 1) attempt(name, octets.slice(0, cut))
      else if (kind === 2)
        attempt(name, concatBytes(octets.slice(0, cut), seededOctets(random, 3), octets.slice(cut)))
      else {
        for (let n = 0; n < 3; n++) octets[Math.floor(random() * octets.length)] = Math.floor(random() * 256)
        attempt(name, octets)
      }
    }
  }
  t.same(strange, [])
  t.ok(outcomes.refused > 5000, JSON.stringify(outcomes))
})
