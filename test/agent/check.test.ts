import { join } from 'node:path'
import t from 'tap'
import { AlarmEngine, type AlarmEvent } from '../../agent/check/alarm-engine.ts'
import { checkReading } from '../../agent/check/check-reading.ts'
import { CheckStage } from '../../agent/check/check-stage.ts'
import { type Finding, violated } from '../../agent/check/finding.ts'
import { decodeHistory, emptyHistory, encodeHistory } from '../../agent/check/history.ts'
import { ID } from '../../agent/check/item-values.ts'
import { emptyProfile, noteStray, strayOf } from '../../agent/check/pattern-profile.ts'
import { usualLean } from '../../agent/check/ratio-phase.ts'
import { limitsOf, unknownOverrides, withChainChoice } from '../../agent/check/rule-book.ts'
import { AlarmDesk } from '../../agent/compose/alarm-desk.ts'
import type { DueAlarm, MeterPoint } from '../../agent/ports.ts'
import { loadRules } from '../../config/rules.ts'
import { openAgentStore } from '../../drivers/store/agent-store.ts'
import { itemById } from '../../proto/items.ts'
import { flagsOf, type Reading } from '../../proto/reading.ts'
import { decodeAlarm } from '../../proto/wire/alarm.ts'
import { decodeSigned } from '../../proto/wire/signed.ts'
import { random } from '../bench/curves.ts'
import { memory } from '../fixtures/learned.ts'
import { gapReading, meterPoint, reading, SLOT, threePhase } from './check-fixtures.ts'
import { gatewaySigner, QUIET } from './support/parties.ts'

const RULES = loadRules()
const OPTIONS = { slotSeconds: 900, utcOffsetMinutes: 480 }

/** Runs readings through one history; gives the findings of each. */
function run(meter: MeterPoint, readings: readonly Reading[]): { findings: Finding[][]; flags: string[][] } {
  const history = emptyHistory()
  const out = readings.map(one => checkReading(one, history, meter, RULES, OPTIONS))
  return { findings: out.map(o => [...o.findings]), flags: out.map(o => [...o.flags]) }
}

const verdictOf = (findings: readonly Finding[] | undefined, rule: string) =>
  findings?.find(finding => finding.rule === rule)

/** Slots of a steady load, with per-slot changes to the values. */
function steady(
  meter: MeterPoint,
  count: number,
  kw: number,
  change: (n: number, values: Record<number, number>) => Record<number, number> = (_n, v) => v
): Reading[] {
  let energy = 1000
  return Array.from({ length: count }, (_, n) => {
    energy = Math.round((energy + kw / 4) * 100) / 100
    return reading(meter, SLOT + n, change(n, threePhase(kw, energy, SLOT + n)))
  })
}

t.test('the rule book', async t => {
  t.ok(RULES.rules.size > 30)
  for (const rule of RULES.rules.values()) {
    t.ok(rule.reason.length > 20 && rule.source.length > 5, `${rule.id} has reason and source`)
    t.ok(/[\u4e00-\u9fff]/.test(rule.title.zh), `${rule.id} has a Chinese title`)
  }
  const limits = limitsOf(RULES, {
    overload: 1.2,
    'power-factor.min': 0.9,
    'gap.enabled': 0,
    'swing.factor': 1e9
  })
  t.equal(limits.get('overload', 'factor'), 1.2)
  t.equal(limits.get('power-factor', 'min'), 0.9)
  t.equal(limits.get('swing', 'factor'), 100, 'held inside the bounds')
  t.notOk(limits.enabled('gap'))
  t.throws(() => limits.get('overload', 'nothing'), RangeError)
  t.same(unknownOverrides(RULES, { overlod: 1, swing: 2, 'ratio.onChain': 0 }), ['overlod'])
  const chosen = withChainChoice(RULES, { 'ratio.onChain': 0, 'overload.onChain': 1 })
  const onChain = (rule: string) => [RULES, chosen].map(book => book.rules.get(rule)?.onChain)
  t.same(onChain('ratio'), [true, false])
  t.same(onChain('overload'), [false, true])
  t.same(onChain('event-cover'), [true, true], 'the others stay as they are')
  const keys: [number, string][] = [
    [ID.importTotal, 'active-import-total'],
    [ID.demandImport, 'demand-active-import'],
    [ID.powerFactor, 'power-factor-total'],
    [ID.ctRegister, 'register-ct-ratio'],
    [ID.reactive2, 'reactive-combined-2-total']
  ]
  for (const [id, key] of keys) t.equal(itemById(id).key, key)
})

t.test('registers: what moved them', async t => {
  const meter = meterPoint()
  const cases: {
    name: string
    before: number[]
    after: number[]
    rule: string
    cause: string
    flag: string
  }[] = [
    {
      name: 'negative',
      before: [100, 100.5],
      after: [100.3],
      rule: 'register',
      cause: 'negative',
      flag: 'negativeIncrement'
    },
    {
      name: 'rollover',
      before: [9999.2, 9999.9],
      after: [0.3],
      rule: 'register',
      cause: 'rollover',
      flag: 'registerReset'
    },
    {
      name: 'reset',
      before: [5000, 5000.5],
      after: [0.1],
      rule: 'register',
      cause: 'reset',
      flag: 'registerReset'
    },
    {
      name: 'swap',
      before: [5000, 5000.5],
      after: [812.3, 812.6],
      rule: 'register',
      cause: 'swap',
      flag: 'registerReset'
    },
    { name: 'leap', before: [5000, 5000.5], after: [5900], rule: 'physical', cause: 'leap', flag: 'range' }
  ]
  for (const { name, before, after, rule, cause, flag } of cases) {
    const all = [...before, ...after].map((kwh, n) =>
      reading(meter, SLOT + n, { 100: kwh, 301: 230, 302: 230, 303: 230 })
    )
    const { findings, flags } = run(meter, all)
    const last = verdictOf(findings.at(-1), rule)
    t.equal(last?.cause, cause, name)
    t.ok(flags.at(-1)?.includes(flag), `${name} sets ${flag}`)
  }
  const anew = (first: number, clearings: readonly number[]) => {
    const kwh = [5000, 5000.05, first, first + 0.05]
    const all = kwh.map((energy, n) =>
      reading(meter, SLOT + n, { ...threePhase(0.2, energy, SLOT + n), 417: clearings[n] ?? null })
    )
    return verdictOf(run(meter, all).findings[2], 'register')?.cause
  }
  t.equal(anew(0.05, []), 'reset', 'what was drawn since it was cleared')
  t.equal(anew(0.8, []), 'swap', 'more than could be drawn: another meter, near zero from its test')
  t.equal(anew(0.8, [3, 3, 4, 4]), 'reset', 'the meter counted it')
  t.equal(anew(0.05, [3, 3, 0, 0]), 'swap', 'and this one has counted less')
  const glitch = [100, 100.5, 9.9, 101, 101.5].map((kwh, n) => reading(meter, SLOT + n, { 100: kwh }))
  const { findings } = run(meter, glitch)
  t.equal(verdictOf(findings[2], 'register')?.verdict, 'violated')
  t.equal(verdictOf(findings[3], 'register')?.verdict, 'holds', 'a single bad value does not spoil the next')
  t.equal(verdictOf(findings[3], 'register')?.numbers['event'], 'glitch')
  t.equal(verdictOf(findings[4], 'register')?.verdict, 'holds')
})

t.test('thresholds of load, swing and power factor', async t => {
  const meter = meterPoint({ rules: { 'swing.floor': 0.05 } })
  // 30 x secondary kW; 100 kVA rated
  const over = run(meter, steady(meter, 4, 5.2))
  t.equal(verdictOf(over.findings[3], 'overload')?.verdict, 'violated', '164 kVA on 100')
  t.ok(over.flags[3]?.includes('overload'))
  const under = run(meter, steady(meter, 4, 4.2))
  t.equal(verdictOf(under.findings[3], 'overload')?.verdict, 'holds', '133 kVA on 100')
  const swing = [0.5, 0.5, 4, 4].map((kw, n) =>
    reading(meter, SLOT + n, threePhase(kw, 100 + [0, 0.12, 1.12, 2.12][n]!, SLOT + n))
  )
  const swings = run(meter, swing)
  t.equal(verdictOf(swings.findings[2], 'swing')?.verdict, 'violated')
  t.equal(verdictOf(swings.findings[3], 'swing')?.verdict, 'holds')
  const night = [0.005, 0.03, 0.005].map((kw, n) => reading(meter, SLOT + n, threePhase(kw, 100, SLOT + n)))
  t.ok(
    run(meter, night).findings.every(f => verdictOf(f, 'swing')?.verdict !== 'violated'),
    'a night load of six times nothing is no swing'
  )
  const poor = run(
    meter,
    steady(meter, 3, 2, (n, v) => ({ ...threePhase(2, v[100] as number, n, 0.8) }))
  )
  t.equal(verdictOf(poor.findings[2], 'power-factor')?.verdict, 'violated')
  // at the limit give or take the meter's error; then a cycle that starts and stops, and a capacitor that was mended
  const cycle = (factors: readonly number[]) => {
    const all = steady(meter, factors.length, 2, (n, v) =>
      threePhase(2, v[100] as number, n, factors[n] as number)
    )
    return run(meter, all).findings.map(one => verdictOf(one, 'power-factor'))
  }
  t.notOk(cycle(new Array(8).fill(0.846)).some(one => one?.verdict === 'violated'))
  const cycles = cycle([...new Array(40).fill(0.8), ...new Array(12).fill(0.93), ...new Array(80).fill(0.97)])
  t.equal(cycles[39]?.verdict, 'violated')
  t.equal(cycles[51]?.verdict, 'holds')
  t.ok((cycles[51]?.level ?? 0) > 0.8, 'three good hours do not end it')
  t.ok((cycles.at(-1)?.level ?? 1) < 0.8, 'a good day does')
  const idle = run(
    meter,
    steady(meter, 3, 0.1, (n, v) => ({ ...threePhase(0.1, v[100] as number, n, 0.5) }))
  )
  t.equal(verdictOf(idle.findings[2], 'power-factor')?.verdict, 'no-evidence', 'under the load floor')
})

t.test('ramp, imbalance and the usual band of the hour', async t => {
  t.test('clouds over a roof of panels are no swing', async t => {
    const roof = meterPoint({ ct: { primary: 1, secondary: 1 }, ratedKva: 10 })
    const net = [...new Array(10).fill(0.2), -9, 0.2, -9, 0.2, -9]
    const sky = net.map((kw, n) => {
      const size = threePhase(Math.abs(kw), 1000 + n * 0.01, SLOT + n)
      return reading(roof, SLOT + n, { ...size, 320: kw, 321: kw / 3, 322: kw / 3, 323: kw / 3 })
    })
    const swings = run(roof, sky).findings.map(one => verdictOf(one, 'swing'))
    t.match(swings.slice(-3), [
      { numbers: { why: 'feeds back' } },
      { numbers: { why: 'feeds back' } },
      { numbers: { why: 'feeds back' } }
    ])
    // a load that comes as suddenly is one
    const loads = sky.map((one, n) =>
      n === 14 ? reading(roof, SLOT + n, threePhase(18, 1004, SLOT + n)) : one
    )
    t.equal(verdictOf(run(roof, loads).findings.at(-1), 'swing')?.verdict, 'violated')
  })

  const meter = meterPoint({ ratedKva: 60 })
  const running = (loads: readonly number[]): Reading[] => {
    let energy = 1000
    return loads.map((kw, n) => {
      energy = Math.round((energy + kw / 4) * 100) / 100
      return reading(meter, SLOT + n, threePhase(kw, energy, SLOT + n))
    })
  }
  // 30 times the secondary load over 0.95: 28 kVA, then 93 kVA
  const ramps = run(meter, running([0.9, 0.9, 0.9, 2.95, 2.95, 0.9]))
  const ramp = verdictOf(ramps.findings[3], 'ramp')
  t.equal(ramp?.verdict, 'violated')
  t.equal(verdictOf(ramps.findings[3], 'swing')?.verdict, 'holds', 'no swing of 300 %')
  t.ok(Number(ramp?.numbers['kvaPerMinute']) > 4 && ramps.flags[3]?.includes('swing'))
  t.equal(verdictOf(ramps.findings[4], 'ramp')?.verdict, 'holds')
  t.equal(verdictOf(ramps.findings[5], 'ramp')?.verdict, 'holds', 'a fall only ends what was told')
  t.equal(
    verdictOf(run(meterPoint({ ratedKva: undefined }), steady(meter, 2, 1)).findings[1], 'ramp')?.verdict,
    'no-evidence'
  )

  const imbalance = (values: Record<number, number>, change: Partial<MeterPoint> = {}) =>
    verdictOf(
      run(meterPoint({ ratedKva: 100, ...change }), [
        reading(meter, SLOT, { ...threePhase(2.5, 1000, SLOT), ...values })
      ]).findings[0],
      'phase-imbalance'
    )
  t.equal(imbalance({})?.verdict, 'holds')
  t.equal(imbalance({ 301: 190, 302: 245, 303: 250 })?.verdict, 'violated', 'a broken neutral')
  t.equal(imbalance({ 301: 60 })?.verdict, 'no-evidence', 'that is a lost phase')
  t.equal(imbalance({ 311: 1 })?.verdict, 'violated', 'one phase idle at high load')
  t.equal(imbalance({ 311: 1 }, { ratedKva: 400 })?.verdict, 'holds', 'at low load it may be')
  t.equal(
    verdictOf(
      run(meterPoint({ ct: { primary: 1, secondary: 1 }, ratedKva: 2 }), [
        { ...reading(meter, SLOT, { ...threePhase(2.5, 1000, SLOT), 311: 1 }), ratio: null }
      ]).findings[0],
      'phase-imbalance'
    )?.verdict,
    'holds',
    'a direct meter loads its phases as it likes'
  )

  // three weeks of a load that keeps its hours, then a slot far under it
  const day = (n: number) => (n % 96 >= 32 && n % 96 < 72 ? 2 : 0.4) * (1 + 0.02 * Math.sin(n))
  const loads = Array.from({ length: 96 * 21 + 60 }, (_, n) => day(n))
  loads[96 * 21 + 40] = 0.1
  const whole = run(meter, running(loads))
  const bands = whole.findings.map(findings => verdictOf(findings, 'high-low')?.verdict)
  t.equal(bands[96 * 21 + 40], 'violated', 'far under the usual')
  t.ok(whole.flags[96 * 21 + 40]?.includes('pattern'))
  t.ok(Number(verdictOf(whole.findings[96 * 21 + 40], 'high-low')?.numbers['score']) < 0)
  t.equal(bands[10], 'no-evidence')
  t.equal(bands.slice(96 * 15, 96 * 21).filter(verdict => verdict === 'violated').length, 0)
})

t.test('first CT/PT tests', async t => {
  const lv = meterPoint()
  const hv = meterPoint({
    ratedKva: 2000,
    ct: { primary: 100, secondary: 5 },
    pt: { primary: 10000, secondary: 100 }
  })
  const hvLoad = (n: number): Record<number, number> => ({
    ...threePhase(0.5, 100 + n * 0.13, n),
    301: 58,
    302: 58,
    303: 58.1,
    311: 3.03,
    312: 3.03,
    313: 3.03
  })
  const cases: {
    name: string
    meter: MeterPoint
    values: (n: number) => Record<number, number>
    rule: string
    factor?: number
    ratio: 'violated' | 'holds' | 'no-evidence'
  }[] = [
    {
      name: 'all agrees',
      meter: lv,
      values: n => ({ ...threePhase(2, 100 + n / 2, n), 450: 30 }),
      rule: 'ratio-register',
      ratio: 'holds'
    },
    {
      name: 'register unset',
      meter: lv,
      values: n => ({ ...threePhase(2, 100 + n / 2, n), 450: 1 }),
      rule: 'ratio-legal',
      ratio: 'holds'
    },
    {
      name: 'archive doubles',
      meter: lv,
      values: n => ({ ...threePhase(2, 100 + n / 2, n), 450: 15 }),
      rule: 'ratio-register',
      factor: 2,
      ratio: 'violated'
    },
    {
      name: 'PT doubles',
      meter: meterPoint({ pt: { primary: 2, secondary: 1 } }),
      values: n => threePhase(2, 100 + n / 2, n),
      rule: 'ratio-voltage',
      factor: 2,
      ratio: 'violated'
    },
    {
      name: 'PT root 3',
      meter: meterPoint({ ...hv, pt: { primary: 17321, secondary: 100 } }),
      values: hvLoad,
      rule: 'ratio-voltage',
      factor: 1.73205,
      ratio: 'violated'
    },
    {
      name: 'PT of a phase over that of the line',
      meter: meterPoint({ ...hv, pt: { primary: 5774, secondary: 100 } }),
      values: hvLoad,
      rule: 'ratio-voltage',
      factor: 0.57735,
      ratio: 'violated'
    },
    { name: 'HV is right', meter: hv, values: hvLoad, rule: 'ratio-voltage', ratio: 'holds' },
    {
      name: 'swapped numbers',
      meter: meterPoint({ ct: { primary: 5, secondary: 150 } }),
      values: n => threePhase(2, 100 + n / 2, n),
      rule: 'ratio-legal',
      ratio: 'violated'
    },
    {
      name: 'CT and PT exchanged',
      meter: meterPoint({
        ...hv,
        ct: { primary: 10000, secondary: 100 },
        pt: { primary: 100, secondary: 5 }
      }),
      values: hvLoad,
      rule: 'ratio-legal',
      ratio: 'violated'
    },
    {
      name: 'squared',
      meter: lv,
      values: n => ({ ...threePhase(60, 100 + n * 15, n) }),
      rule: 'ratio-side',
      factor: 30,
      ratio: 'violated'
    },
    {
      name: 'power register primary',
      meter: lv,
      values: n => ({ ...threePhase(2, 100 + n / 2, n), 320: 60 }),
      rule: 'ratio-identity',
      factor: 30,
      ratio: 'violated'
    },
    {
      name: 'power off by root 3',
      meter: lv,
      values: n => ({ ...threePhase(2, 100 + n / 2, n), 320: 2 * Math.sqrt(3) }),
      rule: 'ratio-identity',
      factor: 1.73205,
      ratio: 'violated'
    }
  ]
  for (const { name, meter, values, rule, factor, ratio } of cases) {
    const readings = Array.from({ length: 12 }, (_, n) => reading(meter, SLOT + n, values(n)))
    const last = run(meter, readings).findings.at(-1)
    t.equal(
      verdictOf(last, 'ratio')?.verdict,
      ratio,
      `${name}: ${JSON.stringify(verdictOf(last, 'ratio')?.numbers)}`
    )
    if (ratio === 'violated') t.equal(verdictOf(last, rule)?.verdict, 'violated', `${name}: ${rule}`)
    if (factor) t.equal(verdictOf(last, rule)?.factor, factor, `${name}: factor`)
  }
})

/** Last verdict of a rule over the readings. */
const lastOf = (meter: MeterPoint, readings: readonly Reading[], rule: string) =>
  verdictOf(run(meter, readings).findings.at(-1), rule)

/** Whether a rule was violated at any of the readings. */
const everViolated = (meter: MeterPoint, readings: readonly Reading[], rule: string) =>
  run(meter, readings).findings.some(findings => verdictOf(findings, rule)?.verdict === 'violated')

t.test('forms and loads that other writers may choose', async t => {
  const direct = meterPoint({ ct: { primary: 1, secondary: 1 }, ratedKva: 30 })

  t.test('a stamp of the slot’s end is no stepping clock, a moved clock is', async t => {
    const stamped = (moved: number) =>
      steady(direct, 12, 5).map((one, n) => ({
        ...one,
        readAt: n % 2 === 0 ? 2000 : 85_000,
        meterTime: n < 6 ? 3 : 3 + moved
      }))
    t.notOk(everViolated(direct, stamped(0), 'clock-step'))
    t.ok(everViolated(direct, stamped(-400), 'clock-step'))
  })

  t.test('generation without an export register is not a stopped meter', async t => {
    const held = (n: number) => Math.min(1001.25, 1000.01 + n * 0.31)
    const feeding = steady(direct, 12, 5, (n, values) => ({ ...values, 100: held(n), 320: -5 }))
    t.notOk(everViolated(direct, feeding, 'zero-energy'))
    const stopped = steady(direct, 12, 5, (n, values) => ({ ...values, 100: held(n) }))
    t.ok(everViolated(direct, stopped, 'zero-energy'))
    const lean = steady(direct, 12, 5, (n, values) => ({ 100: held(n), 320: values[320] as number }))
    t.ok(everViolated(direct, lean, 'zero-energy'), 'with no current read')
  })

  t.test('energy alone behind transformers, at their full current', async t => {
    const energyOnly = (meter: MeterPoint, kwh: number) =>
      Array.from({ length: 6 }, (_, n) => reading(meter, SLOT + n, { 100: 1000 + n * kwh }))
    t.notOk(everViolated(meterPoint(), energyOnly(meterPoint(), 0.99), 'physical'))
    t.ok(everViolated(meterPoint(), energyOnly(meterPoint(), 1.5), 'physical'))
    const high = meterPoint({ pt: { primary: 10_000, secondary: 100 } })
    t.ok(everViolated(high, energyOnly(high, 0.99), 'physical'), '100 V pass less')
  })

  t.test('a register that stops under load is not a wrong ratio', async t => {
    let held = 0
    const stopped = steady(direct, 400, 5, (n, values) => {
      if (n === 200) held = values[100] as number
      return n >= 200 ? { ...values, 100: held } : values
    })
    t.notOk(everViolated(direct, stopped, 'ratio'))
    t.equal(lastOf(direct, stopped, 'zero-energy')?.verdict, 'violated')
  })

  t.test('a total that rolled over still is the sum of its tariffs', async t => {
    let total = 999_990
    const rolled = steady(direct, 20, 5, (_n, values) => {
      total += 1.25
      return { ...values, 100: total % 1e6, 103: total - 400_000, 104: 400_000 }
    })
    const { findings } = run(direct, rolled)
    t.ok(findings.some(one => verdictOf(one, 'register')?.cause === 'rollover'))
    t.notOk(everViolated(direct, rolled, 'tariff-sum'))
    const broken = steady(direct, 4, 5, (_n, values) => ({ ...values, 103: 900, 104: 200 }))
    t.ok(everViolated(direct, broken, 'tariff-sum'))
  })

  t.test('a voltage twice what the line has is out of range, also behind a PT', async t => {
    const behind = meterPoint({ ct: { primary: 50, secondary: 5 }, pt: { primary: 10_000, secondary: 100 } })
    const jumped = steady(behind, 20, 0.3, (n, values) => ({
      ...values,
      301: n === 15 ? 1200 : 57.7 + (n % 5) / 10,
      302: 57.8,
      303: 57.9
    }))
    const { findings } = run(behind, jumped)
    t.same(
      findings
        .map((one, n) => (verdictOf(one, 'range')?.verdict === 'violated' ? n : -1))
        .filter(n => n >= 0),
      [15]
    )
  })

  t.test('a level pump is no flat line; level increments beside a moving power are', async t => {
    const pump = steady(direct, 700, 5, (n, values) => ({
      ...values,
      320: 5 + (n % 9) / 100,
      100: Math.round((1000 + n * 1.25) * 100) / 100
    }))
    t.notOk(everViolated(direct, pump, 'flat-line'))
    const forged = steady(direct, 700, 5, (n, values) => {
      const kw = 0.4 + ((n * 7) % 13) / 5
      const energy = n < 600 ? 1000 + n * 0.31 + ((n * n) % 17) / 40 : 1200 + n * 0.13
      return { ...values, 320: kw, 100: Math.round(energy * 100) / 100 }
    })
    t.ok(everViolated(direct, forged, 'flat-line'))
  })

  t.test('days without hours, where even Sundays had theirs', async t => {
    const office = (n: number) => (n % 96 > 32 && n % 96 < 72 && n % (96 * 7) < 96 * 5 ? 0.66 : 0.22)
    const of = (flatFrom: number, night = 1) => {
      let energy = 1000
      return Array.from({ length: 96 * 18 }, (_, n) => {
        const kw =
          n < flatFrom ? office(n) + 0.03 * Math.sin(n / 20) : 0.22 + 0.03 * (1 - night) * Math.sin(n / 20)
        energy += kw / 4
        return reading(direct, SLOT + n, threePhase(kw, Math.round(energy * 100) / 100, SLOT + n))
      })
    }
    const { findings } = run(direct, of(96 * 11))
    const first = findings.findIndex(one => verdictOf(one, 'flat-line')?.verdict === 'violated')
    t.ok(first > 96 * 13 && first < 96 * 16, `slot ${first}`)
    t.match(verdictOf(findings[first], 'flat-line'), { cause: 'load', numbers: { days: 3 } })
    t.notOk(everViolated(direct, of(96 * 11, 0), 'flat-line'), 'a holiday goes on as the nights do')
  })

  t.test('a swing within the usual band of a meter that never swings', async t => {
    const small = meterPoint({ ct: { primary: 1, secondary: 1 }, ratedKva: 9 })
    const store = (n: number) => 5 + 2 * Math.sin(n / 11) + Math.sin(n / 3.7)
    const of = (wild: (n: number) => number | undefined) => {
      let energy = 1000
      return Array.from({ length: 96 * 12 }, (_, n) => {
        const kw = wild(n) ?? store(n)
        energy += kw / 4
        return reading(small, SLOT + n, threePhase(kw, Math.round(energy * 100) / 100, SLOT + n))
      })
    }
    const at = 96 * 11 + 40
    const swings = (wild: (n: number) => number | undefined) =>
      run(small, of(wild)).findings.flatMap((one, n) =>
        verdictOf(one, 'swing')?.verdict === 'violated' ? [n - at] : []
      )
    t.same(
      swings(() => undefined),
      []
    )
    const told = swings(n => (n >= at && n < at + 6 ? ((n - at) % 2 === 0 ? 1 : 7.5) : undefined))
    t.ok(told.length > 0 && told.every(n => n >= 0 && n < 8), `slots ${told.join()}`)
    t.same(
      swings(n => (n % 96 === 40 ? 1 : n % 96 === 41 ? 7.5 : undefined)).filter(n => n > 0),
      [],
      'one that does so every day'
    )
  })

  t.test('a swing at night on any day of the second week, week-ends seen once among them', async t => {
    const small = meterPoint({ ct: { primary: 1, secondary: 1 }, ratedKva: 9 })
    const store = (n: number) => 2.7 - 2.2 * Math.cos(((n % 96) * Math.PI) / 48) + 0.05 * Math.sin(n / 3.7)
    for (const day of [8, 9, 10, 11, 12, 13]) {
      // the load is least at midnight by the clock of the test's slots
      const at = 96 * day
      let energy = 1000
      const readings = Array.from({ length: at + 2 }, (_, n) => {
        energy += (n === at ? 4.4 : store(n)) / 4
        return reading(small, SLOT + n, { 100: Math.round(energy * 100) / 100 })
      })
      t.equal(verdictOf(run(small, readings).findings[at], 'swing')?.verdict, 'violated', `day ${day}`)
    }
  })

  t.test('a flat that is moved into', async t => {
    const flat = meterPoint({ ct: { primary: 1, secondary: 1 }, ratedKva: 8 })
    const spikeOf = (kw: number) => {
      const at = 96 * 9 + 50
      let energy = 1000
      const readings = Array.from({ length: at + 1 }, (_, n) => {
        energy += (n === at ? kw : 0.04 + 0.01 * Math.sin(n / 5)) / 4
        return reading(flat, SLOT + n, { 100: Math.round(energy * 1000) / 1000 })
      })
      return verdictOf(run(flat, readings).findings[at], 'spike')?.verdict
    }
    t.equal(spikeOf(0.8), 'holds', 'a lamp and a kettle are no spike, whatever there was before')
    t.equal(spikeOf(2.4), 'violated')
  })

  t.test('few counts of a slot bound the load of the moment', async t => {
    const behind = meterPoint()
    // 8 counts: about 0.32 kW on the meter's side, whatever the moment shows
    const loadOf = (kw: number) => {
      const history = emptyHistory()
      const all = Array.from({ length: 4 }, (_, n) =>
        reading(behind, SLOT + n, threePhase(kw, 1000 + n * 0.08, SLOT + n))
      )
      for (const one of all) checkReading(one, history, behind, RULES, OPTIONS)
      return history.load as number
    }
    const per = (counts: number) => (counts * 0.01 * 4 * 30) / 0.95
    t.ok(Math.abs(loadOf(0.33) / ((0.33 * 30) / 0.95) - 1) < 0.01, 'within them it keeps its place')
    t.ok(Math.abs(loadOf(1.4) / per(9) - 1) < 0.01)
    t.ok(Math.abs(loadOf(0.05) / per(7) - 1) < 0.01)
  })

  t.test('increments that stand still while the power wanders only a little', async t => {
    // few counts a slot, cut off at 0.01 kWh; the power is a sample and strays by some percent from its mean
    const shop = (n: number) => 0.6 + 0.25 * Math.sin(n / 15) + 0.02 * Math.sin(n * 7)
    const of = (flatFrom: number) => {
      let energy = 1000
      return Array.from({ length: 96 * 6 }, (_, n) => {
        energy += n < flatFrom ? (shop(n) + shop(n - 1)) / 8 : 0.15
        const values = { ...threePhase(shop(n), Math.floor(energy * 100 + 1e-6) / 100, SLOT + n) }
        return reading(direct, SLOT + n, values)
      })
    }
    t.notOk(everViolated(direct, of(10_000), 'flat-line'))
    // a shop that closes: in its last slot the power was still high at one end, then a level standby until the morning
    const closing = Array.from({ length: 96 * 6 }, (_, n) => {
      const kw = n % 96 < 48 ? 5 + 0.1 * Math.sin(n * 3) : 0.14 + 0.002 * Math.sin(n * 7)
      return { kw, kwh: kw / 4 }
    })
    let register = 1000
    const shut = closing.map(({ kw, kwh }, n) => {
      register += kwh
      return reading(direct, SLOT + n, threePhase(kw, Math.floor(register * 100) / 100, SLOT + n))
    })
    t.notOk(everViolated(direct, shut, 'flat-line'))
    const { findings } = run(direct, of(400))
    const first = findings.findIndex(one => verdictOf(one, 'flat-line')?.verdict === 'violated')
    t.ok(first >= 400 && first < 460, `slot ${first}`)
    t.equal(verdictOf(findings[first], 'flat-line')?.cause, 'load')
  })

  t.test('spikes of the first days, and those that no meter can pass', async t => {
    const meter = meterPoint({ ratedKva: undefined })
    const early = (days: number, factor: number) => {
      const at = 96 * days + 40
      let energy = 1000
      const readings = Array.from({ length: at + 1 }, (_, n) => {
        energy += (0.2 + 0.1 * Math.sin(n / 15.3)) * (n === at ? factor : 1)
        return reading(meter, SLOT + n, { 100: Math.round(energy * 100) / 100 })
      })
      const { findings } = run(meter, readings)
      return verdictOf(findings[at], 'spike')?.verdict
    }
    t.equal(early(3, 5), 'violated', 'five times anything before it')
    t.equal(early(3, 1.4), 'holds', 'a first evening may be higher than a first morning')
    t.equal(early(0, 5), 'no-evidence', 'the first day')
    t.equal(early(9, 30), 'violated', 'hidden by rule physical, but told')
  })

  t.test('what volts, amps and power say where a meter gives no power factor', async t => {
    const meter = meterPoint({ ratedKva: 60 })
    const plain = (n: number, share: number) => {
      const { 301: u1, 302: u2, 303: u3, 311: i1, 312: i2, 313: i3 } = threePhase(1.6, 0, SLOT + n)
      const kva = [(u1 ?? 0) * (i1 ?? 0), (u2 ?? 0) * (i2 ?? 0), (u3 ?? 0) * (i3 ?? 0)].reduce(
        (a, b) => a + b,
        0
      )
      const kw = (share * kva) / 1000
      return { 301: u1 ?? 0, 302: u2 ?? 0, 303: u3 ?? 0, 311: i1 ?? 0, 312: i2 ?? 0, 313: i3 ?? 0, 320: kw }
    }
    const of = (shares: readonly number[]) => {
      let energy = 1000
      return run(
        meter,
        shares.map((share, n) => {
          const values = plain(n, share)
          energy += values[320] / 4
          return reading(meter, SLOT + n, { ...values, 100: Math.round(energy * 100) / 100 })
        })
      ).findings
    }
    const times = (share: number, count: number) => new Array<number>(count).fill(share)
    const low = of(times(0.6, 8)).at(-1)
    t.match(verdictOf(low, 'power-factor'), { verdict: 'violated', numbers: { powerFactor: 0.6 } })
    t.equal(verdictOf(of(times(0.95, 8)).at(-1), 'power-factor')?.verdict, 'holds')
    const turned = of([...times(0.93, 60), ...times(0.31, 12)]).at(-1)
    t.match(verdictOf(turned, 'phase-reversed'), { verdict: 'violated' }, 'a third of what it was')
    t.equal(
      verdictOf(of([...times(0.93, 60), ...times(0.5, 12)]).at(-1), 'phase-reversed')?.verdict,
      'no-evidence'
    )
    t.match(
      verdictOf(of(times(0.31, 100)).at(-1), 'phase-reversed'),
      { verdict: 'violated' },
      'from the start'
    )
    t.equal(verdictOf(of(times(0.31, 50)).at(-1), 'phase-reversed')?.verdict, 'no-evidence', 'not yet a day')
  })

  t.test('a line off its voltage is no other transformer', async t => {
    const direct = meterPoint({ ct: { primary: 1, secondary: 1 } })
    const at = (meter: MeterPoint, usual: number, then: number, slots = 60) => {
      const readings = Array.from({ length: 200 + slots }, (_, n) => {
        const u = (n < 200 ? usual : then) + (n % 5) / 10
        return reading(meter, SLOT + n, {
          ...threePhase(1, 1000 + n * 0.25, SLOT + n),
          301: u,
          302: u,
          303: u
        })
      })
      const { findings } = run(meter, readings)
      return {
        range: verdictOf(findings[201], 'range'),
        ratio: findings.some(one => verdictOf(one, 'ratio-voltage')?.verdict === 'violated')
      }
    }
    for (const volts of [136, 158, 185, 264, 285])
      t.match(at(direct, 221, volts), { range: { cause: 'supply-voltage' }, ratio: false }, `${volts} V`)
    t.match(at(direct, 221, 230), { range: { verdict: 'holds' }, ratio: false })
    const high = meterPoint({ ct: { primary: 100, secondary: 5 }, pt: { primary: 10_000, secondary: 100 } })
    t.match(at(high, 57.6, 57.6 / 2), { ratio: true }, 'half: another transformer')
    t.match(at(high, 57.6, 57.6 * 1.25), { range: { cause: 'supply-voltage' }, ratio: false })
  })

  t.test(
    'a slow register that stops, one cleared beside one that never ran, a demand above its maximum',
    async t => {
      const meter = meterPoint()
      // seven counts a slot: a single slot says nothing
      const slow = (n: number) => ({
        ...threePhase(0.28, 1000 + Math.min(n, 20) * 0.07, SLOT + n),
        320: 0.28
      })
      const { findings } = run(
        meter,
        Array.from({ length: 30 }, (_, n) => reading(meter, SLOT + n, slow(n)))
      )
      const stopped = findings.map(one => verdictOf(one, 'zero-energy')?.verdict === 'violated')
      t.same([stopped.indexOf(true), stopped.at(-1)], [22, true])

      const cleared = run(meter, [
        reading(meter, SLOT, { 100: 6186.3, 110: 2.25 }),
        reading(meter, SLOT + 1, { 100: 6186.4, 110: 2.25 }),
        reading(meter, SLOT + 2, { 100: 0, 110: 2.25 })
      ]).findings[2]
      t.match(verdictOf(cleared, 'register'), { verdict: 'violated', cause: 'reset' })
      t.equal(verdictOf(cleared, 'overload')?.verdict, 'holds', 'nothing flowed back')

      const demand = (present: number) =>
        verdictOf(
          run(meter, [reading(meter, SLOT, { ...threePhase(1, 1000, SLOT), 220: 2.78, 224: present })])
            .findings[0],
          'demand'
        )?.verdict
      t.equal(demand(4.448), 'violated')
      t.not(demand(2.8), 'violated')
    }
  )

  t.test('energy alone: a load drawn with a ruler, and one that is only coarse', async t => {
    const meter = meterPoint({ ratedKva: undefined })
    const flatAfter = (counts: (n: number) => number) => {
      let energy = 1000
      const { findings } = run(
        meter,
        Array.from({ length: 96 * 8 }, (_, n) => {
          energy += (n < 96 * 6 ? Math.round(20 + 12 * Math.sin(n / 15.3)) : counts(n)) / 100
          return reading(meter, SLOT + n, { 100: Math.round(energy * 100) / 100 })
        })
      )
      return findings.findIndex(one => verdictOf(one, 'flat-line')?.verdict === 'violated')
    }
    const within = (found: number, slots: number) => found >= 96 * 6 && found < 96 * 6 + slots
    t.ok(
      within(
        flatAfter(() => 25),
        50
      ),
      'the same count for hours'
    )
    t.ok(
      within(
        flatAfter(n => 12 + (n % 3 === 0 ? 1 : 0)),
        90
      ),
      'two neighbours, by the cut-off'
    )
    t.equal(
      flatAfter(n => 24 + (n % 3)),
      -1,
      'three neighbours: a steady load'
    )
    t.equal(
      flatAfter(() => 6),
      -1,
      'too few counts to say'
    )
  })

  t.test('a pump that starts now and then', async t => {
    const meter = meterPoint({ ratedKva: 30 })
    const runs = (hours: readonly number[], last: number) => {
      let energy = 1000
      const readings = Array.from({ length: 96 * hours.length + 60 }, (_, n) => {
        const from = 4 * (hours[Math.floor(n / 96)] ?? 99)
        const isOn = n % 96 >= from && n % 96 < from + 12
        energy += n === 96 * hours.length + 50 ? last : isOn ? 0.24 : 0.002
        return reading(meter, SLOT + n, { 100: Math.round(energy * 1000) / 1000 })
      })
      return run(meter, readings).findings
    }
    const hours = [8, 9, 14, 6, 16, 10, 18, 7, 13, 20, 5, 11, 15, 9]
    const start = runs(hours, 0.24)[96 * hours.length + 50]
    for (const rule of ['swing', 'spike'])
      t.not(verdictOf(start, rule)?.verdict, 'violated', `${rule}: as it always starts`)
    const more = runs(hours, 0.6)[96 * hours.length + 50]
    t.equal(verdictOf(more, 'spike')?.verdict, 'violated', 'more than it ever draws')
    const every = new Array(14).fill(8)
    const atNight = runs(every, 0.24)[96 * every.length + 50]
    t.equal(verdictOf(atNight, 'spike')?.verdict, 'violated', 'what starts every day at eight has its hours')
  })

  t.test('a primary current too small for the consumer', async t => {
    const last = (ct: number, ratedKva: number, secondary = 5, mean = 1.5) => {
      const meter = meterPoint({ ratedKva, ct: { primary: ct, secondary } })
      let energy = 1000
      const readings = Array.from({ length: 96 * 3 }, (_, n) => {
        const kw = mean * (1 + 0.33 * Math.sin(n / 15))
        energy = Math.round((energy + kw / 4) * 100) / 100
        return reading(meter, SLOT + n, threePhase(kw, energy, SLOT + n))
      })
      return lastOf(meter, readings, 'ratio')
    }
    t.match(last(25, 315), { verdict: 'violated', factor: 0.05, numbers: { likelyCt: '500/5' } })
    t.match(last(30, 200), { verdict: 'violated', factor: 0.1, numbers: { likelyCt: '300/5' } })
    t.equal(last(500, 315)?.verdict, 'holds', 'as it should be')
    t.equal(last(100, 315)?.verdict, 'holds', 'too small, but by no tenth')
    t.match(last(2000, 80, 5, 1.2), { verdict: 'violated', factor: 20 }, 'a load over the rated one: twenty')
    t.match(last(50, 4, 5, 2.4), { verdict: 'violated', factor: 10 }, 'its own ten')
    t.match(last(5, 63), { verdict: 'violated', factor: 0.05, numbers: { likelyCt: '100/5' } }, '5/5')
    t.match(last(5, 110), { verdict: 'violated', factor: 0.025, numbers: { likelyCt: '200/5' } }, 'as fitted')
    t.not(last(1, 63, 1)?.verdict, 'violated', '1/1 is a meter without transformers')
    t.match(last(1, 110, 1), { verdict: 'violated', factor: 0.025 }, 'which does not carry so much')
    t.not(last(1, 110, 1, 0.2)?.verdict, 'violated', 'nobody is there')
    t.not(last(5, 63, 5, 6)?.verdict, 'violated', 'and so is one that carries more than 6 A')
  })

  t.test('hours out of turn are forgotten in days, a burst is remembered for weeks', async t => {
    const after = (scores: readonly number[], days: number) => {
      const profile = emptyProfile()
      for (const score of [...scores, ...new Array(96 * days).fill(0)]) noteStray(profile, score, 3, 1)
      return strayOf(profile)
    }
    const climb = Array.from({ length: 30 }, (_, n) => 4 + n / 3)
    t.ok(after(climb, 9) < 2, 'a day worked out of turn')
    t.ok(after(climb.slice(-5), 9) > 10, 'a burst')
    t.equal(after([...climb, 4], 0), 13 + 2 / 3, 'while it lasts it counts in full')
  })
})

t.test('ratios that change while the meter is watched', async t => {
  const before = meterPoint()
  const days = 96 * 12
  const at = 96 * 7 + 40
  /** @param fitted secondary load after the change over that before */
  const changed = (factor: number, fitted: number) => {
    let energy = 1000
    return Array.from({ length: days }, (_, n) => {
      const kw = (1 + 0.4 * Math.sin(n / 15)) * (n >= at ? fitted : 1)
      energy = Math.round((energy + kw / 4) * 100) / 100
      const one = reading(before, SLOT + n, threePhase(kw, energy, SLOT + n))
      const ratio = { version: 2, ctPrimary: 150 * factor, ctSecondary: 5, ptPrimary: 1, ptSecondary: 1 }
      return n >= at ? { ...one, ratio } : one
    })
  }
  t.test('only the archive changed', async t => {
    const last = lastOf(before, changed(0.5, 1), 'ratio')
    t.equal(last?.verdict, 'violated')
    t.equal(last?.factor, 0.5)
    t.match(last?.numbers['contradictions'], /change/)
    const nextDay = changed(0.05, 1).slice(0, at + 2 * 96)
    t.match(
      lastOf(before, nextDay, 'ratio'),
      { verdict: 'violated', factor: 0.05 },
      'plain after one whole day'
    )
    const history = emptyHistory()
    const balance = violated(
      'ratio-balance',
      { coefficient: 1.78, error: 0.02 },
      { factor: 0.57735, cause: 'certain' }
    )
    const options = (n: number) => (n > at + 4 * 96 ? { ...OPTIONS, area: [balance] } : OPTIONS)
    const findings = changed(0.5, 1).map(
      (one, n) => checkReading(one, history, before, RULES, options(n)).findings
    )
    t.match(
      verdictOf(findings.at(-1), 'ratio'),
      { factor: 0.5, cause: 'certain' },
      'beside other wrong meters'
    )
  })
  t.test('the transformer changed with it', async t => {
    t.notOk(everViolated(before, changed(2, 0.5), 'ratio'))
  })

  t.test('one phase gets another transformer', async t => {
    const mixed = (meter: MeterPoint, left: number, items: readonly number[]) =>
      steady(meter, 96 * 12, 1, (n, values) => {
        const one = { ...values }
        if (n >= 96 * 6)
          for (const item of items) one[item] = Math.round((one[item] as number) * left * 1e4) / 1e4
        return one
      })
    const halved = lastOf(before, mixed(before, 0.5, [312, 322]), 'ratio')
    t.match(halved, { verdict: 'violated', factor: 0.5 })
    t.equal(halved?.numbers['phase.phase'], 'B')
    // a shop that leans by half all the time wanders more than a transformer does
    const leaning = steady(before, 300, 1, (n, values) => ({
      ...values,
      312: (values[312] as number) * (0.52 + 0.03 * Math.sin(n)) * (1 + 0.05 * Math.sin(n / 7))
    }))
    t.not(lastOf(before, leaning, 'ratio')?.verdict, 'violated')
    // most of a phase gone is a bypass
    t.not(lastOf(before, mixed(before, 0.12, [312, 322]), 'ratio')?.verdict, 'violated')
  })

  t.test('one phase of a load that leans and flutters by itself', async t => {
    const rnd = random(3)
    const behind = (own: readonly number[], left: (n: number) => number, count = 96 * 9) => {
      let energy = 1000
      return Array.from({ length: count }, (_, n) => {
        const kw = 1 + 0.4 * Math.sin(n / 15)
        energy = Math.round((energy + kw / 4) * 100) / 100
        const values = threePhase(kw, energy, SLOT + n)
        own.forEach((share, p) => {
          const k = share * (p === 1 ? left(n) : 1) * Math.exp(0.08 * rnd.normal())
          for (const item of [311, 321])
            values[item + p] = Math.round((values[item + p] as number) * k * 1e4) / 1e4
        })
        return reading(before, SLOT + n, values)
      })
    }
    const own = [0.88, 1.1, 1.02]
    const doubled = behind(own, n => (n < 96 * 4 ? 1 : 2))
    t.match(lastOf(before, doubled, 'ratio'), {
      verdict: 'violated',
      factor: 2,
      numbers: { phase: 'B' }
    })
    t.notOk(everViolated(before, behind(own, n => (n < 96 * 4 ? 2 : 1)).slice(96 * 4), 'ratio'), 'mended')
    t.notOk(
      everViolated(
        before,
        behind(own, n => (n < 96 * 4 ? 1 : 1.45)),
        'ratio'
      ),
      'of no factor'
    )
    const added = behind(own, n => (n < 96 * 4 ? 1 : 1 + 1 / (1 + 0.4 * Math.sin(n / 15))))
    t.notOk(everViolated(before, added, 'ratio'), 'a load that came to the phase')

    // from the first reading on it takes the other meters to know that no load leans so
    const always = behind([0.97, 0.94, 1.03], () => 2, 96 * 5)
    const judged = (usualLean: number | undefined) => {
      const history = emptyHistory()
      const all = always.map(one => checkReading(one, history, before, RULES, { ...OPTIONS, usualLean }))
      return all.at(-1)?.findings.find(one => one.rule === 'ratio')
    }
    t.match(judged(0.08), { verdict: 'violated', factor: 2, numbers: { phase: 'B' } })
    t.not(judged(undefined)?.verdict, 'violated')
    const lean = (largest: number) => {
      const { phases } = emptyHistory().ratio
      return { ...phases, n: 200, middle: [largest, -largest / 2, -largest / 2] }
    }
    t.equal(usualLean([0.05, 0.02, 0.1, 0.04, 0.06, 0.7].map(lean)), 0.1)
    t.equal(usualLean([0.05, 0.02, 0.1, 0.04, 0.5, 0.7].map(lean)), undefined, 'many lean')
    t.equal(usualLean([0.05, 0.02, 0.1].map(lean)), undefined, 'too few')
  })

  t.test('currents and reactive energy that are read once an hour', async t => {
    const sparse = (change: (n: number, values: Record<number, number>) => Record<number, number>) =>
      steady(before, 96 * 30, 1, (n, values) => {
        const all = change(n, values)
        if (n % 4 === 0) return all
        const { 100: energy, 320: kw } = all
        return { 100: energy as number, 320: kw as number, 350: 0.95 }
      })
    const quarter = (n: number) => Math.round(0.06 * n * 100) / 100
    const poor = run(
      before,
      sparse((n, values) => ({ ...values, 130: 500 + quarter(n) }))
    )
    t.equal(
      poor.findings.filter(one => verdictOf(one, 'power-factor')?.verdict === 'violated').length,
      0,
      'four slots of reactive energy are not one'
    )
    const halved = sparse((n, values) => {
      const one = { ...values }
      if (n >= 96 * 8) for (const item of [312, 322]) one[item] = (one[item] as number) / 2
      return one
    })
    const last = run(before, halved).findings.slice(-3)
    t.same(
      last.map(one => verdictOf(one, 'ratio')?.factor),
      [0.5, 0.5, 0.5],
      'what currents showed is not unsaid by a reading without'
    )
  })

  t.test('two Saturdays of which one was a holiday are no step', async t => {
    const history = emptyHistory()
    for (let n = 0; n < 18; n++) {
      const off = [0, 6].includes((20_563 + n + 4) % 7) || (n > 10 && n < 15)
      history.pattern.days.push({
        day: 20_563 + n,
        bands: new Array(8).fill(off ? 0.5 : 8),
        phases: [0, 0, 0]
      })
    }
    const saturday = history.pattern.days.find(one => (one.day + 4) % 7 === 6)
    if (saturday)
      history.pattern.days[history.pattern.days.indexOf(saturday)] = {
        ...saturday,
        bands: new Array(8).fill(6)
      }
    history.pattern.days.push({ day: 20_582, bands: new Array(8).fill(6), phases: [0, 0, 0] })
    history.archive = { ...history.archive, k: 30, step: 2, day: 20_581 }
    const one = checkReading(steady(before, 1, 1)[0] as Reading, history, before, RULES, OPTIONS)
    t.equal(one.findings.find(finding => finding.rule === 'ratio-change')?.verdict, 'no-evidence')
  })

  t.test('the meter exchanged, and the transformer with it', async t => {
    const exchanged = (fitted: number, start: number) => {
      let energy = 5000
      return Array.from({ length: days }, (_, n) => {
        const kw = (1 + 0.4 * Math.sin(n / 15)) * (n >= at ? fitted : 1)
        energy = n === at ? start : Math.round((energy + kw / 4) * 100) / 100
        return reading(before, SLOT + n, threePhase(kw, energy, SLOT + n))
      })
    }
    for (const start of [0, 37.25])
      for (const fitted of [2, 0.5])
        t.match(
          lastOf(before, exchanged(fitted, start), 'ratio'),
          { verdict: 'violated', factor: fitted, numbers: { contradictions: 'change' } },
          `${fitted} from ${start}`
        )
    t.notOk(everViolated(before, exchanged(1, 0), 'ratio'))
    t.notOk(everViolated(before, exchanged(1.35, 0), 'ratio'), 'another load is no ratio')
  })

  t.test('a current no meter carries', async t => {
    const direct = meterPoint({ ct: { primary: 1, secondary: 1 }, ratedKva: 20 })
    for (const meter of [before, direct]) {
      const readings = steady(meter, 40, 1, (n, values) => (n === 30 ? { ...values, 312: 212 } : values))
      const findings = run(meter, readings).findings
      t.match(verdictOf(findings[30], 'range'), {
        verdict: 'violated',
        cause: 'current',
        numbers: { amps: 212 }
      })
      t.equal(verdictOf(findings[31], 'range')?.verdict, 'holds')
    }
    // primary values are another rule's
    const primary = steady(before, 40, 1, (_n, values) => ({ ...values, 311: 60, 312: 61, 313: 59 }))
    t.notOk(everViolated(before, primary.slice(20), 'range'))
  })

  t.test('CT and PT exchanged, on whatever rung it lands', async t => {
    const crossed = meterPoint({
      ct: { primary: 10000, secondary: 100 },
      pt: { primary: 150, secondary: 5 }
    })
    t.match(lastOf(crossed, steady(crossed, 4, 1), 'ratio'), {
      verdict: 'violated',
      cause: 'ct-pt-exchanged'
    })
  })

  t.test('a phase backwards, seen by the sum alone', async t => {
    const sums = (backward: boolean) => {
      let energy = 1000
      return Array.from({ length: 200 }, (_, n) => {
        const values = threePhase(1.2, 0, SLOT + n)
        const part = [0.34 + 0.06 * Math.sin(n / 9), 0.36, 0.3 - 0.06 * Math.sin(n / 9)] as const
        const { 321: _a, 322: _b, 323: _c, ...rest } = values
        const amps = (values[311] as number) * 3
        const left = backward && n >= 60 ? 1 - 2 * part[2] : 1
        energy = Math.round((energy + (1.2 * left) / 4) * 100) / 100
        return reading(before, SLOT + n, {
          ...rest,
          100: energy,
          311: amps * part[0],
          312: amps * part[1],
          313: amps * part[2],
          320: (values[320] as number) * left
        })
      })
    }
    t.match(lastOf(before, sums(true), 'phase-reversed'), { verdict: 'violated', numbers: { phases: 'C' } })
    t.notOk(everViolated(before, sums(true), 'ratio'), 'and no ratio is wrong')
    t.notOk(everViolated(before, sums(false), 'phase-reversed'))
  })

  t.test('one phase a step of the series off', async t => {
    const days = 96 * 9
    /** @param shares currents of B over those of A and C, by reading, at a load that swings by two */
    const leaning = (share: (n: number, i: number) => number) => {
      let energy = 1000
      return Array.from({ length: days }, (_, n) => {
        const kw = 1 + 0.5 * Math.sin(n / 15)
        energy = Math.round((energy + kw / 4) * 100) / 100
        const values = threePhase(kw, energy, SLOT + n)
        const i = values[312] as number
        return reading(before, SLOT + n, { ...values, 312: i * share(n, i) * (1 + 0.01 * Math.sin(n)) })
      })
    }
    for (const k of [3 / 2, 2 / 3]) {
      const found = lastOf(
        before,
        leaning(n => (n < days / 2 ? 1 : k)),
        'ratio'
      )
      t.match(
        found,
        { verdict: 'violated', numbers: { phase: 'B', contradictions: 'phase' } },
        `at once ${k}`
      )
      t.ok(Math.abs((found?.factor ?? 0) / k - 1) < 1e-4, `${found?.factor}`)
      // all along, it is one contradiction and takes another
      const always = run(
        before,
        leaning(() => k)
      ).findings
      t.match(verdictOf(always.at(-1), 'ratio-phase'), { verdict: 'violated' })
      t.notOk(always.some(one => verdictOf(one, 'ratio')?.verdict === 'violated'))
      // a load above capacity is not the second: many loads lean by as much
      const small = meterPoint({ ratedKva: 12 })
      const loaded = run(
        small,
        leaning(() => k)
      ).findings
      t.equal(verdictOf(loaded.at(-1), 'ratio-load')?.verdict, 'violated')
      t.notOk(loaded.some(one => verdictOf(one, 'ratio')?.verdict === 'violated'))
    }
    // 4 A more on one phase lean by less the higher the load
    const heater = leaning((n, i) => (n < days / 2 ? 1 : (i + 0.8) / i))
    t.notOk(everViolated(before, heater, 'ratio-phase'))
    // 45 % of a phase gone is no step: a bypass
    t.notOk(
      everViolated(
        before,
        leaning(n => (n < days / 2 ? 1 : 0.55)),
        'ratio'
      )
    )
  })

  t.test('one phase of twice or half from the first reading, whatever it wanders', async t => {
    /** @param currents of A, B and C at a load that swings by two and wanders by 4 % on each phase */
    const wandering = (currents: (i: number) => readonly [number, number, number]) => {
      let energy = 1000
      return Array.from({ length: 96 * 9 }, (_, n) => {
        const kw = 1 + 0.5 * Math.sin(n / 15)
        energy = Math.round((energy + kw / 4) * 100) / 100
        const values = threePhase(kw, energy, SLOT + n)
        const part = currents(values[312] as number)
        const own = (p: 0 | 1 | 2) => part[p] * (1 + 0.056 * Math.sin(n * (2.3 + p) + p))
        return reading(before, SLOT + n, { ...values, 311: own(0), 312: own(1), 313: own(2) })
      })
    }
    for (const k of [2, 0.5])
      t.match(
        lastOf(
          before,
          wandering(i => [i, k * i, 1.02 * i]),
          'ratio'
        ),
        { verdict: 'violated', factor: k, numbers: { phase: 'B', contradictions: 'phase' } }
      )
    for (const [name, load] of [
      ['another k', i => [i, 1.8 * i, i]],
      ['unlike others', i => [1.15 * i, 2.15 * i, i]],
      ['a load on one phase, twice the others in the middle', i => [i, i + 1.55, i]],
      ['more of it at a high load', i => [i, 1.3 * i * i, i]]
    ] as [string, (i: number) => readonly [number, number, number]][])
      t.notOk(everViolated(before, wandering(load), 'ratio'), name)
  })

  t.test('a phase that never had a current', async t => {
    const without = (from: number, left = 0, meter = before) =>
      steady(meter, 96 * 4, 1, (n, values) => ({
        ...values,
        ...(n < from ? {} : { 312: (values[312] as number) * left, 322: 0 })
      }))
    for (const left of [0, 0.02, 0.08])
      t.match(lastOf(before, without(0, left), 'ratio'), {
        verdict: 'violated',
        cause: 'no-current',
        numbers: { phase: 'B' }
      })
    t.not(lastOf(before, without(96 * 2), 'ratio')?.cause, 'no-current', 'lost on a day is another matter')
    const direct = meterPoint({ ct: { primary: 1, secondary: 1 }, ratedKva: 60 })
    t.notOk(everViolated(direct, without(0, 0, direct), 'ratio'))
    // voltage gone too
    const dark = steady(before, 96 * 4, 1, (_n, values) => ({ ...values, 302: 0, 312: 0, 322: 0 }))
    t.notOk(everViolated(before, dark, 'ratio'))
  })

  t.test('the energy register off from a day on', async t => {
    const from = 96 * 5
    const off = (meter: MeterPoint, factor: number, kw: number) => {
      let energy = 1000
      return run(
        meter,
        Array.from({ length: 96 * 9 }, (_, n) => {
          const load = kw * (1 + 0.5 * Math.sin(n / 15)) * (1 + 0.1 * Math.sin(2.3 * n))
          energy += (load / 4) * (n < from ? 1 : factor)
          return reading(meter, SLOT + n, threePhase(load, Math.floor(100 * energy) / 100, SLOT + n))
        })
      ).findings
    }
    for (const factor of [2, 0.5, Math.sqrt(3), 0.05, 20]) {
      const meter = meterPoint({ ct: { primary: 500, secondary: 5 } })
      const told = off(meter, factor, 1).map(one => verdictOf(one, 'ratio'))
      const first = told.findIndex(one => one?.verdict === 'violated')
      t.ok(first > from && first < from + 70, `${factor} after ${first - from}`)
      for (const one of told)
        if (one?.factor !== undefined)
          t.ok(Math.abs(one.factor / factor - 1) < 1e-3, `${factor}: ${one.factor}`)
      t.match(told.at(-1), { verdict: 'violated', numbers: { contradictions: /energy/ } })
    }
  })

  t.test('CT and PT in the place of each other by value', async t => {
    const archive = { ct: { primary: 500, secondary: 5 }, pt: { primary: 15, secondary: 1 } }
    const hv = (registers: Record<number, number>) =>
      steady(meterPoint(archive), 12, 0.3, (_n, values) => ({
        ...values,
        ...{ 301: 57.6, 302: 57.8, 303: 57.9 },
        ...Object.fromEntries([311, 312, 313].map(id => [id, ((values[id] as number) * 225) / 57.8])),
        ...registers
      }))
    for (const registers of [{}, { 450: 15, 451: 100 }])
      t.match(lastOf(meterPoint(archive), hv(registers), 'ratio'), {
        verdict: 'violated',
        cause: 'ct-pt-exchanged',
        factor: 1,
        numbers: { likelyCt: '75/5', likelyPt: 100 }
      })
  })

  t.test('ratios out of the series', async t => {
    const odd = (primary: number, ratedKva: number) => {
      const meter = meterPoint({ ct: { primary, secondary: 5 }, ratedKva })
      return lastOf(meter, steady(meter, 300, 1), 'ratio')
    }
    t.match(odd(130, 21), { verdict: 'violated', factor: 1.73205, numbers: { likelyCt: '75/5' } })
    t.not(odd(130, 30)?.verdict, 'violated', 'a load within the rated one does not bear it out')
    t.not(odd(125, 20)?.verdict, 'violated', 'a real overload')
    const under = meterPoint({ ct: { primary: 1, secondary: 5 } })
    t.match(lastOf(under, steady(under, 4, 0.2), 'ratio'), { verdict: 'violated', factor: undefined })
  })

  t.test('two elements: A against C', async t => {
    const meter = meterPoint({ ct: { primary: 50, secondary: 5 }, pt: { primary: 10_000, secondary: 100 } })
    const two = (left: number) =>
      steady(meter, 300, 0.6, (n, values) => {
        const i = 3.6 + (n % 5) / 100
        return { ...values, 301: 100.4 + (n % 7) / 10, 302: 0, 303: 100.2, 311: i * left, 312: 0, 313: i }
      })
    t.match(lastOf(meter, two(2), 'ratio-phase'), { verdict: 'violated', factor: 2 })
    t.not(lastOf(meter, two(1.1), 'ratio-phase')?.verdict, 'violated')
  })

  t.test('both sides of a high-voltage meter multiplied twice, at a light load', async t => {
    const meter = meterPoint({
      ct: { primary: 50, secondary: 5 },
      pt: { primary: 10_000, secondary: 100 },
      ratedKva: 120
    })
    const kilowatts = 60
    let energy = 1000
    const squared = Array.from({ length: 260 }, (_, n) => {
      energy = Math.round((energy + kilowatts / 4) * 100) / 100
      const i = (kilowatts * 1000) / (Math.sqrt(3) * 10_000 * 0.95)
      const values = { 301: 10_020 + (n % 7), 302: 0, 303: 10_010, 311: i, 312: 0, 313: i * 1.01 }
      return reading(meter, SLOT + n, { 100: energy, ...values, 320: kilowatts, 350: 0.95 })
    })
    t.match(lastOf(meter, squared, 'ratio'), { verdict: 'violated', factor: 1000 })
  })
})

t.test('alarm life cycle', async t => {
  const engine = new AlarmEngine(RULES)
  const subject = { meter: 'M1', bus: 'b1' }
  const at = (slot: number) => ({
    slot,
    atS: (slot + 1) * 900,
    frames: ['aa'],
    location: null,
    slotSeconds: 900
  })
  const pf = (level: number): Finding => ({
    rule: 'power-factor',
    verdict: level > 1 ? 'violated' : 'holds',
    level,
    numbers: {}
  })
  const play = (from: number, levels: readonly number[]) =>
    levels.flatMap((level, n) =>
      engine.step(subject, [pf(level)], at(from + n)).map(e => `${e.kind}@${e.slot - from}`)
    )
  t.same(play(0, [2, 0, 2, 0, 0, 0]), [], 'two of four do not raise')
  t.same(play(10, [2, 2, 0, 2]), ['raised@3'], 'three of four do')
  t.ok(engine.acknowledge('M1/power-factor', 5))
  t.equal(engine.raised()[0]?.acknowledgedAt, 5)
  const again = new AlarmEngine(RULES)
  again.load(engine.save())
  t.ok(again.isRaised(subject, 'power-factor'), 'survives a restart')
  t.same(play(14, [0.9, 0.9, 0.9, 0.9]), [], 'between 80 % and the limit it stays')
  t.same(play(20, [0.7, 0.7]), ['cleared@1'])
  t.notOk(engine.acknowledge('M1/power-factor', 6))
  engine.shelve('M1/power-factor', 900 * 40)
  t.same(play(30, [2, 2, 2, 2]), [], 'shelved')
  t.same(play(40, [2]), ['raised@0'], 'the shelf ends')
  let events: AlarmEvent[] = []
  for (let n = 0; n < 60; n++) {
    const finding: Finding = {
      rule: 'overload',
      verdict: n % 3 ? 'holds' : 'violated',
      level: n % 3 ? 0 : 2,
      numbers: {}
    }
    events = [...events, ...engine.step({ meter: 'M2', bus: null }, [finding], at(100 + n))]
  }
  t.ok(events.length <= 12, `a flapping alarm is locked: ${events.length} events`)
  t.ok(events.some(event => event.locked))
})

t.test(
  'the desk: a raise becomes due for the chain with its storing, where its rule and a chain ask for it',
  async t => {
    const subject = { meter: 'M1', bus: 'b1' }
    const place = { atS: 900, frames: [], location: null, slotSeconds: 900 }
    const finding = (rule: string, bad: boolean): Finding => ({
      ...{ rule, verdict: bad ? 'violated' : 'holds', level: bad ? 2 : 0, numbers: {} }
    })
    const dueOf = (filesOnChain: boolean, book = RULES) => {
      const store = openAgentStore(join(t.testdir(), `${dues++}.db`), { nowMs: Date.now })
      t.teardown(() => store.close())
      const desk = new AlarmDesk('G-1', gatewaySigner, store, QUIET, filesOnChain)
      const engine = new AlarmEngine(book)
      for (let slot = 0; slot < 24; slot++) {
        for (const rule of ['event-cover', 'event-time-set']) {
          const events = engine.step(subject, [finding(rule, slot < 2)], { ...place, slot })
          desk.file(events)
          // a restart sees the same cause again
          desk.file(events.filter(event => event.kind === 'raised'))
        }
      }
      const due = store.nextDueAlarm(0)
      return { due, next: store.nextDueAlarm(due?.id ?? 0), store }
    }
    let dues = 0
    const { due, next, store } = dueOf(true)
    t.equal(next, undefined, 'one rule of the two asks for it, once')
    const alarm = decodeAlarm(decodeSigned((due as DueAlarm).signed).body)
    t.match(alarm, { rule: 'event-cover', state: 'raised', cleared: null, raised: 900 })
    t.equal(store.alarms({ rule: 'event-cover' })[0]?.state, 'cleared', 'it has ended, and its raise is due')
    t.equal(dueOf(false).due, undefined, 'without a chain nothing is due, now or later')
    t.equal(dueOf(true, withChainChoice(RULES, { 'event-cover.onChain': 0 })).due, undefined)
    const other = dueOf(true, withChainChoice(RULES, { 'event-time-set.onChain': 1 }))
    t.ok(other.due && other.next, 'the operator may choose more')
  }
)

t.test('the stage: bus down hides its meters, success rate, state', async t => {
  const meters = ['A', 'B', 'C'].map(id => meterPoint({ id, location: { lat: 38.7, lon: 115.4 } }))
  const learned = memory()
  const stage = new CheckStage({ meters, rules: RULES, learned, slotSeconds: 900, utcOffsetMinutes: 480 })
  stage.start()
  const events: AlarmEvent[] = []
  const first = Math.ceil((SLOT + 32) / 96) * 96 - 32
  for (let n = 0; n < 200; n++) {
    const down = n >= 10 && n < 16
    const readings = meters.map(meter =>
      down
        ? gapReading(meter, first + n, 'busDown')
        : reading(
            meter,
            first + n,
            threePhase(
              meter.id === 'A' && n > 50 && n < 54 ? 6 : 2,
              100 + n * 0.5 + (meter.id === 'A' && n > 50 ? Math.min(n, 53) - 50 : 0),
              n
            )
          )
    )
    const out = stage.onSlot(first + n, readings, new Map([['A', ['ff']]]))
    t.equal(out.readings.length, 3)
    events.push(...out.alarmEvents)
    if (n === 52) t.ok(flagsOf(out.readings[0]!.quality).includes('overload'))
  }
  const story = events.map(event => `${event.kind} ${event.key}`)
  t.ok(story.includes('raised bus:b1/bus-down') && story.includes('cleared bus:b1/bus-down'))
  t.notOk(
    story.some(line => line.includes('/gap')),
    'the meters of the bus stay quiet'
  )
  t.same(
    story.filter(line => line.includes('overload')),
    ['raised A/overload', 'cleared A/overload']
  )
  t.ok(story.includes('raised gateway/read-success'))
  const overload = events.find(event => event.rule === 'overload')
  t.same(overload?.evidence.frames, ['ff'])
  t.equal(overload?.deadlineHours, 8)
  t.same(overload?.location, { lat: 38.7, lon: 115.4 })
  stage.flush()
  for (const [key, value] of learned.map)
    if (key.startsWith('check/meter')) t.ok(value.length <= 4096, `${key}: ${value.length}`)
  const text = encodeHistory(stage.historyOf('A')!)
  t.same(encodeHistory(decodeHistory(text)), text)
  t.same(decodeHistory('nonsense'), emptyHistory())
})
