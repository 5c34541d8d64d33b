/** CT/PT tests that need days: 7 energy against power, 8 plausible load (peers-features.md C). */
import type { MeterContext } from './context.ts'
import { type Finding, holds, noEvidence, round, violated } from './finding.ts'
import type { RatioState } from './history.ts'
import { totalPower } from './item-values.ts'
import { powerIntegral, slotKva } from './load.ts'
import { testChange } from './ratio-change.ts'
import { fittingCt, isLegalPt, nearestCt, snapFactor } from './ratio-factors.ts'
import { notePhases, type PhaseLean, testPhases } from './ratio-phase.ts'

/** Bins of half an octave from 1/64 to 16384 of the rated load: HV values multiplied twice are thousands of it. */
const LOAD_BINS = 40
const LOAD_SHIFT = 10
const KEEP_SLOTS = 1344
/** Counts of power integral without one of energy that no factor explains. */
const STOPPED_COUNTS = 8

/** @param lean of the meter's phases, where it has one */
export function ratioTests(c: MeterContext, lean: PhaseLean | undefined): Finding[] {
  return [testEnergy(c), testLoad(c), testPhases(c, lean), testChange(c)]
}

/** Takes the slot into the memory of these tests. */
export function noteRatioState(c: MeterContext): void {
  noteEnergy(c)
  noteLoad(c)
  notePhases(c)
}

function noteEnergy(c: MeterContext): void {
  const { step, history } = c
  const p = totalPower(c.values)
  if (!c.live || p === undefined || history.power === null || step.kind !== 'step') return
  if (step.import === undefined || step.slots !== 1 || (step.event && step.event !== 'leap')) return
  if ((step.export ?? 0) > 0 || p <= 0) return
  const e = step.import
  const integral = powerIntegral(c, history.power, p)
  const sums = history.ratio.energy
  const [le, lp, , , , known] = sums as [number, number, number, number, number, number]
  // what a power usually comes to; before that is known the two may be on different sides
  const usual = known >= CHANGE.slots && lp > 0 ? le / lp : 1 / Math.max(1, c.ct * c.pt)
  // a register that stands still under load is stopped (rule zero-energy), not off by a factor
  if (e === 0 && usual * (history.unmet + integral) > STOPPED_COUNTS * history.resolution) return
  if (changed(history.ratio, e, integral, history.resolution)) sums.fill(0)
  if ((sums[5] as number) >= KEEP_SLOTS / 2) for (let n = 0; n < 6; n++) sums[n] = (sums[n] as number) / 2
  const add = [e, integral, e * e, integral * integral, e * integral, 1]
  for (let n = 0; n < 6; n++) sums[n] = (sums[n] as number) + (add[n] as number)
}

/**
 * Takes a slot into the short window and holds it against the long one: at a change of the ratio the long one must begin anew, or
 * it names a mixture of both. Only at a usual load, where the scatter that was measured holds.
 * @param e, integral energy of the slot and of its power, 0.001 kWh
 */
function changed(ratio: RatioState, e: number, integral: number, resolution: number): boolean {
  const before = ratio.recent ?? [0, 0, 0]
  const [re, rp, rpp] = [
    SHORT * (before[0] as number) + e,
    SHORT * (before[1] as number) + integral,
    SHORT ** 2 * (before[2] as number) + integral ** 2
  ]
  ratio.recent = [re, rp, rpp]
  const [le, lp, ee, pp, ep, n] = ratio.energy as [number, number, number, number, number, number]
  if (n < CHANGE.slots || le <= 0 || lp <= 0 || rp < (lp / n) * CHANGE.load || rp ** 2 < CHANGE.short * rpp)
    return false
  const r = le / lp
  // the scatter of a slot, of the few in the short window, and the counts
  const scatter = Math.max(0, ee - 2 * r * ep + r * r * pp) / (r * r * pp)
  const counts = Math.max(re, r * rp) / resolution
  const sigma = Math.sqrt((scatter * rpp) / rp ** 2 + 1 / counts ** 2)
  const off = Math.abs(Math.log(Math.max(re, resolution / 2) / rp / r))
  if (off < Math.max(CHANGE.least, CHANGE.sigmas * sigma)) return false
  delete ratio.recent
  return true
}

/** Share of the short window that is kept from slot to slot. */
const SHORT = 7 / 8
/** A change: ln and standard errors it needs, slots before it, slots of the short window, and their load in mean slots. */
const CHANGE = { least: 0.3, sigmas: 6, slots: 16, short: 5, load: 4 }

/** Test 7. The window is one of counts: 40 counts are +-5 %, and the scatter of the load between readings is measured, not assumed. */
function testEnergy(c: MeterContext): Finding {
  const [e, p, ee, pp, ep, n] = c.history.ratio.energy as [number, number, number, number, number, number]
  const { resolution } = c.history
  const counts = Math.max(e, p) / resolution
  if (p <= 0 || e <= 0) return noEvidence('ratio-energy', 'too few counts')
  const r = e / p
  // a factor like 20 shows within hours
  const gross = Math.abs(Math.log(r)) > GROSS.off && Math.min(e, p) / resolution >= GROSS.counts
  if (
    n < (gross ? GROSS.slots : c.limits.get('ratio-energy', 'slots')) ||
    counts < c.limits.get('ratio-energy', 'counts')
  )
    return noEvidence('ratio-energy', 'too few counts')
  // what a register cuts off in one slot it counts in the next: in the sum it is one count, not one a slot
  const share = e / n / resolution
  const cut = n * resolution ** 2 * (share < 1 ? Math.min(0.25, share * (1 - share)) : 1 / 6)
  const rest = ee - 2 * r * ep + r * r * pp
  const sigma = Math.sqrt(Math.max(0.1 * rest, rest - cut, 0) + resolution ** 2) / p
  const relative = sigma / r
  const numbers = { ratio: round(r), sigma: round(relative), counts: round(counts), slots: Math.round(n) }
  const off = Math.abs(Math.log(r))
  const bound = Math.max(
    Math.log(1 + c.limits.get('ratio-energy', 'tolerance')),
    c.limits.get('ratio-energy', 'sigmas') * relative
  )
  if (off <= bound)
    return relative > 0.05 ? noEvidence('ratio-energy', 'load scatters') : holds('ratio-energy', numbers)
  const named = snapFactor(r, Math.max(0.02, Math.min(0.1, 3 * relative)), c.ct, c.pt)
  return violated(
    'ratio-energy',
    { ...numbers, factorName: named?.name ?? 'none' },
    {
      ...((named && relative < 0.05) || (gross && off > GROSS.sigmas * relative) ? { cause: 'certain' } : {}),
      ...(named ? { factor: round(named.value, 6) } : {})
    }
  )
}

function noteLoad(c: MeterContext): void {
  const rated = c.meter.ratedKva
  const load = slotKva(c)
  if (rated === undefined || load === undefined) return
  const bins = c.history.ratio.loads
  const bin =
    load <= 0
      ? 0
      : Math.max(0, Math.min(LOAD_BINS - 1, Math.floor(Math.log2(load / rated) * 2 + LOAD_SHIFT * 1.2)))
  bins[bin] = (bins[bin] ?? 0) + 1
  let all = 0
  for (let i = 0; i < LOAD_BINS; i++) all += bins[i] ?? 0
  if (all > 2 * 2880) for (let i = 0; i < LOAD_BINS; i++) bins[i] = Math.floor((bins[i] ?? 0) / 2)
}

/** Upper edge of the bin under which 95 % of the loads lie, and about where in it they do, in rated loads. */
function upperLoad(bins: readonly number[]): { share: number; about: number; slots: number } {
  let all = 0
  for (let i = 0; i < LOAD_BINS; i++) all += bins[i] ?? 0
  let sum = 0
  for (let i = 0; i < LOAD_BINS; i++) {
    const own = bins[i] ?? 0
    if (sum + own >= 0.95 * all) {
      const edge = (part: number) => 2 ** ((i + part - LOAD_SHIFT * 1.2) / 2)
      return { share: edge(1), about: edge(own > 0 ? (0.95 * all - sum) / own : 1), slots: all }
    }
    sum += own
  }
  return { share: 0, about: 0, slots: all }
}

/** An energy off by more than 3: counts and slots after which it is told, and standard errors that chance cannot make. */
const GROSS = { off: 1.1, counts: 10, slots: 16, sigmas: 10 }

/** What the primary side carries in rated loads, under which no one builds it, and which it has by usual dimensions; upper load that bears it out; and the least peak where nothing else tells. */
const SMALL = { share: 1 / 8, least: 0.7, most: 2.8, load: 0.2, idle: 0.2 }

/**
 * A current transformer whose rated primary current is a small part of what the consumer is rated for, by a factor of ten or twenty:
 * nobody builds that, while an archive that lacks a digit looks like it.
 */
function tooSmall(c: MeterContext, ratedKva: number): { kva: number; factor: number } | undefined {
  if (c.ct < 1) return undefined
  // between the lines: 400 V, or what the voltage transformers stand for
  const kva = (Math.sqrt(3) * (c.pt > 1 ? 100 * c.pt : 400) * c.ct * c.ctSecondary) / 1000
  if (kva > SMALL.share * ratedKva) return undefined
  const fits = [1 / 10, 1 / 20, 1 / 100].filter(f => {
    const mended = kva / f / ratedKva
    return mended > SMALL.least && mended < SMALL.most && nearestCt(c.ct / f, 5).off < 0.01
  })
  const [factor] = fits.sort(
    (a, b) => Math.abs(Math.log(kva / a / ratedKva / 1.3)) - Math.abs(Math.log(kva / b / ratedKva / 1.3))
  )
  // no ratio is left to mend: what such a consumer is fitted with, if the load is then one
  const isDirect = c.ct === 1 && c.pt === 1
  const fitting = isDirect ? c.ctSecondary / fittingCt((1000 * ratedKva) / (Math.sqrt(3) * 400)) : 1
  const named = factor ?? (fitting < SMALL.share ? fitting : undefined)
  if (named === undefined || (isDirect && c.history.peak < named * SMALL.idle * ratedKva)) return undefined
  return { kva: round(kva), factor: round(named, 6) }
}

/** kVA that a meter behind transformers can show on three phases of 400 V: 6 A. */
const BEHIND_FIVE = 4.2

/** kVA on three phases of 400 V and 100 A: no meter without transformers carries more. */
const MOST_DIRECT = 69

/**
 * An archive without a ratio, and no load ever that a meter behind 5 A transformers could not show: 5/5 has lost its digits; 1/1 is a
 * meter without transformers, unless the consumer is rated for more than such a meter carries.
 */
function hasNoRatio(c: MeterContext, ratedKva: number): boolean {
  const { primary, secondary } = c.transformers.ct
  const isTooMuch = ratedKva > MOST_DIRECT && c.wiring === 'three'
  if (!isTooMuch && (primary !== 5 || secondary !== 5)) return false
  const top = c.history.ratio.loads.findLastIndex(count => (count ?? 0) > 0)
  return 2 ** ((top - LOAD_SHIFT * 1.2) / 2) * ratedKva < BEHIND_FIVE
}

/** Test 8. Blind to factors of two; a real overload looks like a small one, so alone it is half a contradiction. */
function testLoad(c: MeterContext): Finding {
  const { ratedKva } = c.meter
  const early = noEvidence('ratio-load', 'no rated capacity or too early')
  const isDirect = c.ct === 1 && c.pt === 1
  if (ratedKva === undefined || (isDirect && !hasNoRatio(c, ratedKva))) return early
  const load = upperLoad(c.history.ratio.loads)
  if (load.slots < c.limits.get('ratio-load', 'slots')) return early
  const numbers = { upperShare: round(load.share), ratedKva, slots: load.slots }
  // no ratio is looked at for the one it lost, and for nothing else
  if (!isDirect) {
    const high = testHighLoad(c, load.share, numbers)
    if (high) return high
  }
  const small = load.share < SMALL.load ? tooSmall(c, ratedKva) : undefined
  if (small)
    return violated(
      'ratio-load',
      { ...numbers, primaryKva: small.kva },
      { cause: 'certain', factor: small.factor }
    )
  if (isDirect) return early
  if (load.share < c.limits.get('ratio-load', 'low') && load.slots >= 2880)
    return violated('ratio-load', numbers, { cause: 'low' })
  // a load over the rated one is usual enough to say nothing by itself, but it bears out a ratio that is in doubt
  if (load.about > c.limits.get('ratio-load', 'over'))
    return {
      ...noEvidence('ratio-load', 'over the rated load'),
      numbers: { ...numbers, upperShare: round(load.about) },
      cause: 'over'
    }
  return holds('ratio-load', numbers)
}

/** A load far over the rated one; undefined where it is not. */
function testHighLoad(
  c: MeterContext,
  share: number,
  numbers: Readonly<Record<string, number>>
): Finding | undefined {
  // the lower edge of the bin is what is certain
  const sure = share / Math.SQRT2
  if (sure <= c.limits.get('ratio-load', 'high')) return undefined
  if (sure <= c.limits.get('ratio-load', 'absurd')) return violated('ratio-load', numbers)
  // a digit too many is rarer than values that are multiplied twice; and what is left must be a standard transformer
  const cost = (f: number) =>
    Math.abs(Math.log(share / f / USUAL_UPPER)) +
    (f === 10 && c.ct !== 10 ? RARER : 0) +
    (isLeftStandard(c, f) ? 0 : RARER)
  const factor = [c.ct, 20, c.pt, c.ct * c.pt, 10].filter(f => f > 3).sort((a, b) => cost(a) - cost(b))[0]
  return violated('ratio-load', numbers, {
    cause: 'certain',
    ...(factor === undefined ? {} : { factor: round(factor) })
  })
}

/** Upper load that a consumer of that capacity usually has, and by how much (ln) it must be off for a factor that is rarer. */
const USUAL_UPPER = 0.7
const RARER = 0.7

/** Whether the transformers are standard ones once the factor is taken from them. */
const isLeftStandard = ({ ct, pt }: MeterContext, f: number) =>
  f === ct || f === ct * pt || nearestCt(ct / f, 5).off < 0.01 || (pt > 1 && isLegalPt(pt / f, 1))
