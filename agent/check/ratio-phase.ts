/** CT/PT test 10 (peers-features.md C), the phases: one of them k times the others, steadily, whatever the load does. */
import type { MeterContext } from './context.ts'
import { type Finding, holds, noEvidence, round, violated } from './finding.ts'
import type { PhaseState } from './history.ts'
import { isLegalCt } from './ratio-factors.ts'

/** ln by which a share must differ from its level, and for how many slots, to be another set of transformers: at least, and enough unless it wanders. */
const AWAY_LEAST = 0.12
const AWAY_ENOUGH = 0.4
const AWAY_SLOTS = 24
/** Share of the mean square of the current under which a slot says nothing. */
const LOW = 1 / 16
/** Weight of a slot once the memory is full: two days at load. */
const KEEP = 1 / 192
/** Middle distance of ln k from its middle: where it begins, and the least of it. */
const FIRST_OFF = 0.05
const LEAST_OFF = 0.002
/** Slots at load after which a level counts as settled. */
const SETTLED = 96
/** ln k from which a phase is looked at: neighbours of the series, 250/5 for 200/5, are 0.22 apart and too near to losses and loads. */
export const LEAN = 0.25
/** ln of a phase over the others under which nothing is worked out. */
const LOOKED_AT = 0.18
/** ln k from which the phases alone are a contradiction: no load leans by that and stays even otherwise. */
const LEAN_FAR = 0.58
/** A clean 2 or one half: ln by which k may miss it and the others each other, ln k a ln of load, slots at load, and how far its power factor may be off. */
const CLEAN = { miss: 0.035, even: 0.1, tilt: 0.12, load: 0.15, slots: 288, powerFactor: 0.05 }
/** The same among meters whose phases are known to be even, in leans that are usual among them: no load is so far from the others by itself. */
const AMONG = { miss: 1.5, mostMiss: 0.15, even: 2, mostEven: 0.22, load: 0.06 }
/** Share of the others' current under which a phase has none, ln by which the others may differ, and slots until it is told. */
const GONE = { share: 0.09, even: 0.4, slots: 96, most: 192 }

/** What the phase currents of a meter say: one phase is k times the others. */
export interface PhaseLean {
  readonly phase: 'A' | 'B' | 'C'
  /** recorded current of the phase over that of the others */
  readonly k: number
  /** standard deviation of ln k from slot to slot, and the same of most slots, deaf to the others */
  readonly sd: number
  readonly spread: number
  /** the other two agree with each other */
  readonly even: boolean
  /** k stays while the load moves, as it does with a transformer; a load added to one phase does not */
  readonly proportional: boolean
  /** the phase came to k from one slot to the next and has stayed there since */
  readonly atOnce: boolean
  /** k is 2 or one half over days, the others are equal, and neither load nor hour moves it */
  readonly clean: boolean
  /** the phases of the other meters are even */
  readonly amongEven: boolean
  readonly elements: 'two' | 'three'
  /** what the archive is off by on the phase, if it is; undefined where the load or a bypass explains k as well */
  readonly factor: number | undefined
  readonly slots: number
}

/** Takes a slot into the memory. */
export function notePhases(c: MeterContext): void {
  if (c.amps.every(x => x === null)) return
  const state = c.history.ratio.phases
  const weight = weightOf(c, state)
  state.at = c.reading.slot
  if (noteGone(c)) return
  const leans = phaseLeans(c)
  if (!leans) return
  const amps = c.amps.reduce<number>((sum, x) => sum + Math.abs(x ?? 0), 0)
  const load = noteLoad(state, amps)
  // at a low load small consumers tell of themselves
  if (amps ** 2 < LOW * load.square) return
  if (cameToAnother(state, leans, weight)) {
    state.middle = [...(state.change?.after ?? leans)]
    state.off = [FIRST_OFF, FIRST_OFF, FIRST_OFF]
    state.n = 0
  }
  state.n += weight
  const gain = weight * Math.max(1 / state.n, KEEP)
  for (let p = 0; p < 3; p++) {
    const away = (leans[p] as number) - (state.mean[p] as number)
    state.mean[p] = (state.mean[p] as number) + gain * away
    state.var[p] = (1 - gain) * ((state.var[p] as number) + gain * away * away)
  }
  if (noteMiddle(state, leans, gain, weight)) {
    const away = Math.log(amps) - load.mean
    load.mean += gain * away
    load.var = (1 - gain) * (load.var + gain * away * away)
    const tilt = state.tilt ?? [0, 0, 0]
    state.tilt = tilt
    for (let p = 0; p < 3; p++) {
      const lean = (leans[p] as number) - (state.middle?.[p] as number)
      tilt[p] = (1 - gain) * ((tilt[p] as number) + gain * lean * away)
    }
  }
}

/** Slots that a reading stands for: currents that are read once an hour tell as much in a day as those of every slot. */
function weightOf(c: MeterContext, state: PhaseState): number {
  const since = c.reading.slot - (state.at ?? c.reading.slot - 1)
  return Math.max(1, Math.min(since, Math.round(1 / c.slotHours)))
}

/**
 * A phase that never had a current while the other two share the load, voltage present: the circuit of a transformer is open or shorted.
 * What is lost on a day is told against the days before; here there are none.
 * @returns whether the slot is such a one, and says nothing of the leans
 */
function noteGone(c: MeterContext): boolean {
  const state = c.history.ratio.phases
  if (c.wiring !== 'three' || c.ct <= 1 || state.n >= SETTLED || state.change) return false
  const amps = c.amps.map(x => Math.abs(x ?? Number.NaN)) as [number, number, number]
  const volts = c.volts.map(x => x ?? 0)
  const most = Math.max(...amps)
  if (!(most >= 0.03 * c.ctSecondary) || Math.min(...volts) < 0.7 * Math.max(1, ...volts)) return false
  const p = amps.indexOf(Math.min(...amps))
  const [one, other] = [amps[(p + 1) % 3] as number, amps[(p + 2) % 3] as number]
  if (Math.abs(Math.log(one / other)) > GONE.even) return false
  const { gone } = state
  if ((amps[p] as number) < GONE.share * Math.sqrt(one * other)) {
    state.gone = { p, n: gone?.p === p ? Math.min(GONE.most, gone.n + 1) : 1 }
    return true
  }
  if (gone && gone.n > 8) state.gone = { p: gone.p, n: gone.n - 8 }
  else delete state.gone
  return false
}

function noteLoad(state: PhaseState, amps: number) {
  const load = state.load ?? { n: 0, square: 0, mean: Math.log(amps), var: 0 }
  state.load = load
  load.n++
  load.square += Math.max(1 / load.n, KEEP) * (amps ** 2 - load.square)
  return load
}

/**
 * Running middle value and middle distance from it: deaf to the hours in which a large consumer of one phase runs.
 * @returns whether the slot lies where most do
 */
function noteMiddle(state: PhaseState, leans: readonly number[], gain: number, weight: number): boolean {
  const middle = state.middle ?? [...leans]
  const off = state.off ?? [FIRST_OFF, FIRST_OFF, FIRST_OFF]
  state.middle = middle
  state.off = off
  let inside = true
  for (let p = 0; p < 3; p++) {
    const away = (leans[p] as number) - (middle[p] as number)
    const usual = off[p] as number
    if (Math.abs(away) > 6 * usual) inside = false
    middle[p] = (middle[p] as number) + gain * Math.max(-2 * usual, Math.min(2 * usual, away))
    // what the phases are away by is not how far they wander
    if (!state.run) off[p] = Math.max(LEAST_OFF, usual * 1.02 ** (Math.abs(away) > usual ? weight : -weight))
  }
  state.inside = (state.inside ?? 1) + gain * ((inside ? 1 : 0) - (state.inside ?? 1))
  return inside
}

/** Standard deviation of ln k from slot to slot, deaf to outliers. */
const spreadOf = (state: PhaseState, p: number) => 1.4826 * (state.off?.[p] ?? FIRST_OFF)

function awayBound(state: PhaseState, p: number): number {
  const spread = spreadOf(state, p)
  return Math.max(AWAY_LEAST, Math.min(AWAY_ENOUGH, 5 * spread), 3.5 * spread)
}

/**
 * Another transformer is another level from one slot to the next: the memory begins anew there instead of sliding over for a week.
 * What was usual is held still while the phases are away from it, so that they cannot become usual meanwhile.
 */
function cameToAnother(state: PhaseState, leans: readonly number[], weight: number): boolean {
  if (state.n < SETTLED) return false
  const { run: open } = state
  const usual = open?.usual ?? state.middle ?? state.mean
  let away = false
  for (let p = 0; p < 3; p++)
    if (Math.abs((leans[p] as number) - (usual[p] as number)) > (open?.bounds[p] ?? awayBound(state, p)))
      away = true
  if (!away) {
    if (open) open.left -= 2 * weight
    if (open && open.left <= 0) delete state.run
    return false
  }
  const run = open ?? {
    usual: [...usual],
    bounds: usual.map((_, p) => awayBound(state, p)),
    n: 0,
    left: 0,
    sum: [0, 0, 0]
  }
  state.run = run
  run.n += weight
  run.left += weight
  for (let p = 0; p < 3; p++) run.sum[p] = (run.sum[p] as number) + weight * (leans[p] as number)
  if (run.left < AWAY_SLOTS) return false
  state.change = { before: [...run.usual], after: run.sum.map(sum => sum / run.n) }
  delete state.run
  return true
}

/** ln of each phase's current over the others'; of two elements A and C against each other. Undefined at low load. */
function phaseLeans(c: MeterContext): number[] | undefined {
  const [a, b, z] = c.amps.map(x => Math.abs(x ?? 0)) as [number, number, number]
  const used = c.wiring === 'two' ? [a, z] : [a, b, z]
  if (c.wiring !== 'three' && c.wiring !== 'two') return undefined
  if (Math.max(...used) < 0.03 * Math.max(1, c.ctSecondary) || Math.min(...used) <= 0) return undefined
  if (c.wiring === 'two') return [Math.log(a / z), 0, Math.log(z / a)]
  const ln = used.map(Math.log) as [number, number, number]
  return ln.map((own, p) => own - ((ln[(p + 1) % 3] as number) + (ln[(p + 2) % 3] as number)) / 2)
}

/**
 * The lean of a meter behind transformers; undefined where its phases are even, or while there are too few slots at load.
 * @param usual lean of the meters here, where they are even: see {@link usualLean}
 */
export function phaseLean(c: MeterContext, usual?: number): PhaseLean | undefined {
  const state = c.history.ratio.phases
  const two = c.wiring === 'two'
  if ((c.wiring !== 'three' && !two) || c.ct === 1) return undefined
  const levels = state.middle ?? state.mean
  const stepped = steppedPhase(c, levels, two)
  // the slots that showed the step were the first of them
  if (state.n < c.limits.get('ratio-phase', 'slots') / (stepped ? STEPPED : 1)) return undefined
  const p = stepped?.p ?? furthest(levels)
  const own = levels[p] as number
  if (Math.abs(own) < LOOKED_AT && !stepped) return undefined
  const limit = c.limits.get('ratio-phase', 'even')
  const spread = spreadOf(state, p)
  const { load } = state
  // a load added to one phase leans by (k - 1) / k of what the other load moves by
  const moved = (1 - Math.exp(-Math.abs(own))) * Math.sqrt(load?.var ?? 0)
  const apart = Math.abs(between(levels, p))
  const room = roomFor(usual, slackOf(c))
  const clean = !two && alikePf(c, p) && isClean(state, p, Math.abs(own), apart, room)
  const lean = {
    phase: 'ABC'[p] as PhaseLean['phase'],
    k: Math.exp(stepped ? stepped.by : own),
    sd: Math.sqrt(state.var[p] as number),
    spread,
    even: two || apart < limit || stepped !== undefined || clean,
    proportional: (state.inside ?? 0) > 0.5 && spread < 0.6 * moved,
    atOnce: stepped !== undefined,
    clean,
    amongEven: usual !== undefined,
    elements: two ? ('two' as const) : ('three' as const),
    slots: state.n
  }
  return {
    ...lean,
    factor: lean.even && Math.abs(Math.log(lean.k)) >= LEAN ? phaseFactor(c, lean) : undefined
  }
}

function furthest(of: readonly number[]): number {
  let p = 0
  for (let n = 1; n < 3; n++) if (Math.abs(of[n] as number) > Math.abs(of[p] as number)) p = n
  return p
}

/** ln k of a phase against the other two; the others see half of it with the other sign, and each other not at all. */
const between = (of: readonly number[], p: number) =>
  (of[(p + 1) % 3] as number) - (of[(p + 2) % 3] as number)

/** Part of the slots that are enough after a step. */
const STEPPED = 3
/** ln by which a phase must be further from the others than before: what is nearer was mended. */
const LEAVES = 0.1

/**
 * The phase that came to another level from one slot to the next and has stayed there, and by how much (ln): what the load leans by
 * of itself is in both levels. Undefined where the others moved against each other as well, or where the phases came nearer together,
 * as they do when a wrong transformer is mended.
 */
function steppedPhase(
  c: MeterContext,
  levels: readonly number[],
  two: boolean
): { p: number; by: number } | undefined {
  const state = c.history.ratio.phases
  const { change } = state
  if (!change) return undefined
  const by = levels.map((level, p) => level - (change.before[p] as number))
  const p = furthest(by)
  const own = by[p] as number
  const limit = c.limits.get('ratio-phase', 'even')
  const stays = Math.abs((change.after[p] as number) - (levels[p] as number)) < limit + spreadOf(state, p)
  const alone = two || Math.abs(between(by, p)) < limit
  const leaves = Math.abs(levels[p] as number) > Math.abs(change.before[p] as number) + LEAVES
  return Math.abs(own) >= LEAN && stays && alone && leaves ? { p, by: own } : undefined
}

/**
 * What a step may miss a whole factor by and scatter from slot to slot (ln), and how it may move with the load, which must move;
 * and how much further all that may be where it was told already.
 */
const STEP = { miss: 0.05, scatter: 0.25, tilt: 0.25, load: 0.06, told: 1.6 }
const slackOf = (c: MeterContext) => (c.history.archive.doubted ? STEP.told : 1)
/** ln by which what is left of a phase may miss one half and still be a transformer's */
const HALF = 0.03
/** Slots at load after which a bypass of a phase has been told as one if it can be. */
const BYPASS_SLOTS = 480

/** A load that came to one phase is another share of it at another load; a transformer is not. */
function isUnmoved(state: PhaseState, p: number, spread: number, slack: number): boolean {
  const { load, tilt } = state
  if (!load || !tilt || Math.sqrt(load.var) * slack < STEP.load || spread > STEP.scatter * slack) return false
  return Math.abs(tilt[p] as number) < STEP.tilt * slack * load.var
}

/** A load that hardly moves, and phases that keep their shares of it. */
const isSame = ({ load }: PhaseState, spread: number) =>
  load !== undefined && Math.sqrt(load.var) < STEP.load && spread < SAME_SPREAD

const SAME_SPREAD = 0.05

/** A load of one phase leans by any k, and by another one at another load; a transformer of twice or half the ratio does not. */
function isClean(state: PhaseState, p: number, size: number, apart: number, room: typeof CLEAN): boolean {
  const { load, tilt } = state
  if (!load || !tilt || state.n < room.slots || Math.sqrt(load.var) < room.load) return false
  return (
    Math.abs(size - Math.LN2) < room.miss &&
    apart < room.even &&
    Math.abs(tilt[p] as number) < room.tilt * load.var
  )
}

function roomFor(usual: number | undefined, slack: number): typeof CLEAN {
  if (usual === undefined) return CLEAN
  return {
    ...CLEAN,
    miss: slack * Math.max(CLEAN.miss, Math.min(AMONG.mostMiss, AMONG.miss * usual)),
    even: slack * Math.max(CLEAN.even, Math.min(AMONG.mostEven, AMONG.even * usual)),
    tilt: slack * CLEAN.tilt,
    load: AMONG.load / slack
  }
}

/** Meters whose phases must be known for it, and the lean (ln k) of the most even four fifths of them from which they are not even. */
const EVEN_METERS = 6
const EVEN_LEAN = 0.2

/**
 * By how much (ln k) the phases of a usual consumer here lean at most, by the memory of the meters of a gateway; undefined where too
 * few are known, or where many lean.
 */
export function usualLean(all: readonly PhaseState[]): number | undefined {
  const leans = all
    .filter(state => state.n >= SETTLED)
    .map(({ middle, mean }) => Math.max(...(middle ?? mean).map(Math.abs)))
    .sort((a, b) => a - b)
  const lean = leans[Math.floor(0.8 * (leans.length - 1))]
  return lean !== undefined && leans.length >= EVEN_METERS && lean < EVEN_LEAN ? lean : undefined
}

/** A consumer of one phase brings its own power factor; another transformer leaves it. True where the phases' are not read. */
function alikePf(c: MeterContext, p: number): boolean {
  const [own, one, other] = [0, 1, 2].map(n => c.phasePf[(p + n) % 3] ?? null)
  if (own == null || one == null || other == null) return true
  return Math.abs(Math.abs(own) - (Math.abs(one) + Math.abs(other)) / 2) < CLEAN.powerFactor
}

/** Share of the meter's load that the leaning phase has at the moment; undefined where none leans. */
export function leaningShare(c: MeterContext, lean: PhaseLean | undefined): number | undefined {
  if (!lean || lean.elements === 'two' || Math.abs(Math.log(lean.k)) < LEAN) return undefined
  const p = 'ABC'.indexOf(lean.phase)
  const of = c.phaseKw.every(x => x !== null) ? c.phaseKw : c.amps
  const sum = of.reduce<number>((total, x) => total + Math.abs(x ?? 0), 0)
  return sum > 0 ? Math.abs(of[p] ?? 0) / sum : undefined
}

/** The named step that k is near, for a k that the balance measured. */
export const namedStep = (k: number) => nearest([...WHOLE, 3 / 2, 2 / 3], k, 0.12)

/** Test 10. Uneven loads vary; a wrong transformer does not. */
export function testPhases(c: MeterContext, lean: PhaseLean | undefined): Finding {
  const { gone } = c.history.ratio.phases
  if (gone && gone.n >= GONE.slots)
    return violated('ratio-phase', { phase: 'ABC'[gone.p] as string, slots: gone.n }, { cause: 'no-current' })
  if (!lean)
    return c.ct === 1 || c.history.ratio.phases.n < c.limits.get('ratio-phase', 'slots')
      ? noEvidence('ratio-phase', 'too early or direct')
      : holds('ratio-phase')
  const { phase, sd, spread, slots } = lean
  const numbers = { phase, k: round(lean.k), sd: round(sd), spread: round(spread), slots }
  if (Math.abs(Math.log(lean.k)) < LEAN) return holds('ratio-phase', numbers)
  const { factor } = lean
  if (factor === undefined) return { ...noEvidence('ratio-phase', 'uneven load'), numbers }
  // a load that leans by nature wanders; a transformer does not, or it came from one slot to the next
  const far = Math.abs(Math.log(lean.k)) >= LEAN_FAR
  const steady =
    sd < c.limits.get('ratio-phase', 'steady') || (lean.clean && (lean.proportional || lean.amongEven))
  const certain = lean.atOnce || (far && steady)
  return violated('ratio-phase', numbers, {
    factor: round(factor, 6),
    ...(certain ? { cause: 'certain' } : far ? {} : { cause: 'near' })
  })
}

/** What the archive is off by on the phase, by a step of the series. */
function phaseFactor(c: MeterContext, lean: Omit<PhaseLean, 'factor'>): number | undefined {
  const { k, atOnce, proportional } = lean
  const { verdict } = c.history.pattern
  if (verdict && (verdict.cause !== 'phase-bypass' || (verdict.phase ?? lean.phase) !== lean.phase))
    return undefined
  const tight = lean.sd < c.limits.get('ratio-phase', 'scatter')
  const steady = proportional && lean.spread < c.limits.get('ratio-phase', 'scatter')
  const p = 'ABC'.indexOf(lean.phase)
  const { change } = c.history.ratio.phases
  const fell = change !== undefined && (change.after[p] as number) < (change.before[p] as number) - LEAN
  const gone = k < 1 && (verdict !== null || atOnce || fell)
  const slack = slackOf(c)
  const unmoved = atOnce && isUnmoved(c.history.ratio.phases, p, lean.spread, slack)
  // a machine that always draws the same: one of its phases twice from one hour to the next, and the others as they were
  const same = atOnce && !gone && isSame(c.history.ratio.phases, lean.spread)
  if (same && Math.abs(Math.log(k / 2)) < STEP.miss) return 2
  // part of a load gone from one phase is a bypass and told as one; just one half or a near step is as likely a transformer
  if (gone && (unmoved || tight || steady) && Math.abs(Math.log(2 * k)) < HALF * slack)
    return verdict === null && lean.slots < BYPASS_SLOTS ? undefined : 1 / 2
  if (!gone && unmoved) {
    const whole = nearest(WHOLE, k, STEP.miss * slack)
    if (whole !== undefined) return whole
  }
  if (lean.clean && lean.amongEven && !atOnce) return k > 1 ? 2 : 1 / 2
  if (!tight && !steady) return undefined
  if (gone && k < 0.64) return undefined
  const size = Math.abs(Math.log(k))
  if (!gone && tight && size >= LEAN_FAR)
    return nearest(WHOLE, k, size > 1 ? WHOLE_MISS.large : WHOLE_MISS.small)
  if (!steady) return undefined
  const legal = STEPS.filter(step => isLegalCt(Math.round((c.ct / step) * 1e6) / 1e6, 1))
  return nearest([...legal, 3 / 2, 2 / 3], k, gone ? 0.03 : 0.06)
}

/** Transformers of a set differ by whole steps of the series, or by a step to a neighbour. */
const WHOLE = [2, 3, 4, 5, 6, 8, 10, 20].flatMap(f => [f, 1 / f])
const STEPS = [4 / 3, 1.5, 1.6, 5 / 3, 2, 2.5].flatMap(f => [f, 1 / f])
/** What k may miss a whole step by (ln): of the large ones there are too many for more. */
const WHOLE_MISS = { small: 0.1, large: 0.04 }

/** The step that k is nearest to, within `tolerance` (ln). */
function nearest(steps: readonly number[], k: number, tolerance: number): number | undefined {
  const off = (step: number) => Math.abs(Math.log(k / step))
  const [best] = [...steps].sort((a, b) => off(a) - off(b))
  return best !== undefined && off(best) < tolerance ? best : undefined
}
