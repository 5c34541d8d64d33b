/** Line-loss balance of one transformer area: a parent meter and the meters under it. */
import type { MeterPoint } from '../ports.ts'
import { type BalanceResult, judgeLately, lossOf } from './balance.ts'
import { type BalanceRow, type Columns, columnsOf, mend } from './balance-columns.ts'
import type { MeterRatio } from './balance-factor.ts'
import { gapShare, isBest, phaseFinding, unevenPhaseFinding } from './balance-phase.ts'
import { type Finding, holds, judge, noEvidence, round, violated } from './finding.ts'
import { LEAN, type PhaseLean } from './ratio-phase.ts'
import type { MeterLimits } from './rule-book.ts'
import { median, spread } from './statistics.ts'

const KEPT_ROWS = 336
const KEPT_LOSSES = 35
/** More columns than this make no regression: areas of many small direct meters are summed into one. */
const COLUMNS = 40

/** What a meter contributed in a slot. */
export interface SlotEnergy {
  /** primary kWh, import minus export; undefined where the slot has no clean increment */
  readonly kwh: number | undefined
  /** the register stands still: the power of the moment stands for it */
  readonly byPower?: boolean
  readonly ratioVersion: number
  readonly ct: number
  readonly pt: number
  /** single-phase, or carrying more than a meter behind transformers can: no transformer could be wrong */
  readonly direct: boolean
  /** what the phase currents say; undefined without them */
  readonly lean?: PhaseLean | undefined
  /** share of the phase that leans in the load of the moment */
  readonly leaningShare?: number | undefined
}

interface DayLoss {
  readonly day: number
  readonly rate: number
}

const isAnother = (before: SlotEnergy | undefined, now: SlotEnergy | undefined) =>
  before !== undefined &&
  now !== undefined &&
  (before.ratioVersion !== now.ratioVersion || before.ct !== now.ct || before.pt !== now.pt)

/** Least ln of a factor that is mended before a phase is looked at. */
const MENDED = 0.1
/** Share of the parent up to which a meter that counts none leaves the others to be judged. */
const SMALL_SHARE = 0.05
/** Hours without which nothing is judged. */
const LEAST_ROWS = 60

/** What other rules say of a meter: its energy is wrong by a factor, by nothing so simple, or it counts none. */
export type KnownFault = 'factor' | 'erratic' | 'silent'

export class Area {
  readonly parent: MeterPoint
  readonly children: readonly MeterPoint[]
  readonly #limits: MeterLimits
  readonly #slotsPerRow: number
  #rows: BalanceRow[] = []
  #dayRows: BalanceRow[] = []
  #losses: DayLoss[] = []
  #open: { parent: number; children: Float64Array; leaning: Float64Array; slots: number } | null = null
  #lastSlot = -1
  /** children, and the parent last */
  readonly meters: readonly MeterPoint[]
  /** the largest share of the parent's energy that a silent meter had */
  readonly #shares = new Map<string, number>()
  /** what each meter contributed last */
  readonly #last: (SlotEnergy | undefined)[] = []

  constructor(parent: MeterPoint, children: readonly MeterPoint[], limits: MeterLimits, slotSeconds: number) {
    this.parent = parent
    this.children = children
    this.meters = [...children, parent]
    this.#limits = limits
    this.#slotsPerRow = Math.max(1, Math.round(3600 / slotSeconds))
  }

  /**
   * Takes a slot in; only slots in which every meter of the area has a clean increment count.
   * @returns meters whose ratio is another since the last slot
   */
  note(slot: number, energyOf: (meter: string) => SlotEnergy | undefined): readonly string[] {
    const all = this.meters.map(meter => energyOf(meter.id))
    const changed = this.meters.filter((_, n) => isAnother(this.#last[n], all[n]))
    for (let n = 0; n < all.length; n++) this.#last[n] = all[n] ?? this.#last[n]
    if (changed.length > 0) {
      // another ratio is another unit: begin anew
      this.#rows = []
      this.#dayRows = []
      this.#open = null
    }
    this.#takeIn(slot, all)
    return changed.map(meter => meter.id)
  }

  #takeIn(slot: number, all: readonly (SlotEnergy | undefined)[]): void {
    const whole = all.every(one => one?.kwh !== undefined)
    if (!whole || slot !== this.#lastSlot + 1) this.#open = null
    this.#lastSlot = slot
    if (!whole) return
    const count = this.children.length
    const open = this.#open ?? {
      parent: 0,
      children: new Float64Array(count),
      leaning: new Float64Array(count),
      slots: 0
    }
    this.#open = open
    open.parent += all.at(-1)?.kwh ?? 0
    for (let n = 0; n < count; n++) {
      const kwh = all[n]?.kwh ?? 0
      open.children[n] = (open.children[n] as number) + kwh
      open.leaning[n] = (open.leaning[n] as number) + kwh * (all[n]?.leaningShare ?? Number.NaN)
    }
    open.slots++
    if (open.slots < this.#slotsPerRow) return
    const row = {
      parent: open.parent,
      children: Array.from(open.children),
      leaning: Array.from(open.leaning)
    }
    this.#rows.push(row)
    this.#dayRows.push(row)
    if (this.#rows.length > KEPT_ROWS) this.#rows.shift()
    this.#open = null
  }

  /** Losses of the day that has ended, about the parent. */
  endDay(day: number): Finding[] {
    const rows = this.#dayRows
    this.#dayRows = []
    if (rows.length < 12) return [noEvidence('line-loss', 'too few whole hours')]
    const rate = lossOf(rows)
    if (!Number.isFinite(rate)) return [noEvidence('line-loss', 'no energy')]
    const high = this.#limits.get('line-loss', 'high')
    const low = this.#limits.get('line-loss', 'low')
    const before = this.#losses.map(one => one.rate)
    const numbers = {
      lossPercent: round(100 * rate),
      hours: rows.length,
      usualPercent: round(100 * (before.length ? median(before) : rate))
    }
    const level = rate >= 0 ? rate / high : rate / Math.min(low, -1e-6)
    const out = [judge('line-loss', level, () => numbers)]
    if (before.length >= 7) {
      const usual = median(before)
      const limit = Math.max(
        this.#limits.get('line-loss-trend', 'step'),
        this.#limits.get('line-loss-trend', 'sigmas') * spread(before, usual)
      )
      out.push(
        judge('line-loss-trend', (rate - usual) / limit, () => ({
          ...numbers,
          limitPercent: round(100 * limit)
        }))
      )
    }
    // a day that stands out is not learned, so that the step stays visible
    if (before.length < 7 || out.every(finding => finding.verdict !== 'violated'))
      this.#losses.push({ day, rate })
    else if (before.length >= 7) this.#losses = this.#losses.filter(one => day - one.day < KEPT_LOSSES)
    if (this.#losses.length > KEPT_LOSSES) this.#losses.shift()
    return out
  }

  /**
   * The regression of the parent on its children, as a finding of rule ratio-balance for each meter of the area.
   * @param known what other rules say of a meter
   * @returns empty where there is nothing to judge by: what was said before stands
   */
  judgeRatios(
    ratioOf: (meter: string) => SlotEnergy | undefined,
    known: (meter: string) => KnownFault | undefined = () => undefined
  ): Map<string, Finding> {
    const out = new Map<string, Finding>()
    const silent = this.meters.filter(meter => known(meter.id) === 'silent' && !ratioOf(meter.id)?.byPower)
    if (silent.some(meter => !(this.#shareOf(meter) <= SMALL_SHARE))) {
      // hours without a meter's energy cannot be laid to the others
      this.#rows = []
      return out
    }
    const columns = this.#columns(ratioOf)
    if (columns.length === 0 || this.#rows.length < LEAST_ROWS) return out
    const single = new Set(columns.flat())
    const rest = this.children.map((_, n) => n).filter(n => !single.has(n))
    const groups = rest.length > 0 ? [...columns, rest] : columns
    const rows = this.#rows.map(row => ({
      parent: row.parent,
      children: groups.map(group => group.reduce((sum, n) => sum + (row.children[n] as number), 0))
    }))
    const ratios = groups.map((group, n): MeterRatio => {
      const one =
        n < columns.length ? ratioOf((this.children[group[0] as number] as MeterPoint).id) : undefined
      return one ? { ct: one.ct, pt: one.pt, direct: one.direct } : { ct: 1, pt: 1, direct: true }
    })
    const own = ratioOf(this.parent.id) ?? { ct: 1, pt: 1 }
    const faults = columns.map(([n]) => known((this.children[n as number] as MeterPoint).id))
    const held = [...faults.keys()].filter(index => faults[index] !== undefined)
    const leaning = new Map(
      this.#leaning(groups, ratioOf).map(({ index, lean }) => [index, (2 + lean.k) / 3])
    )
    const result = judgeLately(rows, [...ratios, own], this.#limits.get('ratio-balance', 'sigmas'), {
      held,
      erratic: [...faults.keys()].filter(index => ['erratic', 'silent'].includes(faults[index] ?? '')),
      leaning,
      missing: silent.length > 0
    })
    for (const c of result.coefficients) {
      if (c.index >= columns.length || c.error > 0.08 * c.value) continue
      const meter = this.children[(columns[c.index] as number[])[0] as number] as MeterPoint
      out.set(
        meter.id,
        holds('ratio-balance', { coefficient: round(c.value), error: round(c.error), hours: result.rows })
      )
    }
    for (const verdict of result.verdicts) {
      const who = verdict.who === 'parent' ? this.parent : this.#child(columns, verdict.who)
      if (!who) continue
      const ratio = ratioOf(who.id)
      if (!ratio) continue
      const numbers = {
        coefficient: verdict.coefficient,
        error: verdict.error,
        lossPercent: round(100 * result.loss),
        lossAfterPercent: round(100 * verdict.lossAfter),
        ...(verdict.certain && verdict.exact ? { exact: 1 } : {}),
        hours: result.rows
      }
      out.set(
        who.id,
        violated('ratio-balance', numbers, {
          factor: verdict.factor,
          ...(verdict.certain ? { cause: 'certain' } : {})
        })
      )
    }
    this.#judgePhases(rows, groups, result.off, ratioOf, out)
    return out
  }

  /** Share of the parent's energy that a meter had when it last recorded any; NaN while that is unknown. */
  #shareOf(meter: MeterPoint): number {
    const n = this.children.indexOf(meter)
    let [own, all] = [0, 0]
    for (const row of this.#rows) {
      own += Math.abs(n < 0 ? row.parent : (row.children[n] as number))
      all += row.parent
    }
    if (all > 0) this.#shares.set(meter.id, Math.max(own / all, this.#shares.get(meter.id) ?? 0))
    return this.#shares.get(meter.id) ?? Number.NaN
  }

  /** Children, alone in their column, one of whose phases leans as with another transformer. */
  #leaning(groups: readonly (readonly number[])[], ratioOf: (meter: string) => SlotEnergy | undefined) {
    return groups.flatMap((group, index) => {
      const child = group.length === 1 ? (group[0] as number) : -1
      const meter = this.children[child]
      const lean = meter && ratioOf(meter.id)?.lean
      return meter && lean?.elements === 'three' && Math.abs(Math.log(lean.k)) >= LEAN
        ? [{ meter, child, index, lean }]
        : []
    })
  }

  /** Children one of whose phases leans: whether the gap of the area follows them by as much. */
  #judgePhases(
    rows: readonly BalanceRow[],
    groups: readonly (readonly number[])[],
    off: BalanceResult['off'],
    ratioOf: (meter: string) => SlotEnergy | undefined,
    out: Map<string, Finding>
  ): void {
    const sigmas = this.#limits.get('ratio-balance', 'sigmas')
    const leaning = this.#leaning(groups, ratioOf)
    if (leaning.length === 0) return
    const now = columnsOf(rows, groups.length)
    const open = new Set(
      leaning.filter(({ meter }) => out.get(meter.id)?.verdict !== 'violated').map(one => one.index)
    )
    // what is known of the others first
    for (const [index, factor] of off)
      if (!open.has(index) && Math.abs(Math.log(factor)) > MENDED) mend(now, index, factor)
    for (const { meter, child, index, lean } of leaning) {
      if (out.get(meter.id)?.verdict === 'violated') continue
      const even = lean.factor === undefined ? undefined : gapShare(now, now.children[index])
      const found =
        (even && phaseFinding(lean, lean.factor as number, even, rows.length, sigmas)) ??
        this.#unevenPhase(now, child, index, lean, sigmas)
      if (found) out.set(meter.id, found)
    }
  }

  #unevenPhase(
    now: Columns,
    child: number,
    index: number,
    lean: PhaseLean,
    sigmas: number
  ): Finding | undefined {
    const phase = Float64Array.from(this.#rows, row => row.leaning?.[child] ?? Number.NaN)
    const known = (n: number) => !Number.isNaN(phase[n])
    const kept = (column: Float64Array) => column.filter((_, n) => known(n))
    const own = kept(phase)
    const share = gapShare({ parent: kept(now.parent), sums: kept(now.sums) }, own)
    const found = share && unevenPhaseFinding(lean, share, own.length, sigmas)
    return found && isBest(now, index, share, known) ? found : undefined
  }

  #child(columns: readonly number[][], index: number): MeterPoint | undefined {
    const column = columns[index]
    return column === undefined ? undefined : this.children[column[0] as number]
  }

  /** Children that may have transformers, largest first, one column each; the rest are summed into one column. */
  #columns(ratioOf: (meter: string) => SlotEnergy | undefined): number[][] {
    const size = (n: number) => this.#rows.reduce((sum, row) => sum + Math.abs(row.children[n] as number), 0)
    const withTransformer = this.children
      .map((_, n) => n)
      .filter(n => {
        const ratio = ratioOf((this.children[n] as MeterPoint).id)
        return ratio !== undefined && !ratio.direct
      })
    const chosen = this.children.length <= COLUMNS ? this.children.map((_, n) => n) : withTransformer
    return chosen
      .map(n => ({ n, size: size(n) }))
      .sort((a, b) => b.size - a.size)
      .slice(0, COLUMNS - 1)
      .map(({ n }) => [n])
  }
}
