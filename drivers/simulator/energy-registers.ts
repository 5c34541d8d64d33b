import { draw } from './draw.ts'
import type { LoadCurve } from './load-curve.ts'
import { TARIFF_SWITCHES } from './tariff-table.ts'

/** Registers that only grow. */
export type EnergyKind =
  | 'active-import'
  | 'active-export'
  | 'q1'
  | 'q2'
  | 'q3'
  | 'q4'
  | 'apparent-import'
  | 'apparent-export'
export type Phase = 0 | 1 | 2

const DAY_S = 86_400
const KINDS: readonly EnergyKind[] = [
  'active-import',
  'active-export',
  'q1',
  'q2',
  'q3',
  'q4',
  'apparent-import',
  'apparent-export'
]

export interface EnergySetting {
  readonly curve: LoadCurve
  readonly seed: number
  /** true: the customer feeds the grid */
  readonly exporting: boolean
  readonly powerFactor: number
  /** parts of a hundred by phase */
  readonly shares: readonly [number, number, number]
  readonly utcOffsetS: number
  readonly originS: number
}

/**
 * Counts of all energy registers at any instant. Tariffs always add up to the total and so do phases, to the last count:
 * the total's counts are handed out, never computed a second time.
 */
export class EnergyRegisters {
  readonly #setting: EnergySetting
  /** cumulated counts by tariff at each local midnight, by factor and resolution */
  readonly #days = new Map<string, number[][]>()
  readonly #phaseOfCount: readonly (readonly [number, number, number])[]

  constructor(setting: EnergySetting) {
    this.#setting = setting
    this.#phaseOfCount = handOut(setting.shares)
  }

  /** Counts of 1/`perUnit` kWh, kvarh or kVAh. @param tariff 0 is the total, 1..4 the tariffs; others hold their start value */
  count(kind: EnergyKind, tariff: number, unixS: number, perUnit = 100): number {
    const factor = this.#factor(kind)
    const start = (n: number): number => this.#start(kind, n) * (perUnit / 100)
    if (tariff > 4) return 0
    const grown = factor === 0 ? [0, 0, 0, 0, 0] : this.#grown(factor, perUnit, unixS)
    if (tariff > 0) return start(tariff) + (grown[tariff] as number)
    return [1, 2, 3, 4].reduce((sum, n) => sum + start(n) + (grown[n] as number), 0)
  }

  /** Counts of one phase of a total. */
  phaseCount(kind: EnergyKind, phase: Phase, unixS: number, perUnit = 100): number {
    const total = this.count(kind, 0, unixS, perUnit)
    const whole = Math.floor(total / 100)
    return whole * this.#setting.shares[phase] + (this.#phaseOfCount[total % 100]?.[phase] ?? 0)
  }

  #factor(kind: EnergyKind): number {
    const { exporting, powerFactor } = this.#setting
    const tangent = Math.sqrt(1 - powerFactor ** 2) / powerFactor
    const running: Readonly<Partial<Record<EnergyKind, number>>> = exporting
      ? { 'active-export': 1, q2: tangent, 'apparent-export': 1 / powerFactor }
      : { 'active-import': 1, q1: tangent, 'apparent-import': 1 / powerFactor }
    return running[kind] ?? 0
  }

  /** What the register showed at the origin, in hundredths: meters are not installed at zero. */
  #start(kind: EnergyKind, tariff: number): number {
    if (this.#factor(kind) === 0) return 0
    return Math.floor(draw(this.#setting.seed, 2, KINDS.indexOf(kind), tariff) * 100_000)
  }

  #grown(factor: number, perUnit: number, unixS: number): number[] {
    const { originS, utcOffsetS } = this.#setting
    const firstDay = Math.floor((originS + utcOffsetS) / DAY_S)
    const day = Math.floor((unixS + utcOffsetS) / DAY_S)
    if (day < firstDay) return [0, 0, 0, 0, 0]
    const key = `${factor}/${perUnit}`
    const days = this.#days.get(key) ?? [[0, 0, 0, 0, 0]]
    this.#days.set(key, days)
    while (days.length <= day - firstDay) {
      const last = days.length - 1
      days.push(
        this.#throughDay(days[last] ?? [], firstDay + last, Number.POSITIVE_INFINITY, factor * perUnit)
      )
    }
    return this.#throughDay(days[day - firstDay] ?? [], day, unixS, factor * perUnit)
  }

  #throughDay(from: readonly number[], day: number, untilS: number, scale: number): number[] {
    const { curve, originS, utcOffsetS } = this.#setting
    const counts = [...from]
    const at = (t: number): number => Math.floor(curve.energyKwh(Math.max(t, originS)) * scale)
    TARIFF_SWITCHES.forEach(([hour, tariff], n) => {
      const start = day * DAY_S + hour * 3600 - utcOffsetS
      const end = day * DAY_S + (TARIFF_SWITCHES[n + 1]?.[0] ?? 24) * 3600 - utcOffsetS
      if (start < untilS) counts[tariff] = (counts[tariff] as number) + at(Math.min(end, untilS)) - at(start)
    })
    return counts
  }
}

/** For 0..99 counts, how many each phase has: spread evenly, every phase only grows. */
function handOut(shares: readonly [number, number, number]): [number, number, number][] {
  const rows: [number, number, number][] = [[0, 0, 0]]
  for (let n = 1; n < 100; n++) {
    const row = [...(rows[n - 1] as [number, number, number])] as [number, number, number]
    const lacking = row.map((have, phase) => n * ((shares[phase] as number) / 100) - have)
    row[lacking.indexOf(Math.max(...lacking)) as Phase]++
    rows.push(row)
  }
  return rows
}
