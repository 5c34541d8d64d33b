/** CT/PT tests that need days: energy against power, plausible load, phases. */
import type { MeterContext } from './context.ts'
import type { Finding } from './finding.ts'

export function ratioTests(_c: MeterContext): Finding[] {
  return []
}
export function noteRatioState(_c: MeterContext): void {}
