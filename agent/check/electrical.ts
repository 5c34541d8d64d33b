/** Findings about the values of the moment: ranges, phases, reactive power, energy against current, meter clock. */
import { SOURCE } from '../../proto/reading.ts'
import type { MeterContext } from './context.ts'
import { type Finding, holds, judge, noEvidence, round, violated } from './finding.ts'
import { factor, ID, totalPower, volts } from './item-values.ts'
import { fullAmps, referenceKva } from './load.ts'

const VOLTAGES = [...ID.voltage, ...ID.lineVoltage]
const FACTORS = [ID.powerFactor, ...ID.phasePowerFactor]

/** Ranges that hold for every meter. */
export function checkRange(c: MeterContext): Finding {
  let seen = 0
  const limit = c.limits.get('range', 'voltageMax') * Math.max(1, c.pt)
  // twice what this line has is no voltage of this line, whatever the register map allows
  const { voltage } = c.history.ratio
  const usual = voltage.length >= 8 ? c.history.ratio.middles.voltage : 0
  const most = usual > 0 ? Math.min(limit, 2 * usual) : limit
  for (const item of VOLTAGES) {
    const u = volts(c.values, item)
    if (u === undefined) continue
    seen++
    if (u < 0 || u > most)
      return violated('range', { item, volts: round(u), limit: most }, { flag: 'range', cause: 'voltage' })
  }
  const supply = supplyVoltage(c)
  if (supply) return violated('range', supply, { flag: 'range', cause: 'supply-voltage' })
  const current = impossibleCurrent(c)
  if (current) return violated('range', current, { flag: 'range', cause: 'current' })
  for (const item of FACTORS) {
    const pf = factor(c.values, item)
    if (pf === undefined) continue
    seen++
    if (Math.abs(pf) > 1.01)
      return violated('range', { item, powerFactor: round(pf) }, { flag: 'range', cause: 'power-factor' })
  }
  const raw = c.values.get(ID.frequency)
  if (raw !== undefined && raw !== 0) {
    seen++
    const hertz = raw / 1000
    if (hertz < c.limits.get('range', 'frequencyLow') || hertz > c.limits.get('range', 'frequencyHigh'))
      return violated('range', { hertz: round(hertz) }, { flag: 'range', cause: 'frequency' })
  }
  return seen > 0 ? holds('range') : noEvidence('range', 'nothing to check')
}

/** A line that is far off the voltage it usually has, both ways; a phase that is gone is for rule phase-loss. */
function supplyVoltage(c: MeterContext): Record<string, number> | undefined {
  const { usualVolts } = c.history
  if (usualVolts <= 0) return undefined
  const limit = c.limits.get('range', 'supply')
  const lost = c.limits.get('phase-loss', 'ratio')
  // line voltages have another usual one: they count where nothing else is read
  const read = c.volts.some(x => x !== null && x > 10) ? c.volts : c.lineVolts
  for (const u of read) {
    if (u === null || u <= 10 || u < lost * usualVolts || Math.abs(u / usualVolts - 1) <= limit) continue
    return { volts: round(u), usualVolts: round(usualVolts) }
  }
  return undefined
}

/**
 * A current that the meter cannot carry and usually does not show. One that shows it all day has its values on the primary side: that is
 * for rule ratio to say.
 */
function impossibleCurrent(c: MeterContext): Record<string, number> | undefined {
  const { amps: ring, middles } = c.history.ratio
  const most = c.limits.get('range', 'currentFactor') * fullAmps(c)
  if (ring.length < 8 || c.highestAmps <= most || middles.amps > most / 2) return undefined
  return { amps: round(c.highestAmps), mostAmps: round(most) }
}

/** V10: a phase whose voltage is far under the highest. Two-element meters have no B phase to lose. */
export function checkPhaseLoss(c: MeterContext): Finding {
  const all = c.volts
  const had = all.filter(u => u !== null)
  if (c.wiring !== 'three' || had.length < 3) return noEvidence('phase-loss', 'not three phases')
  const highest = Math.max(...had)
  const lowest = Math.min(...had)
  if (highest < 20) return noEvidence('phase-loss', 'no voltage at all')
  const phase = 'ABC'[all.indexOf(lowest)] as string
  const level = c.limits.get('phase-loss', 'ratio') / Math.max(0.01, lowest / highest)
  return judge('phase-loss', level, () => ({ phase, volts: round(lowest), highest: round(highest) }), {
    flag: 'phase'
  })
}

/**
 * V10: voltages that differ, or, behind current transformers and under high load, currents that do. Small three-phase customers
 * load one phase as they please.
 */
export function checkImbalance(c: MeterContext): Finding {
  const u = c.volts.filter(x => x !== null)
  if (c.wiring !== 'three' || u.length < 3) return noEvidence('phase-imbalance', 'not three phases')
  const [lowest, highest] = [Math.min(...u), Math.max(...u)]
  if (highest < 20 || lowest < c.limits.get('phase-loss', 'ratio') * highest)
    return noEvidence('phase-imbalance', 'a phase is lost')
  const mean = (u[0] as number) / 3 + (u[1] as number) / 3 + (u[2] as number) / 3
  const deviation = Math.max(highest - mean, mean - lowest) / mean
  const current = currentImbalance(c)
  const level = Math.max(
    deviation / c.limits.get('phase-imbalance', 'voltage'),
    current / c.limits.get('phase-imbalance', 'current')
  )
  const numbers = () => ({
    voltagePercent: round(100 * deviation),
    currentPercent: round(100 * current),
    lowestVolts: round(lowest),
    highestVolts: round(highest)
  })
  return judge('phase-imbalance', level, numbers, { flag: 'phase' })
}

/** (highest - lowest) / highest; 0 where it says nothing. */
function currentImbalance(c: MeterContext): number {
  const i = c.amps.map(x => (x === null ? Number.NaN : Math.abs(x)))
  const reference = referenceKva(c)
  if (c.ct <= 1 || c.kva === undefined || reference === undefined || i.some(Number.isNaN)) return 0
  if (c.kva < c.limits.get('phase-imbalance', 'floor') * reference) return 0
  const highest = Math.max(...i)
  return highest > 0 ? (highest - Math.min(...i)) / highest : 0
}

/** V10: much current, hardly any active power. */
export function checkReactive(c: MeterContext): Finding {
  const { powerFactor: pf, kva } = c
  const reference = referenceKva(c)
  if (pf === undefined || kva === undefined || reference === undefined)
    return noEvidence('reactive', 'no power factor or reference')
  const i = c.amps
  const u = c.volts
  let product = 0
  for (let n = 0; n < 3; n++) product += ((i[n] ?? 0) * (u[n] ?? 0) * c.ct * c.pt) / 1000
  const load = Math.max(kva, product)
  if (load < c.limits.get('reactive', 'floor') * reference) return noEvidence('reactive', 'load too low')
  const level = c.limits.get('reactive', 'powerFactorMin') / Math.max(0.001, pf)
  return judge('reactive', level, () => ({ powerFactor: round(pf), kva: round(load) }), {
    flag: 'consistency'
  })
}

/** Counts in a slot that a stopped register does not make. */
const STILL_COUNTS = 3

/** V4 and its reverse: registers against the power of the moment over the slots since the last reading. */
export function checkEnergyAgainstCurrent(c: MeterContext): Finding[] {
  const { step } = c
  const p = totalPower(c.values)
  if (step.kind !== 'step' || step.import === undefined || step.event || p === undefined || !c.live)
    return [noEvidence('zero-energy', 'no increment or power')]
  // what flows back is counted by a register that was not read
  if (p < 0 && step.export === undefined) return [noEvidence('zero-energy', 'feeds back')]
  const gained = step.import + (step.export ?? 0)
  // the power register may be what is broken: current and voltage speak too
  const i = c.amps
  const u = c.volts
  let flowing = 0
  let currents = 0
  let expected = 0
  for (let n = 0; n < 3; n++) {
    const current = i[n]
    if (current === null || current === undefined) continue
    currents++
    flowing = Math.max(flowing, Math.abs(current))
    expected += (Math.abs(current) * (u[n] ?? 0)) / 1000
  }
  const hours = step.slots * c.slotHours
  const before = c.history.power
  // both ends of the slot under load, or the load may have come a moment ago
  const steady = before === null ? 0 : Math.min(Math.abs(p), Math.abs(before))
  // of a register that stands still all the slots count in which it did
  const waiting = gained === 0 ? c.history.unmet : 0
  const integral = waiting + steady * hours * 1000
  const counts = integral / c.history.resolution
  const out: Finding[] = []
  // where currents are not read the power speaks alone
  if (counts < c.limits.get('zero-energy', 'counts') || (currents > 0 && flowing === 0))
    out.push(noEvidence('zero-energy', 'load too low'))
  // a register that counts too little is not stopped: test 7 of the ratio says by what factor
  else if (gained >= STILL_COUNTS * c.history.resolution) out.push(holds('zero-energy'))
  else {
    const ratio = gained / integral
    const level = c.limits.get('zero-energy', 'ratio') / Math.max(0.001, ratio)
    out.push(
      judge('zero-energy', level, () => ({ kwh: gained / 1000, expectedKwh: round(integral / 1000) }), {
        flag: 'consistency'
      })
    )
  }
  const gainedCounts = gained / c.history.resolution
  if (currents === 0 || step.slots !== 1) out.push(noEvidence('energy-no-current', 'no currents'))
  else if (gainedCounts < c.limits.get('energy-no-current', 'counts'))
    out.push(noEvidence('energy-no-current', 'no energy'))
  else {
    const dead = flowing === 0 && (c.history.power ?? 1) === 0 && p === 0
    out.push(
      judge(
        'energy-no-current',
        dead ? 2 : 0,
        () => ({ kwh: gained / 1000, amps: flowing, kva: round(expected) }),
        {
          flag: 'consistency'
        }
      )
    )
  }
  return out
}

/** Takes the slot's power into what a register that stands still has missed. Called before the history's power is replaced. */
export function noteUnmet(c: MeterContext): void {
  const { step, history } = c
  const p = totalPower(c.values)
  if (step.kind !== 'step' || step.import === undefined) return
  const flows = c.live && p !== undefined && (p > 0 || step.export !== undefined)
  if (step.import + (step.export ?? 0) > 0 || step.event || !flows || history.power === null)
    history.unmet = 0
  else history.unmet += Math.min(Math.abs(p), history.power) * step.slots * c.slotHours * 1000
}

/** V12: the meter's clock against ours, and a step of it since the last reading. */
export function checkClock(c: MeterContext): Finding[] {
  const { meterTime, readAt } = c.reading
  if (meterTime === null || readAt === null || c.reading.source !== SOURCE.live)
    return [noEvidence('meter-clock', 'no meter time')]
  const drift = meterTime - readAt / 1000
  const { drift: before, stamp } = c.history
  const out = [
    judge(
      'meter-clock',
      Math.abs(drift) / c.limits.get('meter-clock', 'driftMax'),
      () => ({ driftS: round(drift) }),
      {
        flag: 'meterClock'
      }
    )
  ]
  if (before !== null) {
    // a stamp of the slot's end stands still while we read sooner or later: a clock that was moved moves both
    const moved = stamp === null ? drift - before : least(drift - before, meterTime - stamp)
    out.push(
      judge(
        'clock-step',
        Math.abs(moved) / c.limits.get('clock-step', 'stepMax'),
        () => ({ stepS: round(moved) }),
        {
          flag: 'meterClock'
        }
      )
    )
  }
  return out
}

const least = (a: number, b: number) => (Math.abs(a) < Math.abs(b) ? a : b)
