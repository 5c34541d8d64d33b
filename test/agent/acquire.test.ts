import t from 'tap'
import { type GapRange, nextRange, rangesOf } from '../../agent/acquire/backfill-plan.ts'
import { BackfillRests } from '../../agent/acquire/backfill-rest.ts'
import { ClockKeeper } from '../../agent/acquire/clock-keeper.ts'
import { ClockTable, clockLooks } from '../../agent/acquire/clock-table.ts'
import { GapIndex } from '../../agent/acquire/gap-index.ts'
import { fillRange } from '../../agent/acquire/profile-records.ts'
import { mergeAnswers, sweepBus } from '../../agent/acquire/sweep.ts'
import type {
  MeterAnswer,
  MeterBus,
  MeterPoint,
  ProfileAnswer,
  ReadFault,
  ReadValue
} from '../../agent/ports.ts'
import { energyCounts } from '../../drivers/simulator/dlt-energy.ts'
import { openBatch } from '../../proto/envelope/open.ts'
import { itemByKey } from '../../proto/items.ts'
import { flagsOf, type GapReason, gapReasonOf, isGap, type Reading, SOURCE } from '../../proto/reading.ts'
import { ANCHOR_REASON } from '../../proto/wire/anchor.ts'
import { memory } from '../fixtures/learned.ts'
import { FIRST_SLOT, PaperSite, type SiteMeter, SLOT_MS, SLOT_SECONDS } from './support/paper-site.ts'
import { gatewaySigner, handClock, QUIET, recipientKey } from './support/parties.ts'
import { VirtualClock } from './support/virtual-clock.ts'

const HOUR_MS = 3_600_000
const IMPORT = itemByKey('active-import-total').id
const CURRENT = itemByKey('current-a').id
const T1 = itemByKey('active-import-t1').id

const endMs = (slot: number) => (slot + 1) * SLOT_MS
const registerOf = (reading: Reading | undefined, item: number) =>
  reading?.values.find(([id]) => id === item)?.[1]
const reasonOf = (reading: Reading | undefined): GapReason | undefined =>
  reading && gapReasonOf(reading.quality)

/** A generator that is the same in every run. */
function lcg(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const meter = (n: number, faults: SiteMeter['setting']['faults'] = {}, bus = 'b1'): SiteMeter => ({
  id: `D-${n}`,
  bus,
  setting: { protocol: 'dlt645', address: String(100 + n).padStart(12, '0'), faults }
})
const OLD: SiteMeter = { id: 'OLD', bus: 'b1', setting: { protocol: 'dlt645-1997', address: '000000000201' } }
const MODBUS: SiteMeter = { id: 'MOD', bus: 'b1', setting: { protocol: 'modbus', address: '7' } }

/** The register a simulated meter had at an instant, in Wh. */
const registerAt = (site: PaperSite, { bus, setting }: SiteMeter, atMs: number): number =>
  energyCounts(site.bus(bus).meter(setting.address), 1, 0, atMs / 1000) * 10

t.test('the index of gaps is the set of gaps', async t => {
  const random = lcg(1)
  const index = new GapIndex()
  const truth = new Set<number>()
  for (let n = 0; n < 4_000; n++) {
    const slot = 50 + random(150)
    const adds = random(3) > 0
    if (adds) index.add('M', slot)
    else index.remove('M', slot)
    if (adds) truth.add(slot)
    else truth.delete(slot)
    if (n % 1_000 === 999) {
      const floor = 60 + Math.floor(n / 100)
      index.trimBelow(floor)
      for (const old of truth) if (old < floor) truth.delete(old)
    }
    if (n % 40 > 0) continue
    const spans = index.spans('M')
    const slots = spans.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
    t.same(
      slots,
      [...truth].sort((a, b) => a - b)
    )
    t.ok(
      spans.every((span, i) => i === 0 || span.from > (spans[i - 1]?.to ?? 0) + 1),
      'spans never touch'
    )
    t.equal(index.count('M'), truth.size)
    t.equal(index.has('M', slot), truth.has(slot))
    const low = 60 + random(60)
    const high = low + random(80)
    const ranges = [...rangesOf(index, 'M', low, high)]
    t.same(
      ranges.flatMap(({ slots: wanted }) => [...wanted].reverse()),
      slots.filter(one => one >= low && one <= high).reverse(),
      'ranges cover what is asked for, newest first'
    )
    t.ok(
      ranges.every(({ fromSlot, toSlot }) => Math.floor(fromSlot / 16) === Math.floor(toSlot / 16)),
      'a range stays within its cell'
    )
  }
  t.same(index.spans('another'), [])
})

t.test('the newest cell of all meters comes next', async t => {
  const index = new GapIndex()
  for (const slot of [100, 101, 103, 160, 161]) index.add('A', slot)
  for (const slot of [102, 150, 170]) index.add('B', slot)
  const resting = new Set<string>()
  const plan = (newest = 1_000) =>
    nextRange({
      index,
      meters: ['A', 'B'],
      fromSlot: 101,
      newestSlot: () => newest,
      isResting: ({ meter, toSlot }) => resting.has(`${meter}${toSlot}`)
    })
  const order: string[] = []
  for (let range = plan(); range; range = plan()) {
    order.push(`${range.meter} ${range.slots.join(' ')}`)
    resting.add(`${range.meter}${range.toSlot}`)
  }
  t.same(
    order,
    ['A 160 161', 'B 170', 'B 150', 'A 101 103', 'B 102'],
    'same cell: in the order of the meters'
  )
  resting.clear()
  t.same(plan(160)?.slots, [160], 'nothing newer than the memory has')
})

t.test('records fall into slots by their own stamp', async t => {
  const point = { id: 'M', items: [IMPORT, T1, CURRENT] } as unknown as MeterPoint
  const withRatio = { ...point, ct: { primary: 1, secondary: 1 }, pt: { primary: 1, secondary: 1 } }
  const value = (item: number, number: number | null) => ({ item, value: number }) as ReadValue
  const range: GapRange = { meter: 'M', fromSlot: 10, toSlot: 15, slots: [10, 11, 12, 13, 15] }
  const answer = (change: Partial<ProfileAnswer> = {}): ProfileAnswer => ({
    source: 'loadProfile',
    status: 'ok',
    faults: [],
    damagedBlocks: 0,
    records: [
      { stampMs: endMs(10), values: [value(IMPORT, 500), value(CURRENT, 7)] },
      { stampMs: endMs(11) + 60_000, values: [value(IMPORT, 501)] },
      { stampMs: endMs(12), values: [value(IMPORT, null), value(CURRENT, null)] },
      { stampMs: endMs(13), values: [value(CURRENT, 8)] },
      { stampMs: endMs(14), values: [value(IMPORT, 504)] }
    ],
    ...change
  })
  const context = { slotSeconds: SLOT_SECONDS, nowMs: endMs(15) + 2 * SLOT_MS, driftMs: 0 }
  const found = fillRange(withRatio, range, answer(), context)
  t.same(
    found.readings.map(({ slot }) => slot),
    [10],
    'only what is wanted and on the grid'
  )
  t.match(found.readings[0], {
    source: SOURCE.loadProfile,
    meterTime: 0,
    readAt: context.nowMs - endMs(10),
    values: [
      [IMPORT, 500],
      [T1, null],
      [CURRENT, 7]
    ]
  })
  t.same(
    found.holes.map(gap => `${gap.slot} ${reasonOf(gap)}`),
    ['11 notInProfile', '12 notInProfile', '15 notInProfile'],
    'no record, and one of FF'
  )
  t.same(found.open, [13], 'a record whose registers did not come through is no hole')
  const holesOf = (change: Partial<ProfileAnswer>, more: Partial<typeof context> = {}) =>
    fillRange(withRatio, range, answer(change), { ...context, ...more }).holes.map(({ slot }) => slot)
  t.same(holesOf({ damagedBlocks: 1 }), [], 'a damaged block may be the very record')
  const fault: ReadFault = { kind: 'silent', asked: '', detail: '' }
  t.same(holesOf({ faults: [fault] }), [], 'an answer in pieces proves nothing')
  t.same(
    holesOf({ faults: [{ ...fault, kind: 'refused' }] }),
    [11, 12, 15],
    'a class the meter lacks is no piece'
  )
  t.same(holesOf({}, { nowMs: endMs(15) + 60_000 }), [11, 12], 'a record may still be written')
  t.same(holesOf({}, { driftMs: 700_000 }), [], 'by another clock other hours are missing')
  const late = fillRange(withRatio, range, answer(), { ...context, driftMs: 301_000 })
  t.same(flagsOf(late.readings[0]?.quality ?? 0), ['incomplete', 'meterClock'])
  const daily = { ...withRatio, items: [CURRENT] }
  t.same(
    fillRange(daily, range, answer(), context).readings.map(({ slot }) => slot),
    [10, 13],
    'where no registers are wanted any value counts'
  )
})

t.test('what failed rests, longer each time', async t => {
  const clock = handClock(1_800_000_000_000)
  const learned = memory()
  const rests = new BackfillRests(clock, learned)
  const range: GapRange = { meter: 'M', fromSlot: 33, toSlot: 40, slots: [33, 40] }
  const minutes: number[] = []
  for (let n = 0; n < 9; n++) {
    rests.noteSilent('M')
    minutes.push(Math.round(((rests.ofMeter('M')?.nextTryAtMs ?? 0) - clock.nowMs()) / 60_000))
  }
  t.same(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60])
  clock.pass(-2 * HOUR_MS)
  t.equal(rests.ofMeter('M'), undefined, 'a clock that was set back holds nobody')
  clock.pass(2 * HOUR_MS)
  rests.noteAnswered('M')
  t.equal(rests.ofMeter('M'), undefined)
  rests.noteUnfinished(range)
  t.ok(rests.isRangeResting({ ...range, fromSlot: 47 }), 'the whole cell')
  t.notOk(rests.isRangeResting({ ...range, fromSlot: 48 }))
  clock.pass(600_000)
  t.notOk(rests.isRangeResting(range))
  rests.noteUnfinished(range)
  rests.noteFinished(range)
  t.notOk(rests.isRangeResting(range))
  rests.noteLineDown('b1')
  t.ok(rests.isLineResting('b1'))
  clock.pass(15_000)
  t.notOk(rests.isLineResting('b1'))
  rests.noteUnsupported('M')
  const later = new BackfillRests(clock, learned)
  t.match(
    later.ofMeter('M'),
    { reason: 'unsupported', nextTryAtMs: clock.nowMs() + 24 * HOUR_MS },
    'a restart later'
  )
  clock.pass(24 * HOUR_MS)
  t.equal(later.ofMeter('M'), undefined, 'the mode word can be changed')
})

t.test('clocks are read once a day, and after somebody was at the meter', async t => {
  const learned = memory()
  const table = new ClockTable(learned)
  const points = Array.from({ length: 30 }, (_, n) => ({ id: `M${n}`, protocol: 'dlt645' }) as MeterPoint)
  const modbus = { id: 'X', protocol: 'modbus' } as MeterPoint
  let now = 1_800_000_000_000
  const read = (driftMs: number | null, counters: readonly [string, number][] = []): MeterAnswer => ({
    values: [['active-import-total', 5] as const, ...counters].map(
      ([key, value]) => ({ item: itemByKey(key).id, value }) as ReadValue
    ),
    faults: [],
    readAtMs: now,
    meterTimeMs: driftMs === null ? null : now + driftMs,
    frames: []
  })
  const sweeps: number[] = []
  for (let n = 0; n < 96; n++) {
    const due = table.due([...points, modbus], now)
    sweeps.push(due.size)
    for (const id of due) table.note(id, read(id === 'M7' ? null : 42_000), now)
    now += SLOT_MS
  }
  t.same(
    [...sweeps.slice(0, 5), Math.max(...sweeps.slice(5))],
    [8, 8, 8, 6, 0, 0],
    'spread over sweeps, then a day of peace'
  )
  t.same([...table.due(points, now)].slice(0, 3), ['M0', 'M1', 'M2'], 'the longest unread first')
  t.equal(table.driftMs('M3'), 42_000)
  t.equal(table.driftMs('M7'), undefined, 'one that has no clock is not asked in every sweep')
  const silent = { ...read(null), values: [] }
  table.note('M3', silent, now)
  t.equal(clockLooks(learned, 'M3').length, 1, 'a silent meter was not looked at')
  for (let n = 0; n < 40; n++) table.noteDrift('M3', n * 1_000, now + n)
  t.equal(clockLooks(learned, 'M3').length, 32, 'a month of looks')
  for (const point of points) table.noteDrift(point.id, 0, now)
  table.watchCounters('M5', read(0, [['count-time-set', 2]]))
  table.watchCounters('M5', read(0, []))
  t.equal(table.due(points, now).size, 0)
  table.watchCounters('M5', read(0, [['count-time-set', 3]]))
  t.same([...table.due(points, now)], ['M5'])
  table.noteDrift('M5', null, now)
  t.equal(table.due(points, now).size, 0)
})

t.test('a second visit completes the first', async t => {
  const silent = (asked: string): ReadFault => ({ kind: 'silent', asked, detail: '' })
  const refused: ReadFault = { kind: 'refused', asked: '02', code: '02', detail: '' }
  const value = (item: number) => ({ item, value: 1 }) as ReadValue
  const before: MeterAnswer = {
    values: [value(1)],
    faults: [refused, silent('03')],
    readAtMs: 5,
    meterTimeMs: 6,
    frames: []
  }
  const after = { values: [value(3)], faults: [], readAtMs: null, meterTimeMs: null, frames: [] }
  t.match(mergeAnswers(before, after), {
    values: [{ item: 1 }, { item: 3 }],
    faults: [refused],
    readAtMs: 5,
    meterTimeMs: 6
  })
})

/** Everything an outage of the gateway must leave behind for a meter with a load profile. */
function checkFilled(t: Tap, site: PaperSite, at: SiteMeter, slots: readonly number[]): void {
  const latest = site.latest(at.id)
  const wrong = slots.filter(slot => {
    const reading = latest.get(slot)
    if (reading?.source !== SOURCE.loadProfile || reading.meterTime !== 0 || reading.version !== 2)
      return true
    return registerOf(reading, IMPORT) !== registerAt(site, at, endMs(slot))
  })
  t.same(wrong, [], `${at.id}: every slot with the register and the stamp of its end`)
  const unanchored = slots.filter(slot => {
    const leaf = site.store.findLeaf(at.id, slot, 2)
    return leaf?.batch.reason !== ANCHOR_REASON.supplementary
  })
  t.same(unanchored, [], `${at.id}: every one in a supplementary batch`)
}

type Tap = Pick<typeof t, 'same'>

for (const share of [0, 0.2]) {
  t.test(`six hours without the agent, ${share * 100} % of the blocks damaged`, async t => {
    const profiled = [
      ...[1, 2, 3, 4].map(n => meter(n, { damagedBlocks: share })),
      ...[5, 6].map(n => meter(n, { damagedBlocks: share }, 'b2'))
    ]
    const site = new PaperSite({ meters: [...profiled, OLD, MODBUS] })
    t.teardown(() => site.end())
    site.start()
    await site.clock.pass(2 * SLOT_MS + 60_000)
    const calm = site.logged('swept').at(-1)?.['elapsedMs'] as number
    site.kill()
    site.clock.leap(6 * HOUR_MS)
    site.start()
    const startedMs = site.clock.nowMs()
    await site.clock.pass(1.3 * HOUR_MS)
    const outage = Array.from({ length: 24 }, (_, n) => FIRST_SLOT + 2 + n)
    for (const at of profiled) checkFilled(t, site, at, outage)
    for (const id of ['OLD', 'MOD']) {
      const latest = site.latest(id)
      t.ok(
        outage.every(slot => reasonOf(latest.get(slot)) === 'agentDown'),
        `${id}: a signed gap record in every slot`
      )
      t.match(
        site.backfill?.state().meters.find(one => one.meter === id)?.rest,
        { reason: 'unsupported' },
        'asked once'
      )
    }
    t.equal(site.store.unsealed(0, FIRST_SLOT + 100).length, 0, 'nothing is left unsealed')
    const seqs = site.store.queryBatches({}).map(({ seq }) => seq)
    t.same(
      seqs,
      seqs.map((_, i) => i)
    )
    for (const { batch, anchor, count } of site.store.queryBatches({ newestFirst: true, limit: 4 })) {
      const keys = { recipientKey, gatewayKey: gatewaySigner.publicKey }
      t.equal(openBatch(batch, anchor, keys).readings.length, count, 'a batch opens and its root holds')
    }
    const firstFilled = site.logged('backfilled').find(({ meter: id }) => id === 'D-1')
    t.ok((firstFilled?.['fromSlot'] as number) >= FIRST_SLOT + 10, 'newest first')
    const sweeps = site.logged('swept').map(({ elapsedMs }) => elapsedMs as number)
    t.ok(
      Math.max(...sweeps) < 1.15 * calm + 2_000,
      `sweeps are not delayed: ${calm}, ${Math.max(...sweeps)} ms`
    )
    for (const { name } of site.buses) {
      const usedMs = site.bus(name).status().counters['backfillMs'] ?? 0
      const lastMs = Math.max(
        ...site.bus(name).log.flatMap(one => (one.priority === 'backfill' ? [one.atMs] : []))
      )
      const sharePart = usedMs / (lastMs - startedMs + 60_000)
      t.ok(sharePart < 0.35, `${name}: back-fill took ${(sharePart * 100).toFixed(0)} % of the time`)
    }
    t.equal(site.logged('backfill-failed').length + site.logged('sweep-failed').length, 0)
  })
}

t.test('kills in the midst of filling lose nothing and double nothing', async t => {
  const meters = [1, 2, 3].map(n => meter(n))
  const site = new PaperSite({ meters, share: 0.1 })
  t.teardown(() => site.end())
  site.start()
  await site.clock.pass(SLOT_MS + 60_000)
  site.kill()
  site.clock.leap(5 * HOUR_MS)
  const random = lcg(5)
  for (let n = 0; n < 8; n++) {
    site.start()
    await site.clock.pass(5_000 + random(40_000))
    site.kill()
  }
  site.start()
  await site.clock.pass(HOUR_MS)
  const outage = Array.from({ length: 20 }, (_, n) => FIRST_SLOT + 1 + n)
  for (const at of meters) {
    checkFilled(t, site, at, outage)
    const all = site.store.queryReadings({ meter: at.id })
    t.equal(new Set(all.map(({ slot, version }) => `${slot}/${version}`)).size, all.length)
    t.notOk(
      all.some(({ version }) => version > 2),
      'no version but the gap and its filling'
    )
  }
})

t.test('a meter, then a line, then the whole machine is away for a while', async t => {
  const meters = [1, 2].map(n => meter(n))
  const site = new PaperSite({ meters: [...meters, OLD] })
  t.teardown(() => site.end())
  site.start()
  await site.clock.pass(SLOT_MS + 60_000)
  const first = site.bus('b1').meter('000000000101')
  first.faults = { mute: true }
  await site.clock.pass(3 * SLOT_MS)
  first.faults = {}
  site.bus('b1').isDown = true
  await site.clock.pass(2 * SLOT_MS)
  site.bus('b1').isDown = false
  await site.clock.pass(SLOT_MS - 120_000)
  const asleepFrom = Math.floor(site.clock.nowMs() / SLOT_MS)
  site.clock.leap(3 * HOUR_MS)
  await site.clock.pass(2 * HOUR_MS)
  const versions = (id: string, reason: GapReason) =>
    site.store
      .queryReadings({ meter: id })
      .filter(reading => reasonOf(reading) === reason)
      .map(({ slot }) => slot - FIRST_SLOT)
  t.same(versions('D-1', 'silent'), [1, 2, 3])
  t.same(versions('D-2', 'busDown'), [4, 5])
  t.equal(
    site.logged('sweep-missed').length,
    12,
    'no register of today is filed under a slot that was slept through'
  )
  t.same(site.gaps('D-1'), [])
  t.same(site.gaps('D-2'), [])
  t.equal(site.gaps('OLD').length, 2 + 12)
  for (let slot = FIRST_SLOT + 1; slot < asleepFrom + 12; slot++) {
    const reading = site.latest('D-1').get(slot)
    if (reading?.source !== SOURCE.live)
      t.equal(registerOf(reading, IMPORT), registerAt(site, meters[0] as SiteMeter, endMs(slot)))
  }
  const live = [...site.latest('D-1').values()].filter(({ source }) => source === SOURCE.live)
  t.ok(
    live.every(({ readAt }) => (readAt ?? 0) < 0.9 * SLOT_MS),
    'a live value is of its own slot'
  )
})

t.test('what the memory does not have', async t => {
  const holes = meter(1, { profileHoles: 0.3 })
  const none = meter(2, { noLoadProfile: true, refuse: ['0506****'] })
  const grudging = meter(3, { emptyRefused: true, clockOffS: -200 })
  const site = new PaperSite({ meters: [holes, none, grudging] })
  t.teardown(() => site.end())
  site.start()
  await site.clock.pass(SLOT_MS + 60_000)
  site.kill()
  site.clock.leap(6 * HOUR_MS)
  site.start()
  await site.clock.pass(3 * HOUR_MS)
  const outage = Array.from({ length: 24 }, (_, n) => FIRST_SLOT + 1 + n)
  const reasons = (id: string) => outage.map(slot => reasonOf(site.latest(id).get(slot)))
  const missing = reasons('D-1').filter(reason => reason === 'notInProfile').length
  t.ok(missing >= 3 && missing <= 12, `${missing} holes`)
  t.equal(reasons('D-1').filter(reason => reason === 'none').length, 24 - missing)
  const again = site.bus('b1').log.filter(({ priority }) => priority === 'backfill').length
  await site.clock.pass(2 * HOUR_MS)
  t.equal(
    site.bus('b1').log.filter(({ priority }) => priority === 'backfill').length,
    again,
    'holes are not asked for again'
  )
  const hourly = outage.filter(slot => site.latest('D-2').get(slot)?.source === SOURCE.hourlyFreeze)
  t.same(
    hourly.map(slot => (slot + 1) % 4),
    Array.from({ length: 6 }, () => 0),
    'hourly freezes fill the hours'
  )
  t.same([...new Set(reasons('D-2'))].sort(), ['none', 'notInProfile'])
  t.same(
    [...new Set(reasons('D-3'))],
    ['none'],
    'a refusal behind the newest record is not "no load profile"'
  )
})

t.test('a sweep that does not end in time, and the second chance within it', async t => {
  const meters = Array.from({ length: 60 }, (_, n) => meter(n + 1))
  const site = new PaperSite({ meters, baud: 300, share: 0 })
  t.teardown(() => site.end())
  const first = site.bus('b1').meter('000000000101')
  first.faults = { mute: 0.5 }
  site.start()
  await site.clock.pass(3 * SLOT_MS - 2_000)
  const slot = FIRST_SLOT
  const reasons = site.points.map(({ id }) => reasonOf(site.latest(id).get(slot)))
  t.ok(reasons.includes('noTime'), 'who had no turn has a record that says so')
  t.ok(reasons.filter(reason => reason === 'none').length >= 5)
  t.equal(site.logged('sweep-overrun').length, 0, 'sweeps do not pile up')
  const quick = new PaperSite({ meters: [meter(1), meter(2)], share: 0 })
  t.teardown(() => quick.end())
  let asked = 0
  const bus = quick.bus('b1')
  const exchange = bus.exchange.bind(bus)
  // the first question to one meter is lost
  bus.exchange = (request, options) => {
    const lost = options.meterKey === 'dlt645:000000000102' && asked++ < 1
    return lost ? Promise.resolve({ kind: 'silent' }) : exchange(request, options)
  }
  quick.start()
  await quick.clock.pass(SLOT_MS + 30_000)
  t.match(quick.latest('D-2').get(FIRST_SLOT), { version: 1, source: SOURCE.live })
  t.ok(asked > 3)
})

t.test('registers of the very end of the slot, where the meter has them', async t => {
  const exact = { ...meter(1), point: { slotValue: 'profile' as const } }
  const without = {
    ...meter(2, { noLoadProfile: true, refuse: ['05******'] }),
    point: { slotValue: 'profile' as const }
  }
  const slow = { ...meter(3, { clockOffS: -120 }), point: { slotValue: 'profile' as const } }
  const site = new PaperSite({ meters: [exact, without, slow], share: 0 })
  t.teardown(() => site.end())
  site.start()
  await site.clock.pass(8 * SLOT_MS)
  for (let slot = FIRST_SLOT; slot < FIRST_SLOT + 6; slot++) {
    const reading = site.latest('D-1').get(slot)
    t.match(reading, { source: SOURCE.loadProfile, meterTime: 0, version: 1 })
    t.equal(registerOf(reading, IMPORT), registerAt(site, exact, endMs(slot)))
    t.equal(registerOf(reading, T1), null, 'a register of another instant is left out')
    t.type(registerOf(reading, CURRENT), 'number', 'what is of the moment stays')
    t.ok((reading?.readAt ?? 0) > 0, 'with the skew of the live part')
    t.equal(site.latest('D-2').get(slot)?.source, SOURCE.live)
    t.equal(site.latest('D-3').get(slot)?.source, SOURCE.live, 'its record is not written yet')
  }
  const late = site
    .bus('b1')
    .log.filter(({ asked, atMs }) => asked.startsWith('0604') && atMs > endMs(FIRST_SLOT + 4))
  t.ok(late.length <= 4, 'who has no such record is left alone for a while')
})

t.test('asked for by a person', async t => {
  const site = new PaperSite({ meters: [meter(1), OLD], share: 0 })
  t.teardown(() => site.end())
  site.start()
  await site.clock.pass(4 * SLOT_MS)
  const stop = new AbortController()
  const ask = async (change: Parameters<NonNullable<typeof site.backfill>['ask']>[0]) => {
    const asked = site.backfill?.ask(change, stop.signal)
    await site.clock.pass(120_000)
    return asked
  }
  const span = { fromSlot: FIRST_SLOT - 8, toSlot: FIRST_SLOT + 1 }
  t.match(
    await ask({ meter: 'D-1', ...span }),
    { wanted: 8, filled: 8, left: 0 },
    'slots before the first one too'
  )
  t.equal(site.latest('D-1').get(FIRST_SLOT - 8)?.version, 1)
  t.match(await ask({ meter: 'D-1', ...span }), { wanted: 0, filled: 0 })
  t.match(await ask({ meter: 'D-1', ...span, again: true }), { wanted: 10, filled: 10 })
  t.match(site.latest('D-1').get(FIRST_SLOT), { version: 2, source: SOURCE.loadProfile })
  t.match(await ask(span), { wanted: 8, left: 8, unsupported: ['OLD'] })
  site.bus('b1').isDown = true
  t.match(await ask({ meter: 'D-1', ...span, again: true }), { left: 10, silent: ['D-1'] })
  site.bus('b1').isDown = false
  const broken = site.backfill?.ask({ meter: 'D-1', ...span, again: true }, stop.signal)
  stop.abort(new Error('let go'))
  await Promise.all([t.rejects(async () => broken, { message: 'let go' }), site.clock.pass(60_000)])
})

t.test('the time is broadcast where it helps, and read again', async t => {
  const off = meter(1, { clockOffS: 90 })
  const far = meter(2, { clockOffS: 900 })
  const site = new PaperSite({ meters: [off, far, OLD], share: 0 })
  t.teardown(() => site.end())
  site.start()
  await site.clock.pass(SLOT_MS + 30_000)
  const table = new ClockTable(site.store)
  // a meter shows whole seconds
  t.ok(Math.abs((table.driftMs('D-1') ?? 0) - 90_000) <= 1_000)
  const stop = new AbortController()
  const keeper = new ClockKeeper({
    meters: site.points,
    buses: ['b1'],
    table,
    broadcast: async (name, meters, signal) => {
      const reader = site.readers.get(name)
      if (!reader) throw new Error(name)
      return reader.broadcastTime(meters, { priority: 'diagnostics', signal, slotSeconds: SLOT_SECONDS })
    },
    clock: site.clock,
    log: QUIET
  })
  const step = async () => {
    const done = keeper.step('b1', stop.signal)
    await site.clock.pass(20_000)
    return done
  }
  t.match(await step(), { kind: 'refused', reason: 'slot-edge' })
  t.equal(
    site
      .bus('b1')
      .meter('000000000101')
      .clock.errorAt(site.clock.nowMs() / 1000),
    90
  )
  await site.clock.pass(SLOT_MS / 2 - 60_000)
  t.match(await step(), { kind: 'sent' })
  t.ok(Math.abs(table.driftMs('D-1') ?? 99_000) <= 1_000)
  t.ok(
    Math.abs(
      site
        .bus('b1')
        .meter('000000000101')
        .clock.errorAt(site.clock.nowMs() / 1000)
    ) <= 1
  )
  t.equal(
    site
      .bus('b1')
      .meter('000000000102')
      .clock.errorAt(site.clock.nowMs() / 1000),
    900,
    'beyond the limit'
  )
  t.equal(await step(), undefined, 'nothing left that a broadcast could mend')
  // what a meter stamps whose clock is minutes off says so
  const running = keeper.run(stop.signal)
  stop.abort(new Error('over'))
  await running
})

t.test('what an off clock stamps is flagged', async t => {
  const off = { ...meter(1, { clockOffS: 400 }), point: { slotValue: 'profile' as const } }
  const site = new PaperSite({ meters: [off], share: 0 })
  t.teardown(() => site.end())
  site.start()
  await site.clock.pass(3 * SLOT_MS)
  const reading = site.latest('D-1').get(FIRST_SLOT + 1)
  t.equal(reading?.source, SOURCE.loadProfile)
  t.ok(flagsOf(reading?.quality ?? 0).includes('meterClock'))
  t.notOk(isGap(reading as Reading))
})

t.test('a sweep waits for a meter that is there until its breaker lets it be asked again', async t => {
  const none = { values: [], readAtMs: null, meterTimeMs: null, frames: [] }
  const value = { item: IMPORT, key: '', value: 1, exponent: -3, unit: '', origin: '', raw: '' }
  const had: MeterAnswer = { ...none, values: [value], faults: [], readAtMs: 0 }
  const fault = (kind: ReadFault['kind']): ReadFault => ({ kind, asked: 'x', detail: '' })
  const sweep = async (answers: readonly MeterAnswer[], deadlineMs: number) => {
    const clock = new VirtualClock(0)
    const askedAtMs: number[] = []
    const bus: Pick<MeterBus, 'name' | 'readMeter'> = {
      name: 'b1',
      readMeter: async () => {
        askedAtMs.push(clock.monotonicMs())
        return answers[Math.min(askedAtMs.length, answers.length) - 1] as MeterAnswer
      }
    }
    const point = { id: 'm', items: [IMPORT, CURRENT], rawItems: [] } as unknown as MeterPoint
    const options = { priority: 'slot', deadlineMs } as const
    const swept = sweepBus(bus as MeterBus, [point], { clock, log: QUIET }, options)
    await clock.pass(60_000)
    return { askedAtMs, faults: (await swept).get('m')?.faults.map(({ kind }) => kind) }
  }
  const silent = { ...had, faults: [fault('silent')] }
  const skipped = { ...none, faults: [fault('skipped')] }
  t.same(
    await sweep([silent, skipped, skipped, had], Number.POSITIVE_INFINITY),
    { askedAtMs: [0, 0, 450, 900], faults: [] },
    'until it is let'
  )
  const never = await sweep([silent, skipped], Number.POSITIVE_INFINITY)
  t.same(never, { askedAtMs: [0, 0, 450, 900, 1350, 1800, 2250], faults: ['skipped'] }, 'but not for ever')
  t.same((await sweep([silent, skipped], 1000)).askedAtMs, [0, 0, 450, 900], 'nor past its window')
  t.same((await sweep([skipped], Number.POSITIVE_INFINITY)).askedAtMs, [0], 'nor for one that is not there')
})
