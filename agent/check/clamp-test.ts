/** The technician's clamp test: a current clamped on the primary side against the meter's own at the same moment. */
import type { MeterPoint } from '../ports.ts'
import { round, type Verdict } from './finding.ts'
import { nearestCt, snapFactor } from './ratio-factors.ts'

/** Clamp meters are good to about 2 %, small transformers to 1 %. Neighbours of the standard series are 6 % apart at the least. */
const TOLERANCE = 0.04
/** Spread of the samples over which the load moved too much for a test. */
const UNSTEADY = 0.1
/** Under 1 % of the rated secondary current a transformer and a register tell nothing. */
const FLOOR = 0.01

export interface ClampResult {
  readonly verdict: Verdict
  readonly primaryAmps: number
  /** on the meter's side: median and half the spread of the samples */
  readonly secondaryAmps: number
  readonly spreadAmps: number
  readonly samples: number
  /** primary over secondary as measured, and its uncertainty from the spread; null without current */
  readonly ratio: number | null
  readonly uncertainty: number | null
  readonly archive: string
  /** the standard ratio next to the measured one */
  readonly nearest: string | null
  /** archive over measured */
  readonly factor: number | null
  /** the usual mistake that the factor is, e.g. "x2" or "CT" (the meter shows primary current already) */
  readonly factorName: string | null
}

/**
 * Judges a clamp test of one phase.
 * @param primaryAmps on the primary conductor, above 0
 * @param samples the meter's current on its own side, A, at least one
 */
export function judgeClamp(meter: MeterPoint, primaryAmps: number, samples: readonly number[]): ClampResult {
  const sorted = samples.map(Math.abs).sort((a, b) => a - b)
  const low = sorted[0] ?? 0
  const high = sorted.at(-1) ?? 0
  const secondary = sorted[Math.floor(sorted.length / 2)] ?? 0
  const { primary: archivePrimary, secondary: archiveSecondary } = meter.ct
  const known = {
    primaryAmps,
    secondaryAmps: round(secondary, 6),
    spreadAmps: round((high - low) / 2, 6),
    samples: samples.length,
    archive: `${archivePrimary}/${archiveSecondary}`
  }
  const rated = archivePrimary === archiveSecondary ? 5 : archiveSecondary
  if (secondary < FLOOR * rated || secondary === 0) {
    const nothing = { ratio: null, uncertainty: null, nearest: null, factor: null, factorName: null }
    return { verdict: 'no-evidence', ...known, ...nothing }
  }
  const archive = archivePrimary / archiveSecondary
  const ratio = primaryAmps / secondary
  const spread = (high - low) / 2 / secondary
  const factor = archive / ratio
  const near = nearestCt(ratio, rated)
  const off = Math.abs(Math.log(factor))
  // the clamp was read at one of the samples, nobody knows at which
  const tolerance = Math.log(1 + TOLERANCE + 2 * spread)
  const verdict: Verdict = spread > UNSTEADY ? 'no-evidence' : off <= tolerance ? 'holds' : 'violated'
  const named = verdict === 'violated' ? snapFactor(factor, Math.expm1(tolerance), archive, 1) : undefined
  return {
    verdict,
    ...known,
    ratio: round(ratio),
    uncertainty: round(ratio * spread),
    nearest: near.off <= tolerance ? `${near.primary}/${rated}` : null,
    factor: round(factor),
    // the transformer of the voltage has no part in this
    factorName: named?.name.replace(' x PT', '') ?? null
  }
}
