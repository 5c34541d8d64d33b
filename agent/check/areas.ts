/** All checks over several meters of a gateway: its transformer areas, and the peers of the pattern model. */
import type { MeterPoint } from '../ports.ts'
import type { AlarmSubject } from './alarm-engine.ts'
import { Area, type KnownFault, type SlotEnergy } from './area.ts'
import type { Finding } from './finding.ts'
import type { MeterHistory } from './history.ts'
import { BANDS, newestResidual, type Peers, type Residual, weeklyLogs } from './pattern-days.ts'
import { judgePattern } from './pattern-judge.ts'
import { judgeStep } from './ratio-level.ts'
import { usualLean } from './ratio-phase.ts'
import { type MeterLimits, type RuleBook, sharedLimits } from './rule-book.ts'
import { median } from './statistics.ts'
import { dayOf } from './sum-check.ts'

const PEER_DAYS = 49
const PEERS_MIN = 4
/** Meters pooled and judged a slot: the work of midnight is spread over the morning. */
const POOL_A_SLOT = 25
const JUDGE_A_SLOT = 12

export interface SubjectFindings {
  readonly subject: AlarmSubject
  readonly findings: readonly Finding[]
}

interface PooledDay {
  readonly residuals: Map<string, Residual>
  result: Residual | undefined
}

export class Areas {
  readonly #meters: readonly MeterPoint[]
  readonly #limits = new Map<string, MeterLimits>()
  readonly #areas: Area[] = []
  readonly #parents: ReadonlySet<string>
  /** meters of no area: no balance watches them */
  readonly #alone: ReadonlySet<string>
  readonly #time: { readonly slotSeconds: number; readonly utcOffsetMinutes: number }
  readonly #energy = new Map<string, SlotEnergy>()
  readonly #balance = new Map<string, Finding>()
  readonly #days = new Map<number, PooledDay>()
  readonly #weeks = new Map<string, readonly number[]>()
  #weekMedians: number[] = []
  #usualLean: number | undefined
  #day = -1
  #toPool: string[] = []
  #toJudge: { id: string; newest: Residual | undefined }[] = []
  #toBalance: Area[] = []

  constructor(
    meters: readonly MeterPoint[],
    rules: RuleBook,
    time: { readonly slotSeconds: number; readonly utcOffsetMinutes: number }
  ) {
    this.#meters = meters
    this.#time = time
    this.#parents = new Set(meters.map(meter => meter.parent ?? ''))
    this.#alone = new Set(meters.filter(one => !one.parent && !this.#parents.has(one.id)).map(one => one.id))
    for (const meter of meters) this.#limits.set(meter.id, sharedLimits(rules, meter.rules))
    for (const parent of meters) {
      const children = meters.filter(meter => meter.parent === parent.id && meter.id !== parent.id)
      const limits = this.#limits.get(parent.id)
      if (children.length > 0 && limits)
        this.#areas.push(new Area(parent, children, limits, time.slotSeconds))
    }
  }

  /** By how much the phases of a usual meter here lean at most, ln; undefined where many lean, and while too few are known. */
  get usualLean(): number | undefined {
    return this.#usualLean
  }

  isParent(meter: string): boolean {
    return this.#parents.has(meter)
  }

  note(meter: string, energy: SlotEnergy): void {
    this.#energy.set(meter, energy)
  }

  /** Findings of the balance that speak about this meter; they stand from one evaluation to the next. */
  findingsFor(meter: string): readonly Finding[] | undefined {
    const finding = this.#balance.get(meter)
    return finding ? [finding] : undefined
  }

  /**
   * Closes a slot.
   * @param known what alarms say of a meter
   * @returns findings about parents (line loss), to be stepped through the alarms
   */
  endSlot(
    slot: number,
    historyOf: (meter: string) => MeterHistory | undefined,
    known?: (meter: string) => KnownFault | undefined
  ): SubjectFindings[] {
    const out: SubjectFindings[] = []
    const day = dayOf(slot, this.#time)
    if (this.#day >= 0 && day !== this.#day) {
      for (const area of this.#areas) {
        const findings = area.endDay(this.#day)
        out.push({ subject: { meter: area.parent.id, bus: area.parent.bus }, findings })
      }
      this.#toBalance = [...this.#areas]
      this.#toPool = this.#meters.map(meter => meter.id)
      this.#toJudge = []
    }
    // after a restart the phases are known already
    if (this.#day < 0) this.#notePhases(historyOf)
    this.#day = day
    // what was said of the old ratio is not true of the new one
    for (const area of this.#areas)
      for (const meter of area.note(slot, id => this.#energy.get(id))) this.#balance.delete(meter)
    const area = this.#toBalance.shift()
    if (area) this.#judge(area, known)
    this.#workOnDays(historyOf)
    this.#energy.clear()
    return out
  }

  /**
   * The balance of an area anew: what it said before is no longer said where it is not said again. Hours without a meter's energy take
   * nothing back.
   */
  #judge(area: Area, known?: (meter: string) => KnownFault | undefined): void {
    const found = area.judgeRatios(id => this.#energy.get(id), known)
    if (found.size === 0) return
    const isPartial = area.meters.some(meter => known?.(meter.id) === 'silent')
    for (const meter of area.meters) {
      const finding = found.get(meter.id)
      if (finding) this.#balance.set(meter.id, finding)
      else if (!isPartial) this.#balance.delete(meter.id)
    }
  }

  /** Whether a ratio is contradicted anywhere in the area of the parent: its losses are then explained. */
  ratioInDoubt(parent: string, stands: (meter: string) => boolean): boolean {
    const area = this.#areas.find(one => one.parent.id === parent)
    return area !== undefined && [area.parent, ...area.children].some(meter => stands(meter.id))
  }

  #workOnDays(historyOf: (meter: string) => MeterHistory | undefined): void {
    if (this.#toPool.length > 0) {
      for (const id of this.#toPool.splice(0, POOL_A_SLOT)) {
        const pattern = historyOf(id)?.pattern
        if (!pattern?.unjudged) continue
        this.#toJudge.push({ id, newest: this.#pool(id, pattern.days) })
      }
      if (this.#toPool.length === 0) {
        this.#sumUp()
        this.#notePhases(historyOf)
      }
      return
    }
    const peers = this.#toJudge.length > 0 ? this.#peers() : undefined
    for (const { id, newest } of this.#toJudge.splice(0, JUDGE_A_SLOT)) {
      const limits = this.#limits.get(id)
      const history = historyOf(id)
      if (history && limits) {
        if (this.#alone.has(id)) judgeStep(history)
        judgePattern(
          history.pattern,
          limits,
          peers,
          { exports: history.exports, parent: this.#parents.has(id) },
          newest
        )
      }
    }
  }

  #notePhases(historyOf: (meter: string) => MeterHistory | undefined): void {
    this.#usualLean = usualLean(this.#meters.flatMap(meter => historyOf(meter.id)?.ratio.phases ?? []))
  }

  #pool(id: string, days: MeterHistory['pattern']['days']): Residual | undefined {
    const residual = newestResidual(days)
    this.#weeks.set(id, weeklyLogs(days))
    if (!residual) return undefined
    const pooled = this.#days.get(residual.day) ?? { residuals: new Map(), result: undefined }
    pooled.residuals.set(id, residual)
    this.#days.set(residual.day, pooled)
    return residual
  }

  #sumUp(): void {
    for (const [day, pooled] of this.#days) {
      if (this.#day - day > PEER_DAYS) this.#days.delete(day)
      else if (pooled.residuals.size > 0) {
        const all = [...pooled.residuals.values()]
        if (all.length >= PEERS_MIN) pooled.result = medianResidual(day, all)
        pooled.residuals.clear()
      }
    }
    const enough = [...this.#weeks.values()].filter(weeks => weeks.length >= 4)
    const count = Math.min(6, ...enough.map(weeks => weeks.length))
    this.#weekMedians = []
    if (enough.length >= PEERS_MIN)
      for (let k = count; k > 0; k--)
        this.#weekMedians.push(
          median(
            enough.map(weeks => (weeks[weeks.length - k] as number) - (weeks[weeks.length - count] as number))
          )
        )
  }

  #peers(): Peers | undefined {
    const days = new Map<number, Residual>()
    for (const [day, pooled] of this.#days) if (pooled.result) days.set(day, pooled.result)
    return days.size === 0 ? undefined : { days, weeks: this.#weekMedians }
  }
}

function medianResidual(day: number, all: readonly Residual[]): Residual {
  const bands: number[] = []
  for (let b = 0; b < BANDS; b++) bands.push(median(all.map(one => one.bands[b] as number)))
  return { day, bands, total: median(all.map(one => one.total)) }
}
