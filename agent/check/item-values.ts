/** Catalogue items the checks use, and their values in units of V, A, kW, kvar, kVA. */
import type { Reading } from '../../proto/reading.ts'

export const ID = {
  importTotal: 100,
  importTariff: [101, 102, 103, 104],
  exportTotal: 110,
  exportTariff: [111, 112, 113, 114],
  combinedTotal: 120,
  reactive1: 130,
  reactive2: 140,
  demandImport: 220,
  demandPresent: 224,
  voltage: [301, 302, 303],
  lineVoltage: [304, 305, 306],
  current: [311, 312, 313],
  neutral: 314,
  power: 320,
  phasePower: [321, 322, 323],
  reactivePower: 330,
  apparentPower: 340,
  powerFactor: 350,
  phasePowerFactor: [351, 352, 353],
  frequency: 360,
  statusWord: [401, 402, 403, 404, 405, 406, 407],
  powerDownCount: 410,
  programmingCount: 411,
  timeSetCount: 415,
  demandClearedCount: 416,
  meterClearedCount: 417,
  ctRegister: 450,
  ptRegister: 451,
  constantActive: 452
} as const

/** The values of one reading by item id; nulls are as good as absent. Raw integers at the catalogue's exponent. */
export class ItemValues {
  readonly #values: Reading['values']

  constructor(values: Reading['values']) {
    this.#values = values
  }

  /** From one table that the reading at hand is laid out in: a map of each reading would be mostly garbage. */
  get(item: number): number | undefined {
    if (laidOut !== this) this.#layOut()
    const value = TABLE[item] as number
    return Number.isNaN(value) ? undefined : value
  }

  #layOut(): void {
    TABLE.fill(Number.NaN)
    for (let n = 0; n < this.#values.length; n++) {
      const entry = this.#values[n] as Reading['values'][number]
      if (entry[1] !== null) TABLE[entry[0]] = entry[1]
    }
    laidOut = this
  }
}

/** One place an item id (catalogue ids are below 512, others are no matter of the checks), and whose values stand there. */
const TABLE = new Float64Array(512)
let laidOut: ItemValues | undefined

const scaled = (values: ItemValues, item: number, unit: number): number | undefined => {
  const raw = values.get(item)
  return raw === undefined ? undefined : raw * unit
}

export const volts = (values: ItemValues, item: number) => scaled(values, item, 1e-2)
export const amps = (values: ItemValues, item: number) => scaled(values, item, 1e-4)
/** kW, kvar or kVA */
export const kilo = (values: ItemValues, item: number) => scaled(values, item, 1e-5)
export const factor = (values: ItemValues, item: number) => scaled(values, item, 1e-4)
/** register ratio, constants: exponent -3 */
export const ratioRegister = (values: ItemValues, item: number) => scaled(values, item, 1e-3)

/** Values of three phases; null where the meter has none. */
export function phases(
  values: ItemValues,
  items: readonly number[],
  read: (values: ItemValues, item: number) => number | undefined
): (number | null)[] {
  return [
    read(values, items[0] as number) ?? null,
    read(values, items[1] as number) ?? null,
    read(values, items[2] as number) ?? null
  ]
}

/** |power factor|, from the register or from P and Q or S; undefined where nothing gives it. */
export function powerFactor(values: ItemValues): number | undefined {
  const direct = factor(values, ID.powerFactor)
  if (direct !== undefined && Math.abs(direct) <= 1.05) return Math.min(1, Math.abs(direct))
  const p = kilo(values, ID.power)
  if (p === undefined) return undefined
  const s = kilo(values, ID.apparentPower)
  if (s !== undefined && s > 0) return Math.min(1, Math.abs(p) / s)
  const q = kilo(values, ID.reactivePower)
  if (q !== undefined && (p !== 0 || q !== 0)) return Math.abs(p) / Math.hypot(p, q)
  return undefined
}

/** P over the sum of U x I where the meter gives no factor of its own: only where it can be one, for both may be wrong. */
export function derivedFactor(values: ItemValues): number | undefined {
  const p = totalPower(values)
  const ui = phaseKva(values)
  if (p === undefined || ui === undefined || ui <= 0) return undefined
  const pf = Math.abs(p) / ui
  return pf >= DERIVED.least && pf <= DERIVED.most ? Math.min(1, pf) : undefined
}
const DERIVED = { least: 0.4, most: 1.05 }

/** Sum of U x I over the phases that have both, kVA on the meter's side; undefined where a current lacks its voltage. */
function phaseKva(values: ItemValues): number | undefined {
  let sum: number | undefined
  for (let n = 0; n < ID.current.length; n++) {
    const i = amps(values, ID.current[n] as number)
    const u = volts(values, ID.voltage[n] as number)
    if (i === undefined) continue
    if (u === undefined) return undefined
    sum = (sum ?? 0) + (u * Math.abs(i)) / 1000
  }
  return sum
}

/** kVA of the moment on the meter's side: register, else from P and the given power factor, else |P|. */
export function apparentPower(values: ItemValues, pf: number | undefined): number | undefined {
  const s = kilo(values, ID.apparentPower)
  if (s !== undefined && s > 0) return s
  const p = totalPower(values)
  if (p === undefined) return undefined
  return Math.abs(p) / (pf !== undefined && pf > 0.1 ? pf : 1)
}

/** kW of the moment: the total register, else the sum of the phases. */
export function totalPower(values: ItemValues): number | undefined {
  const total = kilo(values, ID.power)
  if (total !== undefined) return total
  let sum = 0
  let count = 0
  for (const item of ID.phasePower) {
    const p = kilo(values, item)
    if (p !== undefined) {
      sum += p
      count++
    }
  }
  return count > 0 ? sum : undefined
}
