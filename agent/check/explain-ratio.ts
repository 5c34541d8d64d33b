/** `ratio show`: what every CT/PT test says of a meter now, for a technician. */
import { isGap, type Reading } from '../../proto/reading.ts'
import type { LearnedStore, MeterPoint } from '../ports.ts'
import { checkReading } from './check-reading.ts'
import { CheckStage } from './check-stage.ts'
import type { CheckOptions } from './context.ts'
import type { Finding, Numbers, Verdict } from './finding.ts'
import { emptyHistory } from './history.ts'
import type { RuleBook } from './rule-book.ts'

export interface RatioTest {
  readonly rule: string
  readonly title: { readonly en: string; readonly zh: string }
  readonly verdict: Verdict
  readonly cause: string | null
  /** archive ratio over likely true ratio */
  readonly factor: number | null
  readonly numbers: Numbers
}

export interface RatioExplanation {
  readonly meter: string
  readonly archive: { readonly ct: string; readonly pt: string; readonly version: number }
  /** the meter's own registers as last read; null when never read, or set to 1 (unset) */
  readonly register: { readonly ct: number | null; readonly pt: number | null }
  readonly verdict: Verdict
  readonly factor: number | null
  /** what the ratio is likely to be, where the tests can tell */
  readonly likely: { readonly ct: string | null; readonly pt: string | null }
  readonly tests: readonly RatioTest[]
  /** slot of the last reading looked at; null when there was none */
  readonly slot: number | null
}

/**
 * The ratio tests of a meter's last reading, on what the checks have learned of it.
 * The memory is saved now and then only, so the readings after it are run through the checks again; nothing is written.
 * @param readings of the meter, any order; gap records are passed over
 */
export function explainRatio(
  meter: MeterPoint,
  readings: readonly Reading[],
  learned: Pick<LearnedStore, 'get'>,
  rules: RuleBook,
  options: CheckOptions
): RatioExplanation {
  const history = learnedHistory(meter, learned, rules, options)
  const values = firstVersions(readings)
  const later = values.filter(reading => reading.slot > history.lastSlot)
  let findings: readonly Finding[] = []
  // the last reading is looked at once more where the memory has it already
  for (const reading of later.length > 0 ? later : values.slice(-1))
    findings = checkReading(reading, history, meter, rules, options).findings
  const last = values.at(-1)
  const tests = findings.filter(finding => finding.rule.startsWith('ratio-'))
  const verdict = findings.find(finding => finding.rule === 'ratio')
  const known = (ratio: number) => (ratio === 0 || ratio === 1 ? null : ratio)
  return {
    meter: meter.id,
    archive: {
      ct: `${meter.ct.primary}/${meter.ct.secondary}`,
      pt: `${meter.pt.primary}/${meter.pt.secondary}`,
      version: meter.ratioVersion
    },
    register: { ct: known(history.ratio.ctRegister), pt: known(history.ratio.ptRegister) },
    verdict: verdict?.verdict ?? 'no-evidence',
    factor: verdict?.factor ?? null,
    likely: { ct: textOf(verdict, 'likelyCt'), pt: textOf(verdict, 'likelyPt') },
    tests: tests.map(test => toTest(test, rules)),
    slot: last?.slot ?? null
  }
}

function learnedHistory(
  meter: MeterPoint,
  learned: Pick<LearnedStore, 'get'>,
  rules: RuleBook,
  options: CheckOptions
) {
  const readOnly: LearnedStore = { get: key => learned.get(key), set: () => {}, delete: () => {} }
  const stage = new CheckStage({ meters: [meter], rules, learned: readOnly, ...options })
  stage.start()
  return stage.historyOf(meter.id) ?? emptyHistory()
}

/** Readings with values, the first version of each slot, oldest first: what the checks saw. */
function firstVersions(readings: readonly Reading[]): Reading[] {
  const bySlot = new Map<number, Reading>()
  for (const reading of readings) {
    if (isGap(reading)) continue
    const known = bySlot.get(reading.slot)
    if (!known || known.version > reading.version) bySlot.set(reading.slot, reading)
  }
  return [...bySlot.values()].sort((a, b) => a.slot - b.slot)
}

function toTest(finding: Finding, rules: RuleBook): RatioTest {
  const { rule, verdict, cause, factor, numbers } = finding
  const title = rules.rules.get(rule)?.title ?? { en: rule, zh: rule }
  return { rule, title, verdict, cause: cause ?? null, factor: factor ?? null, numbers }
}

function textOf(finding: Finding | undefined, key: string): string | null {
  const value = finding?.numbers[key]
  return value === undefined ? null : String(value)
}
