/** The daily judgement of a meter's pattern. */
import { judgeDays, type Peers } from './pattern-days.ts'
import type { PatternState } from './pattern-state.ts'
import type { MeterLimits } from './rule-book.ts'

/** Judges the days once a day. @param peers undefined where too few other meters are known */
export function judgePattern(state: PatternState, limits: MeterLimits, peers: Peers | undefined): void {
  if (!state.unjudged) return
  state.unjudged = false
  const verdict = judgeDays(
    state.days,
    {
      dropMin: limits.get('pattern', 'dropMin'),
      nightMin: limits.get('pattern', 'nightMin'),
      phaseMin: limits.get('pattern', 'phaseMin'),
      driftMin: limits.get('pattern', 'driftMin'),
      sigmas: limits.get('pattern', 'sigmas')
    },
    peers
  )
  state.verdict = verdict ?? null
}
