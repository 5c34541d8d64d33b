import t from 'tap'
import type { LearnedStore, MeterPoint, ReadOptions } from '../../agent/ports.ts'
import type { Bus, BusOutcome, ExchangeOptions } from '../../drivers/bus/bus.ts'
import { createModbusReader, type ModbusReader } from '../../drivers/meters/modbus.ts'
import { checkProfilesLive } from '../../drivers/meters/modbus-check.ts'
import { loadProfile } from '../../drivers/meters/modbus-profiles.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'
import { concatBytes, toHex } from '../../proto/bytes.ts'
import { itemByKey } from '../../proto/items.ts'
import { appendCrc } from '../../proto/modbus/crc.ts'
import { encodeItem } from '../../proto/modbus/encode-item.ts'
import { assertReadOnlyModbus, type ReadFunction } from '../../proto/modbus/function-code.ts'
import { memory } from '../fixtures/learned.ts'

/** What a unit answers with: a register's word, or an exception code for the whole request. */
interface Slave {
  word(unit: number, table: number, address: number): number
  refuse(unit: number, table: number, address: number, count: number): number
}

/** Octets on their way to the master. */
interface Arrival {
  readonly atMs: number
  readonly octets: Uint8Array
}

const TIMEOUT_MS = 550

/** A line in simulated time. Like the bus it drains before it sends, matches what comes and gives up in time; it guards nothing else. */
class FakeBus implements Bus {
  readonly name = 'fake'
  readonly baud = 9600
  nowMs = 1_700_000_000_000
  exchanges = 0
  requests: string[] = []
  probe = false
  readonly #slave: Slave
  readonly #deliver: (reply: Uint8Array, dueMs: number, request: Uint8Array) => Arrival[]
  #onWay: Arrival[] = []
  readonly #untrusted = new Set<string>()

  constructor(
    slave: Slave,
    deliver: (reply: Uint8Array, dueMs: number, request: Uint8Array) => Arrival[] = (octets, atMs) => [
      { atMs, octets }
    ]
  ) {
    this.#slave = slave
    this.#deliver = deliver
  }

  async exchange(request: ReadRequest, options: ExchangeOptions): Promise<BusOutcome> {
    options.signal?.throwIfAborted()
    assertReadOnlyModbus(request.octets)
    this.exchanges++
    const [unit, code, high, low, , count] = request.octets as unknown as number[]
    const address = (high! << 8) | low!
    this.requests.push(`${code}:${address}:${count}`)
    this.nowMs += 4
    this.#onWay = this.#onWay.filter(arrival => arrival.atMs > this.nowMs)
    const endMs = this.nowMs + 9
    const reply = this.#answer(unit!, code as ReadFunction, address, count!)
    if (reply) this.#onWay.push(...this.#deliver(reply, endMs + 30, request.octets))
    this.#onWay.sort((a, b) => a.atMs - b.atMs)
    return this.#listen(request, options.meterKey, endMs)
  }

  #listen(request: ReadRequest, meterKey: string, endMs: number): BusOutcome {
    let heard = new Uint8Array()
    let discarded = 0
    for (;;) {
      const next = this.#onWay[0]
      if (!next || next.atMs > endMs + TIMEOUT_MS) break
      this.#onWay.shift()
      this.nowMs = Math.max(this.nowMs, next.atMs)
      heard = concatBytes(heard, next.octets) as Uint8Array<ArrayBuffer>
      for (;;) {
        const match = request.match(heard)
        if (match.kind === 'more') break
        if (match.kind === 'reply') {
          const afterTimeout = this.#untrusted.delete(meterKey)
          const turnaroundMs = this.nowMs - endMs
          const frame = heard.slice(match.start, match.end)
          discarded += match.start
          return { kind: 'reply', frame, turnaroundMs, endAtMs: this.nowMs, discarded, afterTimeout }
        }
        const drop = match.kind === 'noise' ? match.octets : match.end
        discarded += drop
        heard = heard.slice(drop) as Uint8Array<ArrayBuffer>
        if (heard.length === 0) break
      }
    }
    this.nowMs = endMs + TIMEOUT_MS
    this.#untrusted.add(meterKey)
    return discarded + heard.length > 0
      ? { kind: 'garbage', octets: heard, reason: 'noise' }
      : { kind: 'silent' }
  }

  #answer(unit: number, code: ReadFunction, address: number, count: number): Uint8Array | undefined {
    const refusal = this.#slave.refuse(unit, code, address, count)
    if (refusal < 0) return undefined
    if (refusal > 0) return appendCrc(Uint8Array.of(unit, code | 0x80, refusal))
    const body = new Uint8Array(3 + 2 * count)
    body.set([unit, code, 2 * count])
    for (let i = 0; i < count; i++) {
      const word = this.#slave.word(unit, code, address + i)
      body[3 + 2 * i] = word >>> 8
      body[4 + 2 * i] = word & 0xff
    }
    return appendCrc(body)
  }

  probing(): boolean {
    return this.probe
  }

  status(): never {
    throw new Error('not asked for')
  }

  async close(): Promise<void> {}
}

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }
const SLOT: ReadOptions = { priority: 'slot' }

function readerOn(bus: FakeBus, learned: LearnedStore = memory()): ModbusReader {
  const clock = {
    nowMs: () => bus.nowMs,
    monotonicMs: () => bus.nowMs,
    trusted: () => true,
    wait: async (ms: number) => {
      bus.nowMs += ms
    }
  }
  return createModbusReader(bus, { clock, log: QUIET, learned })
}

function point(
  unit: number,
  profile: string | undefined,
  items: string[],
  rawItems: string[] = []
): MeterPoint {
  return {
    id: `M${unit}`,
    bus: 'fake',
    protocol: 'modbus',
    address: String(unit),
    profile,
    items: items.map(key => itemByKey(key).id).sort((a, b) => a - b),
    rawItems,
    ratedKva: undefined,
    ct: { primary: 1, secondary: 1 },
    pt: { primary: 1, secondary: 1 },
    ratioVersion: 1,
    parent: undefined,
    rules: {},
    location: undefined
  }
}

/** A meter of that profile holding the values (catalogue key -> integer in the catalogue's exponent). */
function slaveOf(
  profile: string,
  values: Record<string, number | null>,
  words: Record<number, number> = {}
): Slave {
  const content = new Map<string, number>()
  for (const register of loadProfile(profile).registers) {
    const value = values[register.item.key]
    if (value === undefined) continue
    for (const { span, octets } of encodeItem(register, value))
      for (let i = 0; i < span.count; i++)
        content.set(`${span.function}:${span.address + i}`, (octets[2 * i]! << 8) | octets[2 * i + 1]!)
  }
  return {
    word: (_, table, address) => content.get(`${table}:${address}`) ?? words[address] ?? 0,
    refuse: () => 0
  }
}

const SDM = {
  'voltage-a': 23041,
  'current-a': 15000,
  'power-active-total': 34512,
  frequency: 50020,
  'active-import-total': 1234560,
  'active-export-total': 10
}

t.test('a meter is read in one or two requests, with raw octets and the time of its energy', async t => {
  const bus = new FakeBus(slaveOf('eastron-sdm120', SDM))
  const answer = await readerOn(bus).readMeter(
    point(
      7,
      'eastron-sdm120',
      [...Object.keys(SDM), 'voltage-b'],
      ['reg:0x0048:2', 'reg:4:0x0000:4', 'reg:0x48']
    ),
    SLOT
  )
  t.equal(bus.exchanges, 2, '0000..000E and 0046..004C')
  const byKey = new Map(answer.values.map(value => [value.key, value]))
  for (const [key, value] of Object.entries(SDM)) t.equal(byKey.get(key)?.value, value, key)
  t.match(byKey.get('active-import-total'), {
    origin: '0x0048:2',
    raw: '449a51ec',
    unit: 'kWh',
    exponent: -3
  })
  t.match(byKey.get('voltage-b'), { value: null }, 'a single-phase meter has none')
  t.match(byKey.get('reg:0x0048:2'), { item: null, value: 0x449a51ec, raw: '449a51ec', origin: '0x0048:2' })
  t.match(byKey.get('reg:4:0x0000:4'), { value: null, raw: /^43666.*/, text: /^43666/ })
  t.match(answer.faults, [{ kind: 'value', asked: 'reg:0x48' }])
  t.equal(answer.readAtMs, bus.nowMs - 43, 'the energy came with the first of two answers')
  t.equal(answer.frames.length, 2)
  t.match(await readerOn(bus).readProfile(point(7, undefined, []), 0, 1, SLOT), {
    status: 'unsupported',
    records: []
  })
})

t.test('ratio, sums, sentinels, resolution', async t => {
  const chint = new FakeBus(slaveOf('chint-dtsu666-b', { 'voltage-a': 23000 }, { 6: 30, 7: 10 }))
  const withRatio = await readerOn(chint).readMeter(point(1, 'chint-dtsu666-b', ['voltage-a']), {
    priority: 'slot',
    withRatio: true
  })
  t.match(withRatio.values, [
    { key: 'voltage-a', value: 23000 },
    { key: 'register-ct-ratio', value: 30000, raw: '001e' },
    { key: 'register-pt-ratio', value: 1000 }
  ])
  const pac = new FakeBus(
    slaveOf('siemens-pac3200', { 'active-import-t1': 98765432, 'active-import-t2': 1000 })
  )
  const sum = await readerOn(pac).readMeter(point(1, 'siemens-pac3200', ['active-import-total']), SLOT)
  t.match(sum.values, [{ value: 98766432, origin: '0x0321:4+0x0325:4' }])
  const abb = new FakeBus(slaveOf('abb-b23', { 'active-import-total': 5, 'voltage-b': null }))
  const missing = await readerOn(abb).readMeter(point(1, 'abb-b23', ['voltage-b']), SLOT)
  t.match(missing.values, [{ value: null, raw: 'ffffffff' }])
  t.same(missing.faults, [])
  const old = new FakeBus(slaveOf('eastron-sdm630', { 'active-import-total': 400_000_010 }))
  t.match((await readerOn(old).readMeter(point(1, 'eastron-sdm630', ['active-import-total']), SLOT)).values, [
    { coarse: true }
  ])
})

t.test('what cannot be asked is a fault, not an error', async t => {
  const bus = new FakeBus(slaveOf('eastron-sdm120', SDM))
  const reader = readerOn(bus)
  const faultsOf = async (meter: MeterPoint) => (await reader.readMeter(meter, SLOT)).faults
  t.match(await faultsOf(point(300, 'eastron-sdm120', ['frequency'])), [{ kind: 'value', detail: /300/ }])
  t.match(await faultsOf(point(1, 'nonsense', ['frequency'])), [{ kind: 'value', detail: /nonsense/ }])
  t.match(await faultsOf(point(1, undefined, ['frequency'])), [{ kind: 'value', detail: /no profile/ }])
  t.equal(bus.exchanges, 0)
})

t.test('exceptions are named, counted, retried or split, and the split is learned', async t => {
  let busy = 2
  const good = slaveOf('eastron-sdm120', SDM)
  const busyBus = new FakeBus({ ...good, refuse: () => (busy-- > 0 ? 6 : 0) })
  const busyReader = readerOn(busyBus)
  const late = await busyReader.readMeter(point(1, 'eastron-sdm120', ['frequency']), SLOT)
  t.equal(late.values.length, 1)
  t.same(busyReader.counters(), { exception06: 2 })
  for (const [code, kind, text] of [
    [1, 'refused', /illegal function/],
    [4, 'refused', /device failure/],
    [6, 'refused', /busy/],
    [11, 'silent', /failed to respond/]
  ] as const) {
    const answer = await readerOn(new FakeBus({ ...good, refuse: () => code })).readMeter(
      point(1, 'eastron-sdm120', ['frequency', 'active-combined-total']),
      SLOT
    )
    t.match(answer.faults[0], { kind, detail: text, code: `0${code.toString(16).toUpperCase()}` })
    t.equal(answer.values.length, 0)
  }

  // register 20 is forbidden in passing, register 40 cannot be had at all
  const learned = memory()
  const forbidden = (from: number, to: number) => [20, 40].some(hole => hole >= from && hole < to)
  const slave: Slave = {
    word: (_, __, address) => address,
    refuse: (_, __, from, count) => (forbidden(from, from + count) ? 2 : 0)
  }
  const bus = new FakeBus(slave)
  const raws = [0, 4, 16, 24, 30, 40, 44].map(address => `reg:0x${address.toString(16)}:2`)
  const meter = point(1, undefined, [], raws)
  const first = await readerOn(bus, learned).readMeter(meter, SLOT)
  t.equal(first.values.length, 6)
  t.match(first.faults, [{ kind: 'refused', code: '02', asked: '0x0028:2' }])
  for (const value of first.values)
    t.equal(value.value, (Number.parseInt(value.origin, 16) << 16) + Number.parseInt(value.origin, 16) + 1)
  t.equal(learned.map.size, 1)
  let before = bus.exchanges
  await readerOn(bus, learned).readMeter(meter, SLOT)
  before = bus.exchanges
  bus.requests = []
  const again = await readerOn(bus, learned).readMeter(meter, SLOT)
  t.equal(bus.exchanges - before, 3, `only what is answered: ${bus.requests.join(' ')}`)
  t.match(again.faults, [{ kind: 'refused', code: '02', detail: /refused before/ }])
  before = bus.exchanges
  await readerOn(bus, learned).readMeter(meter, { priority: 'technician' })
  t.equal(bus.exchanges - before, 4, 'a technician asks again')
  learned.set([...learned.map.keys()][0]!, '{ damaged')
  t.equal((await readerOn(bus, learned).readMeter(meter, SLOT)).values.length, 6)
})

t.test('a dead meter costs one request, a probe is the shortest one', async t => {
  const good = slaveOf('eastron-sdm120', SDM)
  const dead = new FakeBus({ ...good, refuse: () => -1 })
  const answer = await readerOn(dead).readMeter(
    point(1, 'eastron-sdm120', [...Object.keys(SDM), 'active-combined-total']),
    SLOT
  )
  t.equal(dead.exchanges, 1)
  t.ok(answer.faults.length > 0 && answer.faults.every(fault => fault.kind === 'silent'))
  t.equal(answer.readAtMs, null)
  const bus = new FakeBus(good)
  bus.probe = true
  await readerOn(bus).readMeter(
    point(1, 'eastron-sdm120', [...Object.keys(SDM), 'active-combined-total']),
    SLOT
  )
  t.equal(bus.requests[0], '4:342:2')
})

t.test('after a lost answer a canary of another length comes first', async t => {
  let lost = 0
  const bus = new FakeBus({ word: (_, __, address) => address, refuse: () => 0 }, (octets, atMs) => {
    lost++
    // the second answer comes late, in the middle of a later exchange
    return [{ atMs: lost === 2 ? atMs + TIMEOUT_MS + 60 : atMs, octets }]
  })
  const reader = readerOn(bus)
  const answer = await reader.readMeter(
    point(1, undefined, [], ['reg:0x0:2', 'reg:0x400:2', 'reg:0x800:2', 'reg:0xC00:2']),
    SLOT
  )
  t.equal(answer.values.length, 4)
  t.same(answer.faults, [])
  for (const value of answer.values)
    t.equal(value.raw.slice(0, 4), toHex(Uint8Array.of(Number.parseInt(value.origin, 16) >> 8, 0)))
  t.ok((reader.counters()['canary'] ?? 0) >= 1)
  const lengths = bus.requests.map(request => request.split(':')[2])
  t.not(lengths[2], lengths[1], `another length after the loss: ${bus.requests.join(' ')}`)
})

t.test('a live meter says which profile and which order it speaks', async t => {
  const live = { 'voltage-a': 23041, frequency: 50020, 'power-factor-total': 9800 }
  const names = ['chint-dtsu666-a', 'chint-dtsu666-b', 'chint-dtsu666-c', 'chint-ddsu666']
  const good = slaveOf('chint-dtsu666-c', live, { 45: 7, 46: 3 })
  // a meter knows only its own registers
  const isKnown = (from: number, end: number) => end <= 0x35 || (from >= 0x2000 && end <= 0x2060)
  const bus = new FakeBus({ ...good, refuse: (_, __, from, count) => (isKnown(from, from + count) ? 0 : 2) })
  const technician: ReadOptions = { priority: 'technician' }
  const check = await checkProfilesLive(readerOn(bus), 7, names.map(loadProfile), technician)
  t.match(check.verdicts[0], { profile: 'chint-dtsu666-c', holds: true, fits: 'ABCD' })
  t.match(check.verdicts[0]?.why, /voltage-a 230.41 V/)
  t.equal(check.verdicts.filter(verdict => verdict.holds).length, 1)
  t.ok(check.faults.length > 0 && check.faults.every(fault => fault.kind === 'refused'))
})

t.test('a meter that refuses longer ranges is asked for nothing else', async t => {
  const wanted = new Set(['3:0:2', '3:100:2', '3:200:2'])
  const slave: Slave = {
    word: (_, __, address) => address,
    refuse: (_, table, address, count) => (wanted.has(`${table}:${address}:${count}`) ? 0 : 2)
  }
  const meter = point(1, undefined, [], ['reg:0x0:2', 'reg:0x64:2', 'reg:0xC8:2'])
  // only time keeps answers of one length apart; on a line with stray frames more of it
  for (const [strays, leastMs, mostMs] of [
    [0, 600, 900],
    [1, 600, 900],
    [8, 600, 900],
    [7, 2_000, 12_000]
  ] as const) {
    const learned = memory()
    const bus = new FakeBus(slave, (octets, atMs) => [
      { atMs, octets: concatBytes(new Uint8Array(strays), octets) }
    ])
    const first = await readerOn(bus, learned).readMeter(meter, SLOT)
    t.equal(first.values.length, 3)
    t.match([...learned.map.values()], [/"rigid":true/])
    const before = bus.exchanges
    bus.nowMs += 60_000
    const beganMs = bus.nowMs
    const reader = readerOn(bus, learned)
    const second = await reader.readMeter(meter, SLOT)
    t.equal(second.values.length, 3)
    t.equal(bus.exchanges - before, 3)
    t.same(reader.counters(), { guardWait: 2 })
    const tookMs = bus.nowMs - beganMs
    t.ok(tookMs > leastMs && tookMs < mostMs, `${tookMs} ms`)
  }
})

t.test('a block over a hole is split also where the meter says 04', async t => {
  const bus = new FakeBus({
    word: (_, __, address) => address,
    refuse: (_, __, from, count) => (from <= 9 && from + count > 9 ? 4 : 0)
  })
  const reader = readerOn(bus)
  const meter = point(1, undefined, [], ['reg:0x0:2', 'reg:0x4:2', 'reg:0xC:2', 'reg:0x10:3'])
  t.equal((await reader.readMeter(meter, SLOT)).values.length, 4)
  const before = bus.exchanges
  t.equal((await reader.readMeter(meter, SLOT)).values.length, 4)
  t.equal(bus.exchanges - before, 2, 'learned')
  t.same(reader.counters(), { exception04: 1 })
})

t.test(
  '100,000 exchanges with late, doubled, cut, damaged and foreign answers: not one wrong value',
  async t => {
    let state = 20_260_101
    const random = () => {
      state = (state + 0x6d2b79f5) | 0
      let x = Math.imul(state ^ (state >>> 15), 1 | state)
      x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
      return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
    }
    const word = (unit: number, table: number, address: number) =>
      (Math.imul(unit * 131_071 + table * 8191 + address, 2_654_435_761) >>> 11) & 0xffff
    const slave: Slave = {
      word,
      refuse: () => {
        const p = random()
        return p < 0.01 ? 6 : p < 0.015 ? 4 : p < 0.02 ? -1 : 0
      }
    }
    const counts = { late: 0, doubled: 0, cut: 0, damaged: 0, foreign: 0, noise: 0 }
    const foreign = () => {
      const unit = 1 + Math.floor(random() * 5)
      const count = 1 + Math.floor(random() * 8)
      const body = Uint8Array.from({ length: 3 + 2 * count }, () => Math.floor(random() * 256))
      body.set([unit + 100, 3 + Math.floor(random() * 2), 2 * count])
      return appendCrc(body)
    }
    const bus = new FakeBus(slave, (octets, atMs) => {
      const p = random()
      if (p < 0.06) {
        counts.late++
        return [{ atMs: atMs + TIMEOUT_MS * (1 + 40 * random() ** 3), octets }]
      }
      if (p < 0.12) {
        counts.doubled++
        return [
          { atMs, octets },
          { atMs: atMs + 1900 * random() ** 2, octets }
        ]
      }
      if (p < 0.15) {
        counts.cut++
        return [{ atMs, octets: octets.slice(0, Math.floor(random() * octets.length)) }]
      }
      if (p < 0.18) {
        counts.damaged++
        const damaged = octets.slice()
        damaged[Math.floor(random() * octets.length)]! ^= 1 << Math.floor(random() * 8)
        return [{ atMs, octets: damaged }]
      }
      if (p < 0.24) {
        counts.foreign++
        return [
          { atMs: atMs - 5, octets: foreign() },
          { atMs, octets }
        ]
      }
      if (p < 0.3) {
        counts.noise++
        return [{ atMs, octets: concatBytes(Uint8Array.of(0), octets, Uint8Array.of(0xff)) }]
      }
      return [{ atMs, octets }]
    })
    const reader = readerOn(bus)
    const meters = Array.from({ length: 6 }, (_, i) => {
      const raws = new Set<string>()
      while (raws.size < 12)
        raws.add(
          `reg:${3 + (i % 2)}:0x${Math.floor(random() * 0x1000).toString(16)}:${1 + Math.floor(random() * 4)}`
        )
      return point(i + 1, undefined, [], [...raws])
    })
    let values = 0
    let wrong = 0
    let asked = 0
    while (bus.exchanges < 100_000) {
      for (const [i, meter] of meters.entries()) {
        const answer = await reader.readMeter(meter, SLOT)
        asked += meter.rawItems.length
        for (const value of answer.values) {
          values++
          const [address, count] = value.origin.split(':').map(Number) as [number, number]
          const want = Array.from({ length: count }, (_, n) =>
            word(i + 1, 3 + (i % 2), address + n)
              .toString(16)
              .padStart(4, '0')
          )
          if (value.raw !== want.join('')) wrong++
        }
        // now and then a visit follows at once, now and then a slot later
        if (random() < 0.1) bus.nowMs += 60_000 * random()
      }
    }
    t.equal(wrong, 0)
    t.ok(Math.min(...Object.values(counts)) > 2000, JSON.stringify(counts))
    t.ok(values > 0.8 * asked, `${values} of ${asked} values had in one pass`)
    t.comment(
      `${bus.exchanges} exchanges, ${values} values, ${JSON.stringify({ ...counts, ...reader.counters() })}`
    )
  }
)
