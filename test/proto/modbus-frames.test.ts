import { readFileSync } from 'node:fs'
import t from 'tap'
import { isReadRequest } from '../../proto/bus-reply.ts'
import { concatBytes, fromHex, toHex } from '../../proto/bytes.ts'
import { appendCrc, crc16, hasValidCrc } from '../../proto/modbus/crc.ts'
import {
  exceptionName,
  formatException,
  isBusyException,
  isRangeException
} from '../../proto/modbus/exception.ts'
import { explainModbus } from '../../proto/modbus/explain.ts'
import { assertReadOnlyModbus } from '../../proto/modbus/function-code.ts'
import { decodeRegisterReply } from '../../proto/modbus/reply.ts'
import { encodeReadRequest, type RegisterRange } from '../../proto/modbus/request.ts'

interface FrameVector {
  readonly id: string
  readonly hex: string
  readonly direction: 'request' | 'response' | 'unknown'
  readonly bad: boolean
  readonly meaning: {
    readonly unit?: number
    readonly function?: number
    readonly address?: number
    readonly addressHex?: string
    readonly count?: number
    readonly words?: readonly string[]
    readonly exception?: number
    readonly data?: string
    readonly value?: string
  }
}
const VECTORS: readonly FrameVector[] = JSON.parse(
  readFileSync(new URL('../vectors/modbus-frames.json', import.meta.url), 'utf8')
)
const frame = (hex: string) => appendCrc(fromHex(hex))
const range: RegisterRange = { unit: 1, function: 4, address: 0x48, count: 2 }

t.test('published frames are explained, wrong ones are not accepted', async t => {
  t.ok(VECTORS.length > 40)
  for (const { id, hex, direction, bad, meaning } of VECTORS) {
    const octets = fromHex(hex)
    const got = explainModbus(octets, direction === 'unknown' ? undefined : direction)
    if (bad) {
      t.match(got.error, /should be/, id)
      t.notOk(hasValidCrc(octets), id)
      continue
    }
    t.equal(got.error, null, id)
    t.equal(got.direction, direction, id)
    for (const key of [
      'unit',
      'function',
      'address',
      'addressHex',
      'count',
      'exception',
      'data',
      'value'
    ] as const)
      if (meaning[key] !== undefined) t.equal(got[key], meaning[key], `${id} ${key}`)
    if (meaning.words) t.same(got.words, meaning.words, id)
    // without its direction a frame is still explained, and inside an undriven line too
    t.equal(explainModbus(octets).function, meaning.function, id)
    const noisy = explainModbus(
      concatBytes(Uint8Array.of(0), octets, Uint8Array.of(0xff)),
      got.direction as 'request'
    )
    t.equal(noisy.error, null, id)
    t.same(noisy.discarded, { before: '00', after: 'FF' }, id)
  }
})

t.test('frames of functions this product never sends are explained all the same', async t => {
  const cases: [string, 'request' | 'response', object][] = [
    ['0102000A000D', 'request', { function: 2, address: 10, count: 13 }],
    ['010203ACDB35', 'response', { function: 2, data: 'ACDB35' }],
    ['110F0013000A02CD01', 'request', { function: 15, address: 19, count: 10, data: 'CD01' }],
    ['110F0013000A', 'response', { function: 15, address: 19, count: 10 }],
    ['0416000400F20025', 'request', { function: 22, address: 4, data: '00F20025' }],
    ['0417000300060E00030006 0C'.slice(0, 20), 'request', { function: 23 }],
    ['0107', 'request', { functionName: 'read exception status' }],
    ['012B0E0100', 'request', { function: 43, data: '0E0100' }],
    ['012B0E0101000001000341424 3'.replace(' ', ''), 'response', { function: 43 }],
    ['0164AABB', 'request', { function: 100, data: 'AABB', error: null }],
    ['0103040001', 'response', { error: /does not fit read holding/ }],
    ['010300000080', 'request', { count: 128, note: /limit/ }]
  ]
  for (const [hex, direction, want] of cases) t.match(explainModbus(frame(hex), direction), want, hex)
  t.match(explainModbus(fromHex('01')).error, /no frame/)
  t.match(explainModbus(new Uint8Array()), { unit: null, function: null })
  t.match(explainModbus(fromHex('0103080001000200'), 'response').error, /truncated: 8 of 13/)
})

t.test('crc', async t => {
  t.equal(crc16(fromHex('010400480002')), 0xddf1, 'the low octet goes first')
  t.equal(toHex(appendCrc(fromHex('010400060002'))), '01040006000291ca')
  t.notOk(hasValidCrc(fromHex('01')))
})

t.test('only reads can be said, and only reads pass', async t => {
  const request = encodeReadRequest(range)
  t.ok(isReadRequest(request))
  t.equal(toHex(request.octets), '010400480002f1dd')
  t.equal(request.asked, '0x0048:2')
  t.equal(request.expectedReplyOctets, 9)
  assertReadOnlyModbus(request.octets)
  for (const [field, value] of [
    ['unit', 0],
    ['unit', 248],
    ['count', 0],
    ['count', 126],
    ['address', 65535],
    ['address', -1],
    ['address', 1.5]
  ] as const)
    t.throws(() => encodeReadRequest({ ...range, [field]: value }), { code: 'CODEC_RANGE' })
  const forbidden = Array.from({ length: 256 }, (_, code) => code).filter(code => code !== 3 && code !== 4)
  for (const code of forbidden)
    t.throws(() => assertReadOnlyModbus(appendCrc(Uint8Array.of(1, code, 0, 0, 0, 1))), {
      code: 'CODEC_FORBIDDEN_CONTROL'
    })
  for (const hex of [
    '000300000001',
    'F80300000001',
    '01030000007E',
    '010300000000',
    '0110000000010200 01'.replace(' ', '')
  ])
    t.throws(() => assertReadOnlyModbus(frame(hex)), { code: 'CODEC_FORBIDDEN_CONTROL' }, hex)
  t.throws(() => assertReadOnlyModbus(fromHex('0103000000010000')), /CRC/)
})

t.test('the answer is found by unit, function, byte count and CRC', async t => {
  const { match, octets: sent } = encodeReadRequest(range)
  const reply = frame('01040443696978')
  const find = (...parts: (Uint8Array | string)[]) =>
    match(concatBytes(...parts.map(part => (typeof part === 'string' ? fromHex(part) : part))))
  t.same(find(), { kind: 'more', octets: 5 })
  t.same(find(reply), { kind: 'reply', start: 0, end: 9 })
  t.same(find('00', reply, '00'), { kind: 'reply', start: 1, end: 10 }, 'undriven line')
  t.same(find('ff01', reply), { kind: 'reply', start: 2, end: 11 }, 'noise that looks like the unit')
  t.same(find(sent), { kind: 'not-ours', start: 0, end: 8, reason: 'echo' })
  t.same(find('00', sent, reply), { kind: 'not-ours', start: 1, end: 9, reason: 'echo' })
  t.same(find(frame('0104020001')), { kind: 'not-ours', start: 0, end: 7, reason: 'late' })
  t.same(
    find(frame('01030443696978')),
    { kind: 'not-ours', start: 0, end: 9, reason: 'late' },
    'other function'
  )
  t.same(find(frame('02040443696978')), { kind: 'not-ours', start: 0, end: 9, reason: 'foreign' })
  t.same(find(frame('02040443696978'), reply), { kind: 'reply', start: 9, end: 18 }, 'behind other traffic')
  t.same(find(frame('028402')), { kind: 'not-ours', start: 0, end: 5, reason: 'foreign' })
  t.same(
    find(frame('020300000002')),
    { kind: 'not-ours', start: 0, end: 8, reason: 'foreign' },
    'second master'
  )
  t.same(find(frame('018402')), { kind: 'reply', start: 0, end: 5 }, 'exception')
  t.same(find('0104'), { kind: 'more', octets: 5 })
  t.same(find('010404'), { kind: 'more', octets: 9 })
  t.same(find('00', '010404'), { kind: 'more', octets: 10 })
  t.same(find('0184'), { kind: 'more', octets: 5 })
  t.same(find('00ff00'), { kind: 'noise', octets: 3, reason: 'noise' })
  t.same(find('00ff01'), { kind: 'noise', octets: 2, reason: 'noise' })
  t.same(find('01040443696978106f'), { kind: 'noise', octets: 9, reason: 'wrong CRC' })
  // a cut answer and the frame after it that together happen to have a valid CRC
  t.equal(find('01040400', '050304eab6').kind, 'reply', 'nothing tells them from an answer yet')
  t.same(find('01040400', '050304eab61122e644'), { kind: 'noise', octets: 9, reason: 'wrong CRC' })
  t.same(find('0204044369'), { kind: 'more', octets: 9 }, 'somebody else, not all yet')

  t.same(decodeRegisterReply(reply, range), { kind: 'registers', octets: fromHex('43696978') })
  t.same(decodeRegisterReply(frame('018402'), range), {
    kind: 'exception',
    code: 2,
    name: 'illegal data address'
  })
  for (const wrong of ['02040443696978', '01030443696978', '0104024369', '0104044369'])
    t.throws(() => decodeRegisterReply(frame(wrong), range), { code: 'CODEC_SHAPE' }, wrong)
  t.throws(() => decodeRegisterReply(fromHex('01040443696978106f'), range), /CRC/)
})

t.test('exceptions have names and classes', async t => {
  t.equal(exceptionName(6), 'server device busy')
  t.equal(exceptionName(99), 'exception 99')
  t.equal(formatException(11), '0B')
  t.same([1, 2, 3, 4, 5, 6].filter(isBusyException), [5, 6])
  t.same([1, 2, 3, 4, 5, 6].filter(isRangeException), [2, 3])
})
