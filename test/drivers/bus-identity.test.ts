import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openMeterBuses } from '../../agent/compose/lines.ts'
import type {
  Clock,
  Log,
  MeterAnswer,
  MeterBus,
  MeterPoint,
  ReadingStore,
  ReadValue
} from '../../agent/ports.ts'
import { loadConfig } from '../../config/load.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { energyOf, judgeContinuity } from '../../drivers/meters/energy-continuity.ts'
import { ModbusIdentity } from '../../drivers/meters/modbus-identity.ts'
import { MeterPapers } from '../../drivers/meters/modbus-papers.ts'
import { startSimulator } from '../../drivers/simulator/simulator.ts'
import { itemByKey } from '../../proto/items.ts'
import { composeQuality, type Reading, SOURCE } from '../../proto/reading.ts'
import { memory, quiet } from '../fixtures/learned.ts'

const IMPORT = itemByKey('active-import-total').id
const HOUR_MS = 3_600_000
const options = { priority: 'slot' } as const

const point = (bus: string, unit: number, change: Partial<MeterPoint> = {}): MeterPoint => ({
  id: `${bus}${unit}`,
  bus,
  protocol: 'modbus',
  address: String(unit),
  profile: 'eastron-sdm630',
  items: [IMPORT],
  rawItems: [],
  ratedKva: undefined,
  ct: { primary: 1, secondary: 1 },
  pt: { primary: 1, secondary: 1 },
  ratioVersion: 1,
  parent: undefined,
  rules: {},
  location: undefined,
  ...change
})

interface Meter {
  kwh: number
  /** as on the wire; refused when left out */
  number?: string
}

/** A gateway on paper: two lines, a clock that only moves when told, and what the store would have. */
class Site {
  readonly learned = memory()
  readonly log: string[] = []
  readonly wires: Record<string, Record<number, Meter>>
  /** which wire stands behind which port */
  readonly plugs: Record<string, string> = { a: 'a', b: 'b' }
  readonly opens: Record<string, number> = { a: 1, b: 1 }
  readonly roster: readonly MeterPoint[]
  readonly stored = new Map<string, { atMs: number; values: Map<number, number> }>()
  asked = 0
  nowMs = Date.UTC(2026, 5, 1)
  lines!: Record<string, ModbusIdentity>

  constructor(wires: Record<string, Record<number, Meter>>, roster: readonly MeterPoint[]) {
    this.wires = wires
    this.roster = roster
    this.restart()
  }

  readonly clock: Clock = {
    nowMs: () => this.nowMs,
    monotonicMs: () => this.nowMs,
    wait: async () => undefined,
    trusted: () => true
  }

  restart(): void {
    const history = (meter: MeterPoint) => this.stored.get(meter.id)
    const papers = new MeterPapers({ clock: this.clock, learned: this.learned, history })
    const log: Log = {
      ...quiet,
      warn: event => void this.log.push(event),
      error: event => void this.log.push(event)
    }
    const line = (name: string) =>
      new ModbusIdentity(this.#bus(name), { clock: this.clock, log, roster: this.roster, papers })
    this.lines = { a: line('a'), b: line('b') }
  }

  swap(): void {
    const { a, b } = this.plugs
    Object.assign(this.plugs, { a: b, b: a })
    for (const name of ['a', 'b']) this.opens[name] = (this.opens[name] ?? 0) + 1
  }

  /** One slot: every meter read once; what was had is stored. @returns kWh or the fault, by meter */
  async slot(): Promise<Record<string, number | string>> {
    this.nowMs += HOUR_MS / 4
    const results: Record<string, number | string> = {}
    for (const meter of this.roster) {
      const answer = await (this.lines[meter.bus] as ModbusIdentity).readMeter(meter, options)
      const value = answer.values[0]?.value
      results[meter.id] = value == null ? (answer.faults[0]?.kind ?? 'nothing') : value / 1000
      const energy = answer.readAtMs === null ? undefined : energyOf(answer.values, answer.readAtMs)
      if (energy) this.stored.set(meter.id, { atMs: energy.atMs, values: new Map(energy.values) })
    }
    for (const wire of Object.values(this.wires)) for (const meter of Object.values(wire)) meter.kwh += 1
    return results
  }

  #bus(name: string): MeterBus {
    const readMeter = async (meter: MeterPoint): Promise<MeterAnswer> => {
      this.asked++
      const there = this.wires[this.plugs[name] as string]?.[Number(meter.address)]
      const none = { values: [], readAtMs: null, meterTimeMs: null, frames: [] }
      if (!there) return { ...none, faults: [{ kind: 'silent', asked: '', detail: '' }] }
      const value = (change: Partial<ReadValue>): ReadValue => ({
        item: null,
        key: '',
        value: null,
        exponent: -3,
        unit: '',
        origin: '',
        raw: '',
        ...change
      })
      const values = meter.items.map(item => value({ item, value: Math.round(there.kwh * 1000) }))
      if (meter.rawItems.length > 0 && there.number === undefined)
        return { ...none, faults: [{ kind: 'refused', asked: '', detail: '' }] }
      for (const _ of meter.rawItems) values.push(value({ raw: there.number as string }))
      return { ...none, values, faults: [], readAtMs: this.nowMs }
    }
    return {
      name,
      readMeter,
      readProfile: async () => {
        throw new Error('not asked')
      },
      status: () => ({
        name,
        port: '',
        state: 'open',
        detail: '',
        counters: { opens: this.opens[name] ?? 0 },
        breakers: []
      }),
      close: async () => undefined
    }
  }
}

const roster = (units: number, change: Partial<MeterPoint> = {}) =>
  ['a', 'b'].flatMap(bus => Array.from({ length: units }, (_, i) => point(bus, i + 1, change)))
const wires = (units: number, number?: (bus: number, unit: number) => string) =>
  Object.fromEntries(
    ['a', 'b'].map((bus, n) => [
      bus,
      Object.fromEntries(
        Array.from({ length: units }, (_, i): [number, Meter] => [
          i + 1,
          { kwh: 1000 + 700 * n + 97 * i, ...(number && { number: number(n, i) }) }
        ])
      )
    ])
  )
const refusals = (site: Site) => ['a', 'b'].map(name => site.lines[name]?.status().refusal)
const all = (site: Site, kind: string) => Object.fromEntries(site.roster.map(({ id }) => [id, kind]))

t.test('two lines of Modbus meters that have changed places are told by their registers', async t => {
  for (const restart of [false, true]) {
    const site = new Site(wires(3), roster(3))
    const first = await site.slot()
    t.equal(first['a1'], 1000, 'a first start is not refused')
    t.equal((await site.slot())['b2'], 1798)
    site.swap()
    if (restart) site.restart()
    t.same(await site.slot(), all(site, 'busDown'))
    t.match(refusals(site), [/meters of bus b answer here; .*wattproof bus accept a$/, /bus a answer here/])
    const { asked } = site
    site.nowMs -= HOUR_MS / 4 - 30_000
    await site.slot()
    t.equal(site.asked, asked, 'left alone for a minute')
    t.same(await site.slot(), all(site, 'busDown'), 'and still refused')
    t.same(
      site.log.filter(event => event === 'bus-swapped'),
      ['bus-swapped', 'bus-swapped'],
      'said once a line'
    )
    site.swap()
    const back = await site.slot()
    t.same([back['a1'], back['b3']], [1005, 1899], 'read again once they are back')
    t.same(refusals(site), [undefined, undefined])
  }
})

t.test('nothing is refused that may be right', async t => {
  const exchanged = new Site(wires(3), roster(3))
  await exchanged.slot()
  ;(exchanged.wires['a'] as Record<number, Meter>)[1] = { kwh: 3 }
  t.equal((await exchanged.slot())['a1'], 3, 'one exchanged meter')
  exchanged.restart()
  t.equal((await exchanged.slot())['a1'], 4, 'goes on from there')
  t.same(exchanged.log, ['meter-discontinued'])

  const alone = new Site(wires(1), roster(1))
  await alone.slot()
  ;(alone.wires['a'] as Record<number, Meter>)[1] = { kwh: 3 }
  t.equal((await alone.slot())['a1'], 3, 'the only meter of its line')

  const reset = new Site(wires(3), roster(3))
  await reset.slot()
  for (const meter of Object.values(reset.wires['a'] as Record<number, Meter>)) meter.kwh = 0
  t.equal((await reset.slot())['a2'], 0, 'all of them, and no stranger among them')
  t.same(refusals(reset), [undefined, undefined])

  const equal = new Site(wires(3), roster(3))
  for (const wire of Object.values(equal.wires)) for (const meter of Object.values(wire)) meter.kwh = 0
  await equal.slot()
  equal.swap()
  t.equal((await equal.slot())['a1'], 1, 'meters that cannot be told apart')

  const later = new Site(wires(3), roster(3))
  await later.slot()
  later.nowMs += 30 * 24 * HOUR_MS
  for (const wire of Object.values(later.wires)) for (const meter of Object.values(wire)) meter.kwh += 300
  later.restart()
  t.equal((await later.slot())['a1'], 1301, 'after a month without power')

  const changed = new Site(wires(3), roster(3))
  await changed.slot()
  const other = new Site(changed.wires, roster(3, { profile: 'eastron-sdm72-v2', bus: 'a' }).slice(0, 3))
  other.nowMs = changed.nowMs
  for (const [key, value] of changed.learned.map) other.learned.set(key, value)
  for (const [key, value] of changed.stored) other.stored.set(key, value)
  for (const meter of Object.values(other.wires['a'] as Record<number, Meter>)) meter.kwh /= 10
  t.equal((await other.slot())['a1'], 100.1, 'another profile reads other values')
  t.same(other.log, [])
})

t.test('a silent or a partly dead line', async t => {
  const site = new Site(wires(3), roster(3))
  await site.slot()
  const [a, b] = [site.wires['a'], site.wires['b']] as [Record<number, Meter>, Record<number, Meter>]
  delete a[1]
  delete b[2]
  site.swap()
  t.match(await site.slot(), all(site, 'busDown'))
  const far = new Site(
    { a: { 1: { kwh: 500 }, 2: { kwh: 700 } }, b: { 11: { kwh: 900 }, 12: { kwh: 950 } } },
    [point('a', 1), point('a', 2), point('b', 11), point('b', 12)]
  )
  await far.slot()
  far.swap()
  t.same(await far.slot(), all(far, 'busDown'))
  t.match(
    refusals(far),
    [/meters of bus b/, /meters of bus a/],
    'other units, nothing read, but it is known why'
  )
})

t.test('a number of the maker says more than registers', async t => {
  const number = (bus: number, unit: number) => `0000${bus + 1}${unit}`.padEnd(8, '7')
  const site = new Site(wires(3, number), roster(3))
  // registers that say nothing: all meters are new
  for (const wire of Object.values(site.wires)) for (const meter of Object.values(wire)) meter.kwh = 0
  await site.slot()
  t.equal(JSON.parse(site.learned.get('identity/meter/a1') as string).number, number(0, 0))
  const { asked } = site
  await site.slot()
  t.equal(site.asked - asked, 6, 'asked for once')
  site.swap()
  t.same(await site.slot(), all(site, 'busDown'))
  site.swap()
  t.equal((await site.slot())['b3'], 3)

  const foreign = new Site(wires(2, number), roster(2))
  await foreign.slot()
  foreign.wires['a'] = { 1: { kwh: 5, number: '00009001' }, 2: { kwh: 6, number: '00009002' } }
  foreign.opens['a'] = 2
  t.match(await foreign.slot(), { a1: 'busDown', a2: 'busDown', b1: 1701 })
  t.match(refusals(foreign)[0], /2 meters have other numbers than before; .*wattproof bus accept a/)
  foreign.restart()
  t.match(await foreign.slot(), { a1: 'busDown' }, 'also after a restart')
  foreign.lines['a']?.accept()
  t.match(await foreign.slot(), { a1: 7, a2: 8 }, 'a person says that it is right')
  foreign.restart()
  t.match(await foreign.slot(), { a1: 8, a2: 9 })
})

t.test('how registers go on', async t => {
  const record = (kwh: number, hours: number) => ({
    atMs: hours * HOUR_MS,
    values: new Map([[IMPORT, kwh * 1000]])
  })
  const cases: [number, number, number, Partial<MeterPoint>, string][] = [
    [5000, 5010, 1, {}, 'fits'],
    [5000, 5000, 1, {}, 'fits'],
    [5000, 5200, 1, {}, 'broken'],
    [5000, 4999, 1, {}, 'broken'],
    [200_000, 199_999.9, 1, {}, 'fits'],
    [5000, 5200, 1, { ct: { primary: 200, secondary: 5 } }, 'open'],
    [5000, 5030, 1, { ratedKva: 10 }, 'broken'],
    [5000, 5010, -3, {}, 'broken'],
    [5, 6, 1, {}, 'open'],
    [5000, 7000, 100, {}, 'open']
  ]
  for (const [before, after, hours, change, wanted] of cases)
    t.equal(
      judgeContinuity(point('a', 1, change), record(before, 0), record(after, hours)),
      wanted,
      `${before} ${after}`
    )
  t.equal(judgeContinuity(point('a', 1), record(5, 0), { atMs: 0, values: new Map() }), 'open')
  t.equal(energyOf([], 0), undefined)
})

t.test('simulated lines that change places are refused, and read again once they are back', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'wattproof-identity-'))
  const names = ['a', 'b'] as const
  const simulator = startSimulator({
    seed: 5,
    buses: names.map(name => ({
      name,
      path: join(folder, `wire-${name}`),
      baud: 19200,
      parity: 'even' as const,
      meters: [1, 2].map(unit => ({
        address: String(unit),
        protocol: 'modbus' as const,
        profile: 'eastron-sdm630',
        turnaroundMs: 5
      }))
    }))
  })
  const plug = (swapped: boolean) => {
    for (const name of names) {
      const wire = swapped === (name === 'a') ? 'b' : 'a'
      rmSync(join(folder, name), { force: true })
      symlinkSync(join(folder, `wire-${wire}`), join(folder, name))
    }
  }
  const file = join(folder, 'gateway.yaml')
  writeFileSync(
    file,
    [
      'gateway: { id: T-3, timezone: Asia/Shanghai }',
      `state: ${folder}`,
      'buses:',
      ...names.map(
        name => `  - { name: ${name}, port: "serial:${folder}/${name}", baud: 19200, parity: even }`
      ),
      'meters:',
      ...names.flatMap(name =>
        [1, 2].map(
          unit =>
            `  - { id: ${name}${unit}, bus: ${name}, protocol: modbus, address: "${unit}", profile: eastron-sdm630, items: [active-import-total] }`
        )
      ),
      ''
    ].join('\n')
  )
  const config = loadConfig(file)
  const clock = createClock()
  const learned = memory()
  const readings: Reading[] = []
  const store: Pick<ReadingStore, 'queryReadings'> = {
    queryReadings: ({ meter }) => readings.filter(reading => reading.meter === meter).reverse()
  }
  let buses: ReturnType<typeof openMeterBuses> = []
  const close = () => Promise.all(buses.map(bus => bus.close()))
  t.teardown(async () => {
    await close()
    await simulator.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const sweep = async (slot: number) => {
    await close()
    buses = openMeterBuses(config, { clock, log: quiet, learned }, store)
    const results: string[] = []
    for (const meter of config.meters) {
      const answer = await buses.find(({ name }) => name === meter.bus)?.readMeter(meter, options)
      const value = answer?.values[0]?.value ?? null
      results.push(value === null ? (answer?.faults[0]?.kind ?? 'nothing') : 'value')
      if (value === null) continue
      readings.push({
        meter: meter.id,
        slot,
        version: 1,
        quality: composeQuality('none', []),
        source: SOURCE.live,
        readAt: 0,
        meterTime: null,
        ratio: null,
        values: [[IMPORT, value]]
      })
    }
    return results
  }
  const slot = Math.floor(clock.nowMs() / 1000 / config.slotSeconds) - 1
  plug(false)
  t.same(await sweep(slot), ['value', 'value', 'value', 'value'])
  plug(true)
  t.same(await sweep(slot + 1), ['busDown', 'busDown', 'busDown', 'busDown'])
  t.match(buses[0]?.status().refusal, /the meters of bus b answer here/)
  buses[0]?.accept()
  t.equal(buses[0]?.status().refusal, undefined)
  plug(false)
  readings.length = 4
  learned.map.clear()
  t.same(await sweep(slot + 1), ['value', 'value', 'value', 'value'])
})
