/** Pattern of one meter. */
import type { CheckOptions, MeterContext } from './context.ts'
import type { Finding } from './finding.ts'

export function usualBand(
  _c: MeterContext,
  _options: CheckOptions
): { top: number; low: number } | undefined {
  return undefined
}
export function checkPattern(_c: MeterContext, _options: CheckOptions): Finding[] {
  return []
}
export function notePattern(_c: MeterContext, _options: CheckOptions): void {}
