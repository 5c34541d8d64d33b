import t from 'tap'
import type { Clock, MeterPoint, ReadOptions } from '../../agent/ports.ts'
import { createDlt645Reader } from '../../drivers/meters/dlt645.ts'
import { judgeBroadcast } from '../../drivers/meters/dlt645-clock.ts'
import { scanDlt645 } from '../../drivers/meters/dlt645-scan.ts'
import { createMeterZone } from '../../drivers/meters/dlt645-zone.ts'
import { concatBytes, fromHex } from '../../proto/bytes.ts'
import { WILDCARD_ADDRESS } from '../../proto/dlt645/address.ts'
import { createItemTable } from '../../proto/dlt645/data-items.ts'
import { decodeFrame, encodeFrame } from '../../proto/dlt645/frame.ts'
import { formatDigits, fromLocalSeconds, localSeconds } from '../../proto/dlt645/local-time.ts'
import { parseUserItems } from '../../proto/dlt645/user-items.ts'
import { ITEM_SETS, itemByKey } from '../../proto/items.ts'
import { quiet as log, memory } from '../fixtures/learned.ts'
import { digits, FakeBus, type FakeMeter } from './dlt645-fake-bus.ts'

const NOW = Date.UTC(2026, 10, 23, 2, 0, 5) // 10:00:05 in Shanghai
const zone = createMeterZone('Asia/Shanghai')

const clockOf = (bus: FakeBus): Clock => ({
  nowMs: () => Math.round(bus.nowMs),
  monotonicMs: () => bus.nowMs,
  wait: () => Promise.resolve(),
  trusted: () => true
})

const ids = (...keys: string[]): number[] => keys.map(key => itemByKey(key).id)

function meterPoint(over: Partial<MeterPoint> = {}): MeterPoint {
  return {
    id: 'QY-1',
    bus: 'rs485-1',
    protocol: 'dlt645',
    address: '000000000161',
    profile: undefined,
    items: ids(...(ITEM_SETS['standard'] ?? [])),
    rawItems: [],
    ratedKva: undefined,
    ct: { primary: 1, secondary: 1 },
    pt: { primary: 1, secondary: 1 },
    ratioVersion: 1,
    parent: undefined,
    rules: {},
    location: undefined,
    ...over
  }
}

const SLOT: ReadOptions = { priority: 'slot' }

/** A three-phase meter with the usual blocks. */
const FULL: Readonly<Record<string, string>> = {
  '0001FF00': '00012345 00001111 00002222 00003333 00005679',
  '00020000': '00000007',
  '00010000': '00012345',
  '0201FF00': '2307 2311 FFFF',
  '0202FF00': '001500 801250 000000',
  '0203FF00': '001234 000400 800100 000934',
  '02040000': '000050',
  '0206FF00': '0998 0999 1000 8500',
  '02800002': '4998',
  '04000101': '26112301',
  '04000102': '100010',
  '0400010C': '26112301100010',
  '04000306': '000080',
  '04000307': '000100',
  '04000501': '0004'
}

/** Octets as on the line of values written high digit first. */
const wire = (text: string): Uint8Array =>
  concatBytes(
    ...text
      .split(' ')
      .map(part => (/^\d+$/.test(part) ? digits(part) : fromHex(part.replace(/^0x/, '')).reverse()))
  )

const fakeMeter = (table: Readonly<Record<string, string>>, over: Partial<FakeMeter> = {}): FakeMeter => ({
  address: '000000000161',
  edition: '2007',
  answer: di => {
    const text = table[di]
    return text === undefined ? undefined : wire(text)
  },
  ...over
})

function setUp(meters: FakeMeter[], learned = memory()) {
  const bus = new FakeBus(meters, NOW)
  const reader = createDlt645Reader(bus, { clock: clockOf(bus), log, learned, zone })
  return { bus, reader, learned }
}

t.test('a standard visit is six reads, and exact', async t => {
  const { bus, reader, learned } = setUp([fakeMeter(FULL)])
  const answer = await reader.readMeter(meterPoint(), SLOT)
  t.same(
    bus.log.map(line => line.slice(13)),
    ['0001FF00', '00020000', '0201FF00', '0202FF00', '0203FF00', '02040000', '0206FF00', '02800002']
  )
  t.same(answer.faults, [])
  const got = Object.fromEntries(answer.values.map(value => [value.key, value.value]))
  t.match(got, {
    'active-import-total': 123450,
    'active-import-t4': 56790,
    'active-export-total': 70,
    'voltage-a': 23070,
    'voltage-c': null,
    'current-a': 15000,
    'current-b': -12500,
    'power-active-b': -1000,
    'power-factor-c': -5000,
    frequency: 49980
  })
  const total = answer.values.find(value => value.key === 'active-import-t1')
  t.match(total, { origin: '00010100', raw: '11110000', unit: 'kWh', exponent: -3 })
  t.ok(
    answer.readAtMs !== null && answer.readAtMs > NOW && answer.readAtMs < bus.nowMs - 800,
    'time of the registers'
  )
  t.equal(answer.meterTimeMs, null)
  t.equal(answer.frames.length, 8)
  t.match(learned.get('dlt645/rs485-1/000000000161'), /"dialect":"2007"/)
  t.match(learned.get('dlt645/rs485-1/000000000161'), /"short":true/)

  const more = await reader.readMeter(
    meterPoint({
      items: ids('active-import-total', 'status-word-1'),
      rawItems: ['di:04000501', 'di:0203FF00', 'di:028022FF', 'di:9010', 'di:xyz']
    }),
    { priority: 'technician', withClock: true, withRatio: true }
  )
  t.match(
    more.values.find(value => value.key === 'register-ct-ratio'),
    { value: 80000, exponent: -3 }
  )
  t.match(
    more.values.find(value => value.key === 'status-word-1'),
    { value: 4 }
  )
  t.match(
    more.values.find(value => value.key === 'di:04000501'),
    { value: 4, text: '0004', item: null }
  )
  t.match(
    more.values.find(value => value.key === 'di:0203FF00.total.power'),
    { value: 1234, exponent: -4, origin: '02030000' }
  )
  t.same(
    more.faults.map(fault => [fault.kind, fault.asked]),
    [
      ['refused', '028022FF'],
      ['value', 'di:9010'],
      ['value', 'di:xyz']
    ]
  )
  const at = zone.toUnixMs({ year: 2026, month: 11, day: 23, hour: 10, minute: 0, second: 10 })
  t.ok(more.meterTimeMs !== null && Math.abs(more.meterTimeMs - at) < 5000)
})

t.test('a refused block is split and remembered over restarts', async t => {
  const singles = {
    '00010000': '00012345',
    '00010100': '00001111',
    '00010200': '00002222'
  }
  const point = meterPoint({
    items: ids('active-import-total', 'active-import-t1', 'active-import-t2', 'frequency')
  })
  const first = setUp([fakeMeter(singles)])
  const answer = await first.reader.readMeter(point, SLOT)
  t.same(
    first.bus.log.map(line => line.slice(13)),
    ['0001FF00', '00010000', '00010100', '00010200', '02800002']
  )
  t.same(
    answer.values.map(value => value.value),
    [123450, 11110, 22220]
  )
  t.same(
    answer.faults.map(fault => [fault.kind, fault.asked, fault.code]),
    [['refused', '02800002', '02']]
  )

  const later = setUp([fakeMeter(singles)], first.learned)
  const again = await later.reader.readMeter(point, SLOT)
  t.same(
    later.bus.log.map(line => line.slice(13)),
    ['00010000', '00010100', '00010200'],
    'frequency is not asked again today'
  )
  t.match(again.faults, [{ kind: 'refused', asked: '02800002', code: '02' }])

  const nextDay = setUp([fakeMeter({ ...singles, '02800002': '5001' })], first.learned)
  nextDay.bus.nowMs += 25 * 3_600_000
  t.equal((await nextDay.reader.readMeter(point, SLOT)).values.length, 4)

  const doubtful = setUp([fakeMeter(singles)])
  doubtful.bus.afterTimeout = true
  await doubtful.reader.readMeter(point, SLOT)
  t.notMatch(
    doubtful.learned.get('dlt645/rs485-1/000000000161') ?? '',
    /refused/,
    'an old refusal teaches nothing'
  )

  const odd = setUp([fakeMeter({ ...singles, '0001FF00': '0x010203' })])
  const split = await odd.reader.readMeter(
    meterPoint({ items: ids('active-import-total', 'active-import-t1') }),
    SLOT
  )
  t.same(
    split.values.map(value => value.value),
    [123450, 11110],
    'a block of odd length is read one by one'
  )

  const two = setUp([fakeMeter({ '0001FF00': '00012345 00001111' })])
  const absent = await two.reader.readMeter(point, SLOT)
  t.same(
    absent.values.map(value => value.value),
    [123450, 11110, null],
    'a tariff that is not programmed is no value'
  )
})

t.test('silence, garbage, refusals and the line are kept apart', async t => {
  const { bus, reader } = setUp([fakeMeter(FULL, { isDead: true })])
  const silent = await reader.readMeter(meterPoint(), SLOT)
  t.equal(bus.log.length, 1, 'fails fast')
  t.match(silent, { values: [], readAtMs: null, faults: [{ kind: 'silent', asked: '0001FF00' }] })
  bus.probingKeys.add('dlt645:000000000161')
  await reader.readMeter(meterPoint(), SLOT)
  t.match(bus.log.at(-1), /02800002/, 'a probe is the shortest read')

  const garbled = setUp([fakeMeter(FULL)])
  garbled.bus.disturb = octets => octets.map(b => b ^ 0x20)
  const answer = await garbled.reader.readMeter(meterPoint({ items: ids('frequency') }), SLOT)
  t.match(answer.faults, [{ kind: 'garbage' }])

  const bad = setUp([fakeMeter({ '02800002': '0xABCD', '00010000': '0xFFFFFFFF', '02010100': '0x230711' })])
  const values = await bad.reader.readMeter(
    meterPoint({ items: ids('frequency', 'active-import-total', 'voltage-a') }),
    SLOT
  )
  t.same(
    values.values.map(value => value.value),
    [null]
  )
  t.same(
    values.faults.map(fault => [fault.kind, fault.asked]),
    [
      ['value', '02800002'],
      ['value', '02010100']
    ]
  )

  const down = setUp([fakeMeter(FULL)])
  down.bus.override = { kind: 'busDown', detail: 'unplugged' }
  t.match((await down.reader.readMeter(meterPoint(), SLOT)).faults, [
    { kind: 'busDown', detail: 'unplugged' }
  ])
  down.bus.override = { kind: 'skipped', nextTryAtMs: NOW }
  t.match((await down.reader.readMeter(meterPoint(), SLOT)).faults, [{ kind: 'skipped' }])
  await t.rejects(
    down.reader.readMeter(meterPoint(), { ...SLOT, signal: AbortSignal.abort(new Error('stop')) }),
    /stop/
  )

  let n = 0
  const flaky = setUp([fakeMeter(FULL)])
  flaky.bus.disturb = octets => (n++ >= 2 ? undefined : octets)
  const some = await flaky.reader.readMeter(meterPoint(), SLOT)
  t.ok(some.values.length >= 5, 'what was read is kept')
  t.ok(some.faults.length >= 1 && flaky.bus.log.length <= 8, 'and the rest is given up after two silences')

  const sleepy = setUp([fakeMeter(FULL, { wakeUps: 4 })])
  const slow = await sleepy.reader.readMeter(meterPoint(), SLOT)
  t.same(slow.faults, [])
  t.match(
    sleepy.learned.get('dlt645/rs485-1/000000000161'),
    /"short":false/,
    'a meter that needs its wake-up keeps it'
  )
})

t.test('meters with manners of their own', async t => {
  const tailing = setUp([fakeMeter(FULL)])
  // Five octets behind each frame spoil the next request, unless it waits for them.
  let lastMs = 0
  tailing.bus.disturb = octets => {
    const spoilt = tailing.bus.nowMs - lastMs < 120
    lastMs = spoilt ? 0 : tailing.bus.nowMs + 50 + octets.length * 4.58
    return spoilt ? fromHex('0102030405') : octets
  }
  const clock = { ...clockOf(tailing.bus), wait: async (ms: number) => tailing.bus.pass(ms + 20) }
  const patient = createDlt645Reader(tailing.bus, { clock, log, learned: tailing.learned, zone })
  const visit = await patient.readMeter(meterPoint(), SLOT)
  t.same(visit.faults, [])
  t.match(tailing.learned.get('dlt645/rs485-1/000000000161'), /"tail":true/)

  const nameless = setUp([fakeMeter(FULL)])
  nameless.bus.disturb = octets => {
    const frame = decodeFrame(octets.subarray(4))
    return encodeFrame({ ...frame, address: WILDCARD_ADDRESS })
  }
  const answer = await nameless.reader.readMeter(meterPoint(), SLOT)
  t.same(answer.faults, [])
  t.ok(answer.values.length > 20, 'a meter that calls itself AA is asked with AA')
  t.match(nameless.bus.log[1], /^AA0000000161/)
  t.match(nameless.learned.get('dlt645/rs485-1/000000000161'), /"dialect":"2007-aa"/)

  const long = setUp([
    fakeMeter({
      '0201FF00': '0x002307 0x002311 0xFFFFFF 0xAA',
      '02010100': '0x002307',
      '02010200': '0x002311',
      '02010300': '0xFFFFFF'
    })
  ])
  const volts = await long.reader.readMeter(
    meterPoint({ items: ids('voltage-a', 'voltage-b', 'voltage-c') }),
    SLOT
  )
  t.same(
    volts.values.map(value => value.value),
    [23070, 23110, null],
    'a voltage of three octets'
  )
})

t.test('editions are found and remembered', async t => {
  const old: FakeMeter = fakeMeter(
    { '901F': '00000038 00000000 00000010', B61F: '0220 0221 0219', C010: '26112301', C011: '235959' },
    { address: '000000063295', edition: '1997' }
  )
  const point = meterPoint({
    address: '000000063295',
    items: ids('active-import-total', 'active-import-t1', 'voltage-a', 'voltage-b', 'frequency')
  })
  const { bus, reader, learned } = setUp([old])
  const answer = await reader.readMeter(point, { priority: 'technician', withClock: true })
  t.same(
    answer.values.map(value => [value.key, value.value]),
    [
      ['active-import-total', 380],
      ['active-import-t1', 0],
      ['voltage-a', 22000],
      ['voltage-b', 22100]
    ]
  )
  t.match(learned.get('dlt645/rs485-1/000000063295'), /"dialect":"1997"/)
  t.ok(answer.meterTimeMs !== null)
  const asked = bus.log.length
  await reader.readMeter(point, SLOT)
  t.equal(bus.log.length, asked + 2, 'no 2007 question any more')
  t.match(await reader.readProfile(point, NOW - 3_600_000, NOW, SLOT), { status: 'unsupported', records: [] })

  const slots = setUp([old])
  let visits = 0
  while (!/1997/.test(slots.learned.get('dlt645/rs485-1/000000063295') ?? '') && visits < 9) {
    await slots.reader.readMeter(point, SLOT)
    visits++
  }
  t.equal(visits, 3, 'one request a visit until it is found')

  const padded = setUp([{ ...old, address: '63295' }])
  t.equal(
    (await padded.reader.readMeter(point, { priority: 'technician' })).values.length,
    4,
    'padded with AA'
  )

  const clock = await setUp([fakeMeter({ '04000101': '26112301', '04000102': '000002' })]).reader.readClock(
    meterPoint(),
    SLOT
  )
  t.equal(clock.meterTimeMs, Date.UTC(2026, 10, 22, 16, 0, 2))
  t.match(await setUp([old]).reader.readClock(meterPoint(), SLOT), {
    meterTimeMs: null,
    faults: [{ kind: 'silent' }]
  })
  t.match(await setUp([fakeMeter({ '0400010C': '26999901100010' })]).reader.readClock(meterPoint(), SLOT), {
    faults: [{ kind: 'value' }]
  })
})

t.test('long answers come in parts', async t => {
  const tariffs = Array.from({ length: 64 }, (_, k) => String(100000 + k).padStart(8, '0')).join(' ')
  const point = meterPoint({ items: ids('active-import-total', 'active-import-t4') })
  const { bus, reader, learned } = setUp([fakeMeter({ '0001FF00': tariffs }, { frameMax: 99 })])
  const answer = await reader.readMeter(point, SLOT)
  t.same(
    answer.values.map(value => value.value),
    [1_000_000, 1_000_040]
  )
  t.equal(answer.frames.length, 3)
  t.match(learned.get('dlt645/rs485-1/000000000161'), /"0001FF00":256/)
  const asked = bus.log.length
  await reader.readMeter(point, SLOT)
  t.equal(bus.log[asked]?.slice(13), '00010000', 'a block that long is dearer than two single reads')

  const noisy = setUp([fakeMeter({ '0001FF00': tariffs }, { frameMax: 99 })])
  noisy.bus.disturb = (octets, n) => (n === 1 ? undefined : n === 2 ? octets.subarray(3, 40) : octets)
  t.equal((await noisy.reader.readMeter(point, SLOT)).values.length, 2, 'a lost part is asked for again')
  const broken = setUp([fakeMeter({ '0001FF00': tariffs }, { frameMax: 99 })])
  broken.bus.disturb = (octets, n) => (n === 0 ? octets : undefined)
  t.same((await broken.reader.readMeter(point, SLOT)).values, [], 'nothing is used of an answer in pieces')
})

// ---------------------------------------------------------------- memory of the meter

const STEP = 900
const local = (hour: number, minute = 0): number =>
  localSeconds({ year: 2026, month: 11, day: 23, hour, minute, second: 0 })

function block(stamp: number, inner: Uint8Array): Uint8Array {
  const head = concatBytes(
    fromHex('A0A000'),
    digits(formatDigits(fromLocalSeconds(stamp), 'YYMMDDhhmm')),
    inner
  )
  head[2] = head.length - 3
  return concatBytes(head, Uint8Array.of(head.reduce((a, b) => a + b, 0) & 0xff, 0xe5))
}

/** Register at a stamp: one count a minute. */
const register = (stamp: number): string => String(Math.floor(stamp / 60) % 100_000_000).padStart(8, '0')

function profileOf(cls: number, stamp: number): Uint8Array {
  const aa = (n: number): Uint8Array => new Uint8Array(n).fill(0xaa)
  if (cls === 4) return concatBytes(aa(3), wire(`${register(stamp)} 00000000 00000001 00000002`), aa(3))
  if (cls === 1) return concatBytes(wire('2300 2301 2302 001000 001001 001002 5000'), aa(6))
  return concatBytes(aa(1), wire(Array(8).fill('001000').join(' ')), aa(5))
}

interface ProfileQuirks {
  readonly holes?: readonly number[]
  readonly first?: number
  readonly last?: number
  readonly classes?: readonly number[]
  readonly damage?: (stamp: number) => boolean
}

function profileMeter(quirks: ProfileQuirks = {}, table: Readonly<Record<string, string>> = {}): FakeMeter {
  const {
    holes = [],
    first = local(0),
    last = local(9, 45),
    classes = [1, 2, 4],
    damage = () => false
  } = quirks
  return fakeMeter(table, {
    answer: (di, detail) => {
      const asked = /^060(\d)0001$/.exec(di)
      if (!asked) return table[di] === undefined ? undefined : wire(table[di] as string)
      const cls = Number(asked[1])
      if (!classes.includes(cls)) return undefined
      const at = [...detail.subarray(1)].reverse().map(b => b.toString(16).padStart(2, '0'))
      const [yy, mo, dd, hh, mi] = at.map(Number) as [number, number, number, number, number]
      const from = localSeconds({ year: 2000 + yy, month: mo, day: dd, hour: hh, minute: mi, second: 0 })
      const out: Uint8Array[] = []
      for (
        let stamp = Math.max(first, Math.ceil(from / STEP) * STEP);
        stamp <= last && out.length < (detail[0] ?? 0);
        stamp += STEP
      ) {
        if (holes.includes(stamp)) continue
        const octets = block(stamp, profileOf(cls, stamp))
        if (damage(stamp)) octets[10] = (octets[10] as number) ^ 1
        out.push(octets)
      }
      return concatBytes(...out)
    }
  })
}

const ENERGY_POINT = meterPoint({ items: ids('active-import-total', 'active-export-total') })

t.test('the load profile fills six hours in few frames', async t => {
  const { bus, reader } = setUp([profileMeter({ holes: [local(5), local(5, 15)] })])
  const answer = await reader.readProfile(ENERGY_POINT, NOW - 6 * 3_600_000, NOW, { priority: 'backfill' })
  t.equal(answer.status, 'ok')
  t.equal(answer.source, 'loadProfile')
  // 04:00:05 up to 10:00:05; the meter's newest is 09:45; two holes
  t.equal(answer.records.length, 23 - 2)
  for (const { stampMs, values } of answer.records) {
    const stamp = localSeconds(zone.fromUnixMs(stampMs))
    t.equal(values.find(value => value.key === 'active-import-total')?.value, Number(register(stamp)) * 10)
  }
  t.ok(bus.log.length <= 5, `${bus.log.length} frames`)
  t.equal(answer.damagedBlocks, 0)

  const wide = setUp([profileMeter()])
  const all = await wide.reader.readProfile(meterPoint(), NOW - 3_600_000, NOW, { priority: 'backfill' })
  t.equal(all.records.length, 3)
  t.same(all.records[0]?.values.map(value => value.key).sort(), [
    'active-export-total',
    'active-import-total',
    'current-a',
    'current-b',
    'current-c',
    'frequency',
    'power-active-a',
    'power-active-b',
    'power-active-c',
    'power-active-total',
    'power-reactive-total',
    'voltage-a',
    'voltage-b',
    'voltage-c'
  ])
  t.match(
    all.faults,
    [{ kind: 'refused', asked: '06030001' }],
    'a class that is not kept is no reason to lose the others'
  )
  const before = wide.bus.log.length
  await wide.reader.readProfile(meterPoint(), NOW - 3_600_000, NOW, { priority: 'backfill' })
  t.notOk(
    wide.bus.log.slice(before).some(line => line.includes('06030001')),
    'and is not asked for again today'
  )
})

t.test('damage is survived and counted', async t => {
  let seed = 7
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed / 2_147_483_648
  }
  const { reader } = setUp([profileMeter({ damage: () => random() < 0.2 })])
  const answer = await reader.readProfile(ENERGY_POINT, NOW - 6 * 3_600_000, NOW, { priority: 'backfill' })
  t.equal(answer.records.length, 23, 'a fifth of the blocks damaged on the way: all are had')

  const always = setUp([profileMeter({ damage: stamp => stamp === local(6) })])
  const one = await always.reader.readProfile(ENERGY_POINT, NOW - 6 * 3_600_000, NOW, {
    priority: 'backfill'
  })
  t.equal(one.records.length, 22)
  t.ok(one.damagedBlocks >= 1)
  const dead = setUp([profileMeter({ damage: () => true })])
  const none = await dead.reader.readProfile(ENERGY_POINT, NOW - 3_600_000, NOW, { priority: 'backfill' })
  t.same(none.records, [])
  t.ok(none.damagedBlocks > 0)

  const lossy = setUp([profileMeter()])
  lossy.bus.disturb = (octets, n) => (n % 2 === 0 ? undefined : octets)
  t.equal(
    (await lossy.reader.readProfile(ENERGY_POINT, NOW - 6 * 3_600_000, NOW, { priority: 'backfill' })).records
      .length,
    23
  )
  const silent = setUp([{ ...profileMeter(), isDead: true }])
  t.match(await silent.reader.readProfile(ENERGY_POINT, NOW - 3_600_000, NOW, { priority: 'backfill' }), {
    status: 'failed',
    faults: [{ kind: 'silent' }]
  })
  const late = setUp([profileMeter()])
  late.bus.disturb = (octets, n) => (n > 0 ? undefined : octets)
  t.match(await late.reader.readProfile(ENERGY_POINT, NOW - 6 * 3_600_000, NOW, { priority: 'backfill' }), {
    status: 'ok',
    faults: [{ kind: 'silent' }]
  })
})

t.test('no profile, nothing there, and freezes instead', async t => {
  const span = [NOW - 3 * 3_600_000, NOW] as const
  const none = setUp([profileMeter({ last: local(2) })])
  t.match(await none.reader.readProfile(ENERGY_POINT, ...span, SLOT), { status: 'none', records: [] })
  const unsupported = setUp([profileMeter({ classes: [] })])
  t.match(await unsupported.reader.readProfile(ENERGY_POINT, ...span, SLOT), { status: 'unsupported' })
  const count = unsupported.bus.log.length
  await unsupported.reader.readProfile(ENERGY_POINT, ...span, SLOT)
  t.equal(unsupported.bus.log.length, count, 'what is not there is not asked for again today')

  // Newest 10:00, 09:00; nothing at 08:00; 07:00 is the third.
  const hourly: Record<string, string> = {}
  const stamps = [local(10), local(9), local(7)]
  stamps.forEach((stamp, index) => {
    const nn = (index + 1).toString(16).padStart(2, '0').toUpperCase()
    hourly[`050400${nn}`] = formatDigits(fromLocalSeconds(stamp), 'YYMMDDhhmm')
    hourly[`050401${nn}`] = register(stamp)
    hourly[`050402${nn}`] = '00000000'
  })
  const frozen = setUp([profileMeter({ classes: [] }, hourly)])
  const answer = await frozen.reader.readProfile(ENERGY_POINT, NOW - 3 * 3_600_000 - 5000, NOW, SLOT)
  t.equal(answer.source, 'hourlyFreeze')
  t.equal(answer.status, 'ok')
  t.same(
    answer.records.map(record => localSeconds(zone.fromUnixMs(record.stampMs))),
    [local(7), local(9), local(10)]
  )
  for (const { stampMs, values } of answer.records) {
    t.equal(values[0]?.value, Number(register(localSeconds(zone.fromUnixMs(stampMs)))) * 10)
  }

  const midnight = local(0)
  const daily = {
    '05060001': formatDigits(fromLocalSeconds(midnight), 'YYMMDDhhmm'),
    '05060101': `${register(midnight)} 00000001 00000002 00000003 00000004`
  }
  const days = setUp([profileMeter({ classes: [] }, daily)])
  const tariffs = meterPoint({ items: ids('active-import-total', 'active-import-t2') })
  const day = await days.reader.readProfile(tariffs, NOW - 11 * 3_600_000, NOW, SLOT)
  t.equal(day.source, 'dailyFreeze')
  t.same(
    day.records.map(record => record.values.map(value => value.value)),
    [[Number(register(midnight)) * 10, 20]]
  )
})

// ---------------------------------------------------------------- search, clock, zone

t.test('search', async t => {
  const line = { baud: 2400, parity: 'even' } as const
  const one = new FakeBus([fakeMeter(FULL, { address: '123456789012' })], NOW)
  t.match(await scanDlt645(one, { clock: clockOf(one), log }, { lines: [line] }), [
    { kind: 'meter', protocol: 'dlt645', address: '123456789012', isDuplicate: false, line }
  ])
  const many = [
    fakeMeter(FULL, { address: '000000000161' }),
    fakeMeter(FULL, { address: '000000000261' }),
    fakeMeter(FULL, { address: '000000000199' }),
    fakeMeter({ '9010': '00000001' }, { address: '000000063295', edition: '1997' }),
    fakeMeter({ '9010': '00000001' }, { address: '000000063296', edition: '1997' })
  ]
  const found: string[] = []
  let asked = 0
  const bus = new FakeBus(many, NOW)
  await scanDlt645(
    bus,
    { clock: clockOf(bus), log },
    {
      lines: [line],
      onFinding: finding =>
        found.push(finding.kind === 'meter' ? `${finding.protocol} ${finding.address}` : finding.kind),
      onProgress: progress => {
        asked = progress.asked
      }
    }
  )
  t.same(found.sort(), [
    'dlt645 000000000161',
    'dlt645 000000000199',
    'dlt645 000000000261',
    'dlt645-1997 000000063295',
    'dlt645-1997 000000063296'
  ])
  t.ok(asked < 500, `${asked} requests`)

  const twins = new FakeBus([fakeMeter(FULL), fakeMeter({ ...FULL, '00010000': '00000001' })], NOW)
  const pair = await scanDlt645(twins, { clock: clockOf(twins), log }, { lines: [line], editions: ['2007'] })
  t.equal(pair.length, 1)
  t.match(pair[0], { kind: 'meter', address: '000000000161' }, 'two of one address are found')
  const empty = new FakeBus([], NOW)
  t.same(await scanDlt645(empty, { clock: clockOf(empty), log }, { lines: [line] }), [])
  t.ok(empty.log.length <= 4)
  const reader = createDlt645Reader(one, { clock: clockOf(one), log, learned: memory(), zone })
  t.same(await reader.readAddress(SLOT), { kind: 'address', address: '123456789012' })
})

t.test('when the time may be broadcast', async t => {
  const judge = (hour: number, minute: number, driftMs: number, lastAtMs?: number) => {
    const time = { year: 2026, month: 11, day: 23, hour, minute, second: 0 }
    return judgeBroadcast({ driftMs, nowMs: zone.toUnixMs(time), local: time, slotSeconds: 900, lastAtMs })
  }
  t.equal(judge(10, 7, 20_000), undefined)
  t.equal(judge(0, 7, 20_000), 'midnight')
  t.equal(judge(23, 52, 20_000), 'midnight')
  t.equal(judge(10, 0, 20_000), 'slot-edge')
  t.equal(judge(10, 14, 20_000), 'slot-edge')
  t.equal(judge(10, 7, -1_000), 'in-step')
  t.equal(judge(10, 7, -301_000), 'too-far')
  t.equal(judge(10, 7, 20_000, NOW - 3_600_000), 'done-today')
})

t.test('the time is broadcast when it was switched on, and read again', async t => {
  let offsetS = -40
  const clockMeter = (): FakeMeter =>
    fakeMeter(
      {},
      {
        answer: di => {
          if (di !== '0400010C') return undefined
          const time = fromLocalSeconds(localSeconds(zone.fromUnixMs(bus.nowMs)) + offsetS)
          return digits(`${formatDigits(time, 'YYMMDD')}01${formatDigits(time, 'hhmmss')}`)
        }
      }
    )
  const bus = new FakeBus([], NOW + 7 * 60_000)
  bus.meters.push(clockMeter())
  const clock = { ...clockOf(bus), wait: async (ms: number) => bus.pass(ms) }
  const reader = createDlt645Reader(bus, { clock, log, learned: memory(), zone })
  const options = { priority: 'diagnostics', slotSeconds: 900 } as const
  await t.rejects(reader.broadcastTime([meterPoint()], options), { code: 'CODEC_FORBIDDEN_CONTROL' })

  bus.beyond = { broadcastTime: true }
  const heard: Uint8Array[] = []
  bus.onBroadcast = data => {
    heard.push(data)
    offsetS = 0
  }
  const outcome = await reader.broadcastTime([meterPoint()], options)
  t.equal(outcome.kind, 'sent')
  if (outcome.kind !== 'sent') return
  const [change] = outcome.changes
  t.ok(Math.abs((change?.beforeMs ?? 0) + 40_000) < 1500, `${change?.beforeMs}`)
  t.ok(Math.abs(change?.afterMs ?? 9e9) < 1500, `${change?.afterMs}`)
  const sent = [...(heard[0] ?? [])]
    .reverse()
    .map(b => b.toString(16).padStart(2, '0'))
    .join('')
  t.match(sent, /^2611231007\d\d$/)

  offsetS = -40
  t.same(await reader.broadcastTime([meterPoint()], options), { kind: 'refused', reason: 'done-today' })
  bus.meters.length = 0
  t.same(await reader.broadcastTime([meterPoint()], options), { kind: 'refused', reason: 'no-clock' })
  const doubting = createDlt645Reader(bus, {
    clock: { ...clock, trusted: () => false },
    log,
    learned: memory(),
    zone
  })
  t.same(await doubting.broadcastTime([meterPoint()], options), {
    kind: 'refused',
    reason: 'clock-untrusted'
  })
})

t.test('items of the operator, and his wake-up octets', async t => {
  const rows = parseUserItems([
    { di: '028022FF', fields: 'power:±XXXX.XX kW', en: 'vendor power', zh: '厂家功率' }
  ])
  const bus = new FakeBus([fakeMeter({ '028022FF': '801234' }, { wakeUps: 2 })], NOW)
  const deps = { clock: clockOf(bus), log, learned: memory(), zone }
  const reader = createDlt645Reader(bus, { ...deps, table: createItemTable(rows), preamble: 2 })
  const answer = await reader.readMeter(meterPoint({ items: [], rawItems: ['di:028022FF'] }), SLOT)
  t.match(answer.values, [{ key: 'di:028022FF', value: -1234, exponent: -2, unit: 'kW' }])
  const deaf = createDlt645Reader(bus, { ...deps, preamble: 1 })
  t.match((await deaf.readMeter(meterPoint(), SLOT)).faults, [{ kind: 'silent' }])
  for (const bad of [{}, [1], [{ di: '01' }], [{ di: '0101', fields: 'x', en: 'a', zh: 'b' }]]) {
    t.throws(() => parseUserItems(bad), { code: 'CODEC_SHAPE' })
  }
})

t.test('zones', async t => {
  const time = { year: 2026, month: 3, day: 29, hour: 12, minute: 30, second: 0 }
  t.equal(zone.toUnixMs(time), Date.UTC(2026, 2, 29, 4, 30))
  const berlin = createMeterZone('Europe/Berlin')
  t.equal(berlin.toUnixMs(time), Date.UTC(2026, 2, 29, 10, 30))
  t.same(berlin.fromUnixMs(Date.UTC(2026, 0, 1, 23, 0)), {
    year: 2026,
    month: 1,
    day: 2,
    hour: 0,
    minute: 0,
    second: 0
  })
  t.throws(() => createMeterZone('Nowhere/Else'), RangeError)
  t.ok(createItemTable().items.length > 300)
})
