import { fromCivil, toCivil } from './civil-time.ts'
import { DemandRegister } from './demand.ts'
import { draw, seedOf } from './draw.ts'
import { EnergyRegisters } from './energy-registers.ts'
import type { FaultSetting } from './fault-setting.ts'
import { createLoadCurve, type LoadCurve, type Spike } from './load-curve.ts'
import { MeterClock } from './meter-clock.ts'
import { type MeterSetting, parseRatio, type SpikeSetting } from './meter-setting.ts'

/** What a meter measures at one instant, all on its own (secondary) side, in the counts of DL/T 645. */
export interface Instant {
  /** 0.1 V by phase */
  readonly voltage: readonly number[]
  /** mA by phase; negative against the forward direction */
  readonly current: readonly number[]
  /** 0.1 W, var, VA: total, A, B, C */
  readonly active: readonly number[]
  readonly reactive: readonly number[]
  readonly apparent: readonly number[]
  /** 0.001: total, A, B, C */
  readonly factor: readonly number[]
  /** 0.01 Hz */
  readonly frequency: number
  /** 0.1 degree */
  readonly angle: readonly number[]
}

/** Setting that all meters of a simulation share. */
export interface Surroundings {
  readonly seed: number
  readonly slotSeconds: number
  readonly utcOffsetS: number
  /** unix seconds at which the simulator started */
  readonly startedS: number
}

/** Registers started to count here where nothing else is said: fixed, so that a restarted simulator goes on where it was. */
const ORIGIN_YEAR = 2026

/** One simulated meter: everything it measures as a function of (seed, time), and the little it remembers. */
export class Meter {
  readonly setting: MeterSetting
  readonly surroundings: Surroundings
  readonly seed: number
  readonly energy: EnergyRegisters
  readonly demand: DemandRegister
  readonly curve: LoadCurve
  readonly clock: MeterClock
  readonly #exporting: boolean
  readonly #shares: readonly [number, number, number]
  faults: FaultSetting
  /** instants of commanded freezes, newest first */
  frozenAt: readonly number[] = []
  /** instants at which the clock was set by broadcast, newest first */
  clockSetAt: readonly number[] = []

  constructor(setting: MeterSetting, bus: string, surroundings: Surroundings) {
    const seed = setting.seed ?? seedOf(`${surroundings.seed}/${bus}/${setting.protocol}/${setting.address}`)
    const { utcOffsetS, startedS } = surroundings
    const originS = installedLocalS(setting, startedS + utcOffsetS) - utcOffsetS
    this.setting = setting
    this.surroundings = surroundings
    this.seed = seed
    this.faults = setting.faults ?? {}
    const kw = meanPower(setting)
    this.#exporting = kw < 0
    this.#shares = setting.phases === 1 ? [100, 0, 0] : phaseShares(seed)
    this.curve = createLoadCurve({
      kw: Math.abs(kw),
      seed,
      originS,
      spikes: (setting.spike ?? []).map(spike => placeSpike(spike, surroundings))
    })
    this.energy = new EnergyRegisters({
      curve: this.curve,
      seed,
      exporting: this.#exporting,
      powerFactor: this.powerFactor,
      shares: this.#shares,
      utcOffsetS,
      originS
    })
    this.demand = new DemandRegister(this.curve, utcOffsetS)
    this.clock = new MeterClock(utcOffsetS, this.faults.clockOffS ?? 0, setting.clockDriftPpm ?? 0, startedS)
  }

  get powerFactor(): number {
    return this.setting.powerFactor ?? Math.round((0.93 + 0.05 * draw(this.seed, 3)) * 1000) / 1000
  }

  /** Voltage between phase and neutral at the terminals. */
  get nominalVoltage(): number {
    return this.setting.nominalVoltage ?? (parseRatio(this.setting.pt).primary > 1 ? 57.7 : 220)
  }

  instant(unixS: number): Instant {
    const sign = this.#exporting ? -1 : 1
    const power = this.curve.powerKw(unixS) * 10_000
    const tangent = Math.sqrt(1 - this.powerFactor ** 2) / this.powerFactor
    const split = (total: number): number[] => this.#shares.map(share => Math.round((total * share) / 100))
    const active = split(sign * power)
    const reactive = split(power * tangent)
    const apparent = split(power / this.powerFactor)
    const voltage = [0, 1, 2].map(phase =>
      Math.round(
        10 *
          this.nominalVoltage *
          (1.005 + 0.012 * Math.sin(unixS / (613 + 97 * phase) + 6.28 * draw(this.seed, 10, phase)))
      )
    )
    const factor = sign * Math.round(this.powerFactor * 1000)
    const angle = Math.round((Math.acos(sign * this.powerFactor) * 1800) / Math.PI)
    return {
      voltage,
      current: apparent.map((va, phase) => sign * Math.round((va * 1000) / (voltage[phase] as number))),
      active: withTotal(active),
      reactive: withTotal(reactive),
      apparent: withTotal(apparent),
      factor: [factor, factor, factor, factor],
      frequency: 5000 + Math.round(3 * Math.sin(unixS / 53)),
      angle: [angle, angle, angle]
    }
  }

  /** How often something happened, by data identifier of the counter (8 digits). */
  eventCount(di: string): number {
    const fixed = this.setting.events?.[di] ?? Math.floor(3 * draw(this.seed, 4, Number.parseInt(di, 16)))
    return fixed + (di === '03300400' ? this.clockSetAt.length : 0)
  }

  statusWord(n: number): number {
    const fixed = this.setting.statusWords?.[String(n)]
    if (fixed !== undefined) return Number.parseInt(fixed, 16)
    if (n === 1 && this.#exporting) return 0x0010
    return n === 2 && this.#exporting ? 0x0007 : 0
  }

  /** True for a phase that is not there. */
  isAbsent(phase: number): boolean {
    return phase > 0 && (this.setting.phases === 1 || this.faults.phasesFfff === true)
  }
}

const withTotal = (phases: readonly number[]): number[] => [phases.reduce((sum, p) => sum + p, 0), ...phases]

/** kW on the meter's side. */
function meanPower(setting: MeterSetting): number {
  const ct = parseRatio(setting.ct)
  const pt = parseRatio(setting.pt)
  const primary = setting.loadKw ?? (setting.ratedKva ?? 12) * 0.45
  return primary / ((ct.primary / ct.secondary) * (pt.primary / pt.secondary))
}

function installedLocalS(setting: MeterSetting, startedLocalS: number): number {
  if (setting.installed !== undefined) return Date.parse(`${setting.installed}T00:00:00Z`) / 1000
  return fromCivil(Math.min(ORIGIN_YEAR, toCivil(startedLocalS).year), 1, 1)
}

function phaseShares(seed: number): [number, number, number] {
  const a = 31 + Math.floor(5 * draw(seed, 5))
  const b = 31 + Math.floor(5 * draw(seed, 6))
  return [a, b, 100 - a - b]
}

function placeSpike(spike: SpikeSetting, { slotSeconds, startedS }: Surroundings): Spike {
  const first =
    spike.fromSlot !== undefined
      ? spike.fromSlot * slotSeconds
      : spike.at !== undefined
        ? Date.parse(spike.at) / 1000
        : (Math.floor(startedS / slotSeconds) + (spike.afterSlots ?? 0)) * slotSeconds
  return { fromS: first, toS: first + spike.slots * slotSeconds, factor: spike.factor }
}
