import t from 'tap'
import { fromHex, toHex } from '../../proto/bytes.ts'
import { formatScaled } from '../../proto/decimal.ts'
import { BYTE_ORDERS, type ByteOrder, reorderOctets } from '../../proto/modbus/byte-order.ts'
import {
  divideDecimals,
  floatStep,
  floatToDecimal,
  parseDecimal,
  roundDecimal
} from '../../proto/modbus/decimal-value.ts'
import { encodeItem } from '../../proto/modbus/encode-item.ts'
import { encodeRegister } from '../../proto/modbus/encode-register.ts'
import { readItem, readRatio, spansOf } from '../../proto/modbus/item-value.ts'
import { compileProfile, itemsOf } from '../../proto/modbus/profile.ts'
import type { ProfileSource, RegisterSource } from '../../proto/modbus/profile-source.ts'
import {
  chooseByLength,
  NO_LIMITS,
  planCost,
  planFirstBlock,
  planReads,
  type ReadCosts,
  type ReadLimits,
  type RegisterSpan,
  serialCosts
} from '../../proto/modbus/read-plan.ts'
import { decodeRegister, type RegisterSpec, type RegisterType } from '../../proto/modbus/register.ts'
import { RegisterImage } from '../../proto/modbus/register-image.ts'

const spec = (
  type: RegisterType,
  count: number,
  order: ByteOrder = 'ABCD',
  more: object = {}
): RegisterSpec => ({
  type,
  count,
  order,
  ...more
})
/** What the call throws. */
function faultOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return 'nothing was thrown'
}
/** A random generator that gives the same numbers everywhere (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

t.test('orders', async t => {
  const abcd = fromHex('0102030405060708')
  const want = {
    ABCD: '0102030405060708',
    CDAB: '0708050603040102',
    BADC: '0201040306050807',
    DCBA: '0807060504030201'
  }
  for (const order of BYTE_ORDERS) {
    t.equal(toHex(reorderOctets(abcd, order)), want[order])
    t.same(reorderOctets(reorderOctets(abcd, order), order), abcd, `${order} turns back`)
  }
  t.equal(toHex(reorderOctets(fromHex('0102'), 'CDAB')), '0102', 'one register has no words to swap')
  t.equal(toHex(reorderOctets(fromHex('0102'), 'DCBA')), '0201')
})

t.test('every type in every order', async t => {
  const cases: [RegisterSpec, string, string][] = [
    [spec('u16', 1), 'fffe', '65534'],
    [spec('i16', 1), 'fffe', '-2'],
    [spec('u32', 2), '80000001', '2147483649'],
    [spec('i32', 2), '80000001', '-2147483647'],
    [spec('u48', 3), '000102030405', '4328719365'],
    [spec('u64', 4), '0020000000000001', '9007199254740993'],
    [spec('i64', 4), 'ffffffffffffff9c', '-100'],
    [spec('f32', 2), '43696978', '233.41199'],
    [spec('f32', 2), 'c109b865', '-8.607518'],
    [spec('f32', 2), '00000000', '0'],
    [spec('f32', 2), '80000000', '0'],
    [spec('f32', 2), '00000001', `0.${'0'.repeat(44)}1`],
    [spec('f64', 4), '40934a4584f4c6e7', '1234.5678900000000'],
    [spec('bcd', 2), '00123456', '123456'],
    [spec('bcd', 4), '1234567890123456', '1234567890123456'],
    [spec('mod10', 3), '0001270f0007', '199990007'],
    [spec('mod10', 2), 'ffffd8f1', '-19999'],
    [spec('bits', 1, 'ABCD', { bit: 4, width: 3 }), '0050', '5'],
    [spec('bits', 2, 'ABCD', { bit: 31, width: 1 }), '80000000', '1']
  ]
  for (const [base, hex, want] of cases) {
    for (const order of BYTE_ORDERS) {
      const octets = reorderOctets(fromHex(hex), order)
      const got = decodeRegister(octets, { ...base, order })
      const name = `${base.type} ${hex} ${order}`
      if (got.kind !== 'number') {
        t.fail(`${name}: ${got.kind}`)
        continue
      }
      t.equal(Number(formatScaled(got.value.digits, got.value.exponent)), Number(want), name)
      if (hex !== '80000000') t.same(encodeRegister(got.value, { ...base, order }), octets, `${name} back`)
    }
  }
  t.same(decodeRegister(fromHex('0020000000000001'), spec('u64', 4)), {
    kind: 'number',
    value: { digits: 9007199254740993n, exponent: 0 }
  })
  t.same(decodeRegister(fromHex('53444d2000'.padEnd(12, '0')), spec('ascii', 3)), {
    kind: 'text',
    text: 'SDM'
  })
  t.same(encodeRegister('SDM', spec('ascii', 2, 'BADC')), fromHex('4453004d'))
})

t.test('what is no value is never a number', async t => {
  const missing = (hex: string, of: RegisterSpec) => decodeRegister(fromHex(hex), of).kind
  t.equal(missing('7fc00000', spec('f32', 2)), 'missing')
  t.equal(missing('ffffffff', spec('f32', 2)), 'missing')
  t.equal(missing('7f800000', spec('f32', 2)), 'invalid')
  t.equal(missing('fff0000000000000', spec('f64', 4)), 'invalid')
  t.equal(missing('ffff', spec('u16', 1, 'ABCD', { missing: ['ffff'] })), 'missing')
  t.equal(
    missing('ffff7fff', spec('i32', 2, 'CDAB', { missing: ['7fffffff'] })),
    'missing',
    'in the order of the meter'
  )
  t.equal(missing('7fffffff', spec('i32', 2, 'CDAB', { missing: ['7fffffff'] })), 'number')
  t.equal(missing('12a4', spec('bcd', 1)), 'invalid')
  t.equal(missing('2710', spec('mod10', 1)), 'invalid')
  t.equal(missing('0141', spec('ascii', 1)), 'invalid')
  t.throws(() => decodeRegister(fromHex('00'), spec('u16', 1)), { code: 'CODEC_SHAPE' })
  const misfits: [string, RegisterSpec][] = [
    ['65536', spec('u16', 1)],
    ['-1', spec('u16', 1)],
    ['32768', spec('i16', 1)],
    ['10000', spec('bcd', 1)],
    ['-1', spec('bcd', 1)],
    ['10000', spec('mod10', 1)],
    ['8', spec('bits', 1, 'ABCD', { bit: 0, width: 3 })]
  ]
  for (const [text, of] of misfits)
    t.throws(() => encodeRegister(parseDecimal(text), of), { code: 'CODEC_RANGE' }, `${text} in ${of.type}`)
})

t.test('decimals are exact', async t => {
  t.same(parseDecimal('-0.050'), { digits: -50n, exponent: -3 })
  t.same(parseDecimal('1e-3'), { digits: 1n, exponent: -3 })
  for (const text of ['', '1,5', '0x10', 'NaN', '1e999'])
    t.throws(() => parseDecimal(text), { code: 'CODEC_RANGE' })
  t.same(roundDecimal(parseDecimal('2.5'), 0), { digits: 3n, exact: false })
  t.same(roundDecimal(parseDecimal('-2.5'), 0), { digits: -3n, exact: false })
  t.same(roundDecimal(parseDecimal('2.50'), -1), { digits: 25n, exact: true })
  t.same(roundDecimal(parseDecimal('7'), -2), { digits: 700n, exact: true })
  t.same(divideDecimals(parseDecimal('150'), parseDecimal('5'), -3), { digits: 30000n, exact: true })
  t.same(divideDecimals(parseDecimal('2'), parseDecimal('3'), -3), { digits: 667n, exact: false })
  const random = createRandom(7)
  for (let i = 0; i < 3000; i++) {
    const octets = Uint8Array.from({ length: 4 }, () => Math.floor(random() * 256))
    const value = new DataView(octets.buffer).getFloat32(0)
    if (!Number.isFinite(value)) continue
    const { digits, exponent } = floatToDecimal(value, 32)
    if (Math.fround(Number(`${digits}e${exponent}`)) !== value) t.fail(`float ${toHex(octets)}`)
  }
  t.equal(floatStep(131_072, 32), 2 ** -6)
  t.equal(floatStep(131_071, 32), 2 ** -7)
  t.equal(floatStep(0, 32), 2 ** -149)
  t.equal(floatStep(1, 64), 2 ** -52)
})

const BASE: ProfileSource = {
  name: 'test',
  maker: 'Test',
  models: ['T1'],
  source: 'made up',
  confidence: 'C',
  side: 'secondary',
  function: 3,
  order: 'ABCD',
  registers: [{ item: 'voltage-a', address: 0, type: 'u16', scale: 0.1 }],
  golden: []
}
const profileOf = (...registers: RegisterSource[]) => compileProfile({ ...BASE, registers })
const imageOf = (...parts: [number, string][]) => {
  const image = new RegisterImage()
  for (const [address, hex] of parts) image.put(3, address, fromHex(hex))
  return image
}

t.test('items come in the unit and exponent of the catalogue', async t => {
  const cases: [RegisterSource, [number, string][], object][] = [
    [
      { item: 'voltage-a', address: 0, type: 'u16', scale: 0.1 },
      [[0, '08fc']],
      { value: 23000, coarse: false }
    ],
    [
      { item: 'power-active-total', address: 0, type: 'i32', unit: 'W', scale: '0.01' },
      [[0, 'ffffff9c']],
      { value: -100 }
    ],
    [
      { item: 'active-import-total', address: 0, type: 'i64', unit: 'Wh' },
      [[0, '000000000012d687']],
      { value: 1234567 }
    ],
    [
      { item: 'active-import-total', address: 0, type: 'u32', unit: 'MWh', scale: '1e-3' },
      [[0, '00000007']],
      { value: 7000 }
    ],
    [
      { item: 'active-import-total', address: 0, type: 'f32' },
      [[0, '47f12066']],
      { value: 123456800, coarse: true }
    ],
    [
      { item: 'active-import-total', address: 0, type: 'f32', resolution: 0.01 },
      [[0, '47f12066']],
      { value: 123456800, coarse: false }
    ],
    [
      { item: 'active-import-total', address: 0, type: 'f32', resolution: 0.01 },
      [[0, '48000001']],
      { value: 131072020, coarse: true }
    ],
    [
      { item: 'active-import-total', address: 0, type: 'u32', unit: 'Wh', scale: 0.1 },
      [[0, '0000000f']],
      { value: 2, coarse: true }
    ],
    [{ item: 'power-factor-total', address: 0, type: 'u16', unit: '%' }, [[0, '0062']], { value: 9800 }],
    [
      {
        item: 'active-import-total',
        address: 0,
        type: 'u32',
        scaleBy: { address: 2, type: 'i16', as: 'power10' }
      },
      [[0, '00000bb8fffe']],
      { value: 30000 }
    ],
    [
      {
        item: 'current-a',
        address: 0,
        type: 'u16',
        scaleBy: { address: 1, type: 'u16', scale: 0.01, as: 'factor' }
      },
      [[0, '01f40032']],
      { value: 2500000 }
    ],
    [
      {
        item: 'power-active-total',
        address: 0,
        type: 'u16',
        unit: 'W',
        signBy: { address: 9, type: 'bits', bit: 2, negative: [1] }
      },
      [
        [0, '0064'],
        [9, '0004']
      ],
      { value: -10000 }
    ],
    [
      { item: 'voltage-a', address: 0, type: 'u16', missing: ['FFFF'] },
      [[0, 'ffff']],
      { kind: 'missing', raw: 'ffff' }
    ],
    [
      { item: 'voltage-a', address: 0, type: 'bcd', count: 1 },
      [[0, '00ff']],
      { kind: 'invalid', reason: /BCD/ }
    ],
    [
      { item: 'active-import-total', address: 0, type: 'u64', unit: 'MWh' },
      [[0, 'ffffffffffffffff']],
      { kind: 'invalid' }
    ],
    [{ item: 'voltage-a', address: 1, type: 'u16' }, [[0, 'ffff']], { kind: 'unread' }],
    [
      { item: 'voltage-a', address: 0, type: 'u16', scaleBy: { address: 1, type: 'i16', as: 'power10' } },
      [[0, '00017fff']],
      { kind: 'invalid', reason: /scale/ }
    ],
    [
      {
        item: 'voltage-a',
        address: 0,
        type: 'u16',
        scaleBy: { address: 1, type: 'u16', as: 'factor', missing: ['ffff'] }
      },
      [[0, '0001ffff']],
      { kind: 'missing' }
    ]
  ]
  for (const [source, parts, want] of cases) {
    const [register] = profileOf(source).registers
    const name = JSON.stringify(source)
    const got = readItem(register!, imageOf(...parts))
    t.match(got, want, name)
    if (got.kind !== 'value' || got.coarse) continue
    // and back: what a simulated meter writes is read the same
    const image = new RegisterImage()
    for (const { span, octets } of encodeItem(register!, got.value))
      image.put(span.function, span.address, octets)
    t.match(readItem(register!, image), { value: got.value }, `${name} back`)
    t.equal(spansOf(register!).length, 1 + (source.scaleBy ? 1 : 0) + (source.signBy ? 1 : 0))
  }
  const [swapped] = profileOf({
    item: 'voltage-a',
    address: 0,
    type: 'i32',
    order: 'CDAB',
    missing: ['7FFFFFFF']
  }).registers
  t.equal(toHex(encodeItem(swapped!, null)[0]!.octets), 'ffff7fff')
})

t.test('ratio registers', async t => {
  const ratio = {
    ct: { address: 6, type: 'u16' },
    pt: { primary: { address: 8, type: 'u16' }, secondary: { address: 9, type: 'u16' } }
  } as const
  const { ct, pt } = compileProfile({ ...BASE, ratio }).ratio
  t.match(readRatio(ct!, imageOf([6, '001e'])), { kind: 'value', value: 30000, raw: '001e' })
  t.match(readRatio(pt!, imageOf([8, '27100064'])), { value: 100000 })
  t.match(readRatio(pt!, imageOf([8, '27100000'])), { kind: 'invalid' })
  t.match(readRatio(pt!, imageOf([8, '2710'])), { kind: 'unread' })
})

t.test('a profile that cannot be meant is refused with its place', async t => {
  const wrong: [Partial<ProfileSource>, object][] = [
    [
      { registers: [{ item: 'voltage', address: 0, type: 'u16' }] },
      { code: 'CODEC_UNKNOWN_ITEM', at: '/registers/0/item' }
    ],
    [
      { registers: [{ item: 'voltage-a', address: 0, type: 'u16', unit: 'A' }] },
      { code: 'CODEC_SHAPE', at: '/registers/0/unit' }
    ],
    [{ registers: [{ item: 'voltage-a', address: 65535, type: 'u32' }] }, { at: '/registers/0/address' }],
    [{ registers: [{ item: 'voltage-a', address: 0, type: 'u16', count: 2 }] }, { at: '/registers/0/count' }],
    [{ registers: [{ item: 'voltage-a', address: 0, type: 'bcd' }] }, { message: /needs a count/ }],
    [
      { registers: [{ item: 'voltage-a', address: 0, type: 'ascii', count: 2 }] },
      { at: '/registers/0/type' }
    ],
    [
      { registers: [{ item: 'voltage-a', address: 0, type: 'bits', count: 1, bit: 16 }] },
      { at: '/registers/0/bit' }
    ],
    [
      { registers: [{ item: 'voltage-a', address: 0, type: 'u16', missing: ['FFFFFF'] }] },
      { at: '/registers/0/missing' }
    ],
    [{ registers: [{ item: 'voltage-a', address: 0, type: 'u16', scale: 'ten' }] }, { code: 'CODEC_RANGE' }],
    [{ registers: [BASE.registers[0]!, BASE.registers[0]!] }, { message: /twice/ }],
    [{ holes: [[0, 3]] }, { at: '/holes/0', message: /covers voltage-a/ }],
    [{ holes: [[9, 3]] }, { at: '/holes/0' }],
    [{ sums: [{ item: 'voltage-ab', of: ['voltage-b'] }] }, { at: '/sums/0/of/0' }]
  ]
  for (const [change, want] of wrong)
    t.match(
      faultOf(() => compileProfile({ ...BASE, ...change })),
      want,
      JSON.stringify(change)
    )
  const sums = compileProfile({
    ...BASE,
    registers: [
      { item: 'active-import-t1', address: 0, type: 'u32' },
      { item: 'active-import-t2', address: 2, type: 'u32' }
    ],
    sums: [{ item: 'active-import-total', of: ['active-import-t1', 'active-import-t2'] }]
  })
  t.same(
    itemsOf(sums).map(item => item.key),
    ['active-import-total', 'active-import-t1', 'active-import-t2']
  )
})

/** The slow truth: every way to cut the sorted spans into runs. */
function bruteForce(wants: readonly RegisterSpan[], costs: ReadCosts, limits: ReadLimits): number {
  const spans = [...wants].sort((a, b) => a.address - b.address)
  let best = Number.POSITIVE_INFINITY
  for (let mask = 0; mask < 1 << (spans.length - 1); mask++) {
    let cost = 0
    for (let i = 0, first = 0; i < spans.length; i++) {
      if (i < spans.length - 1 && !((mask >> i) & 1)) continue
      const start = spans[first]!.address
      const end = Math.max(...spans.slice(first, i + 1).map(span => span.address + span.count))
      const alone = first === i
      const bad =
        end - start > limits.maxRegisters ||
        limits.holes.some(hole => hole.address < end && hole.address + hole.count > start) ||
        limits.cuts.some(cut => start < cut.address && cut.address < end)
      cost += bad && !alone ? Number.POSITIVE_INFINITY : costs.requestMs + (end - start) * costs.registerMs
      first = i + 1
    }
    best = Math.min(best, cost)
  }
  return best
}

t.test('plans equal the brute force on random maps', async t => {
  const random = createRandom(42)
  let cases = 0
  for (let round = 0; round < 120; round++) {
    const wants: RegisterSpan[] = []
    const used = new Set<number>()
    while (wants.length < 11) {
      const count = [1, 2, 2, 2, 4][Math.floor(random() * 5)] as number
      const address = Math.floor(random() * 300)
      const registers = Array.from({ length: count }, (_, i) => address + i)
      if (registers.some(register => used.has(register))) continue
      for (const register of registers) used.add(register)
      wants.push({ function: 3, address, count })
    }
    const free = Array.from({ length: 300 }, (_, i) => i).filter(register => !used.has(register))
    const holes = Array.from({ length: round % 4 }, () => ({
      function: 3 as const,
      address: free[Math.floor(random() * free.length)] as number,
      count: 1
    }))
    const cuts = round % 3 === 0 ? [{ function: 3 as const, address: Math.floor(random() * 300) }] : []
    const limits: ReadLimits = { maxRegisters: [125, 80, 30][round % 3] as number, holes, cuts }
    for (const [baud, turnaroundMs] of [
      [1200, 20],
      [2400, 100],
      [9600, 20],
      [115_200, 2]
    ] as const) {
      const costs = serialCosts(baud, turnaroundMs)
      const blocks = planReads(wants, costs, limits)
      const want = bruteForce(wants, costs, limits)
      const got = planCost(blocks, costs)
      if (Math.abs(got - want) > 1e-6) t.fail(`round ${round} baud ${baud}: ${got}, not ${want}`)
      const answered = blocks.flatMap(block =>
        block.wants.filter(index => {
          const span = wants[index]!
          return block.address <= span.address && span.address + span.count <= block.address + block.count
        })
      )
      if (new Set(answered).size !== wants.length) t.fail(`round ${round}: a span is in no block`)
      cases++
    }
  }
  t.equal(cases, 480)
})

t.test('tables, overlaps and spans beyond a limit', async t => {
  const costs = serialCosts(9600, 20)
  t.ok(Math.abs(costs.requestMs - ((13 * 11) / 9.6 + 20 + (2 * 38.5) / 9.6)) < 1e-9)
  t.equal(serialCosts(115_200, 0).requestMs, (13 * 11) / 115.2 + 3.5)
  const span = (address: number, count: number, table: 3 | 4 = 3): RegisterSpan => ({
    function: table,
    address,
    count
  })
  t.same(planReads([], costs), [])
  t.same(planReads([span(0, 2), span(0, 2, 4)], costs).length, 2, 'two tables, two requests')
  t.same(planReads([span(5, 1), span(0, 10), span(5, 1)], costs), [{ ...span(0, 10), wants: [1, 0, 2] }])
  const narrow: ReadLimits = { ...NO_LIMITS, maxRegisters: 3 }
  t.same(
    planReads([span(0, 4), span(4, 1), span(5, 2)], costs, narrow).map(block => block.count),
    [4, 3]
  )
  // near 0 and 200 every likely turnaround gives the same two blocks, in between they differ
  const spread = [span(0, 2), span(2, 2), span(30, 2), span(60, 2), span(200, 4)]
  t.match(planFirstBlock(spread, 9600), { address: 200, count: 4, wants: [4] })
  t.equal(planFirstBlock([], 9600), undefined)
  const left = [span(0, 2), span(10, 2), span(20, 2), span(30, 4), span(40, 1)]
  const order: number[] = []
  while (left.length > 0) {
    const index = chooseByLength(left, block => block.count !== order.at(-1))
    order.push(left.splice(index, 1)[0]!.count)
  }
  t.same(order, [2, 4, 2, 1, 2])
  t.equal(
    chooseByLength([span(0, 2)], () => false),
    -1
  )
})
