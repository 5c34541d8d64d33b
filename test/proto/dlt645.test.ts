import { readFileSync } from 'node:fs'
import t from 'tap'
import { concatBytes, fromHex, toHex } from '../../proto/bytes.ts'
import {
  addressKind,
  answersTo,
  BROADCAST_ADDRESS,
  decodeAddress,
  encodeAddress,
  type MeterAddress,
  padWithWildcards,
  parseAddress,
  WILDCARD_ADDRESS
} from '../../proto/dlt645/address.ts'
import { buildBroadcastFreeze } from '../../proto/dlt645/broadcast.ts'
import { catalogueEntry, catalogueItemOf } from '../../proto/dlt645/catalogue.ts'
import { assertReadOnlyDlt645, errorBits, functionName } from '../../proto/dlt645/control-code.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { createItemTable, findDataItem, parseDataItem } from '../../proto/dlt645/data-items.ts'
import { explainDlt645 } from '../../proto/dlt645/explain.ts'
import { parseFieldFormat } from '../../proto/dlt645/field-format.ts'
import { beginAssembly, continueAssembly } from '../../proto/dlt645/follow-up.ts'
import { decodeFrame, encodeFrame } from '../../proto/dlt645/frame.ts'
import { FrameDecoder } from '../../proto/dlt645/frame-decoder.ts'
import { broadcastTimeData, freezeCommandData, freezeIdentifier } from '../../proto/dlt645/freeze.ts'
import { decodeItemValues } from '../../proto/dlt645/item-values.ts'
import {
  blockOctets,
  blocksPerFrame,
  parseProfileBlocks,
  profileRequest
} from '../../proto/dlt645/load-profile.ts'
import {
  formatDigits,
  formatLocalTime,
  fromLocalSeconds,
  localSeconds,
  parseLocalTime
} from '../../proto/dlt645/local-time.ts'
import { askAddress, askData, askFollowUp } from '../../proto/dlt645/question.ts'
import { parseReply } from '../../proto/dlt645/reply.ts'
import { buildRequest } from '../../proto/dlt645/request.ts'
import { decodeStatusWord } from '../../proto/dlt645/status-words.ts'
import { ITEMS } from '../../proto/items.ts'

interface Vector {
  readonly id: string
  readonly protocol: string
  readonly hex: string
  readonly direction: string
  readonly meaning: Readonly<Record<string, unknown>>
}

const vectors = (name: string): Vector[] =>
  JSON.parse(readFileSync(new URL(`../vectors/dlt645/${name}.json`, import.meta.url), 'utf8')) as Vector[]

const TABLE = createItemTable()
const di = parseDataIdentifier
const ADDRESS = parseAddress('161')

/** The multiset of values in any nesting, numbers normalised. */
function flat(value: unknown, out: string[] = []): string[] {
  if (value === null || value === undefined) return out
  if (typeof value === 'object') {
    const record = value as Record<string, unknown>
    if ('value' in record) flat(record['value'], out)
    else if ('text' in record) out.push(String(record['text']).trim())
    else for (const inner of Object.values(record)) flat(inner, out)
    return out
  }
  const text = String(value).trim()
  out.push(/^[+-]?\d+(\.\d+)?$/.test(text) ? String(Number(text)) : text)
  return out
}

t.test('captured frames are explained as their sources say', async t => {
  for (const { id, hex, direction, protocol, meaning } of vectors('frames')) {
    const edition = protocol === 'dlt645-1997' ? 'dlt645-1997' : 'dlt645'
    const got = explainDlt645(fromHex(hex), direction as 'request' | 'response', edition)
    const fields = [
      'version',
      'preambleFE',
      'addressWire',
      'address',
      'control',
      'function',
      'abnormal',
      'followUp',
      'length',
      'dataPlain',
      'di',
      'errorWord',
      'errorBits',
      'meterAddress',
      'seq',
      'time',
      'passwordLevel',
      'password',
      'operator',
      'passwordField',
      'writeData',
      'junkBefore',
      'junkAfter',
      'extraBytes'
    ]
    for (const key of fields) {
      if (meaning[key] !== undefined) t.same(got[key], meaning[key], `${id} ${key}`)
    }
    if (meaning['values'] !== undefined) {
      t.same(flat(got['values']).sort(), flat(meaning['values']).sort(), `${id} values`)
    }
    t.equal(got.error, null, id)
  }
  for (const { id, hex, meaning } of vectors('frames-bad')) {
    const got = explainDlt645(fromHex(hex))
    const inside = /valid frame inside/.test(String(meaning['linkLayerExpectation']))
    t.equal(got['control'] !== undefined && got.error === null, inside, `${id}: ${meaning['why']}`)
  }
})

t.test('load profiles, follow-up chains and streams', async t => {
  for (const { id, hex, direction, meaning } of vectors('load-profile')) {
    const octets = fromHex(hex)
    if (direction === 'stream') {
      const frames = new FrameDecoder().push(octets).filter(event => event.kind === 'frame')
      t.same(
        frames.map(event => toHex(event.octets).toUpperCase()),
        meaning['expectedFrames'],
        id
      )
      continue
    }
    const got = explainDlt645(octets, direction as 'request' | 'response')
    for (const key of ['di', 'errorWord', 'blocks', 'fromTime', 'seq', 'payloadBytes']) {
      if (meaning[key] !== undefined) t.same(got[key], meaning[key], `${id} ${key}`)
    }
    if (meaning['records'] !== undefined) t.match(got['records'], withoutOthers(meaning['records']), id)
    if (Array.isArray(meaning['values']))
      t.same(
        flat(got['values']),
        meaning['values'].map(v => String(Number(v)))
      )
  }
  t.equal(
    explainDlt645(fromHex(vectors('load-profile').find(v => v.id === 'derived-014')?.hex ?? ''))[
      'damagedBlocks'
    ],
    1
  )
})

const withoutOthers = (records: unknown): unknown =>
  (records as Record<string, unknown>[]).map(({ others: _, ...rest }) => rest)

t.test('addresses', async t => {
  t.equal(parseAddress('161'), '000000000161')
  t.equal(parseAddress('12345', '1997'), 'AAAAAA012345')
  t.equal(parseAddress('aaaaaaaa5678'), 'AAAAAAAA5678')
  t.equal(padWithWildcards('000000063295' as MeterAddress), 'AAAAAA063295')
  t.equal(padWithWildcards('000000000000' as MeterAddress), 'AAAAAAAAAA00')
  for (const bad of ['', '1234567890123', '12A4', 'A', '-5', 'FFFFFFFFFFFF', 'AA1']) {
    t.throws(() => parseAddress(bad), { code: 'CODEC_ADDRESS' }, bad)
  }
  t.equal(toHex(encodeAddress(parseAddress('012345678901'))), '018967452301')
  t.equal(decodeAddress(fromHex('018967452301')), '012345678901')
  t.equal(addressKind(WILDCARD_ADDRESS), 'wildcard')
  t.equal(addressKind(BROADCAST_ADDRESS), 'broadcast')
  t.equal(addressKind('AAAAAAAA5678'), 'shortened')
  t.equal(addressKind('123456789012'), 'single')
  const answers: [asked: string, answered: string, edition: '2007' | '1997', yes: boolean][] = [
    ['000000000161', '000000000161', '2007', true],
    ['000000000161', '000000000162', '2007', false],
    ['000000000161', 'AAAAAAAAAAAA', '2007', false],
    ['AAAAAAAAAAAA', 'AAAAAAAAAAAA', '1997', true],
    ['AAAAAAAA0161', '990000000161', '2007', true],
    ['AAAAAAAA0161', '990000000162', '2007', false],
    ['AAAAAAAA0161', 'AAAAAAAAAAAA', '2007', true],
    ['999999999999', '000000063295', '1997', true],
    ['999999999999', '000000063295', '2007', false]
  ]
  for (const [asked, answered, edition, yes] of answers) {
    t.equal(answersTo(asked as MeterAddress, answered, edition), yes, `${asked} ${answered}`)
  }
})

t.test('only reads can leave', async t => {
  const frame = (control: number, size: number, address = ADDRESS): Uint8Array =>
    encodeFrame({ address, control, data: new Uint8Array(size) }, 4)
  for (let control = 0; control < 256; control++) {
    for (const size of [0, 1, 2, 4, 5, 6, 8, 10, 12, 15]) {
      const may =
        (control === 0x11 && [4, 5, 10].includes(size)) ||
        (control === 0x12 && size === 5) ||
        (control === 0x13 && size === 0) ||
        ([1, 2].includes(control) && size === 2) ||
        (control === 3 && size === 0)
      const run = (): void => assertReadOnlyDlt645(frame(control, size))
      if (may) run()
      else t.throws(run, { code: 'CODEC_FORBIDDEN_CONTROL' }, `${control}/${size}`)
    }
  }
  const time = frame(8, 6, BROADCAST_ADDRESS)
  assertReadOnlyDlt645(time, { broadcastTime: true })
  t.throws(() => assertReadOnlyDlt645(time, { freeze: true }), { code: 'CODEC_FORBIDDEN_CONTROL' })
  t.throws(() => assertReadOnlyDlt645(frame(8, 6), { broadcastTime: true }), 'time to one meter is a write')
  assertReadOnlyDlt645(frame(0x16, 4), { freeze: true })
  t.throws(() => assertReadOnlyDlt645(frame(0x14, 16), { freeze: true, broadcastTime: true }))
  const freeze = buildBroadcastFreeze({ minute: 0, hour: 0 })
  t.throws(() => assertReadOnlyDlt645(freeze.octets), { code: 'CODEC_FORBIDDEN_CONTROL' })
  t.equal(explainDlt645(freeze.octets)['freeze'], 'every day at 00:00')
  t.equal(explainDlt645(buildBroadcastFreeze().octets)['freeze'], 'now')
  t.equal(freeze.match(freeze.octets).kind, 'more', 'nobody answers')
  const read = frame(0x11, 4)
  for (const bad of [
    concatBytes(read, read),
    concatBytes(read, frame(0x1c, 16)),
    concatBytes(Uint8Array.of(0), read),
    read.subarray(0, read.length - 1),
    new Uint8Array(0)
  ]) {
    t.throws(() => assertReadOnlyDlt645(bad), { code: 'CODEC_FORBIDDEN_CONTROL' }, toHex(bad))
  }
  t.equal(functionName(0x9c, '2007'), 'relay-control')
  t.equal(functionName(0x10, '1997'), 'clear-max-demand')
  t.same(errorBits(0x03, 2), ['other-error', 'repeated-charge'])
})

t.test('strict frames', async t => {
  const good = fromHex('68610100000000689106333434353855 2616')
  t.match(decodeFrame(good), { address: '000000000161', control: 0x91 })
  const broken: [hex: string, code: string][] = [
    ['', 'CODEC_SHAPE'],
    ['69610100000000689106333434353855 2616', 'CODEC_SHAPE'],
    ['68610100000000699106333434353855 2616', 'CODEC_SHAPE'],
    ['68610100000000689106333434353855 26', 'CODEC_TRUNCATED'],
    ['68610100000000689106333434353855 261600', 'CODEC_TRAILING'],
    ['68610100000000689106333434353855 2617', 'CODEC_SHAPE'],
    ['68610100000000689106333434353855 2716', 'CODEC_SHAPE']
  ]
  for (const [hex, code] of broken) t.throws(() => decodeFrame(fromHex(hex)), { code }, hex)
  t.throws(() => encodeFrame({ address: ADDRESS, control: 0x11, data: new Uint8Array(256) }), {
    code: 'CODEC_RANGE'
  })

  const decoder = new FrameDecoder()
  const events = [
    ...decoder.push(fromHex(`00FFFEFEFE${toHex(good)}FEFE55`)),
    ...decoder.push(good.subarray(0, 9)),
    ...decoder.push(good.subarray(9)),
    ...decoder.push(fromHex('686101000000006891')),
    ...decoder.flush()
  ]
  t.same(
    events.map(event => [
      event.kind,
      event.octets.length,
      event.kind === 'frame' ? event.preambleFE : event.reason
    ]),
    [
      ['discarded', 2, 'garbage'],
      ['frame', 18, 3],
      ['discarded', 3, 'garbage'],
      ['frame', 18, 0],
      ['discarded', 9, 'garbage']
    ]
  )
  t.equal(decoder.pendingOctets, 0)
})

t.test('formats and items', async t => {
  for (const bad of ['', 'X.', 'YYQQ', 'ASCII', 'N3', 'XXXXXXXXXXXXXXX', 'BITS:x']) {
    t.throws(() => parseFieldFormat(bad), { code: 'CODEC_SHAPE' }, bad)
  }
  t.throws(() => parseDataItem(['00 0G 00 00', 'v:XX', '', '']), { code: 'CODEC_SHAPE' })
  t.throws(() => parseDataItem(['00 00 00', 'v:XX', '', '']), { code: 'CODEC_SHAPE' })
  t.throws(() => parseDataItem(['00 00 00 00', 'v XX', '', '']), { code: 'CODEC_SHAPE' })

  // [identifier, data as on the line, values]
  const cases: [string, string, unknown[]][] = [
    ['00010000', '99999999', ['999999.99']],
    ['00000000', '99999980', ['-9999.99']],
    ['00000000', '00000080', ['0.00']],
    ['00010000', 'FFFFFFFF', []],
    ['00010000', '0A000000', ['invalid-bcd:0000000A']],
    ['0001FF00', '01000000AA02000000AA03000000', ['0.01', '0.02', '0.03']],
    ['0001FF00', '0100000002000000DD', ['0.01', '0.02']],
    ['0001FFFF', '0100000002000000', ['0.01', '0.02']],
    ['0000FF01', '0100008002000000', ['-0.01', '0.02']],
    ['01010000', '3412000014221126', ['0.1234', '2611221400']],
    ['0101FF00', '341200 0014221126 785634 0000000000', ['0.1234', '2611221400', '34.5678', '0000000000']],
    ['01030000', '341280 0014221126', ['-0.1234', '2611221400']],
    ['0201FF00', '0723 FFFF FFFF', ['230.7']],
    ['0203FF00', '000080 010000 020000 030000', ['0.0000', '0.0001', '0.0002', '0.0003']],
    ['020A01FF', '0001'.repeat(21), new Array(21).fill('1.00')],
    ['02800002', '9949', ['49.99']],
    ['02800007', '5082', ['-25.0']],
    ['04000101', '01231126', ['26112301']],
    ['0400010C', '15450901231126', ['26112301094515']],
    ['04000401', '610100000000', ['000000000161']],
    ['04000401', '6101AAAAAAAA', ['AAAAAAAA0161']],
    ['04000403', '00003231', ['12']],
    ['04000404', '563032320000', ['220V']],
    ['04000501', '0C00', ['000C']],
    ['040005FF', '0100020003000400050006000700', ['0001', '0002', '0003', '0004', '0005', '0006', '0007']],
    ['04000306', '800000', ['80']],
    ['04010000', '010101 020601', ['010101', '010602']],
    ['04010001', '010006 020012', ['060001', '120002']],
    ['03010000', '010000 020000 030000 040000 050000 060000', ['1', '2', '3', '4', '5', '6']],
    ['03110001', '301009231126 001109231126', ['261123091030', '261123091100']],
    [
      '03300001',
      `301009231126 04030201 00000100 ${'FFFFFFFF'.repeat(9)}`,
      ['261123091030', '01020304', '00010000']
    ],
    ['03300401', '01000000 301009231126 001109231126', ['00000001', '261123091030', '261123091100']],
    ['03350000', '020000', ['2']],
    ['1D000001', '000000', ['0']],
    ['10010001', '120000', ['12']],
    ['05060001', '0000231126', ['2611230000']],
    ['05060101', '7856341200000001', ['123456.78', '10000.00']],
    ['05040101', '78563412', ['123456.78']],
    ['0504FF01', '0001231126 78563412 00000000', ['2611230100', '123456.78', '0.00']],
    ['0504FF01', '0001231126AA78563412AA00000000AA', ['2611230100', '123456.78', '0.00']],
    ['9010', '16000000', ['0.16']],
    ['901F', '01000000 02000000', ['0.01', '0.02']],
    ['9110', '16000000', ['0.16']],
    ['9410', '16000000', ['0.16']],
    ['A010', '341200', ['0.1234']],
    ['B010', '00142211', ['11221400']],
    ['B611', '2002', ['220']],
    ['B61F', '200220022002', ['220', '220', '220']],
    ['B621', '3412', ['12.34']],
    ['B630', '563412', ['12.3456']],
    ['C010', '01231126', ['26112301']],
    ['C032', '349617081720', ['201708179634']]
  ]
  for (const [id, data, want] of cases) {
    const { elements } = decodeItemValues(TABLE, di(id), fromHex(data))
    const got = elements.flatMap(({ value }) =>
      value.kind === 'absent' ? [] : value.kind === 'invalid' ? [`invalid-bcd:${value.text}`] : [value.text]
    )
    t.same(got, want, id)
  }
  const records: [string, number][] = [
    ['03010101', 131],
    ['03050001', 15],
    ['03300101', 106],
    ['03300201', 202],
    ['03300501', 682],
    ['03300D01', 60],
    ['03350001', 28],
    ['03120101', 20],
    ['040300FE', 4],
    ['0506FF01', 29 + 48 * 5]
  ]
  for (const [id, size] of records) {
    t.ok(decodeItemValues(TABLE, di(id), new Uint8Array(size)).sound, `${id} of ${size} octets`)
  }
  const unsound: [string, string][] = [
    ['02010100', '002002'],
    ['00010000', '010000'],
    ['028022FF', '00'],
    ['0506FF01', '00'],
    ['0201FF00', '']
  ]
  for (const [id, data] of unsound) t.notOk(decodeItemValues(TABLE, di(id), fromHex(data)).sound, id)
  t.ok(
    decodeItemValues(TABLE, di('02040000'), fromHex('00120000')).sound,
    'a zero behind the value is padding'
  )

  // Three values where total and phases are due could be either: no identifier, so nothing is filed.
  const three = decodeItemValues(TABLE, di('0203FF00'), fromHex('010000020000030000'))
  t.same(
    three.elements.map(element => element.di),
    [undefined, undefined, undefined]
  )
  const block = decodeItemValues(TABLE, di('0001FF01'), new Uint8Array(8))
  t.same(
    block.elements.map(element => element.di),
    ['00010001', '00010101']
  )

  const own = createItemTable([['02 80 22 FF', 'power:±XXXX.XX kW', 'vendor power', '厂家功率']])
  t.match(decodeItemValues(own, di('028022FF'), fromHex('123480')).elements[0]?.value, { text: '-34.12' })
  t.equal(findDataItem(TABLE, di('03300002'))?.en, 'programming record (last 2)')
  t.match(decodeStatusWord(3, 0b1000_0001_0110), [
    { name: 'supply', value: 3 },
    { name: 'relay-open' },
    { name: 'step-set-2' }
  ])
  t.match(decodeStatusWord(4, 0x8181), [
    { name: 'voltage-loss' },
    { name: 'phase-break' },
    { name: 'current-break' },
    { name: 'bit-15' }
  ])
})

t.test('every catalogue item a DL/T 645 meter can have is mapped, both ways', async t => {
  const not2007 = ITEMS.filter(item => !catalogueEntry(item.id, '2007')).map(item => item.key)
  t.same(not2007, ['voltage-ab', 'voltage-bc', 'voltage-ca'])
  for (const item of ITEMS) {
    for (const edition of ['2007', '1997'] as const) {
      const entry = catalogueEntry(item.id, edition)
      if (!entry) continue
      t.equal(catalogueItemOf(entry.di, entry.field), item.id, item.key)
      const match = findDataItem(TABLE, entry.di)
      const field = match?.item.fields.find(candidate => candidate.key === entry.field)
      t.ok(field, `${entry.di} has ${entry.field}`)
      if (field?.format.kind === 'number')
        t.ok(field.format.exponent >= item.exponent, `${item.key} fits its exponent`)
    }
  }
})

t.test('requests and their answers', async t => {
  const request = buildRequest(askData(ADDRESS, di('02010100')))
  t.equal(toHex(request.octets), 'fefefefe68610100000000681104333434351716')
  t.equal(request.asked, '02010100')
  t.equal(request.expectedReplyOctets, 4 + 12 + 4 + 2)
  const reply = fromHex('686101000000006891063334343538552616')
  const feeds: [what: string, hex: string, want: object][] = [
    ['nothing yet', '', { kind: 'more', octets: 13 }],
    ['preamble', 'FEFE', { kind: 'more', octets: 15 }],
    ['start', 'FE68', { kind: 'more', octets: 14 }],
    ['up to the control code', '686101000000006891', { kind: 'more', octets: 13 }],
    ['length known', '68610100000000689106', { kind: 'more', octets: 18 }],
    ['answer', toHex(reply), { kind: 'reply', start: 0, end: 18 }],
    ['answer behind a preamble, junk behind', `FEFE${toHex(reply)}00`, { kind: 'reply', start: 2, end: 20 }],
    ['noise', '00FF55', { kind: 'noise', octets: 3 }],
    ['noise, then a start', '00FFFEFE68', { kind: 'noise', octets: 2 }],
    ['doubled 68', `68${toHex(reply)}`, { kind: 'reply', start: 1, end: 19 }],
    ['false start in front', `68FEFEFEFEFEFE${toHex(reply)}`, { kind: 'reply', start: 7, end: 25 }],
    ['echo', toHex(request.octets), { kind: 'not-ours', start: 4, end: 20, reason: 'echo' }],
    ['another master', '68AAAAAAAAAAAA681300DF16', { kind: 'not-ours', reason: 'foreign' }],
    ['another meter', '689909000000006891063334343533566216', { kind: 'not-ours', reason: 'foreign' }],
    [
      'AA of its own accord',
      toHex(encodeFrame({ address: WILDCARD_ADDRESS, control: 0x91, data: fromHex('000101020522') })),
      { kind: 'not-ours', reason: 'foreign' }
    ],
    ['an older question', '6861010000000068910833333433593333338A16', { kind: 'not-ours', reason: 'late' }],
    [
      'an older address question',
      toHex(encodeFrame({ address: ADDRESS, control: 0x93, data: encodeAddress(ADDRESS) })),
      { kind: 'not-ours', reason: 'late' }
    ],
    ['refused', '6861010000000068D101353916', { kind: 'reply', start: 0, end: 13 }]
  ]
  for (const [what, hex, want] of feeds) t.match(request.match(fromHex(hex)), want, what)
  t.same(parseReply(askData(ADDRESS, di('02010100')), decodeFrame(reply)), {
    kind: 'data',
    data: fromHex('0522'),
    followUp: false,
    address: '000000000161'
  })
  t.match(parseReply(askData(ADDRESS, di('02010100')), decodeFrame(fromHex('6861010000000068D101353916'))), {
    kind: 'refused',
    word: '02',
    bits: ['no-requested-data']
  })
  t.match(parseReply(askAddress(), decodeFrame(fromHex('686748601000006893069A7B93433333D916'))), {
    kind: 'address',
    address: '000010604867'
  })
  t.equal(toHex(buildRequest(askAddress(), { preamble: 0 }).octets), '68aaaaaaaaaaaa681300df16')
  const old = askData(parseAddress('3', '2007'), di('B611'))
  t.equal(toHex(buildRequest(old, { preamble: 0 }).octets), '6803000000000068010244e90316')
  t.equal(askFollowUp(old, 1).function, 2)
  t.equal(buildRequest(askFollowUp(askData(ADDRESS, di('0001FF00')), 2)).asked, '0001FF00#2')
})

t.test('answers in several frames', async t => {
  const chain = vectors('load-profile').filter(
    v => v.meaning['chain'] !== undefined && v.direction === 'response'
  )
  const asked = askData(ADDRESS, di('0001FF00'))
  const frames = chain.map(v => decodeFrame(fromHex(v.hex)))
  const first = parseReply(asked, frames[0]!)
  if (first.kind !== 'data') throw new Error('the first answer is data')
  let assembly = beginAssembly(first)
  t.equal(assembly.nextSeq, 1)
  t.match(
    parseReply(askFollowUp(asked, 2), frames[3]!),
    { kind: 'mismatch' },
    'a repeated part is not the next'
  )
  for (const frame of frames.slice(1, 3)) {
    const part = parseReply(askFollowUp(asked, assembly.nextSeq), frame)
    if (part.kind !== 'data') throw new Error('a part is data')
    assembly = continueAssembly(assembly, part)!
  }
  t.equal(assembly.nextSeq, 0)
  const { elements, sound } = decodeItemValues(TABLE, di('0001FF00'), assembly.data)
  t.ok(sound)
  t.equal(elements.length, 64)
  t.match(elements[63]?.value, { text: '1000.63' })
  t.equal(continueAssembly(assembly, first), undefined, 'a complete answer takes no more')
  const endless = { kind: 'data', data: new Uint8Array(200), followUp: true, address: '' } as const
  let count = 0
  for (let a: ReturnType<typeof continueAssembly> = beginAssembly(endless); a; count++)
    a = continueAssembly(a, endless)
  t.ok(count < 30, 'a meter that never ends is stopped')
})

t.test('load profile requests and hard blocks', async t => {
  t.same(
    [1, 2, 3, 4, 5, 6].map(cls => blockOctets(cls as 1)),
    [33, 40, 24, 32, 32, 22]
  )
  t.equal(blocksPerFrame(4), 6)
  t.equal(blocksPerFrame(6), 8)
  const from = { year: 2026, month: 11, day: 22, hour: 23, minute: 45, second: 0 }
  t.same(profileRequest(4, 6, from), { di: '06040001', detail: fromHex('064523221126') })
  t.same(profileRequest(0, 1, 'latest'), { di: '06000002', detail: fromHex('01') })

  const body = (minute: string, inner: string): Uint8Array => {
    const head = fromHex(`A0A000${minute}00231126${inner}`)
    head[2] = head.length - 3
    const sum = head.reduce((a, b) => a + b, 0) & 0xff
    return concatBytes(head, Uint8Array.of(sum, 0xe5))
  }
  const all = `${'2023'.repeat(3)}${'001500'.repeat(3)}9949AA${'000100'.repeat(8)}AA${'9809'.repeat(4)}AA${'00000001'.repeat(4)}AA${'00000002'.repeat(4)}AA${'000300'.repeat(2)}AA`
  const full = body('15', all)
  t.equal(full.length, 103)
  const parsed = parseProfileBlocks(di('06000001'), full)
  t.same(parsed.faults, [])
  t.same(parsed.blocks[0]?.classes, [1, 2, 3, 4, 5, 6])
  t.equal(parsed.blocks[0]?.values.length, 29)
  t.match(parsed.blocks[0]?.values.find(v => v.key === 'fwdActive')?.value, { text: '10000.00' })
  t.equal(
    parseProfileBlocks(di('06000001'), body('15', all.replaceAll('AA', ''))).blocks.length,
    1,
    'no separators'
  )

  const four = (minute: string): Uint8Array => body(minute, `AAAAAA${'00000001'.repeat(4)}AAAAAA`)
  const bad = four('30')
  bad[12] = (bad[12] as number) ^ 1
  const short = four('45').subarray(0, 20)
  const stream = concatBytes(four('15'), bad, fromHex('E0E01B'), four('30').subarray(3), four('45'), short)
  const found = parseProfileBlocks(di('06040001'), stream)
  t.same(
    found.blocks.map(block => formatLocalTime(block.time)),
    ['2026-11-23 00:15', '2026-11-23 00:45']
  )
  t.same(
    found.faults.map(fault => fault.fault),
    ['checksum', 'invalid', 'truncated']
  )
  t.same(
    parseProfileBlocks(di('06040001'), concatBytes(four('15'), fromHex('AAAA'))).faults,
    [],
    'padding behind'
  )
  t.same(parseProfileBlocks(di('06040001'), body('75', `AAAAAA${'00000001'.repeat(4)}AAAAAA`)).faults, [
    { at: 0, fault: 'time' }
  ])
  t.same(parseProfileBlocks(di('06040001'), body('15', `AA${'00000001'.repeat(3)}AAAAAA`)).faults, [
    { at: 0, fault: 'layout' }
  ])
})

t.test('time', async t => {
  const time = parseLocalTime('261123003015', 'YYMMDDhhmmss')!
  t.equal(formatLocalTime(time, true), '2026-11-23 00:30:15')
  t.equal(formatDigits(time, 'YYMMDDhhmm'), '2611230030')
  t.equal(localSeconds(time) * 1000, Date.UTC(2026, 10, 23, 0, 30, 15))
  for (const ms of [0, Date.UTC(2024, 1, 29, 23, 59, 59), Date.UTC(2026, 11, 31), Date.UTC(2100, 2, 1)]) {
    t.equal(localSeconds(fromLocalSeconds(ms / 1000)) * 1000, ms)
  }
  for (const bad of [
    '261323000000',
    '260431000000',
    '260229000000',
    '261123240000',
    '261123006000',
    '2611230000'
  ]) {
    t.equal(parseLocalTime(bad, 'YYMMDDhhmmss'), undefined, bad)
  }
  t.equal(parseLocalTime('0101', 'MMDD'), undefined)
  t.equal(toHex(broadcastTimeData(time)), '153000231126')
  t.equal(toHex(freezeCommandData({ minute: 0, hour: 0 })), '00009999')
  t.equal(toHex(freezeCommandData()), '99999999')
  t.equal(freezeIdentifier('daily', 'forward', 1), '05060101')
  t.equal(freezeIdentifier('hourly', 'everything', 254), '0504FFFE')
})
