import t from 'tap'
import { Area, type KnownFault } from '../../agent/check/area.ts'
import { Areas } from '../../agent/check/areas.ts'
import { type BalanceVerdict, judgeBalance, judgeLately } from '../../agent/check/balance.ts'
import { columnsOf } from '../../agent/check/balance-columns.ts'
import { factorNear } from '../../agent/check/balance-factor.ts'
import { gapShare, isBest, phaseFinding, unevenPhaseFinding } from '../../agent/check/balance-phase.ts'
import { checkReading } from '../../agent/check/check-reading.ts'
import { estimateGap } from '../../agent/check/estimate.ts'
import { decodeHistory, emptyHistory, encodeHistory, type MeterHistory } from '../../agent/check/history.ts'
import { inferParents } from '../../agent/check/infer-parents.ts'
import { cholesky, inverseDiagonal, solveNonNegative } from '../../agent/check/least-squares.ts'
import { type DayFeatures, type Peers, type Residual, weeklyLogs } from '../../agent/check/pattern-days.ts'
import { judgeDrift } from '../../agent/check/pattern-drift.ts'
import { judgeDays } from '../../agent/check/pattern-judge.ts'
import { judgePhases } from '../../agent/check/pattern-phases.ts'
import { isNew } from '../../agent/check/pattern-windows.ts'
import { isLegalCt, isLegalPt, nearestCt, snapFactor } from '../../agent/check/ratio-factors.ts'
import { judgeStep, noteOutage } from '../../agent/check/ratio-level.ts'
import type { PhaseLean } from '../../agent/check/ratio-phase.ts'
import { replayReadings } from '../../agent/check/replay.ts'
import { parseReplay } from '../../agent/check/replay-input.ts'
import { sharedLimits } from '../../agent/check/rule-book.ts'
import { median, spread } from '../../agent/check/statistics.ts'
import { replayFile } from '../../agent/compose/replay.ts'
import type { MeterPoint } from '../../agent/ports.ts'
import { loadRules } from '../../config/rules.ts'
import { formatInstant, parseInstant } from '../../proto/instant.ts'
import { isGap, type Reading } from '../../proto/reading.ts'
import { readingFromJson, readingToJson } from '../../proto/reading-json.ts'
import { runFleet } from '../bench/check-run.ts'
import { chooser } from '../bench/check-scenario.ts'
import { random } from '../bench/curves.ts'
import { SCENARIOS } from '../bench/faults.ts'
import { makeFleet } from '../bench/fleet.ts'
import { gapReading, meterPoint, reading, SLOT, threePhase } from './check-fixtures.ts'

const RULES = loadRules()
const OPTIONS = { rules: RULES, slotSeconds: 900, utcOffsetMinutes: 480 }
const PLACE = {}

t.test('a reading as JSON, there and back', async t => {
  const meter = meterPoint()
  const one = reading(meter, SLOT, { ...threePhase(2, 1234.56, 3), 302: null })
  const json = readingToJson(one, 900)
  t.equal(json.slotStart, new Date(SLOT * 900_000).toISOString().replace('.000', ''))
  t.same(json.values[0], {
    item: 100,
    key: 'active-import-total',
    obis: '1-0:1.8.0',
    unit: 'kWh',
    value: '1234.560'
  })
  t.same(json.quality, { code: 0, gap: null, flags: [] })
  t.same(readingFromJson(JSON.parse(JSON.stringify(json)), 900), one)
  const gap = gapReading(meter, SLOT, 'silent')
  t.same(readingFromJson(readingToJson(gap, 900), 900), gap)
  const foreign = readingFromJson(
    {
      meter: 'X',
      slotStart: '2026-03-01T08:15:00+08:00',
      readAt: '2026-03-01T00:30:01.500Z',
      quality: { flags: ['swing', 'nonsense'] },
      values: [
        { key: 'voltage-a', value: 220.123 },
        { obis: '1-0:1.8.0', value: '12.5' },
        { item: 9999, value: '1' },
        { item: 311, value: 'x' }
      ],
      ratio: { ctPrimary: 150, ctSecondary: 5 },
      unheardOf: true
    },
    900
  )
  t.same(foreign.values, [
    [100, 12500],
    [301, 22012],
    [311, null]
  ])
  t.equal(foreign.readAt, 1500)
  t.equal(foreign.ratio?.ptPrimary, 1)
  const endMs = Date.parse('2026-03-01T00:30:00Z')
  const since1970 = { meter: 'X', slotStart: '2026-03-01T00:15:00Z', values: [] }
  t.match(
    readingFromJson({ ...since1970, readAt: endMs + 1500, meterTime: endMs / 1000 - 3 }, 900),
    { readAt: 1500, meterTime: -3 },
    'times that others count from 1970'
  )
  t.match(readingFromJson({ ...since1970, meterTime: endMs + 2000 }, 900), { meterTime: 2 })
  t.match(
    readingFromJson({ ...since1970, readAt: endMs / 1000 + 2 }, 900),
    { readAt: 2000 },
    'in seconds too'
  )
  const late = { ...since1970, readAt: 30 * 86_400_000, meterTime: -400 * 86_400 }
  t.match(readingFromJson(late, 900), { readAt: late.readAt, meterTime: late.meterTime }, 'a late one stays')
  t.throws(() => readingFromJson({ slot: 1 }, 900), { code: 'CODEC_SHAPE' })
  t.throws(() => readingFromJson({ meter: 'X' }, 900), { code: 'CODEC_SHAPE' })
  t.throws(() => readingFromJson({ meter: 'X', slot: 1, values: 3 }, 900), { code: 'CODEC_SHAPE' })
  for (const ms of [0, 951_782_399_000, 951_782_400_000, 1_790_000_000_123, 4_107_542_399_000]) {
    t.equal(formatInstant(ms), new Date(ms).toISOString().replace('.000', ''))
    t.equal(parseInstant(new Date(ms).toISOString()), ms)
  }
  t.equal(parseInstant('2026-13-01T00:00:00Z'), undefined)
  t.equal(parseInstant('yesterday'), undefined)
})

t.test('small mathematics', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.ok(Number.isNaN(median([])))
  t.equal(spread([1, 1, 1]), 0)
  const a = Float64Array.from([4, 2, 2, 3])
  const l = cholesky(a, 2)
  t.ok(l && Math.abs((inverseDiagonal(l, 2)[0] as number) - 3 / 8) < 1e-12)
  t.equal(cholesky(Float64Array.from([1, 2, 2, 1]), 2), undefined)
  const x = solveNonNegative(a, Float64Array.from([2, -5]), 2)
  t.ok(Math.abs((x[0] as number) - 0.5) < 1e-6 && x[1] === 0, 'held at zero')
  const legal: [number, number, boolean][] = [
    [150, 5, true],
    [30, 1, true],
    [120, 1, true],
    [150, 3, false],
    [260, 5, false],
    [1, 1, true],
    [37, 5, false],
    [125, 50, true],
    [135, 50, false]
  ]
  for (const [p, s, is] of legal) t.equal(isLegalCt(p, s), is, `${p}/${s}`)
  t.ok(
    isLegalPt(10000, 100) &&
      isLegalPt(100, 1) &&
      isLegalPt(1, 1) &&
      !isLegalPt(17321, 100) &&
      !isLegalPt(2, 1)
  )
  t.equal(nearestCt(29.7, 5).primary, 150)
  t.equal(snapFactor(29.5, 0.03, 30, 1)?.name, 'CT')
  t.equal(snapFactor(1.73, 0.03, 30, 1)?.name, 'root 3')
  t.equal(snapFactor(1.35, 0.03, 30, 1), undefined)
})

t.test('balance names the meter and the factor, or stays silent', async t => {
  const ratios = [30, 40, 60, 80, 20, 400].map(ct => ({ ct, pt: 1 }))
  const cases: { who: 'parent' | number; factor: number }[] = [
    { who: 2, factor: 1 },
    { who: 2, factor: 2 },
    { who: 0, factor: 0.5 },
    { who: 3, factor: 20 },
    { who: 1, factor: 0.05 },
    { who: 4, factor: 4 },
    { who: 'parent', factor: 2 }
  ]
  for (const { who, factor } of cases) {
    const rnd = random(7)
    const rows = Array.from({ length: 200 }, (_, n) => {
      const day = 1 + 0.6 * Math.sin(n / 3.8)
      const truth = [12, 9, 20, 15, 10].map(
        (size, k) => size * day * (1 + 0.25 * rnd.normal()) * (1 + 0.1 * (k % 2))
      )
      const sum = truth.reduce((x, y) => x + y, 0)
      return {
        parent: sum * 1.02 + 0.4 + 0.2 * rnd.normal(),
        children: truth.map((x, k) => (k === who ? x * factor : x))
      }
    }).map(row => (who === 'parent' ? { ...row, parent: row.parent * factor } : row))
    const { verdicts, coefficients } = judgeBalance(rows, ratios, 6)
    t.equal(coefficients.length, 5)
    if (factor === 1) t.same(verdicts, [])
    else t.match(verdicts, [{ who, factor, certain: true }], `${who} x${factor}`)
  }
  t.same(judgeBalance([], ratios, 6).verdicts, [])
})

t.test('estimates stand beside the gap and keep the sum', async t => {
  const meter = meterPoint()
  const before = reading(meter, SLOT, { 100: 10, 101: 4, 320: 2 })
  const after = reading(meter, SLOT + 4, { 100: 11.03, 101: 4, 320: 3 })
  const estimate = estimateGap(before, after, 900)
  t.same(
    estimate?.readings.map(one => one.values),
    [
      [
        [100, 10257],
        [101, 4000]
      ],
      [
        [100, 10515],
        [101, 4000]
      ],
      [
        [100, 10772],
        [101, 4000]
      ]
    ]
  )
  t.ok(estimate?.readings.every(one => one.source === 5 && one.version === 0 && !isGap(one)))
  t.equal(
    estimateGap(before, reading(meter, SLOT + 10, { 100: 12 }), 900),
    undefined,
    'longer than two hours'
  )
  t.equal(estimateGap(before, reading(meter, SLOT + 3, { 100: 9 }), 900), undefined, 'a register went back')
})

t.test('a sound fleet raises nothing about ratios, thefts or registers', async t => {
  const fleet = makeFleet({ seed: 4242, days: 30, areas: 1, children: 8, dayOfYear: 150 })
  const { raised, meterMonths } = runFleet(fleet, RULES)
  const learned = raised.filter(one => one.rule === 'spike' || one.rule === 'swing')
  t.same(
    raised.filter(one => !learned.includes(one)).map(one => `${one.meter} ${one.rule}`),
    []
  )
  t.ok(learned.length <= meterMonths, `${learned.length} spikes and swings in ${meterMonths} meter-months`)
})

t.test('what is injected is found, with its name', async t => {
  for (const name of [
    'ratio CT x2',
    'ratio CT x20',
    'ratio squared',
    'phases crossed',
    'register reset',
    'phase bypass',
    'flat line'
  ]) {
    const scenario = SCENARIOS.find(one => one.name === name)
    if (!scenario) throw new Error(name)
    const days = Math.min(scenario.days, 32)
    const fleet = makeFleet({
      seed: 99,
      days,
      areas: 1,
      children: 8,
      dayOfYear: 150,
      faultFor: chooser(scenario)
    })
    const { raised } = runFleet(fleet, RULES)
    for (const meter of fleet.meters) {
      const { fault } = meter
      if (!fault?.evidence) continue
      const hit = raised.find(
        one => one.meter === meter.point.id && scenario.rules.includes(one.rule) && one.at >= fault.from
      )
      t.ok(hit, `${name} on ${meter.point.id}`)
      const wanted = scenario.factor?.(fault, meter) ?? []
      if (hit && wanted.length > 0)
        t.ok(
          wanted.some(one => Math.abs((hit.factor ?? 0) / one - 1) < 0.06),
          `${name} names ${hit.factor}`
        )
    }
  }
})

t.test('replay', async t => {
  const fleet = makeFleet({
    seed: 5,
    days: 6,
    areas: 1,
    children: 5,
    dayOfYear: 150,
    faultFor: (_rnd, meter) =>
      meter.point.id.endsWith('-1')
        ? { kind: 'register-leap', from: 300, to: 301, factor: 5000, phase: 0, label: '', evidence: true }
        : undefined
  })
  const readings: Reading[] = []
  for (let n = 0; n < fleet.calendar.slots; n++) readings.push(...fleet.readingsAt(n))
  const lost = readings.filter((_, n) => n % 101 !== 50)
  const lines = lost.map(one => JSON.stringify(readingToJson(one, 900))).join('\n')
  const report = replayFile(lines, PLACE)
  t.equal(report.meters, 6)
  t.equal(report.readings, lost.length)
  const leap = report.findings.filter(one => one.rule === 'physical')
  t.match(leap, [{ slot: fleet.firstSlot + 300, cause: 'leap', verdict: 'violated' }])
  t.match(
    report.findings.filter(one => one.rule === 'spike'),
    [{ slot: fleet.firstSlot + 300, hiddenBy: 'physical' }],
    'a load of that size would be a spike'
  )
  t.ok(
    report.findings.every(one => one.hiddenBy !== null || ['physical', 'read-success'].includes(one.rule)),
    report.findings.map(f => f.rule).join()
  )
  t.ok(report.findings.some(one => one.rule === 'read-success' && one.meter === null))
  const again = replayFile(`[${lines.split('\n').reverse().join(',')}]`, PLACE)
  t.same(again.findings.length, report.findings.length, 'order and form do not matter')
  const both = replayReadings(
    [...readings.slice(0, 20), { ...(readings[3] as Reading), values: [[100, 1]] }],
    OPTIONS
  )
  t.ok(both.findings.some(one => one.rule === 'duplicate'))
  t.same(replayFile('', PLACE).findings, [])
  t.throws(() => parseReplay('{"meter":"A","slot":1,"values":[]}\nnonsense', 900), {
    code: 'CODEC_SHAPE',
    at: 'line 2'
  })
  t.equal(parseReplay('\uFEFF{"meter":"A","slot":"1943776","values":[]}', 900).readings[0]?.slot, 1943776)
  const { given } = parseReplay('{"meters":[{"id":"A","ratedKva":80,"parent":"P"}],"readings":[]}', 900)
  t.same(given.get('A'), { ratedKva: 80, parent: 'P' })
})

t.test('replay: forms of other writers', async t => {
  const values = (n: number) => ({ 100: String(500 + n), 'voltage-a': 230.1, '1-0:31.7.0': '4.5' })
  const line = (n: number, more: object = {}) =>
    JSON.stringify({ meter: 'A', slot: SLOT + n, values: values(n), ...more })
  const text = [
    JSON.stringify({ meter: 'A', ratedKva: '80', ct: '150/5', pt: 1, parent: 'P', bus: 'b7' }),
    JSON.stringify({ meters: { B: { ct: { primary: 100, secondary: 5 } } } }),
    line(0),
    `[${line(1)},${line(2)}]`,
    JSON.stringify({ readings: [JSON.parse(line(3))] })
  ].join('\n')
  const { readings, given } = parseReplay(text, 900)
  t.equal(readings.length, 4)
  t.same(readings[2]?.values, [
    [100, 502_000],
    [301, 23_010],
    [311, 45_000]
  ])
  const ct = { primary: 150, secondary: 5 }
  t.same(given.get('A'), { ratedKva: 80, ct, pt: { primary: 1, secondary: 1 }, parent: 'P', bus: 'b7' })
  t.same(given.get('B'), { ct: { primary: 100, secondary: 5 } })
  t.throws(() => parseReplay('[{"meter":"A","slot":1,"values":[]},{"meter":"A","values":[]}]', 900), {
    code: 'CODEC_SHAPE',
    at: 'element 1'
  })
  const twice = replayFile([line(0), line(1), line(1)].join('\n'), PLACE)
  t.match(
    twice.findings.filter(one => one.rule === 'duplicate'),
    [{ slot: SLOT + 1, cause: 'repeated' }]
  )
  const rolled = [999_999, 0.2, 1.4].map((kwh, n) => line(n, { values: { 100: kwh } }))
  t.match(replayFile(rolled.join('\n'), PLACE).findings, [
    { rule: 'register', cause: 'rollover', verdict: 'holds', slot: SLOT + 1 }
  ])
})

t.test('replay: how long the slots of a file are, and when', async t => {
  const hourly = (n: number, more: object) =>
    JSON.stringify({ meter: 'A', values: { 100: String(n) }, ...more })
  const at = (n: number) => new Date(Date.UTC(2026, 4, 4) + n * 3_600_000).toISOString()
  const times = [0, 1, 2, 5, 6].map(n => hourly(n, { slotStart: at(n) })).join('\n')
  const OPEN = { utcOffsetMinutes: undefined, isOwnCount: false }
  t.same(parseReplay(times).timing, { slotSeconds: 3600, originS: 0, ...OPEN }, 'from the times')
  t.same(parseReplay(Buffer.from(`\uFEFF${times}`)), parseReplay(times), 'octets are as good as text')
  t.equal(parseReplay(times, 900).timing.slotSeconds, 900, 'what the caller knows wins')
  t.equal(parseReplay(times).readings[4]?.slot, Date.UTC(2026, 4, 4, 6) / 3_600_000)
  t.equal(parseReplay(hourly(0, { slotStart: at(0) })).timing.slotSeconds, 900, 'one reading tells nothing')
  // slots of a count of its own keep their numbers, and are told at their times
  const own = [0, 1, 2].map(n => hourly(n, { slot: n, slotStart: at(n) })).join('\n')
  t.same(parseReplay(own).timing, { slotSeconds: 3600, originS: Date.UTC(2026, 4, 4) / 1000, ...OPEN })
  const fallen = `${own}\n${hourly(-500, { slot: 3, slotStart: at(3) })}`
  t.match(replayFile(fallen, PLACE), {
    slotSeconds: 3600,
    slotTo: 3,
    findings: [{ rule: 'register', slot: 3, slotStart: '2026-05-04T03:00:00Z' }]
  })
  const bare = [0, 1, 2].map(n => hourly(n, { slot: n })).join('\n')
  t.same(
    parseReplay(bare).timing,
    { slotSeconds: 900, originS: 345_600, utcOffsetMinutes: 0, isOwnCount: true },
    'a Monday'
  )
  t.same(parseReplay(hourly(0, { slot: 1_943_776 })).timing, { slotSeconds: 900, originS: 0, ...OPEN })
})

t.test('replay: in which zone the days of a file begin', async t => {
  // a household by the clock of the zone `east` hours east of UTC
  const household = (east: number, change: (hour: number) => number = () => 1) => {
    let energy = 1000
    return Array.from({ length: 96 * 3 }, (_, n) => {
      const hour = (n / 4 + east) % 24
      energy += (hour < 6 ? 0.1 : hour < 17 ? 0.2 : 0.5) * change(hour)
      const slotStart = new Date(Date.UTC(2026, 4, 4) + n * 900_000).toISOString()
      return JSON.stringify({ meter: 'A', slotStart, values: { 100: String(energy) } })
    }).join('\n')
  }
  t.equal(replayFile(household(8), PLACE).utcOffsetMinutes, 480)
  t.equal(replayFile(household(0), PLACE).utcOffsetMinutes, 0, 'local times written as UTC')
  t.equal(replayFile(household(0), { timezone: 'Asia/Shanghai' }).utcOffsetMinutes, 480, 'as named')
  t.equal(
    replayFile(
      household(0, hour => (hour < 6 ? 3 : 1)),
      PLACE
    ).utcOffsetMinutes,
    480,
    'no quiet hours'
  )
  t.equal(replayFile('', PLACE).utcOffsetMinutes, 480)
  const written = household(0).replaceAll('Z"', '+05:30"')
  t.equal(replayFile(written, PLACE).utcOffsetMinutes, 330, 'the times say where they are from')
  t.equal(replayFile(household(0).replace(/"slotStart":"[^"]*"/g, '"slot":7'), PLACE).utcOffsetMinutes, 0)
})

t.test('replay: thousands of findings are told in good time', async t => {
  const meter = meterPoint()
  const late = Array.from({ length: 3000 }, (_, n) => ({
    ...reading(meter, SLOT + n, threePhase(2, 1000 + Math.round(50 * n) / 100, SLOT + n)),
    meterTime: n % 2 === 0 ? 100 : -100
  }))
  const started = performance.now()
  const { findings } = replayReadings(late, { ...OPTIONS, meters: [meter] })
  t.ok(findings.filter(one => one.rule === 'clock-step').length > 2900)
  // their square took ten times this
  t.ok(performance.now() - started < 8000, `${performance.now() - started} ms`)
})

/** Hours of an area of five: what each child recorded of its load. */
const areaRows = (seed: number, hours: number, recorded: (child: number, hour: number) => number) => {
  const rnd = random(seed)
  return Array.from({ length: hours }, (_, h) => {
    const loads = [12, 9, 20, 15, 10].map(
      size => size * (1 + 0.6 * Math.sin(h / 3.8)) * (1 + 0.25 * rnd.normal())
    )
    const sum = loads.reduce((a, b) => a + b, 0)
    return {
      parent: sum * 1.03 + 0.4 + 0.1 * rnd.normal(),
      children: loads.map((load, n) => load * recorded(n, h))
    }
  })
}

t.test('balance: a voltage transformer off by root 3 or 20 is not taken for a current one', async t => {
  for (const [pt, factor] of [
    [100 * Math.sqrt(3), Math.sqrt(3)],
    [2000, 20]
  ] as const) {
    const ratios = [0, 1, 2, 3, 4, 5].map(n => ({ ct: 8, pt: n === 2 ? pt : 100 }))
    const rows = areaRows(3, 200, child => (child === 2 ? factor : 1))
    const [found, ...others] = judgeBalance(rows, ratios, 6).verdicts
    t.match(found, { who: 2, certain: true })
    t.ok(Math.abs((found?.factor ?? 0) / factor - 1) < 1e-4, `${found?.factor}`)
    t.same(others, [])
  }
})

t.test('balance: a transformer changed on a day is told from the days after it', async t => {
  const ratios = Array.from({ length: 6 }, () => ({ ct: 30, pt: 1 }))
  const rows = areaRows(4, 300, (child, hour) => (child === 1 && hour >= 216 ? 0.5 : 1))
  t.same(judgeBalance(rows, ratios, 6).verdicts, [], 'two weeks mix both')
  t.match(judgeLately(rows, ratios, 6).verdicts, [{ who: 1, factor: 0.5, certain: true }])
  const sound = areaRows(4, 300, () => 1)
  t.same(judgeLately(sound, ratios, 6).verdicts, [])
})

const leaningBy = (k: number): PhaseLean => ({
  phase: 'B',
  k,
  sd: 0.02,
  spread: 0.02,
  even: true,
  proportional: true,
  atOnce: false,
  clean: false,
  amongEven: false,
  elements: 'three',
  factor: k,
  slots: 500
})

t.test('balance: one phase of a child', async t => {
  for (const k of [3 / 2, 2 / 3, 1 / 2]) {
    const wrong = columnsOf(
      areaRows(6, 200, child => (child === 0 ? (2 + k) / 3 : 1)),
      5
    )
    const share = gapShare(wrong, wrong.children[0])
    if (!share) throw new Error('no share')
    t.match(phaseFinding(leaningBy(k), k, share, 200, 6), {
      verdict: 'violated',
      cause: 'phase',
      numbers: { phase: 'B' }
    })
    t.equal(
      phaseFinding(leaningBy(1 / k), 1 / k, share, 200, 6).verdict,
      'no-evidence',
      'the other way round'
    )
    const all = columnsOf(
      areaRows(6, 200, () => 1),
      5
    )
    const sound = gapShare(all, all.children[0])
    if (!sound) throw new Error('no share')
    t.match(phaseFinding(leaningBy(k), k, sound, 200, 6), { verdict: 'holds', numbers: { load: 'leans' } })
  }
})

t.test('balance: one phase of an uneven child', async t => {
  const rnd = random(9)
  const shares = Array.from({ length: 240 }, () => 0.3 + 0.2 * rnd.next())
  const even: PhaseLean = { ...leaningBy(0.55), even: false, factor: undefined }
  // phase B records half: the child lacks as much again of what the phase recorded
  const wrong = columnsOf(
    areaRows(8, 240, (child, h) => (child === 1 ? 1 - (shares[h] as number) / 2 : 1)),
    5
  )
  const recorded = (columns: typeof wrong, left: number) =>
    (columns.children[1] as Float64Array).map((kwh, h) => {
      const share = shares[h] as number
      return (kwh * share * left) / (1 - share + share * left)
    })
  const share = gapShare(wrong, recorded(wrong, 0.5))
  if (!share) throw new Error('no share')
  t.match(unevenPhaseFinding(even, share, 240, 6), {
    verdict: 'violated',
    factor: 0.5,
    cause: 'certain',
    numbers: { phase: 'B' }
  })
  t.ok(isBest(wrong, 1, share, () => true))
  t.equal(unevenPhaseFinding(leaningBy(2), share, 240, 6), undefined, 'the currents lean the other way')
  // the same lean on a sound child
  const sound = columnsOf(
    areaRows(8, 240, () => 1),
    5
  )
  const none = gapShare(sound, recorded(sound, 1))
  if (!none) throw new Error('no share')
  t.equal(unevenPhaseFinding(even, none, 240, 6), undefined)
  // another child lacks half of all its energy: not to be laid to a phase of this one
  const other = columnsOf(
    areaRows(8, 240, child => (child === 2 ? 0.5 : 1)),
    5
  )
  const laid = gapShare(other, recorded(other, 1))
  if (!laid) throw new Error('no share')
  t.notOk(isBest(other, 1, laid, () => true))
})

t.test('an area begins anew when a ratio changes', async t => {
  const parent = meterPoint({ id: 'P' })
  const child = meterPoint({ id: 'C', parent: 'P' })
  const area = new Area(parent, [child], sharedLimits(RULES, {}), 900)
  let slot = SLOT
  const at = (ct: number) => (meter: string) => ({
    kwh: (meter === 'C' ? 1 : 1.03) * (1 + 0.5 * Math.sin(slot / 9)),
    ratioVersion: 1,
    ct: meter === 'C' ? ct : 30,
    pt: 1,
    direct: false
  })
  for (let n = 0; n < 400; n++) t.same(area.note(slot++, at(60)), [])
  t.equal(area.judgeRatios(at(60)).size > 0, true)
  t.same(area.note(slot++, at(30)), ['C'], 'also where the version stayed')
  t.equal(area.judgeRatios(at(30)).size, 0)
  t.same(
    area.note(slot++, () => undefined),
    [],
    'a slot without readings is no change'
  )
  t.same(area.note(slot++, at(30)), [])
})

t.test('a phase that goes dark altogether, whichever it is', async t => {
  const limits = { phaseMin: 0.35, sigmas: 5 }
  for (const dark of [0, 1, 2]) {
    const days = Array.from({ length: 34 }, (_, n) => ({
      day: 20_000 + n,
      bands: new Array(8).fill(1),
      phases: [2, 2.1, 1.9].map((amps, p) =>
        p === dark && n >= 30 ? 0 : amps * (1 + 0.02 * Math.sin(n + p))
      )
    }))
    t.match(
      judgePhases(days, limits, Number.POSITIVE_INFINITY),
      { cause: 'phase-bypass', phase: 'ABC'[dark] },
      `phase ${'ABC'[dark]}`
    )
    const single = days.map(one => ({ ...one, phases: [one.phases[0] as number, 0, 0] }))
    t.equal(judgePhases(single, limits, Number.POSITIVE_INFINITY), undefined, 'a meter of one phase')
  }
  const lowered = (others: number) =>
    Array.from({ length: 34 }, (_, n) => ({
      day: 20_000 + n,
      bands: new Array(8).fill(n >= 30 ? others : 1),
      phases: [2, 2, 2].map((amps, p) => amps * (n >= 30 ? (p === 1 ? 0.5 * others : others) : 1))
    }))
  t.match(judgePhases(lowered(0.95), limits, Number.POSITIVE_INFINITY), { phase: 'B' })
  t.equal(
    judgePhases(lowered(0.4), limits, Number.POSITIVE_INFINITY),
    undefined,
    'closed: what runs on is spread in its own way'
  )
})

t.test('balance: two wrong ratios that nearly cancel', async t => {
  const rnd = random(6)
  const truth = [10, 20, 40, 40, 40, 40].map(size =>
    Array.from({ length: 330 }, () => size * rnd.between(0.3, 1))
  )
  const wrong = [2, 0.5, 1, 1, 1, 1]
  const rows = Array.from({ length: 330 }, (_, h) => {
    const loads = truth.map(one => one[h] as number)
    const sum = loads.reduce((a, b) => a + b, 0)
    return { parent: sum * 1.03, children: loads.map((load, n) => load * (wrong[n] as number)) }
  })
  const transformer = { ct: 40, pt: 100 }
  const { verdicts, residual } = judgeBalance(rows, new Array(7).fill(transformer), 6)
  t.ok(residual < 0.05)
  t.same(
    verdicts.map(({ who, factor }) => [who, factor]).sort((a, b) => Number(a[0]) - Number(b[0])),
    [
      [0, 2],
      [1, 0.5]
    ]
  )
})

t.test('balance: several wrong ratios that hide each other', async t => {
  const rnd = random(5)
  const truth = [12, 30, 9, 4, 6].map(size => Array.from({ length: 300 }, () => size * rnd.between(0.3, 1)))
  const wrong = [20, 1, 1 / 20, 1, 1]
  const rows = Array.from({ length: 300 }, (_, h) => {
    const loads = truth.map(one => one[h] as number)
    const sum = loads.reduce((a, b) => a + b, 0)
    return { parent: sum * 1.03, children: loads.map((load, n) => load * (wrong[n] as number)) }
  })
  const transformer = { ct: 40, pt: 1 }
  const ratios = [
    transformer,
    transformer,
    transformer,
    { ct: 1, pt: 1, direct: true },
    transformer,
    transformer
  ]
  const { verdicts } = judgeBalance(rows, ratios, 6)
  t.same(
    verdicts
      .map(({ who, factor, certain }) => ({ who, factor, certain }))
      .sort((a, b) => Number(a.who) - Number(b.who)),
    [
      { who: 0, factor: 20, certain: true },
      { who: 2, factor: 0.05, certain: true }
    ]
  )
})

t.test('balance: many wrong at once, a few days after they became so', async t => {
  const wrong = new Map([
    [1, 20],
    [3, 0.5],
    [4, 2],
    [6, 5],
    [9, 0.5]
  ])
  const rnd = random(12)
  const rows = Array.from({ length: 84 }, (_, h) => {
    const day = 1 + 0.6 * Math.sin(h / 3.8)
    const loads = Array.from({ length: 14 }, (_, n) => (1 + (n % 5)) * day * rnd.between(0.4, 1.3))
    const sum = loads.reduce((a, b) => a + b, 0)
    return { parent: sum * 1.03, children: loads.map((load, n) => load * (wrong.get(n) ?? 1)) }
  })
  const { verdicts } = judgeBalance(rows, transformers(15), 6)
  const told = verdicts.map(({ who, factor }) => [who, factor] as const)
  t.same(
    told.sort((a, b) => Number(a[0]) - Number(b[0])),
    [...wrong]
  )
})

t.test('balance: a bypassed child is named only by just a factor', async t => {
  const held = { held: [2], erratic: [2] }
  for (const [factor, named] of [
    [0.75, []],
    [0.31, []],
    [0.5, [0.5]]
  ] as const) {
    const rows = areaRows(11, 200, n => (n === 2 ? factor : 1))
    t.same(
      judgeBalance(rows, transformers(6), 6, held).verdicts.map(one => one.factor),
      named,
      `${factor}`
    )
  }
})

t.test('a parent that nobody named, above small meters and behind the ratios of the archive', async t => {
  const rnd = random(3)
  const sizes = [30, 24, 20, 0.2, 0.2, 0.2, 0.2, 0.2]
  const ids = ['P', ...sizes.map((_, n) => `C${n}`)]
  const meters = ids.map((id, n) =>
    meterPoint({ id, ct: n < 4 ? { primary: 200, secondary: 5 } : { primary: 1, secondary: 1 } })
  )
  const registers = ids.map(() => 1000)
  const readings = Array.from({ length: 96 * 6 }, (_, slot) => {
    const loads = sizes.map(kwh => kwh * rnd.between(0.2, 1))
    const sum = 1.02 * loads.reduce((a, b) => a + b, 0)
    return [sum, ...loads].map((kwh, n) => {
      registers[n] = (registers[n] as number) + kwh / (n < 4 ? 40 : 1)
      const plain = reading(meters[n] as MeterPoint, SLOT + slot, {
        100: Math.round((registers[n] as number) * 1000) / 1000
      })
      return { ...plain, ratio: null }
    })
  }).flat()
  t.equal(inferParents(meters, readings).find(one => one.id === 'C3')?.parent, 'P')
  const without = readings.filter(one => one.meter !== 'P')
  t.ok(
    inferParents(meters.slice(1), without).every(one => one.parent === undefined),
    'none among equals'
  )
})

t.test('ratio: a register that stops and a phase that is bypassed are other faults', async t => {
  const meter = meterPoint({ ratedKva: 60 })
  const ratios = (stops: boolean, bypass: number) => {
    const rnd = random(9)
    const history = emptyHistory()
    const found = new Set<number>()
    let energy = 100
    for (let n = 0; n < 96 * 12; n++) {
      const isOver = n >= 96 * 5
      const a = rnd.between(0.25, 0.45)
      const b = a * (isOver ? bypass : 1)
      const kw = 0.23 * (2 * a + b)
      const one = reading(meter, SLOT + n, {
        100: Math.floor(energy * 100) / 100,
        ...{ 301: 230, 302: 230, 303: 230, 311: a, 312: b, 313: a * 1.02, 320: kw }
      })
      if (!(stops && isOver)) energy += kw / 4
      const { findings } = checkReading(one, history, meter, RULES, OPTIONS)
      if (findings.some(f => f.rule === 'ratio' && f.verdict === 'violated')) found.add(n)
    }
    return found.size
  }
  t.equal(ratios(true, 1), 0, 'stopped')
  t.equal(ratios(false, 0.05), 0, 'bypassed: the phase had a current before')
})

t.test('flat-line: a pump that starts within the slot whose register was read before', async t => {
  const meter = meterPoint({ ratedKva: 50 })
  const history = emptyHistory()
  const rnd = random(7)
  const found: number[] = []
  let energy = 100
  for (let n = 0; n < 96 * 10; n++) {
    const runs = n % 96 > 40 && n % 96 < 60
    const kw = runs ? rnd.between(1.1, 1.3) : 0.004
    // what a slot draws is in the register of the next one
    const one = reading(meter, SLOT + n, { 100: energy, 301: 230, 311: 1.6 * kw, 320: kw })
    energy = Math.round(1000 * (energy + kw / 4)) / 1000
    const { findings } = checkReading(one, history, meter, RULES, OPTIONS)
    if (findings.some(f => f.rule === 'flat-line' && f.verdict === 'violated')) found.push(n)
  }
  t.same(found, [])
})

const transformers = (count: number) => Array.from({ length: count }, () => ({ ct: 20, pt: 1 }))
const named = (verdicts: readonly BalanceVerdict[]) =>
  verdicts.map(({ who, factor, certain }) => [who, Number(factor.toFixed(3)), certain])

t.test('balance: the factor is the one the coefficient says, a rung or not', async t => {
  for (const factor of [1.5, 4 / 3, 2 / 3, Math.sqrt(3), 1 / Math.sqrt(3), 2, 0.5, 20, 1 / 20, 1.85])
    for (const child of [2, 4]) {
      const rows = areaRows(11, 200, n => (n === child ? factor : 1))
      const { verdicts } = judgeBalance(rows, transformers(6), 6)
      t.equal(verdicts.length, 1, `${child} x${factor}`)
      t.match(verdicts[0], { who: child, certain: true })
      const { factor: told, coefficient } = verdicts[0] as BalanceVerdict
      t.ok(
        Math.abs(told / factor - 1) < 0.03 && Math.abs(told * coefficient - 1) < 0.1,
        `${told} for ${factor}`
      )
    }
  const ratio = { ct: 400, pt: 1 }
  t.equal(factorNear(0.0553, 0.0005, ratio, {}), 20, 'of next to nothing a tenth is little')
  t.ok(Math.abs((factorNear(0.8, 0.001, ratio, {}) as number) - 1.25) < 1e-9, 'elsewhere it is measured')
  t.equal(factorNear(0.88, 0.001, ratio, { missing: true }), undefined, 'not where energy is missing')
  t.equal(factorNear(1.354, 0.02, ratio, {}), 0.75, 'a rung of the series')
  t.equal(
    factorNear(1.354, 0.02, ratio, { late: true }),
    undefined,
    'that began lately: a load that goes missing'
  )
  t.equal(factorNear(2.02, 0.02, ratio, { late: true }), 0.5)
  // a tenth off is a bad meter, no transformer
  const rows = areaRows(11, 200, n => (n === 2 ? 1.12 : 1))
  t.same(judgeBalance(rows, transformers(6), 6).verdicts, [])
})

t.test('balance: what no ratio explains is laid to nobody', async t => {
  const ratios = transformers(6)
  const sound = areaRows(12, 240, () => 1)
  const night = areaRows(12, 240, (child, hour) => (child === 2 && Math.sin(hour / 3.8) < 0 ? 0.3 : 1))
  t.same(judgeLately(night, ratios, 6).verdicts, [], 'a bypass by night')
  const lossy = sound.map(row => ({ ...row, parent: 1.16 * row.parent }))
  t.same(judgeLately(lossy, ratios, 6).verdicts, [], 'a consumer without a meter')
  // two children of one curve: either could be it
  const twins = areaRows(12, 240, n => (n === 2 ? 2 : 1)).map(({ parent, children }) => ({
    parent: parent + (children[2] as number) / 2,
    children: [...children, (children[2] as number) / 2]
  }))
  t.same(judgeLately(twins, transformers(7), 6).verdicts, [], 'twins')
  const silent = sound.map(row => ({ ...row, children: row.children.map((x, n) => (n === 2 ? 0 : x)) }))
  t.same(judgeLately(silent, ratios, 6).verdicts, [], 'a child that counts nothing')
})

t.test('balance: changes in the field, the largest child and two in one area', async t => {
  const ratios = transformers(6)
  const after = (hour: number, from: number, factor: number) => (hour >= from ? factor : 1)
  const largest = areaRows(13, 330, (child, h) => (child === 2 ? after(h, 216, 1 / 20) : child === 0 ? 2 : 1))
  t.same(named(judgeLately(largest, ratios, 6).verdicts).sort(), [
    [0, 2, true],
    [2, 0.05, true]
  ])
  const two = areaRows(14, 330, (child, h) =>
    child === 1 ? after(h, 200, 2) : child === 3 ? after(h, 230, 0.5) : 1
  )
  t.same(named(judgeLately(two, ratios, 6).verdicts).sort(), [
    [1, 2, true],
    [3, 0.5, true]
  ])
})

t.test('balance: what other rules know of a meter', async t => {
  const parent = meterPoint({ id: 'P' })
  const children = [0, 1, 2, 3, 4].map(n => meterPoint({ id: `C${n}`, parent: 'P' }))
  const one = { ratioVersion: 1, ct: 20, pt: 1, direct: false }
  const run = (recorded: (child: number, hour: number) => number, hours: number) => {
    const area = new Area(parent, children, sharedLimits(RULES, {}), 3600)
    const rows = areaRows(15, hours, recorded)
    let slot = SLOT
    for (const row of rows)
      area.note(slot++, id => ({
        ...one,
        kwh: id === 'P' ? row.parent : (row.children[Number(id[1])] as number)
      }))
    return (known?: (meter: string) => KnownFault | undefined, byPower = false) =>
      area.judgeRatios(() => ({ ...one, kwh: 1, byPower }), known)
  }
  const wrong = run(child => (child === 1 ? 0.5 : 1), 200)
  t.match(wrong().get('C1'), { verdict: 'violated', factor: 0.5, cause: 'certain', numbers: { exact: 1 } })
  t.match(
    wrong(id => (id === 'C1' ? 'factor' : undefined)).get('C1'),
    { verdict: 'violated', factor: 0.5 },
    'what is known is told as well'
  )
  // a child that records by no factor takes what cannot be told: nobody else is certain
  const rnd = random(3)
  const wild = Array.from({ length: 200 }, () => rnd.between(0, 0.2))
  const swapped = run((child, h) => (child === 0 ? (wild[h] as number) : 1), 200)
  for (const [id, finding] of swapped(id => (id === 'C0' ? 'erratic' : undefined)))
    t.not(finding.verdict, 'violated', id)
  t.equal(wrong(id => (id === 'C3' ? 'silent' : undefined)).size, 0, 'hours without a meter are none')
  t.equal(wrong().size, 0, 'and are not used later')
  // a small child that counts none leaves the others to be told
  const area = new Area(parent, children, sharedLimits(RULES, {}), 3600)
  areaRows(15, 260, child => (child === 1 ? 0.5 : 1)).forEach((row, hour) => {
    const drawn = row.children[4] as number
    const counted = hour < 80 ? 0.1 * drawn : 0
    area.note(SLOT + hour, id => {
      const kwh = id === 'P' ? row.parent - 0.9 * drawn : id === 'C4' ? counted : row.children[Number(id[1])]
      return { ...one, kwh: kwh as number }
    })
    if (hour === 79) area.judgeRatios(() => ({ ...one, kwh: 1 }))
  })
  const without = area.judgeRatios(
    () => ({ ...one, kwh: 1 }),
    id => (id === 'C4' ? 'silent' : undefined)
  )
  t.match(without.get('C1'), { verdict: 'violated', factor: 0.5 }, 'a small child that counts none')
  t.equal([...without.values()].filter(found => found.verdict === 'violated').length, 1)
  // and a large one whose power still is read
  t.match(
    run(child => (child === 1 ? 0.5 : 1), 200)(id => (id === 'C3' ? 'silent' : undefined), true).get('C1'),
    { verdict: 'violated', factor: 0.5 },
    'the power stands for a register that stopped'
  )
})

t.test('a register that stops: its power stands for it in the balance', t => {
  const meter = meterPoint()
  const history = emptyHistory()
  let energy = 1000
  const kwhOf = (n: number) => {
    if (n < 40) energy += 0.5
    const one = reading(meter, SLOT + n, threePhase(2, energy, SLOT + n))
    return checkReading(one, history, meter, RULES, { slotSeconds: 900, utcOffsetMinutes: 0 }).energy
  }
  const all = Array.from({ length: 60 }, (_, n) => kwhOf(n))
  t.match(all[20], { byPower: false })
  t.ok(Math.abs((all[20]?.kwh as number) - 15) < 1e-6, 'by the register: 0.5 kWh x 30')
  t.match(all[59], { byPower: true })
  t.ok(Math.abs((all[59]?.kwh as number) - 15) < 1e-6, 'by the power')
  t.end()
})

t.test('a balance that is mended is no longer held against the meter', async t => {
  const meters = [
    meterPoint({ id: 'P' }),
    ...[0, 1, 2, 3, 4].map(n => meterPoint({ id: `C${n}`, parent: 'P' }))
  ]
  const areas = new Areas(meters, RULES, { slotSeconds: 3600, utcOffsetMinutes: 0 })
  const one = { ratioVersion: 1, ct: 20, pt: 1, direct: false }
  const rows = areaRows(16, 24 * 26, (child, hour) => (child === 1 && hour < 24 * 6 ? 0.5 : 1))
  const first = 24 * 20_000
  const verdicts = rows.map((row, n) => {
    for (const { id } of meters)
      areas.note(id, { ...one, kwh: id === 'P' ? row.parent : (row.children[Number(id[1])] as number) })
    areas.endSlot(first + n, () => undefined)
    return areas.findingsFor('C1')?.[0]?.verdict
  })
  t.equal(verdicts[24 * 5], 'violated')
  t.equal(verdicts.at(-1), 'holds')
})

t.test('six weeks of memory fit in 4 KiB', async t => {
  const fleet = makeFleet({ seed: 8, days: 45, areas: 1, children: 1, dayOfYear: 10 })
  const meter = fleet.meters[0]
  if (!meter) throw new Error('no meter')
  const history = emptyHistory()
  for (let n = 0; n < fleet.calendar.slots; n++) {
    const own = fleet.readingsAt(n).find(one => one.meter === meter.point.id)
    if (own) checkReading(own, history, meter.point, RULES, OPTIONS)
  }
  const text = encodeHistory(history)
  t.ok(text.length <= 4096, `${text.length} characters`)
  t.equal(history.pattern.days.length, 42)
  const back = decodeHistory(text)
  t.equal(back.pattern.days.length, 42)
  t.ok(
    Math.abs((back.pattern.profile.level[20] as number) / (history.pattern.profile.level[20] as number) - 1) <
      0.001
  )
  t.equal(encodeHistory(back).length, text.length)
})

t.test('how even the phases are here is known after the first slot of a restart', t => {
  const meters = Array.from({ length: 7 }, (_, n) => meterPoint({ id: `M${n}` }))
  const areas = new Areas(meters, RULES, OPTIONS)
  const known = emptyHistory()
  Object.assign(known.ratio.phases, { n: 200, middle: [0.1, -0.04, -0.06] })
  t.equal(areas.usualLean, undefined)
  areas.endSlot(SLOT, () => known)
  t.equal(areas.usualLean, 0.1)
  t.end()
})

t.test('a lasting step of the load by just a factor', t => {
  const shape = [1, 1, 4, 9, 10, 9, 8, 4]
  const historyOf = (count: number, change: (day: number, band: number) => number, wander = 0.03) => {
    const rnd = random(5)
    const history = emptyHistory()
    for (let n = 0; n < count; n++) {
      const level = 1 + wander * rnd.normal()
      const bands = shape.map((kw, b) => kw * level * (1 + 0.02 * rnd.normal()) * change(n, b))
      history.pattern.days.push({ day: 20_000 + n, bands, phases: [0, 0, 0] })
    }
    return history
  }
  const judged = (history: MeterHistory) => {
    judgeStep(history)
    return history.ratio.step
  }
  t.match(judged(historyOf(26, n => (n >= 20 ? 2 : 1))), { factor: 2 }, 'by day and by night')
  t.equal(judged(historyOf(26, n => (n >= 24 ? 2 : 1))), undefined, 'two days are few')
  t.equal(judged(historyOf(26, (n, b) => (n >= 20 && b > 1 ? 2.1 : 1))), undefined, 'a load has its hours')
  t.equal(judged(historyOf(26, n => (n >= 20 ? 1.8 : 1))), undefined, 'of no factor')
  t.equal(judged(historyOf(26, n => 1 + Math.max(0, n - 8) / 18)), undefined, 'a load that grows')
  t.equal(judged(historyOf(26, n => (n >= 20 ? 2 : 1), 0.3)), undefined, 'days that wander')

  const half = () => historyOf(26, n => (n >= 21 ? 0.51 : 1), 0.05)
  t.equal(judged(half()), undefined, 'half gone is a bypass')
  const atOutage = half()
  for (const day of [20_003, 20_021]) noteOutage(atOutage, day)
  t.match(judged(atOutage), { factor: 0.5 }, 'at an outage it may be an exchange')
  const often = half()
  for (const day of [20_018, 20_019, 20_020, 20_021]) noteOutage(often, day)
  t.equal(judged(often), undefined, 'where outages are daily one tells nothing')
  t.match(
    judged(historyOf(26, (n, b) => (n >= 20 || (n === 19 && b > 4) ? 0.5 : 1), 0.01)),
    { factor: 0.5 },
    'or just half at every hour, from working hours on'
  )
  t.equal(judged(historyOf(26, n => (n >= 20 ? 0.5 : 1), 0.01)), undefined, 'and not from midnight on')

  const mended = historyOf(26, n => (n >= 20 ? 2 : 1))
  judgeStep(mended)
  for (let n = 26; n < 34; n++)
    mended.pattern.days.push({ day: 20_000 + n, bands: shape.map(kw => kw * 2), phases: [0, 0, 0] })
  t.match(judged(mended), { factor: 2 }, 'it stands while the level does')
  for (let n = 34; n < 41; n++) mended.pattern.days.push({ day: 20_000 + n, bands: shape, phases: [0, 0, 0] })
  t.equal(judged(mended), undefined, 'and ends with it')
  t.equal(decodeHistory(encodeHistory(atOutage)).ratio.step?.factor, 0.5, 'over a restart')
  t.end()
})

t.test('thefts as days show them', async t => {
  const limits = { dropMin: 0.29, nightMin: 0.4, phaseMin: 0.29, driftMin: 0.18, sigmas: 5 }
  const shop = [1, 1, 4, 9, 10, 9, 8, 4]
  const works = [9, 9, 10, 10, 10, 10, 10, 9]
  const pump = [0.06, 0.06, 8, 10, 6, 0.06, 0.06, 0.06]
  const daysOf = (count: number, shape: readonly number[], wander: number, change: Change = () => 1) => {
    const rnd = random(11)
    return Array.from({ length: count }, (_, day): DayFeatures => {
      const level = 1 + wander * rnd.normal()
      const bands = shape.map((kw, b) => kw * level * (1 + 0.02 * rnd.normal()) * change(day, b))
      return { day, bands, phases: [0, 0, 0] }
    })
  }
  type Change = (day: number, band: number) => number
  const isDark = (band: number) => band < 2 || band === 7
  const alike = (day: number, value: number): Residual => ({
    day,
    bands: new Array(8).fill(value),
    total: value
  })

  const some = daysOf(34, shop, 0.05, (day, b) => (day >= 24 && day % 2 === 0 && isDark(b) ? 0.2 : 1))
  t.match(judgeDays(some, limits, undefined), { cause: 'night-bypass', nights: 5 }, 'every other night')
  const standby = daysOf(30, pump, 0, (day, b) =>
    (b >= 2 && b < 5 && day % 3 === 0) || (day > 20 && day % 3 !== 1 && b < 2) ? 0.01 : 1
  )
  t.match(judgeDays(standby, limits, undefined), { cause: 'night-bypass' }, 'the standby of a pump')
  const away = daysOf(34, shop, 0.05, day => (day >= 24 && day % 2 === 0 ? 0.2 : 1))
  t.equal(judgeDays(away, limits, undefined), undefined, 'by day too: nobody was there')
  const outage: Peers = {
    days: new Map(some.map(({ day }) => [day, alike(day, day >= 24 && day % 2 === 0 ? -1 : 0)])),
    weeks: []
  }
  t.equal(judgeDays(some, limits, outage), undefined, 'the neighbours were dark as well')

  const house = [1, 1, 0.6, 0.4, 0.4, 0.4, 2.2, 2]
  const left = daysOf(34, house, 0.05, (day, b) => (day >= 22 ? 0.3 / (house[b] as number) : 1))
  t.not(judgeDays(left, limits, undefined)?.cause, 'night-bypass', 'an empty house has no hours')

  const fifth = (from: number) => daysOf(34, shop, 0.02, day => (day >= from ? 0.78 : 1))
  t.match(judgeDays(fifth(22), limits, undefined), { cause: 'drop' }, 'a fifth, from one day to the next')
  const ramp = (from: number) => daysOf(40, shop, 0.03, day => Math.exp(-0.03 * Math.max(0, day - from)))
  t.match(
    judgeDays(ramp(24), limits, undefined),
    { cause: 'drift' },
    'deep enough for a drop, but day by day'
  )
  t.match(
    judgeDays(
      daysOf(40, shop, 0.03, day => (day >= 24 ? 0.6 : 1)),
      limits,
      undefined,
      undefined,
      24
    ),
    { cause: 'drop' },
    'a drop that has lasted'
  )
  const sliding = daysOf(42, shop, 0.02, day => Math.exp(-0.012 * day))
  const sliders: Peers = {
    days: new Map(sliding.map(({ day }) => [day, alike(day, 0)])),
    weeks: weeklyLogs(sliding)
  }
  t.match(judgeDays(sliding, limits, sliders), { cause: 'drift' }, 'where all the neighbours drift too')
  const steep = daysOf(27, shop, 0.03, day => Math.exp(-0.028 * Math.max(0, day - 4)))
  t.match(judgeDrift(steep, limits, undefined), { cause: 'drift' }, 'steep and straight, within four weeks')
  const falling: Peers = { days: new Map(steep.map(({ day }) => [day, alike(day, -0.028 * day)])), weeks: [] }
  t.equal(judgeDrift(steep, limits, falling), undefined, 'the neighbours fall as well')
  const beside = daysOf(27, shop, 0.03, day => Math.exp(-0.02 * Math.max(0, day - 6)))
  const steady: Peers = { days: new Map(beside.map(({ day }) => [day, alike(day, 0)])), weeks: [] }
  t.equal(judgeDrift(beside, limits, undefined), undefined, 'a season, perhaps')
  t.match(judgeDrift(beside, limits, steady), { cause: 'drift' }, 'while no neighbour falls')
  t.equal(isNew([0, -3, 0, 0, 0, 0, 0], [-3, -3, -3, -3, 0, -3, -3], -3), false, 'a charger: chance')
  t.equal(isNew([...new Array(27).fill(0), -3], [-3, -3, -3, -3, 0, -3, -3], -3), true)
  const oneStep = daysOf(27, shop, 0.03, day => (day >= 13 ? 0.5 : 1))
  t.equal(judgeDrift(oneStep, limits, undefined), undefined, 'a step is no drift')
  const byDay = daysOf(27, shop, 0.03, (day, b) => (isDark(b) ? 1 : Math.exp(-0.03 * day)))
  t.equal(judgeDrift(byDay, limits, undefined), undefined, 'a season has its hours')
  const season = daysOf(34, shop, 0.02, day => 1 - 0.011 * Math.max(0, day - 10))
  t.equal(judgeDays(season, limits, undefined), undefined, 'a fifth within weeks')

  const holiday: Peers = {
    days: new Map(fifth(99).map(({ day }) => [day, alike(day, day >= 27 ? 0.45 : 0.05 * Math.sin(day))])),
    weeks: []
  }
  t.equal(judgeDays(fifth(99), limits, holiday), undefined, 'only the neighbours rose')
  const closed = (days: number) => daysOf(34, works, 0.02, day => (day >= 34 - days ? 0.4 : 1))
  t.equal(judgeDays(closed(3), limits, undefined), undefined, 'works that closed for three days')
  t.match(judgeDays(closed(8), limits, undefined), { cause: 'drop' }, 'for longer than a holiday')
  // day 3 was a Sunday
  const sundays = (days: number, level: number) =>
    daysOf(34, works, 0.02, day => (day >= 34 - days ? level : day % 7 === 3 ? 0.08 : 1))
  t.equal(judgeDays(sundays(8, 0.08), limits, undefined), undefined, 'as on its Sundays: closed')
  t.match(judgeDays(sundays(8, 0.3), limits, undefined), { cause: 'drop' }, 'as on no day before')
  t.match(judgeDays(sundays(13, 0.08), limits, undefined), { cause: 'drop' }, 'closed for good, or bypassed')
})
