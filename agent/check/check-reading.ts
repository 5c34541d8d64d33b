/** All checks of one reading against the short history of its meter. No clock, no I/O; advances the history it is given. */
import { isGap, QUALITY_FLAG, type QualityFlag, type Reading } from '../../proto/reading.ts'
import type { MeterPoint } from '../ports.ts'
import type { SlotEnergy } from './area.ts'
import { type CheckOptions, type MeterContext, meterContext } from './context.ts'
import {
  checkClock,
  checkEnergyAgainstCurrent,
  checkImbalance,
  checkPhaseLoss,
  checkRange,
  checkReactive,
  noteUnmet
} from './electrical.ts'
import type { Finding } from './finding.ts'
import { holds, noEvidence, violated } from './finding.ts'
import { checkFlatLine, noteFlatLine } from './flat-line.ts'
import type { MeterHistory } from './history.ts'
import { ID, type ItemValues, totalPower } from './item-values.ts'
import {
  checkOverload,
  checkPowerFactor,
  checkRamp,
  checkSwing,
  feedsBack,
  notePowerFactor,
  noteSwing,
  slotKva
} from './load.ts'
import { checkEvents, noteCounters } from './meter-events.ts'
import { checkPattern, notePattern, usualBand } from './pattern.ts'
import { checkWiring, noteWiring } from './phase-wiring.ts'
import { noteArchive } from './ratio-change.ts'
import { noteOutage } from './ratio-level.ts'
import { leaningShare, type PhaseLean, phaseLean } from './ratio-phase.ts'
import { noteRatioState, ratioTests } from './ratio-state.ts'
import {
  fingerprintOf,
  noteRatioValues,
  noteVoltage,
  testFingerprint,
  testIdentity,
  testLegal,
  testRegister,
  testSide,
  testVoltage
} from './ratio-tests.ts'
import { ratioVerdict } from './ratio-verdict.ts'
import {
  largestIncrement,
  noteRegisters,
  refineResolution,
  registerStep,
  registersOf
} from './register-step.ts'
import { checkDemand, checkRegisters, checkTariffSum } from './registers.ts'
import { limitsOf, type MeterLimits, type RuleBook } from './rule-book.ts'
import { checkSum, dayOf, noteSum } from './sum-check.ts'

export interface CheckedReading {
  /** The reading with its flags; the same object where nothing was flagged. */
  readonly reading: Reading
  readonly flags: readonly QualityFlag[]
  readonly findings: readonly Finding[]
  /** what the slot adds to its area; undefined for a gap record */
  readonly energy?: SlotEnergy
}

/**
 * Checks one reading. A gap record is a finding of rule `gap` and leaves the history alone.
 * @param history changed: it is the meter's memory after the call
 * @param limits of the meter, or the rule book to take them from
 */
export function checkReading(
  reading: Reading,
  history: MeterHistory,
  meter: MeterPoint,
  limits: MeterLimits | RuleBook,
  options: CheckOptions
): CheckedReading {
  const own = 'rules' in limits ? limitsOf(limits, meter.rules) : limits
  if (isGap(reading) || reading.values.every(entry => entry[1] === null))
    return { reading, flags: [], findings: [violated('gap', { reason: reading.quality & 0xff })] }
  const slotHours = options.slotSeconds / 3600
  const c = meterContext(meter, reading, history, own, slotHours, (values, ctSecondary, direct, high) =>
    registerStep(
      values,
      history,
      reading.slot,
      largestStep(values, history, ctSecondary, direct, high, slotHours, own),
      slotHours
    )
  )
  noteResolution(c)
  noteRatioValues(c)
  noteRatioState(c)
  noteFlatLine(c)
  const band = usualBand(c, options)
  const findings: Finding[] = [
    holds('gap'),
    ...checkRegisters(c),
    checkRange(c),
    checkTariffSum(c),
    checkDemand(c),
    checkSum(c, options),
    checkPhaseLoss(c),
    checkImbalance(c),
    ...checkWiring(c),
    checkReactive(c),
    ...checkEnergyAgainstCurrent(c),
    ...checkClock(c),
    checkFlatLine(c),
    checkOverload(c),
    options.parent ? noEvidence('swing', 'told by the meters under it') : checkSwing(c, band?.top, band?.low),
    options.parent ? noEvidence('ramp', 'told by the meters under it') : checkRamp(c),
    checkPowerFactor(c),
    ...checkEvents(c),
    ...checkPattern(c, options)
  ]
  const lean = phaseLean(c, options.usualLean)
  const fingerprint = testFingerprint(c)
  const ratio = [
    testRegister(c),
    fingerprint,
    testLegal(c),
    testSide(c),
    testVoltage(c),
    testIdentity(c),
    ...ratioTests(c, lean)
  ]
  for (const finding of options.area ?? [])
    if (!finding.rule.startsWith('ratio-')) findings.push(finding)
    // a meter that lost part of its load on a day is bypassed, not wrongly archived: the balance shows both alike, but for a share
    // that is just a usual factor
    else if (!history.pattern.verdict || history.archive.day !== 0 || 'exact' in finding.numbers)
      ratio.push(finding)
  const verdict = ratioVerdict(c, ratio)
  findings.push(...ratio, verdict)
  const enabled = own.allEnabled ? findings : findings.filter(finding => own.enabled(finding.rule))
  noteVoltage(c, ratio.find(one => one.rule === 'ratio-voltage')?.verdict === 'holds')
  advance(c, options, fingerprint, band?.top)
  history.archive.doubted = verdict.verdict === 'violated'
  const flags = flagsFrom(enabled)
  return { reading: flagged(reading, flags), flags, findings: enabled, energy: energyOf(c, lean, findings) }
}

/** What the registers may move in a slot: the meter's physical limit, or the load it shows itself where that is more. */
function largestStep(
  values: ItemValues,
  history: MeterHistory,
  ctSecondary: number,
  direct: boolean,
  high: boolean,
  slotHours: number,
  limits: MeterLimits
): number {
  const shown = Math.max(Math.abs(totalPower(values) ?? 0), history.power ?? 0) * slotHours * 1000
  const directAmps = limits.get('physical', 'directAmps')
  const overRange = limits.get('physical', 'overRange')
  return Math.max(
    1.5 * shown,
    largestIncrement(values, ctSecondary, direct, high, slotHours, directAmps, overRange)
  )
}

function energyOf(c: MeterContext, lean: PhaseLean | undefined, findings: readonly Finding[]): SlotEnergy {
  const clean = c.step.kind === 'step' && c.step.slots === 1 && !c.step.event
  // of a register that stands still the power tells what flows; for the balance of the area alone
  const power = totalPower(c.values)
  const isStopped = findings.some(one => one.rule === 'zero-energy' && one.verdict === 'violated')
  const byPower = clean && isStopped && power !== undefined
  const kw = byPower ? power * c.ct * c.pt : c.meanKw
  return {
    kwh: clean && kw !== undefined ? kw * c.slotHours : undefined,
    byPower,
    ratioVersion: c.reading.ratio?.version ?? c.meter.ratioVersion,
    ct: c.ct,
    pt: c.pt,
    direct: c.wiring === 'single' || carriesDirect(c),
    lean,
    leaningShare: leaningShare(c, lean)
  }
}

/**
 * Whether a meter without transformers has shown more than one behind a 5 A transformer could: then there is none to be wrong.
 * 1.2 x 5 A x 230 V on three phases is 4.1 kVA; a single bad value must not decide, so the learned peak does.
 */
const carriesDirect = (c: MeterContext) => c.ct === 1 && c.pt === 1 && c.history.peak > BEHIND_CT_KVA
const BEHIND_CT_KVA = 5.5

function flagsFrom(findings: readonly Finding[]): QualityFlag[] {
  const flags: QualityFlag[] = []
  for (const { flag, verdict } of findings)
    if (flag && (verdict === 'violated' || flag === 'registerReset') && !flags.includes(flag))
      flags.push(flag)
  return flags
}

function flagged(reading: Reading, flags: readonly QualityFlag[]): Reading {
  let quality = reading.quality
  for (const flag of flags) quality |= QUALITY_FLAG[flag]
  return quality === reading.quality ? reading : { ...reading, quality }
}

function noteResolution(c: MeterContext): void {
  const { step, history } = c
  if (step.kind !== 'step' || step.event) return
  for (const moved of [step.import, step.export])
    if (moved !== undefined && moved > 0) history.resolution = refineResolution(history.resolution, moved)
}

/** Hours after which a gap is no work on the transformers. */
const MOST_OUTAGE = 12

/** The history after the reading. Values in doubt do not become the base. */
function advance(
  c: MeterContext,
  options: CheckOptions,
  fingerprint: Finding,
  usualTop: number | undefined
): void {
  const { history, step, reading } = c
  const day = dayOf(reading.slot, options)
  notePattern(c, options)
  noteWiring(c)
  notePowerFactor(c)
  noteSwing(c, usualTop)
  noteUnmet(c)
  noteSum(c, options)
  history.leaps = step.event === 'leap' ? history.leaps + 1 : 0
  // after leap upon leap the base moves on, yet the next must still be told from a bad value
  if (step.kind === 'doubt' || (step.event === 'leap' && history.leaps > 1))
    history.doubt = { slot: reading.slot, moved: step.moved, registers: registersOf(c.values) }
  else if (step.kind !== 'none') {
    noteRegisters(c.values, history.registers)
    if (c.values.get(ID.reactive1) !== undefined || c.values.get(ID.reactive2) !== undefined)
      history.reactiveSlot = reading.slot
    history.lastSlot = reading.slot
    history.doubt = null
  } else history.lastSlot = Math.max(history.lastSlot, reading.slot)
  const load = slotKva(c)
  history.load = load ?? null
  history.fedBack = feedsBack(c)
  const p = c.live ? totalPower(c.values) : undefined
  history.power = p === undefined ? null : Math.abs(p)
  const { meterTime, readAt } = reading
  if (meterTime !== null && readAt !== null && c.live) {
    history.drift = Math.round(meterTime - readAt / 1000)
    history.stamp = meterTime
  }
  noteCounters(c)
  if (step.event === 'swap' || step.event === 'reset' || fingerprint.verdict === 'violated')
    history.ratio.changedDay = day
  history.wiring = c.wiring
  if (step.slots > 1 && step.slots * c.slotHours <= MOST_OUTAGE) noteOutage(history, day)
  history.ratio.fingerprint = fingerprintOf(c)
  noteArchive(c, day)
  history.seen++
}
