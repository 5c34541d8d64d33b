/** What every check of one reading is given, worked out once. */
import { type Reading, SOURCE } from '../../proto/reading.ts'
import type { MeterPoint, TransformerRatio } from '../ports.ts'
import type { Finding } from './finding.ts'
import type { MeterHistory, Wiring } from './history.ts'
import {
  amps,
  apparentPower,
  derivedFactor,
  factor,
  ID,
  ItemValues,
  kilo,
  phases,
  powerFactor,
  volts
} from './item-values.ts'
import type { RegisterStep } from './register-step.ts'
import type { MeterLimits } from './rule-book.ts'

/** How the checks see time and each other. */
export interface CheckOptions {
  readonly slotSeconds: number
  /** minutes east of UTC, for days and tariff hours */
  readonly utcOffsetMinutes: number
  /** other meters are under it: their spikes and swings are theirs to tell */
  readonly parent?: boolean
  /** by how much the phases of a usual meter here lean at most, ln; undefined where many lean */
  readonly usualLean?: number | undefined
  /** findings of checks over several meters (balance, peers) that speak about this one */
  readonly area?: readonly Finding[]
}

export interface MeterContext {
  readonly meter: MeterPoint
  readonly reading: Reading
  readonly values: ItemValues
  readonly history: MeterHistory
  readonly limits: MeterLimits
  readonly slotHours: number
  /** Registers against those of the last reading. */
  readonly step: RegisterStep
  /** as they are written: see {@link transformersOf} */
  readonly transformers: ReturnType<typeof transformersOf>
  /** their quotients. primary = secondary x ct x pt */
  readonly ct: number
  readonly pt: number
  readonly ctSecondary: number
  readonly wiring: Wiring
  /** Values of the moment were taken now: not from a freeze or a profile, where they are means. */
  readonly live: boolean
  /** kVA of the moment, primary */
  readonly kva: number | undefined
  /** mean kW over the slot from the registers, primary, import minus export; undefined without a base */
  readonly meanKw: number | undefined
  /** |power factor| as the meter gives it */
  readonly powerFactor: number | undefined
  /** the same, or P over U x I where it gives none: good enough for a load */
  readonly loadFactor: number | undefined
  /** phases A, B, C on the meter's side; null where the meter has none. V, A, kW */
  readonly volts: readonly (number | null)[]
  readonly lineVolts: readonly (number | null)[]
  readonly amps: readonly (number | null)[]
  /** the highest of them, A; 0 where none is read */
  readonly highestAmps: number
  readonly phaseKw: readonly (number | null)[]
  readonly phasePf: readonly (number | null)[]
}

/** CT and PT in force: the reading's stamp, else the archive. */
export function transformersOf({ ct, pt }: Pick<MeterPoint, 'ct' | 'pt'>, { ratio }: Reading) {
  return ratio
    ? {
        ct: { primary: ratio.ctPrimary, secondary: ratio.ctSecondary },
        pt: { primary: ratio.ptPrimary, secondary: ratio.ptSecondary }
      }
    : { ct, pt }
}

/** Primary over secondary. */
export const quotientOf = ({ primary, secondary }: TransformerRatio) => primary / secondary

export function meterContext(
  meter: MeterPoint,
  reading: Reading,
  history: MeterHistory,
  limits: MeterLimits,
  slotHours: number,
  stepOf: (values: ItemValues, ctSecondary: number, direct: boolean, high: boolean) => RegisterStep
): MeterContext {
  const values = new ItemValues(reading.values)
  const transformers = transformersOf(meter, reading)
  const ct = quotientOf(transformers.ct)
  const pt = quotientOf(transformers.pt)
  const step = stepOf(values, RATED_AMPS, ct === 1, pt > 1)
  const stated = powerFactor(values)
  const loadFactor = stated ?? derivedFactor(values)
  const kva = apparentPower(values, loadFactor)
  const k = ct * pt
  const current = phases(values, ID.current, amps)
  const net = step.kind === 'step' && step.import !== undefined ? step.import - (step.export ?? 0) : undefined
  return {
    meter,
    reading,
    values,
    history,
    limits,
    slotHours,
    step,
    transformers,
    ct,
    pt,
    ctSecondary: RATED_AMPS,
    // a reading without voltages does not unsay what others showed
    wiring: wiringOf(values) ?? history.wiring,
    live: reading.source === SOURCE.live,
    kva: kva === undefined ? undefined : kva * k,
    meanKw: net === undefined ? undefined : ((net / 1000) * k) / (step.slots * slotHours),
    powerFactor: stated,
    loadFactor,
    volts: phases(values, ID.voltage, volts),
    lineVolts: phases(values, ID.lineVoltage, volts),
    amps: current,
    highestAmps: Math.max(Math.abs(current[0] ?? 0), Math.abs(current[1] ?? 0), Math.abs(current[2] ?? 0)),
    phaseKw: phases(values, ID.phasePower, kilo),
    phasePf: phases(values, ID.phasePowerFactor, factor)
  }
}

/**
 * Rated current behind a transformer. 1 A transformers are rare here, while 150/5 is often written 30/1:
 * so the second number of the archive is not taken for a current.
 */
const RATED_AMPS = 5

/** Told by the voltages: two-element meters show no B phase (or a small stray one) and line voltage on A and C. Undefined without voltages. */
function wiringOf(values: ItemValues): Wiring | undefined {
  const a = volts(values, ID.voltage[0])
  const b = volts(values, ID.voltage[1])
  const c = volts(values, ID.voltage[2])
  if (a === undefined && b === undefined && c === undefined) return undefined
  if (b === undefined && c === undefined) return 'single'
  const third = amps(values, ID.current[2])
  if ((b ?? 0) < 1 && (c ?? 0) < 1 && (third ?? 0) === 0) return 'single'
  if ((b ?? 0) < 0.2 * Math.max(a ?? 0, c ?? 0) && (amps(values, ID.current[1]) ?? 0) === 0) {
    return (a ?? 0) > 80 && (a ?? 0) < 130 && (c ?? 0) > 80 && (c ?? 0) < 130 ? 'two' : 'three'
  }
  return 'three'
}
