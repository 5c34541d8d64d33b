/** What a check says: it never changes a value, it only gives a verdict with the numbers behind it. */
import type { QualityFlag } from '../../proto/reading.ts'

/** 'no-evidence': the check could not be made (missing items, load too low, window too short); it neither raises nor clears. */
export type Verdict = 'holds' | 'violated' | 'no-evidence'

export type Numbers = Readonly<Record<string, number | string>>

const NOTHING: Numbers = {}

export interface Finding {
  /** id in config/rules/*.yaml */
  readonly rule: string
  readonly verdict: Verdict
  /** Measured over limit: above 1 is violated; an alarm clears at 0.8. 0 where the rule is yes or no. */
  readonly level: number
  /** Flag set in the signed reading while the rule is violated. */
  readonly flag?: QualityFlag
  /** Kind of the event, e.g. 'rollover' or 'night-bypass'. */
  readonly cause?: string
  /** For ratio tests: archive ratio over likely true ratio. */
  readonly factor?: number
  readonly numbers: Numbers
}

/** A measured level against its limit: violated above 1. @param numbers worked out only where something is near its limit */
export function judge(
  rule: string,
  level: number,
  numbers: () => Numbers,
  more: Pick<Finding, 'flag' | 'cause' | 'factor'> = {}
): Finding {
  if (level > 1) return { rule, verdict: 'violated', level, numbers: numbers(), ...more }
  return { rule, verdict: 'holds', level, numbers: level > 0.8 ? numbers() : NOTHING }
}

export function violated(
  rule: string,
  numbers: Numbers,
  more: Pick<Finding, 'flag' | 'cause' | 'factor'> = {}
): Finding {
  return { rule, verdict: 'violated', level: 2, numbers, ...more }
}

const HOLDS = new Map<string, Finding>()
const SILENT = new Map<string, Map<string, Finding>>()

/** Most findings say that nothing is wrong: those without numbers are made once. */
export function holds(rule: string, numbers: Numbers = NOTHING): Finding {
  if (numbers !== NOTHING) return { rule, verdict: 'holds', level: 0, numbers }
  const known = HOLDS.get(rule)
  if (known) return known
  const made: Finding = { rule, verdict: 'holds', level: 0, numbers }
  HOLDS.set(rule, made)
  return made
}

/** @param why one of a few fixed texts */
export function noEvidence(rule: string, why: string): Finding {
  let reasons = SILENT.get(rule)
  if (!reasons) {
    reasons = new Map()
    SILENT.set(rule, reasons)
  }
  const known = reasons.get(why)
  if (known) return known
  const made: Finding = { rule, verdict: 'no-evidence', level: 0, numbers: { why } }
  reasons.set(why, made)
  return made
}

/** A few significant digits: evidence is read by people and hashed, not computed with. */
export function round(value: number, digits = 4): number {
  if (value === 0 || !Number.isFinite(value)) return 0
  const places = digits - 1 - Math.floor(Math.log10(Math.abs(value)))
  if (places <= 0) {
    const unit = 10 ** -places
    return Math.round(value / unit) * unit
  }
  const unit = POWERS[Math.min(places, 22)] as number
  return Math.round(value * unit) / unit
}
/** of ten: the exact ones */
const POWERS = Array.from({ length: 23 }, (_, n) => 10 ** n)
