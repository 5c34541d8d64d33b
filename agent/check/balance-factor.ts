/** The factor a coefficient of the balance stands for: quotients of transformers, near enough to be one or just that one. */
import { likelyFactors, type NamedFactor, namedFactors, nearestCt } from './ratio-factors.ts'

export interface MeterRatio {
  readonly ct: number
  readonly pt: number
  /** no transformer could be wrong: a single-phase meter, or several summed */
  readonly direct?: boolean
}

/** What is known of the rows that a coefficient is from. */
export interface FactorContext {
  /** the rows lack what a child, and no large one, has drawn */
  readonly missing?: boolean
  /** rows of the last days only: coefficients are left out where nothing is wrong */
  readonly late?: boolean
}

/**
 * Of a coefficient next to nothing, that of ten or twenty times too much, the error counts by itself; and by how much (ln) its factor may be
 * missed, at most, and whatever its error is.
 */
export const TINY = { most: 0.15, error: 0.02, miss: 0.3, near: 0.12 }

/** How far (ln) from a rung of the series a coefficient is that counts as none. */
const OFF_RUNG = 0.06

/** Whether no transformer of the series would give a child that coefficient: of two that explain alike it is the other one. */
export function isNoRung(value: number, ratio: MeterRatio | undefined): boolean {
  if (!ratio || ratio.direct || value <= 0 || ratio.pt !== 1) return false
  return Math.min(nearestCt(ratio.ct * value, 5).off, nearestCt(ratio.ct * value, 1).off) > OFF_RUNG
}

/**
 * Factor a coefficient stands for: a likely one that agrees with it, a common one, or the inverse itself where it is sharp.
 * What began lately by a share of no transformer is part of a load that is gone; where energy is missing the coefficient is not sharp.
 */
export function factorNear(
  value: number,
  error: number,
  ratio: MeterRatio,
  { late = false, missing = false }: FactorContext
): number | undefined {
  const measured = 1 / value
  const isGone = late && value > 1
  const isTiny = value < TINY.most
  const most = isTiny ? TINY.miss : 0.1
  const least = isTiny ? TINY.near : missing ? WITHOUT_SOME : 0.02
  const within = Math.min(most, Math.max(least, (3 * error) / value))
  const nearest = (factors: readonly number[]) => {
    let best: number | undefined
    for (const factor of factors) {
      const off = Math.abs(Math.log(factor / measured))
      if (off <= within && (best === undefined || off < Math.abs(Math.log(best / measured)))) best = factor
    }
    return best
  }
  return (
    nearest(likelyFactors(ratio.ct, ratio.pt).map(one => one.value)) ??
    nearest(namedFactors(ratio.ct, ratio.pt).map(one => one.value)) ??
    (isGone ? undefined : nearest(RUNGS)) ??
    (error < 0.02 * value && !missing && !isGone ? measured : undefined)
  )
}

/** How near (ln) a coefficient must be to a factor where the energy of a small child is missing: it looks like another's. */
const WITHOUT_SOME = 0.07

/** How near (ln) the coefficient must be to the factor to be just that one; a large factor is no load whatever its digits. */
const EXACT = 0.012
const EXACT_LARGE = 0.04

export function isExact(factor: number, value: number, error: number, ratio: MeterRatio): boolean {
  const isLarge = Math.abs(Math.log(factor)) > 1.2
  const within = isLarge ? EXACT_LARGE : EXACT
  if (error > (isLarge ? 0.015 : 0.01) * value || Math.abs(Math.log(factor * value)) > within) return false
  return isAmong(namedFactors(ratio.ct, ratio.pt), factor)
}

export const isAmong = (factors: readonly NamedFactor[], factor: number) =>
  factors.some(one => Math.abs(one.value / factor - 1) < 1e-3)

/** Quotients of neighbouring transformers of the series. */
const RUNGS = [4 / 3, 3 / 4, 3 / 2, 2 / 3, 5 / 2, 2 / 5, 6, 1 / 6, 8, 1 / 8, 15, 1 / 15, 30, 1 / 30]
