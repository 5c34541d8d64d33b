import { monthStart, toCivil } from './civil-time.ts'
import type { LoadCurve } from './load-curve.ts'
import { tariffAt } from './tariff-table.ts'

/** Highest mean power of a demand period. */
export interface Demand {
  readonly kw: number
  /** local seconds of the period's end; 0 when there was none yet */
  readonly localS: number
}

const PERIOD_S = 900
const NONE: Demand = { kw: 0, localS: 0 }

/** Maximum demand of each settlement month, kept as it is found. */
export class DemandRegister {
  readonly #curve: LoadCurve
  readonly #utcOffsetS: number
  readonly #months = new Map<number, { nextS: number; best: Demand[] }>()

  constructor(curve: LoadCurve, utcOffsetS: number) {
    this.#curve = curve
    this.#utcOffsetS = utcOffsetS
  }

  /** Mean power of the demand period that ended last, kW. */
  present(unixS: number): number {
    const end = Math.floor(unixS / PERIOD_S) * PERIOD_S
    return this.#mean(end)
  }

  /** @param tariff 0 for all hours @param back 0: the present month so far, 1..12: settled months */
  maximum(unixS: number, tariff: number, back: number): Demand {
    const local = unixS + this.#utcOffsetS
    const start = monthStart(local, back + 1)
    const end = back === 0 ? local : monthStart(local, back)
    const month = this.#months.get(start) ?? { nextS: start + PERIOD_S, best: [] }
    this.#months.set(start, month)
    for (; month.nextS <= end; month.nextS += PERIOD_S) {
      const kw = this.#mean(month.nextS - this.#utcOffsetS)
      const found: Demand = { kw, localS: month.nextS }
      for (const n of [0, tariffAt(toCivil(month.nextS - 1).hour)])
        if (kw > (month.best[n] ?? NONE).kw) month.best[n] = found
    }
    return month.best[tariff] ?? NONE
  }

  #mean(endS: number): number {
    return (this.#curve.energyKwh(endS) - this.#curve.energyKwh(endS - PERIOD_S)) * (3600 / PERIOD_S)
  }
}
