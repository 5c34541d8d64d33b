/** Load and power factor: overload, swing, power factor under the limit. Loads are primary here. */
import type { MeterContext } from './context.ts'
import { type Finding, holds, judge, noEvidence, round } from './finding.ts'
import { ID, kilo, totalPower } from './item-values.ts'

/** What a load is measured against: the rated capacity, else the highest load seen after a while; undefined before. */
export function referenceKva(c: MeterContext): number | undefined {
  if (c.meter.ratedKva !== undefined) return c.meter.ratedKva
  return c.history.seen * c.slotHours >= 48 && c.history.peak > 0 ? c.history.peak : undefined
}

/** Energy of a slot, 0.001 kWh on the meter's side, by the power at its two ends, kW: all that is known of it but the register. */
export const powerIntegral = (c: MeterContext, before: number, now: number): number =>
  ((before + Math.abs(now)) / 2) * c.slotHours * 1000

/** Load of the slot in kVA: from the registers (mean of the slot) where they can tell, else of the moment. */
export function slotKva(c: MeterContext): number | undefined {
  if (c.meanKw === undefined) return c.step.kind === 'doubt' ? undefined : c.kva
  const pf = c.loadFactor
  // one count more or less must not be a tenth of the load
  const countKw = (c.history.resolution / 1000 / c.slotHours / c.step.slots) * c.ct * c.pt
  const mean = Math.abs(c.meanKw)
  const over = pf !== undefined && pf > 0.3 ? pf : 1
  if (c.kva === undefined || mean >= FINE_COUNTS * countKw) return mean / over
  // few counts leave the load of the moment its place, within what they can stand for; one or none may be a register that stands
  return mean < COARSE_COUNTS * countKw
    ? c.kva
    : Math.max((mean - countKw) / over, Math.min((mean + countKw) / over, c.kva))
}

/** Counts a slot from which one more or less is no tenth of the load, and from which they bound it. */
const FINE_COUNTS = 10
const COARSE_COUNTS = 3

/** Load over the limit of rated capacity. */
export function checkOverload(c: MeterContext): Finding {
  const rated = c.meter.ratedKva
  const load = slotKva(c)
  if (rated === undefined || load === undefined) return noEvidence('overload', 'no rated capacity or load')
  const limit = c.limits.get('overload', 'factor')
  const numbers = () => ({ loadKva: round(load), ratedKva: rated, percent: round((100 * load) / rated) })
  return judge('overload', load / rated / limit, numbers, { flag: 'overload' })
}

/** Energy flows back in this slot. */
export function feedsBack(c: MeterContext): boolean {
  return (c.step.export ?? 0) > 0 || (c.live && (totalPower(c.values) ?? 0) < 0)
}

/** Swing slot to slot. `usualTop` is the highest load this meter shows around this time of week; undefined while untaught. */
export function checkSwing(
  c: MeterContext,
  usualTop: number | undefined,
  usualLow: number | undefined
): Finding {
  const load = slotKva(c)
  const before = c.history.load
  const reference = referenceKva(c)
  if (load === undefined || before === null || reference === undefined || c.step.slots > 1)
    return noEvidence('swing', 'no load before or no reference')
  if (c.meter.ratedKva === undefined && usualTop === undefined)
    return noEvidence('swing', 'pattern not yet known')
  const high = Math.max(load, before)
  // what comes and goes with the sun is no load, as far as the sun has ever gone; nor is the next start of a pump that starts every few days
  if (high <= c.limits.get('swing', 'peakFactor') * c.history.peak) {
    if (c.history.fedBack || feedsBack(c)) return noEvidence('swing', 'feeds back')
    if (startsByItself(c)) return noEvidence('swing', 'starts and stops by itself')
  }
  const factor = swingFactor(c, load, before, reference)
  const rising = load > before
  const numbers = () => ({ loadKva: round(load), beforeKva: round(before), percent: round(100 * factor) })
  const level = factor / c.limits.get('swing', 'factor')
  if (level > 1) {
    if (usualTop === undefined || usualLow === undefined) {
      if (!rising || high < c.limits.get('swing', 'untaught') * reference)
        return noEvidence('swing', 'pattern not yet known')
    } else if (rising ? load <= usualTop : load >= usualLow || before <= usualTop) {
      // within what is usual at the hour; but a meter that never moved by nearly as much does not do so by habit
      if (c.history.seen * c.slotHours < STEADY.hours || factor < STEADY.over * c.history.mostSwing)
        return holds('swing')
    }
  }
  return judge('swing', level, numbers, { flag: 'swing' })
}

/** Rise or fall over the smaller load, with the rule's floor; a hundredth of what the meter can carry is no load to speak of. */
function swingFactor(c: MeterContext, load: number, before: number, reference: number): number {
  const floor = Math.max(c.limits.get('swing', 'floor') * reference, leastKva(c))
  return Math.max(load, before) / Math.max(Math.min(load, before), floor) - 1
}

/** A hundredth of the largest load of the meter, primary kVA: under it nothing is a spike or a swing. */
export function leastKva(c: MeterContext): number {
  const phases = c.wiring === 'single' ? 1 : 3
  return (0.01 * phases * (c.pt > 1 ? 58 : 230) * fullAmps(c) * c.ct * c.pt) / 1000
}

/** Current of a phase that the meter is made for, A on its own side. */
export const fullAmps = (c: MeterContext) =>
  c.ct > 1 ? c.ctSecondary : c.limits.get('physical', 'directAmps')

/** Hours after which the swings of a meter are known, and how far beyond the largest of them one is no habit. */
const STEADY = { hours: 168, over: 1.5 }

/** a start every two or three days, over a week or more; and how soon it is forgotten: half in a week, by quarters of an hour */
const HABIT_RISES = 4
const RISES_DECAY = 0.999
/** the largest swing is forgotten that much more slowly */
const SLOWER = 1 / 4

/** Whether the meter shows the starts of a pump or the like, at whatever hour. */
export const startsByItself = (c: MeterContext) => c.history.rises >= HABIT_RISES

/**
 * Takes the slot's swing, if it is one, into the meter's habit. A works that starts every morning is known by its hours; what starts outside
 * of them, time and again, has none.
 * @param usualTop as for {@link checkSwing}
 */
export function noteSwing(c: MeterContext, usualTop: number | undefined): void {
  const load = slotKva(c)
  const { load: before, peak } = c.history
  const decay = RISES_DECAY ** (4 * c.slotHours)
  c.history.rises *= decay
  c.history.mostSwing *= decay ** SLOWER
  if (load === undefined || before === null || peak <= 0 || c.step.slots > 1) return
  const factor = swingFactor(c, load, before, referenceKva(c) ?? peak)
  c.history.mostSwing = Math.max(c.history.mostSwing, factor)
  if (factor > c.limits.get('swing', 'factor') && load > before && usualTop !== undefined && load > usualTop)
    c.history.rises++
}

/**
 * V8: rise of load from slot to slot against the rated capacity. A swing compares with the load before, this with what is allowed.
 * A fall by so much ends a load that was told when it came.
 */
export function checkRamp(c: MeterContext): Finding {
  const load = slotKva(c)
  const before = c.history.load
  const rated = c.meter.ratedKva
  if (load === undefined || before === null || rated === undefined || c.step.slots > 1)
    return noEvidence('ramp', 'no load before or no rated capacity')
  const rise = Math.max(0, load - before)
  const numbers = () => ({
    loadKva: round(load),
    beforeKva: round(before),
    kvaPerMinute: round(rise / (60 * c.slotHours)),
    ratedKva: rated
  })
  return judge('ramp', rise / rated / c.limits.get('ramp', 'factor'), numbers, { flag: 'swing' })
}

/**
 * Power factor over a demand period, with a floor under which nothing is said. It is violated by more than the meter's own error, and
 * an alarm stays until the mean of the last hours is clear of the limit: plant that starts and stops is one alarm, not one a start.
 */
export function checkPowerFactor(c: MeterContext): Finding {
  const pf = factorUnderLoad(c)
  if (typeof pf === 'string') return noEvidence('power-factor', pf)
  const min = c.limits.get('power-factor', 'min')
  const line = Math.max(1e-6, 1 - min + c.limits.get('power-factor', 'margin'))
  const level = (1 - pf) / line
  const numbers = () => ({ powerFactor: round(pf), min })
  if (level > 1) return judge('power-factor', level, numbers, { flag: 'powerFactor' })
  const lately = (1 - (c.history.factor ?? pf)) / line
  return { ...holds('power-factor'), level: Math.max(level, Math.min(1, lately)) }
}

/** Takes the power factor into the mean of the last hours. */
export function notePowerFactor(c: MeterContext): void {
  const pf = factorUnderLoad(c)
  // what a phase backwards leaves of the sum is no factor of the load
  if (typeof pf === 'string' || (c.powerFactor === undefined && c.history.backwardSlots > 0)) return
  const before = c.history.factor ?? pf
  c.history.factor = before + Math.min(1, c.slotHours / FACTOR_HOURS) * (pf - before)
}

/** a shift */
const FACTOR_HOURS = 8

/** The power factor that counts, or why there is none. */
function factorUnderLoad(c: MeterContext): number | string {
  const pf = demandPowerFactor(c)
  const reference = referenceKva(c)
  if (pf === undefined || c.kva === undefined || reference === undefined)
    return 'no power factor or reference'
  // what is fed back turns the factor of the rest into nonsense
  if ((c.step.export ?? 0) > 0 || (kilo(c.values, ID.power) ?? 0) < 0) return 'generation feeds back'
  return c.kva < c.limits.get('power-factor', 'floor') * reference ? 'load too low' : pf
}

/** From active and reactive energy of the slot where both registers moved enough, else of the moment. */
function demandPowerFactor(c: MeterContext): number | undefined {
  const { step, history } = c
  if (step.kind === 'step' && step.import !== undefined && step.slots === 1 && !step.event) {
    const reactive = reactiveIncrement(c)
    if (reactive !== undefined && Math.max(step.import, reactive) >= 20 * history.resolution)
      return step.import / Math.hypot(step.import, reactive)
  }
  return c.loadFactor
}

function reactiveIncrement(c: MeterContext): number | undefined {
  // read less often than the active one, it would be that of more slots
  if (c.history.reactiveSlot !== c.history.lastSlot) return undefined
  let sum = 0
  let had = false
  for (const item of [ID.reactive1, ID.reactive2]) {
    const now = c.values.get(item)
    const before = c.history.registers[item]
    if (now === undefined || before === undefined || now < before) continue
    sum += now - before
    had = true
  }
  return had && sum > 0 ? sum : undefined
}
