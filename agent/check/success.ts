/** Read-success rate of a day: on the first pass, and after back-fill. Two figures (utility practice: 99.5 %). */
import { type Finding, holds, round } from './finding.ts'

export interface DayCount {
  expected: number
  first: number
  filled: number
}

/** Level of a rate: share missed over share that may be missed. */
export function checkSuccess(
  count: DayCount,
  min: number,
  more: Record<string, number | string> = {}
): Finding {
  if (count.expected === 0) return holds('read-success')
  const first = count.first / count.expected
  const filled = Math.min(1, (count.first + count.filled) / count.expected)
  const level = (1 - first) / Math.max(1e-9, 1 - min)
  return {
    rule: 'read-success',
    verdict: level > 1 ? 'violated' : 'holds',
    level,
    numbers: {
      firstPass: round(first, 6),
      afterBackfill: round(filled, 6),
      expected: count.expected,
      missed: count.expected - count.first,
      min,
      ...more
    }
  }
}
