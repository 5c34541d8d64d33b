/** Weighs the CT/PT tests of one meter into the verdict of rule `ratio`, with the likely true ratio. */
import type { MeterContext } from './context.ts'
import { type Finding, holds, noEvidence, round, violated } from './finding.ts'
import { totalPower } from './item-values.ts'
import { powerIntegral } from './load.ts'
import { isLegalCt, isRare, namedFactors, nearestCt, snapFactor } from './ratio-factors.ts'

/**
 * Independent contradictions add up to 2 for an alarm. A test counts double where chance cannot make its contradiction:
 * two stored numbers differ, a current the meter cannot carry, a power that is off by exactly the meter's own CT.
 */
function weightOf(c: MeterContext, finding: Finding): number {
  switch (finding.rule) {
    case 'ratio-register':
    case 'ratio-side':
    case 'ratio-voltage':
    case 'ratio-identity':
      return 2
    case 'ratio-legal':
      // no transformer raises the current; but where there is a balance, it will say by how much the archive is off
      if (finding.cause === 'ct-under-one') return c.meter.parent ? 1 : 2
      return finding.cause?.endsWith('swapped') || finding.cause === 'ct-pt-exchanged' ? 2 : 1
    default:
      return finding.cause === 'certain' || finding.cause === 'no-current' ? 2 : 1
  }
}

/** Whose factor is believed first. */
const ORDER = [
  'ratio-register',
  'ratio-balance',
  'ratio-identity',
  'ratio-side',
  'ratio-voltage',
  'ratio-legal',
  'ratio-phase',
  'ratio-energy',
  'ratio-change',
  'ratio-load'
]

/** @param tests the findings of all ratio tests of one reading */
export function ratioVerdict(c: MeterContext, tests: readonly Finding[]): Finding {
  const spoken = tests.filter(test => test.verdict !== 'no-evidence')
  if (spoken.length === 0) return noEvidence('ratio', 'no test has evidence')
  // the balance knows better than the phases whether the load itself leans
  const leans = tests.some(test => test.rule === 'ratio-balance' && 'load' in test.numbers)
  // many loads lean by a near step of the series: with the balance of the area it is the transformer, with anything else it is not
  const confirmed = tests.some(test => test.rule === 'ratio-balance' && 'phase' in test.numbers)
  // beside a ratio that is no standard one, a load over the rated one counts too
  const odd = tests.some(test => test.cause === 'ct-not-standard')
  const against = tests.filter(
    test =>
      (test.verdict === 'violated' || (odd && test.cause === 'over')) &&
      test.rule !== 'ratio-fingerprint' &&
      !(test.rule === 'ratio-phase' && (leans || (test.cause === 'near' && !confirmed)))
  )
  const weight = against.reduce((sum, test) => sum + weightOf(c, test), 0)
  if (weight === 0 && tests.some(test => test.cause === 'waits'))
    return noEvidence('ratio', 'the load that tells is away')
  if (weight === 0) return holds('ratio', { tests: spoken.length })
  const names = against.map(test => test.rule.replace('ratio-', '')).join(' ')
  if (weight < c.limits.get('ratio', 'weight'))
    return { rule: 'ratio', verdict: 'no-evidence', level: 0, numbers: { contradictions: names, weight } }
  // values that are primary already are so on every phase: where one leans, its transformer is what is off
  const leaning = against.some(test => test.rule === 'ratio-phase' && test.factor !== undefined)
  const named = against
    .filter(test => !(leaning && test.rule === 'ratio-side' && test.cause === 'current'))
    .sort((a, b) => ORDER.indexOf(a.rule) - ORDER.indexOf(b.rule))
  const leading = measured(
    c,
    bothSides(
      c,
      named.find(test => test.cause === 'ct-pt-exchanged') ??
        named.find(test => test.factor !== undefined) ??
        named.find(test => test.cause === 'no-current') ??
        oddRatio(c, against),
      against
    ),
    against
  )
  const numbers: Record<string, number | string> = {
    contradictions: names,
    weight,
    archiveCt: round(c.ct, 6),
    archivePt: round(c.pt, 6)
  }
  if (leading?.cause === 'ct-pt-exchanged')
    Object.assign(numbers, { factor: 1, likelyCt: ctText(c.pt, 5), likelyPt: round(c.ct, 6) })
  else if (leading?.factor !== undefined) Object.assign(numbers, likelyRatio(c, leading))
  const phase = leading?.numbers['phase']
  if (phase !== undefined) numbers['phase'] = phase
  for (const test of against)
    for (const [key, value] of Object.entries(test.numbers)) numbers[`${test.rule.slice(6)}.${key}`] = value
  return violated('ratio', numbers, {
    flag: 'ratio',
    ...(leading?.factor === undefined ? {} : { factor: leading.factor }),
    ...(leading === undefined ? {} : { cause: leading.cause ?? leading.rule.replace('ratio-', '') })
  })
}

/** A voltage multiplied twice is seen at once; the load says whether the current was too. */
function bothSides(c: MeterContext, leading: Finding | undefined, against: readonly Finding[]) {
  const load = against.find(test => test.rule === 'ratio-load')
  const voltage = leading?.rule === 'ratio-voltage' || leading?.cause === 'voltage'
  const is = (test: Finding | undefined, factor: number) =>
    test?.factor !== undefined && Math.abs(test.factor / factor - 1) < 0.01
  return leading && voltage && is(leading, c.pt) && c.ct > 1 && is(load, c.ct * c.pt)
    ? { ...leading, factor: round(c.ct * c.pt, 6), cause: 'both' }
    : leading
}

/**
 * Mixed sides are off by the whole ratio. That is what the side test supposes; where another test has measured the factor, or the
 * load or the current would be out of reason after it, the supposition yields.
 */
function measured(c: MeterContext, leading: Finding | undefined, against: readonly Finding[]) {
  if (leading?.rule === 'ratio-balance') return byCoefficient(c, leading, against)
  if (leading?.rule !== 'ratio-side' || leading.factor === undefined) return leading
  const k = leading.factor
  for (const test of against) {
    const found = measuredFactor(test, leading.cause === 'energy')
    if (found === undefined) continue
    if (Math.abs(Math.log(found / k)) < 0.15) return leading
    const factor = test.factor ?? snapFactor(found, 0.1, c.ct, c.pt)?.value
    return factor === undefined ? { ...leading, factor } : { ...test, factor: round(factor, 6) }
  }
  const load = against.find(test => test.rule === 'ratio-load')
  if (leading.cause === 'energy' && load?.factor === undefined && !movedBy(c, k))
    return { ...leading, factor: undefined }
  if (load?.factor !== undefined && leading.cause !== 'both' && leading.cause !== 'voltage') {
    // about the middle of the bin that the upper load is in
    const share = Number(load.numbers['upperShare']) / 2 ** (1 / 4)
    const cost = (f: number) => {
      const off = Math.log(share / f / USUAL_LOAD)
      return off > 0 ? 2 * off : -off
    }
    const best = [10, 20, 100].sort((a, b) => cost(a) - cost(b))[0] as number
    if (cost(k) > cost(best) + OWN_RATIO) return { ...load, factor: best }
  }
  const most = Math.max(0, ...c.history.ratio.amps)
  const beyond = leading.cause === 'current' && most > OVER_PRIMARY * c.ct * Math.max(1, c.ctSecondary)
  return beyond ? { ...leading, factor: undefined } : leading
}

/** The balance tries what leaves a standard transformer; where its own sharp coefficient says another named factor, that one. */
function byCoefficient(c: MeterContext, leading: Finding, against: readonly Finding[]): Finding {
  const coefficient = Number(leading.numbers['coefficient'] ?? 0)
  const error = Number(leading.numbers['error'] ?? 1)
  if (leading.factor === undefined || 'phase' in leading.numbers || !(error < 0.03 * coefficient))
    return leading
  // the step that the archive made, and the energy with it, has no error; beside other wrong meters a coefficient has
  const step = against.find(test => 'archiveStep' in test.numbers)?.factor
  if (step !== undefined && Math.abs(Math.log(step * coefficient)) < 0.2) return { ...leading, factor: step }
  if (Math.abs(Math.log(leading.factor * coefficient)) < 0.3) return leading
  const named = snapFactor(1 / coefficient, 0.1, c.ct, c.pt)
  return named ? { ...leading, factor: round(named.value, 6) } : leading
}

/** Whether the energy of this slot is about k times its power; true where no power is read. */
function movedBy(c: MeterContext, k: number): boolean {
  const power = totalPower(c.values)
  const before = c.history.power
  if (power === undefined || before === null || c.step.kind !== 'step' || !c.step.import) return true
  const integral = powerIntegral(c, before, power) * c.step.slots
  return integral === 0 || Math.abs(Math.log(c.step.import / integral / k)) < 0.5
}

/** Upper load of a usual consumer, in rated loads; and by how much (ln) the meter's own ratio is likelier than a power of ten. */
const USUAL_LOAD = 0.6
const OWN_RATIO = 0.7
/** Currents of a transformer's rated primary one above which they are not primary ones. */
const OVER_PRIMARY = 1.5

/**
 * The factor that a test measured, where it did.
 * @param whole the energy alone is off, so that its ratio to the power is the factor whatever its name
 */
function measuredFactor({ rule, cause, numbers }: Finding, whole: boolean): number | undefined {
  if (rule === 'ratio-energy')
    return Number(numbers['sigma']) < 0.05 && (whole || !String(numbers['factorName']).includes('T'))
      ? Number(numbers['ratio'])
      : undefined
  if (rule === 'ratio-change') return Number(numbers['ratio'])
  const coefficient = rule === 'ratio-balance' && cause === 'certain' ? Number(numbers['coefficient']) : 0
  return coefficient > 0 ? 1 / coefficient : undefined
}

/** What makes a ratio out of the series a standard one, and the load a usual one; undefined where that is more than one factor. */
function oddRatio(c: MeterContext, against: readonly Finding[]): Finding | undefined {
  const legal = against.find(test => test.cause === 'ct-not-standard')
  const load = against.find(test => test.rule === 'ratio-load')
  if (!legal || !load) return undefined
  const share = Number(load.numbers['upperShare'])
  const fitting = namedFactors(1, 1).filter(({ value }) => {
    const ratio = c.ct / value
    return ratio > 1 && share / value < 1.2 && share / value > 0.1 && nearestCt(ratio, 5).off < 0.008
  })
  // of several the one that archives are off by, if that is but one: three, four and five times are no slips of the pen
  const usual = fitting.filter(one => !isRare(one.name))
  const [only, second] = usual.length > 0 ? usual : fitting
  return only && !second ? { ...legal, factor: round(only.value, 6) } : undefined
}

function likelyRatio(c: MeterContext, test: Finding): Record<string, number | string> {
  const off = test.factor as number
  const onPt =
    test.rule === 'ratio-voltage' ||
    test.cause === 'pt-swapped' ||
    (test.rule === 'ratio-register' && 'ptRegister' in test.numbers)
  if (onPt && !('ctRegister' in test.numbers)) return { factor: off, likelyPt: round(c.pt / off, 6) }
  if (test.rule === 'ratio-side' || test.rule === 'ratio-identity')
    return { factor: off, likely: 'sides mixed' }
  const ratio = c.ct / off
  const { secondary } = c.transformers.ct
  // the balance measures: a rung that is beside what it measured is not the transformer
  const beside = test.rule === 'ratio-balance' ? 0.025 : 0.05
  return { factor: off, likelyCt: ctText(ratio, secondary === 1 ? 1 : 5, beside) }
}

/** A current transformer by its ratio: of the series where it is near a step of it. @param beside how near (ln) */
function ctText(ratio: number, secondary: 1 | 5, beside = 0.05): number | string {
  const near = nearestCt(ratio, secondary)
  return near.off < beside && isLegalCt(near.primary, secondary)
    ? `${near.primary}/${secondary}`
    : round(ratio, 6)
}
