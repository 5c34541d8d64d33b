/** Weighs the CT/PT tests of one meter into the verdict of rule `ratio`, with the likely true ratio. */
import type { MeterContext } from './context.ts'
import { type Finding, holds, noEvidence, round, violated } from './finding.ts'
import { isLegalCt, nearestCt } from './ratio-factors.ts'

/**
 * Independent contradictions add up to 2 for an alarm. A test counts double where chance cannot make its contradiction:
 * two stored numbers differ, a current the meter cannot carry, a power that is off by exactly the meter's own CT.
 */
function weightOf(finding: Finding): number {
  switch (finding.rule) {
    case 'ratio-register':
    case 'ratio-side':
    case 'ratio-voltage':
    case 'ratio-identity':
      return 2
    case 'ratio-legal':
      return finding.cause?.endsWith('swapped') || finding.cause === 'ct-pt-exchanged' ? 2 : 1
    default:
      return finding.cause === 'certain' ? 2 : 1
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
  // the balance knows better than the phases whether the load itself leans
  const leans = tests.some(test => test.rule === 'ratio-balance' && 'load' in test.numbers)
  // many loads lean by a near step of the series: with the balance of the area it is the transformer, with anything else it is not
  const confirmed = tests.some(test => test.rule === 'ratio-balance' && 'phase' in test.numbers)
  const against = tests.filter(
    test =>
      test.verdict === 'violated' &&
      test.rule !== 'ratio-fingerprint' &&
      !(test.rule === 'ratio-phase' && (leans || (test.cause === 'near' && !confirmed)))
  )
  const spoken = tests.filter(test => test.verdict !== 'no-evidence')
  if (spoken.length === 0) return noEvidence('ratio', 'no test has evidence')
  const weight = against.reduce((sum, test) => sum + weightOf(test), 0)
  if (weight === 0) return holds('ratio', { tests: spoken.length })
  const names = against.map(test => test.rule.replace('ratio-', '')).join(' ')
  if (weight < c.limits.get('ratio', 'weight'))
    return { rule: 'ratio', verdict: 'no-evidence', level: 0, numbers: { contradictions: names, weight } }
  // values that are primary already are so on every phase: where one leans, its transformer is what is off
  const leaning = against.some(test => test.rule === 'ratio-phase' && test.factor !== undefined)
  const named = against
    .filter(test => !(leaning && test.rule === 'ratio-side' && test.cause === 'current'))
    .sort((a, b) => ORDER.indexOf(a.rule) - ORDER.indexOf(b.rule))
  const leading = bothSides(
    c,
    named.find(test => test.cause === 'ct-pt-exchanged') ?? named.find(test => test.factor !== undefined),
    against
  )
  const numbers: Record<string, number | string> = {
    contradictions: names,
    weight,
    archiveCt: round(c.ct, 6),
    archivePt: round(c.pt, 6)
  }
  if (leading?.factor !== undefined) Object.assign(numbers, likelyRatio(c, leading))
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
  const secondary = c.reading.ratio?.ctSecondary ?? c.meter.ct.secondary
  const near = nearestCt(ratio, secondary === 1 ? 1 : 5)
  // the balance measures: a rung that is beside what it measured is not the transformer
  const beside = test.rule === 'ratio-balance' ? 0.025 : 0.05
  const text =
    near.off < beside && isLegalCt(near.primary, secondary === 1 ? 1 : 5)
      ? `${near.primary}/${secondary === 1 ? 1 : 5}`
      : round(ratio, 6)
  return { factor: off, likelyCt: text }
}
