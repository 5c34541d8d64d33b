/** The balance of an area asked about one phase of one child: the gap must follow the child by just the share that the phase lacks. */
import type { Columns } from './balance-columns.ts'
import { type Finding, holds, noEvidence, round, violated } from './finding.ts'
import { fitRows } from './least-squares.ts'
import { namedStep, type PhaseLean } from './ratio-phase.ts'

/** kWh that the gap moves by for each kWh the child recorded, beyond what losses explain. */
export interface GapShare {
  readonly value: number
  readonly error: number
  /** sum of the squares of what is left of the gap, kWh^2 */
  readonly rest: number
}

/**
 * Regression of the gap (parent less children) on a child, or one phase of it, beside losses that are constant, linear and square in the load of the area.
 * One child at a time: much sharper than all children at once, and only worth something where another test names the child.
 */
export function gapShare(
  { parent, sums }: Pick<Columns, 'parent' | 'sums'>,
  child: Float64Array | undefined
): GapShare | undefined {
  const n = parent.length
  if (!child || n < 60) return undefined
  const mean = sums.reduce((a, b) => a + b, 0) / n
  const scale = child.reduce((a, b) => a + b, 0) / n
  if (mean <= 0 || scale <= 0) return undefined
  const fit = fitRows(n, 4, (i, row) => {
    const s = (sums[i] as number) / mean
    row.set([1, s, s * s, (child[i] as number) / scale])
    return (parent[i] as number) - (sums[i] as number)
  })
  return (
    fit && { value: (fit.x[3] as number) / scale, error: (fit.errors[3] as number) / scale, rest: fit.rest }
  )
}

/** Whether no other child explains the gap as well: what another one lacks must not be laid to this one. */
export function isBest(now: Columns, who: number, share: GapShare, known: (n: number) => boolean): boolean {
  const kept = (column: Float64Array) => column.filter((_, n) => known(n))
  const [parent, sums] = [kept(now.parent), kept(now.sums)]
  return now.children.every((child, n) => {
    if (n === who) return true
    const rival = gapShare({ parent, sums }, kept(child))
    return rival === undefined || rival.rest > RIVAL * share.rest
  })
}

/** How much more of the gap every other child must leave. */
const RIVAL = 1.05

/** Share of what a phase lacks that the gap must show at least, and at most: losses on top, and phases that are not quite even. */
const LEAST = 0.7
const MOST = 1.4

/**
 * Whether the gap confirms that a phase has another transformer. Of three even phases one of which is recorded k times, the child
 * records (2 + k) / 3 of its energy. @param factor k, as the archive would have to be off by
 */
export function phaseFinding(
  lean: PhaseLean,
  factor: number,
  share: GapShare,
  hours: number,
  sigmas: number
): Finding {
  const expected = 3 / (2 + factor) - 1
  const numbers = {
    phase: lean.phase,
    gapShare: round(share.value),
    expectedShare: round(expected),
    error: round(share.error),
    hours
  }
  const shown = share.value / expected
  if (Math.abs(share.value) > sigmas * share.error && shown > LEAST && shown < MOST)
    return violated('ratio-balance', numbers, { cause: 'phase', factor: round(factor, 6) })
  // a gap that sharply does not follow the child: the load itself leans
  const refuted = Math.abs(expected) > sigmas * share.error && Math.abs(shown) < 1 - LEAST
  return refuted && !lean.atOnce
    ? holds('ratio-balance', { ...numbers, load: 'leans' })
    : { ...noEvidence('ratio-balance', 'the gap does not tell'), numbers }
}

/** ln between the k of the gap and that of the currents: a load is uneven by itself. */
const ALIKE = 0.35

/**
 * The same of an uneven load: the gap follows the energy of the phase that leans, by 1 / k - 1, and the currents lean by about k.
 * @param share of the gap on the energy that the phase recorded
 */
export function unevenPhaseFinding(
  lean: PhaseLean,
  share: GapShare,
  hours: number,
  sigmas: number
): Finding | undefined {
  const k = 1 / (1 + share.value)
  const factor = share.value > -0.97 ? namedStep(k) : undefined
  if (factor === undefined || Math.abs(share.value) < sigmas * share.error) return undefined
  if (Math.abs(Math.log(factor / lean.k)) > ALIKE) return undefined
  const numbers = {
    phase: lean.phase,
    gapShare: round(share.value),
    error: round(share.error),
    k: round(k),
    hours
  }
  return violated('ratio-balance', numbers, { cause: 'certain', factor: round(factor, 6) })
}
