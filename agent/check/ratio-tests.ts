/** CT/PT tests 1 to 6 of peers-features.md C: archive against register, fingerprint, legal values, side, voltage, identity. */
import type { MeterContext } from './context.ts'
import { type Finding, holds, noEvidence, round, violated } from './finding.ts'
import { ID, ratioRegister, totalPower } from './item-values.ts'
import { backwardPhase } from './phase-wiring.ts'
import { isLegalCt, isLegalPt, nominalVoltages, snapFactor } from './ratio-factors.ts'
import { median } from './statistics.ts'

/** Test 1. The register is read every few hours; what it said last counts. 0 and 1 mean unset: no evidence. */
export function testRegister(c: MeterContext): Finding {
  const tolerance = c.limits.get('ratio-register', 'tolerance')
  const { ctRegister, ptRegister } = c.history.ratio
  if (isUnset(ctRegister) && isUnset(ptRegister))
    return noEvidence('ratio-register', 'register unset or not read')
  const wrong: Record<string, number> = {}
  const is = (register: number, archive: number) =>
    register > 0 && Math.abs(archive / register - 1) <= tolerance
  let off = 1
  for (const [name, archive, register] of [
    ['ct', c.ct, ctRegister],
    ['pt', c.pt, ptRegister]
  ] as const) {
    if (isUnset(register) || Math.abs(archive / register - 1) <= tolerance) continue
    wrong[`${name}Archive`] = round(archive, 6)
    wrong[`${name}Register`] = round(register, 6)
    off *= archive / register
  }
  if (Object.keys(wrong).length === 0) return holds('ratio-register', { ct: c.ct, pt: c.pt })
  const exchanged = is(ctRegister, c.pt) && is(ptRegister, c.ct)
  return violated('ratio-register', wrong, {
    factor: round(off, 6),
    ...(exchanged ? { cause: 'ct-pt-exchanged' } : {})
  })
}

const isUnset = (register: number) => register === 0 || register === 1

/** Test 3. */
export function testLegal(c: MeterContext): Finding {
  const { ct, pt } = c.transformers
  const [cp, cs, pp, ps] = [ct.primary, ct.secondary, pt.primary, pt.secondary]
  // a transformer of 5 A over 1 A is none: that is another mistake
  if (c.ct < 1 && isLegalCt(cs, cp) && cs > 5)
    return violated(
      'ratio-legal',
      { ct: `${cp}/${cs}` },
      { cause: 'ct-swapped', factor: round(c.ct * c.ct, 6) }
    )
  if (c.pt < 1 && isLegalPt(ps, pp))
    return violated(
      'ratio-legal',
      { pt: `${pp}/${ps}` },
      { cause: 'pt-swapped', factor: round(c.pt * c.pt, 6) }
    )
  const ctLegal = isLegalCt(cp, cs)
  const ptLegal = isLegalPt(pp, ps)
  if (ctLegal && ptLegal) return holds('ratio-legal', { ct: `${cp}/${cs}`, pt: `${pp}/${ps}` })
  // the two pairs in each other's place: 100 V under the current, 5 A under the voltage
  const crossed = cs >= 57 && (ps === 5 || ps === 1) && isLegalPt(cp, cs) && isLegalCt(pp, ps)
  const cause = crossed
    ? 'ct-pt-exchanged'
    : c.ct < 1
      ? 'ct-under-one'
      : ctLegal
        ? 'pt-not-standard'
        : 'ct-not-standard'
  return violated('ratio-legal', { ct: `${cp}/${cs}`, pt: `${pp}/${ps}` }, { cause })
}

/** Readings above the secondary side's current that, beside a primary voltage, show that currents are primary too. */
const OFTEN = 8
/** And how many more are counted: one is forgotten every 48 slots, so that a night does not take back what the day has shown. */
const LATELY = 4

/** One phase carries far more than the next. */
function isLone(amps: readonly (number | null)[]): boolean {
  const sizes = amps.map(x => Math.abs(x ?? 0)).sort((a, b) => b - a)
  return (
    amps.every(x => x !== null) &&
    (sizes[1] as number) > 0 &&
    (sizes[1] as number) < 0.67 * (sizes[0] as number)
  )
}

/** Test 4: values above what the secondary side can carry are primary already. */
export function testSide(c: MeterContext): Finding {
  const i = c.highestAmps
  const u = Math.max(0, ...c.volts.map(x => x ?? 0))
  if (c.ct <= 1 && c.pt <= 1) return noEvidence('ratio-side', 'no transformers')
  const state = c.history.ratio
  const settled = state.amps.length >= 8 || (state.amps.length === 0 && state.voltage.length >= 8)
  const mostAmps = c.limits.get('ratio-side', 'overCurrent') * Math.max(1, c.ctSecondary)
  const ps = c.transformers.pt.secondary
  const mostVolts =
    c.limits.get('ratio-side', 'overVoltage') * (ps >= 57 && ps <= 130 ? Math.max(100, ps) : 110)
  // a real overload passes; a register on the primary side is above most of the day, or far above at once
  const gross = state.amps.length >= 8 && state.amps.slice(-6).every(x => x > 4 * mostAmps)
  const often = c.history.archive.primaryAmps >= OFTEN && state.middles.voltage > mostVolts && c.pt > 1
  const byAmps = c.ct > 1 && settled && (gross || often || state.middles.amps > mostAmps)
  const byVolts = c.pt > 1 && settled && state.middles.voltage > mostVolts
  if (byAmps || byVolts) {
    const numbers = { usualAmps: state.middles.amps, mostAmps, usualVolts: state.middles.voltage, mostVolts }
    const cause = byAmps && byVolts ? 'both' : byAmps ? 'current' : 'voltage'
    // values that are primary already are so on every phase: one alone has another transformer, and the phases name it
    if (cause === 'current' && isLone(c.amps)) return violated('ratio-side', numbers, { cause })
    return violated('ratio-side', numbers, {
      cause,
      factor: round((byAmps ? c.ct : 1) * (byVolts ? c.pt : 1))
    })
  }
  if (c.history.leaps > 1)
    return violated('ratio-side', { leaps: c.history.leaps }, { cause: 'energy', factor: round(c.ct * c.pt) })
  if (c.ct > 1 && c.history.archive.primaryAmps > OFTEN)
    return { ...noEvidence('ratio-side', 'low now, high lately'), cause: 'waits' }
  return i > 0 || u > 0
    ? holds('ratio-side', { amps: round(i), volts: round(u) })
    : noEvidence('ratio-side', 'no values')
}

/** Voltage on the meter's side for test 5: median of the phases; undefined when the line is dead. */
export function sideVoltage(
  c: MeterContext
): { volts: number; kind: 'phase' | 'line' | 'either' } | undefined {
  const own = c.volts.filter(u => u !== null && u > 10) as number[]
  if (own.length > 0) {
    const kind = c.wiring === 'two' ? 'line' : c.wiring === 'single' && c.pt > 1 ? 'either' : 'phase'
    return { volts: kind === 'line' ? (own[0] as number) : median(own), kind }
  }
  const line = c.lineVolts.filter(u => u !== null && u > 10) as number[]
  return line.length > 0 ? { volts: median(line), kind: 'line' } : undefined
}

/** Test 5: primary voltage on the ladder of system voltages. */
export function testVoltage(c: MeterContext): Finding {
  const ring = c.history.ratio.voltage
  const side = sideVoltage(c)
  if (!side || ring.length < c.limits.get('ratio-voltage', 'samples'))
    return noEvidence('ratio-voltage', 'too few voltages')
  const secondary = c.history.ratio.middles.voltage
  const primary = secondary * c.pt
  const tolerance = c.limits.get('ratio-voltage', 'tolerance')
  const ladder = nominalVoltages(side.kind)
  const off = (u: number) =>
    ladder.reduce((least, n) => Math.min(least, Math.abs(u / n - 1)), Number.POSITIVE_INFINITY)
  const numbers = { secondaryVolts: round(secondary), pt: c.pt, primaryVolts: round(primary) }
  // 5774/100 looks like 6 kV, but it is 10 kV between lines over 100 V, of which somebody took the root of three once
  const root = Math.sqrt(3)
  if (!isLegalPt(c.pt, 1) && isLegalPt(c.pt * root, 1) && off(primary * root) <= tolerance)
    return violated('ratio-voltage', numbers, { factor: round(1 / root, 6) })
  if (off(primary) <= tolerance) return holds('ratio-voltage', numbers)
  if (hasMoved(c, secondary)) return noEvidence('ratio-voltage', 'the line has moved, not the transformer')
  // in each other's place they fit; as they are, one of the two is no standard one
  const odd = !isLegalPt(c.pt, 1) || !isLegalCt(round(c.ct, 6), 1)
  const apart = c.ct > 1 && c.pt > 1 && Math.abs(Math.log(c.ct / c.pt)) > 0.2
  if (
    odd &&
    apart &&
    isLegalPt(c.ct, 1) &&
    isLegalCt(round(c.pt, 6), 1) &&
    off(secondary * c.ct) <= tolerance
  )
    return violated('ratio-voltage', numbers, { factor: 1, cause: 'ct-pt-exchanged' })
  const register = c.history.ratio.ptRegister
  if (register > 1 && off(secondary * register) <= tolerance)
    return violated('ratio-voltage', numbers, { factor: round(c.pt / register, 6) })
  let best: number | undefined
  let least = 0.14
  const tenKv = side.kind === 'phase' ? 10_000 / Math.sqrt(3) : 10_000
  const tried = [
    2,
    0.5,
    Math.sqrt(3),
    1 / Math.sqrt(3),
    3,
    1 / 3,
    10,
    0.1,
    20,
    0.05,
    100,
    0.01,
    c.pt,
    1 / c.pt
  ]
  for (const f of tried) {
    if (Math.abs(Math.log(f)) < 0.2) continue
    // what is left must be a standard transformer
    const legal = isLegalPt(c.pt / f, 1) ? 0 : 0.04
    // and most lines are at 10 kV or below 1 kV
    const usual = primary / f < 1000 || Math.abs(Math.log(primary / f / tenKv)) < 0.1 ? 0 : 0.02
    const cost = off(primary / f) + 0.02 * Math.abs(Math.log(f)) + legal + usual
    if (cost < least) {
      least = cost
      best = f
    }
  }
  return violated('ratio-voltage', numbers, best === undefined ? {} : { factor: round(best, 6) })
}

/** steps a voltage takes where the transformer is another one */
const PT_STEPS = [5 / 3, Math.sqrt(3), 2, 3, 10 / 3, 3.5, 10, 20, 100].flatMap(step => [step, 1 / step])
const STEP_TOLERANCE = 0.05
/** and less than that is no move */
const LEAST_MOVE = 0.1
/** of the mean: a day's worth of quarters of an hour */
const VOLTAGE_SHARE = 1 / 96

/** Whether the line itself left its limits: it was on the ladder under this PT, and another transformer would not bring it here. */
function hasMoved(c: MeterContext, secondary: number): boolean {
  const { usualVolts } = c.history
  const step = Math.log(secondary / usualVolts)
  if (usualVolts <= 0 || Math.abs(step) < LEAST_MOVE) return false
  if (c.pt === 1 && usualVolts > DIRECT_VOLTS) return true
  return !PT_STEPS.some(one => Math.abs(step - Math.log(one)) < STEP_TOLERANCE)
}
/** more than any secondary side has */
const DIRECT_VOLTS = 150

/** Takes the voltage into the usual one. @param onLadder test 5 holds */
export function noteVoltage(c: MeterContext, onLadder: boolean): void {
  const { history } = c
  // mended or broken, the archive is another one: what was usual under the old PT says nothing
  if (history.archive.k !== 0 && history.archive.k !== c.ct * c.pt) history.usualVolts = 0
  if (!onLadder) return
  // the middle of the last hours, as the test took it: the moment may already be another line's
  const now = history.ratio.middles.voltage
  const before = history.usualVolts
  history.usualVolts = before === 0 ? now : before + VOLTAGE_SHARE * (now - before)
}

/** ln of P over the sum of U I PF for test 6; undefined where the items or the load are missing. */
export function identitySample(c: MeterContext): number | undefined {
  const p = totalPower(c.values)
  if (p === undefined || !c.live) return undefined
  const i = c.amps
  const u = c.volts
  const pf = c.phasePf
  const total = c.powerFactor
  const full = c.ct > 1 ? c.ctSecondary : 5
  if (c.highestAmps < c.limits.get('ratio-identity', 'floor') * full) return undefined
  let sum = 0
  if (c.wiring === 'two') {
    if (total === undefined) return undefined
    sum = (Math.sqrt(3) * (u[0] ?? 0) * ((i[0] ?? 0) + (i[2] ?? 0)) * total) / 2 / 1000
  } else {
    for (let n = 0; n < 3; n++) {
      const x = i[n]
      if (x === null || x === undefined || x === 0) continue
      const cos = pf[n] ?? total
      if (cos === undefined || cos === null || u[n] === null || u[n] === undefined) return undefined
      sum += ((u[n] as number) * x * Math.abs(cos)) / 1000
    }
  }
  const signs = c.phaseKw
  // phases that flow against each other break the identity without any ratio being wrong
  if (signs.some(x => (x ?? 0) < 0) && signs.some(x => (x ?? 0) > 0)) return undefined
  if (sum <= 0 || p === 0 || backwardPhase(c)) return undefined
  return Math.log(Math.abs(p) / sum)
}

/** Test 6: the median identity of the last readings; a snap names the mistake, anything else is no evidence. */
export function testIdentity(c: MeterContext): Finding {
  const ring = c.history.ratio.identity
  if (ring.length < c.limits.get('ratio-identity', 'samples'))
    return noEvidence('ratio-identity', 'too few values')
  const { identity: middle, identitySpread: spread } = c.history.ratio.middles
  const snap = c.limits.get('ratio-identity', 'snap')
  const ratio = Math.exp(middle)
  const numbers = { ratio: round(ratio), spread: round(spread), samples: ring.length }
  if (spread > 0.1) return noEvidence('ratio-identity', 'values scatter')
  if (Math.abs(middle) <= Math.log(1 + snap)) return holds('ratio-identity', numbers)
  const named = snapFactor(ratio, snap, c.ct, c.pt)
  if (!named) return { ...noEvidence('ratio-identity', 'off, but by no known factor'), numbers }
  return violated(
    'ratio-identity',
    { ...numbers, factorName: named.name },
    { factor: round(named.value, 6), cause: named.name }
  )
}

/** Test 2: what only programming changes, in one text. */
export function fingerprintOf(c: MeterContext): string {
  const { ctRegister, ptRegister } = c.history.ratio
  const constant = c.values.get(ID.constantActive) ?? 0
  const programmed = c.values.get(ID.programmingCount) ?? -1
  return `${ctRegister}|${ptRegister}|${constant}|${programmed}`
}

/** Test 2 against the last fingerprint; a part that was not read before is learned in silence. */
export function testFingerprint(c: MeterContext): Finding {
  const before = c.history.ratio.fingerprint
  if (before === '') return noEvidence('ratio-fingerprint', 'first reading')
  const text = fingerprintOf(c)
  if (text === before) return holds('ratio-fingerprint')
  const old = before.split('|')
  const now = text.split('|')
  const names = ['ctRegister', 'ptRegister', 'constant', 'programmingCount']
  const numbers: Record<string, string> = {}
  names.forEach((name, n) => {
    const unread = n === 3 ? '-1' : '0'
    if (old[n] !== unread && now[n] !== unread && old[n] !== now[n]) numbers[name] = `${old[n]} to ${now[n]}`
  })
  if (Object.keys(numbers).length === 0) return holds('ratio-fingerprint')
  return violated('ratio-fingerprint', numbers)
}

/** Takes the values of a reading into the ratio tests' memory; a new archive version starts it anew. */
export function noteRatioValues(c: MeterContext): void {
  const state = c.history.ratio
  const version = c.reading.ratio?.version ?? c.meter.ratioVersion
  if (state.version !== version) {
    state.version = version
    state.identity = []
    state.voltage = []
    state.amps = []
  }
  const ct = ratioRegister(c.values, ID.ctRegister)
  const pt = ratioRegister(c.values, ID.ptRegister)
  if (ct !== undefined) state.ctRegister = ct
  if (pt !== undefined) state.ptRegister = pt
  const most = c.highestAmps
  const bound = c.limits.get('ratio-side', 'overCurrent') * Math.max(1, c.ctSecondary)
  const { archive } = c.history
  if (most > bound) archive.primaryAmps = Math.min(OFTEN + LATELY, archive.primaryAmps + 1)
  else if (archive.primaryAmps > OFTEN && c.reading.slot % 48 === 0) archive.primaryAmps--
  if (most > 0) push(state.amps, Math.round(most * 1e3) / 1e3)
  const side = sideVoltage(c)
  if (side) push(state.voltage, Math.round(side.volts * 100) / 100)
  const identity = identitySample(c)
  if (identity !== undefined) push(state.identity, Math.round(identity * 1e4) / 1e4)
  // full rings move slowly: once an hour is enough
  if (state.amps.length >= 24 && state.voltage.length >= 24 && c.reading.slot % 4 !== 0) return
  const middle = state.identity.length > 0 ? median(state.identity) : 0
  state.middles = {
    identity: middle,
    identitySpread: state.identity.length > 0 ? median(state.identity.map(x => Math.abs(x - middle))) : 0,
    voltage: state.voltage.length > 0 ? median(state.voltage) : 0,
    amps: state.amps.length > 0 ? median(state.amps) : 0
  }
}

function push(ring: number[], value: number): void {
  ring.push(value)
  if (ring.length > 24) ring.shift()
}
