/**
 * Energy registers from one reading to the next: rule V3 (peers-features.md D). Exact: integers of 0.001 kWh.
 * A register that moves impossibly is held in doubt for one reading, so that a single bad value is told from a swapped meter.
 */
import type { MeterHistory } from './history.ts'
import { ID, type ItemValues, totalPower, volts } from './item-values.ts'

export type RegisterEvent = 'rollover' | 'reset' | 'swap' | 'glitch' | 'negative' | 'leap'

export interface RegisterStep {
  /** 'first': no base yet; 'none': no register in the reading; 'doubt': the values do not follow from the base */
  readonly kind: 'step' | 'first' | 'none' | 'doubt'
  /** 0.001 kWh since the base; undefined where the meter has no such register */
  readonly import: number | undefined
  readonly export: number | undefined
  /** slots since the base reading, at least 1 */
  readonly slots: number
  readonly event: RegisterEvent | undefined
  /** increment or drop that made the event, 0.001 kWh */
  readonly moved: number
}

const WATCHED: readonly number[] = [
  ID.importTotal,
  ID.exportTotal,
  ...ID.importTariff,
  ...ID.exportTariff,
  ID.reactive1,
  ID.reactive2
]

/** Registers that roll over at 10^4 .. 10^7 kWh, and 32-bit counts of 1, 10 and 100 Wh. */
export const MODULI = [1e7, 1e8, 1e9, 1e10, 2 ** 32, 2 ** 32 * 10, 2 ** 32 * 100]

/** Largest increment of a slot in 0.001 kWh on the meter's side: V9, k x U x Imax with every phase loaded. */
export function largestIncrement(
  values: ItemValues,
  ctSecondary: number,
  direct: boolean,
  high: boolean,
  slotHours: number,
  directAmps: number,
  overRange: number
): number {
  let sum = 0
  for (const item of ID.voltage) sum += volts(values, item) ?? 0
  // voltages not read: three phases of 230 V, or of 58 V behind voltage transformers
  if (sum < 50) sum = high ? 300 : 700
  const imax = direct ? directAmps : ctSecondary * overRange
  // below a count a slot nothing can be said
  return Math.max(100, sum * imax * overRange * slotHours)
}

/** How the registers moved since the history's base. Changes nothing. */
export function registerStep(
  values: ItemValues,
  history: MeterHistory,
  slot: number,
  largestPerSlot: number,
  slotHours: number
): RegisterStep {
  const now = values.get(ID.importTotal)
  const exported = values.get(ID.exportTotal)
  if (now === undefined && exported === undefined)
    return { kind: 'none', import: undefined, export: undefined, slots: 1, event: undefined, moved: 0 }
  const base = history.registers
  if (history.lastSlot < 0 || WATCHED.every(item => base[item] === undefined))
    return { kind: 'first', import: undefined, export: undefined, slots: 1, event: undefined, moved: 0 }
  const slots = Math.max(1, slot - history.lastSlot)
  const direct = deltas(values, base)
  const most = largestPerSlot * slots
  const lowest = Math.min(direct.import ?? 0, direct.export ?? 0)
  const highest = Math.max(direct.import ?? 0, direct.export ?? 0)
  if (lowest >= 0 && highest <= most) {
    const event = history.doubt ? 'glitch' : undefined
    return { kind: 'step', ...direct, slots, event, moved: history.doubt ? history.doubt.moved : 0 }
  }
  if (history.doubt) {
    const since = deltas(values, history.doubt.registers)
    const low = Math.min(since.import ?? 0, since.export ?? 0)
    const high = Math.max(since.import ?? 0, since.export ?? 0)
    const elapsed = Math.max(1, slot - history.doubt.slot)
    // the value in doubt goes on from where it was: another meter, or a register set anew
    if (low >= 0 && high <= largestPerSlot * elapsed)
      return { kind: 'step', ...since, slots: elapsed, event: 'swap', moved: history.doubt.moved }
    // leap after leap: the register runs on another side or scale; go on from here and say so every slot
    if (low >= 0 && history.doubt.moved > 0)
      return { kind: 'step', ...since, slots: elapsed, event: 'leap', moved: high }
  }
  const moved = lowest < 0 ? lowest : highest
  if (lowest < 0) {
    const rolled = unroll(values, base, most)
    if (rolled) return { kind: 'step', ...rolled, slots, event: 'rollover', moved }
    const fresh = nearZero(values, history, most, slots * slotHours)
    if (fresh)
      return {
        kind: 'step',
        // what the new meter ran elsewhere is nobody's energy here
        import: fresh === 'swap' ? undefined : now,
        export:
          fresh === 'swap' || direct.export === undefined ? undefined : direct.export === 0 ? 0 : exported,
        slots,
        event: fresh,
        moved
      }
    return { kind: 'doubt', import: undefined, export: undefined, slots, event: 'negative', moved }
  }
  return { kind: 'doubt', import: undefined, export: undefined, slots, event: 'leap', moved }
}

function deltas(values: ItemValues, base: Readonly<Record<number, number>>) {
  const of = (item: number) => {
    const before = base[item]
    const after = values.get(item)
    return before === undefined || after === undefined ? undefined : after - before
  }
  return { import: of(ID.importTotal), export: of(ID.exportTotal) }
}

function unroll(values: ItemValues, base: Readonly<Record<number, number>>, most: number) {
  const of = (item: number): number | undefined | null => {
    const before = base[item]
    const after = values.get(item)
    if (before === undefined || after === undefined) return undefined
    if (after >= before) return after - before <= most ? after - before : null
    for (const modulus of MODULI) {
      const delta = after + modulus - before
      if (before < modulus && before >= modulus - most && delta >= 0 && delta <= most) return delta
    }
    return null
  }
  const imported = of(ID.importTotal)
  const exported = of(ID.exportTotal)
  return imported === null || exported === null ? undefined : { import: imported, export: exported }
}

/**
 * Registers went to (nearly) zero together: cleared, or another meter fresh from the works. A cleared register holds no more than was drawn
 * since the reading before; a new meter brings the kilowatt-hours of its test, or a lower count of clearings.
 */
function nearZero(
  values: ItemValues,
  history: MeterHistory,
  most: number,
  hours: number
): 'reset' | 'swap' | undefined {
  const cleared = values.get(ID.meterClearedCount)
  const before = history.counters[ID.meterClearedCount]
  // a register that held next to nothing, or that did not move, says nothing of the others
  const fell = WATCHED.filter(item => values.get(item) !== history.registers[item])
  const small =
    fell.every(item => (values.get(item) ?? 0) <= most) && (values.get(ID.importTotal) ?? 0) <= most
  if (cleared !== undefined && before !== undefined && cleared > before && small) return 'reset'
  const had = Math.max(0, ...WATCHED.map(item => history.registers[item] ?? 0))
  // a drop to near zero from far above; from a young register it could as well be a bad value
  if (!small || had <= 20 * most) return undefined
  if (cleared !== undefined && before !== undefined && cleared < before) return 'swap'
  const power = Math.max(Math.abs(totalPower(values) ?? 0), history.power ?? 0)
  const known = totalPower(values) !== undefined || history.power !== null
  const drawn = 3 * power * hours * 1000 + 2 * history.resolution
  return known && (values.get(ID.importTotal) ?? 0) > drawn ? 'swap' : 'reset'
}

/** The watched registers of a reading, as the base of the next step. */
export function registersOf(values: ItemValues): Record<number, number> {
  const out: Record<number, number> = {}
  for (const item of WATCHED) {
    const value = values.get(item)
    if (value !== undefined) out[item] = value
  }
  return out
}

/** Writes the watched registers of a reading into a base. */
export function noteRegisters(values: ItemValues, base: Record<number, number>): void {
  for (const item of WATCHED) {
    const value = values.get(item)
    if (value !== undefined) base[item] = value
  }
}

/** Smallest power of ten (0.001 kWh) that all given increments are multiples of, at most 1 kWh: the register's resolution. */
export function refineResolution(known: number, increment: number): number {
  let step = known
  while (step > 1 && increment % step !== 0) step /= 10
  return step
}
