/** For replayed files without an archive: which meter, if any, is the sum of the others. */
import type { Reading } from '../../proto/reading.ts'
import type { MeterPoint } from '../ports.ts'
import { judgeBalance } from './balance.ts'
import type { BalanceRow } from './balance-columns.ts'
import { quotientOf, transformersOf } from './context.ts'
import { ID } from './item-values.ts'
import { median } from './statistics.ts'

/** Rows looked at: of the first days alone, where what changes later does not yet disturb, else of all. */
const WINDOWS = [96, 240]
const ROWS = Math.max(...WINDOWS)

/** How much of what the parent does the others must explain, and how many of them, how sharply (standard error over coefficient). */
interface Demand {
  /** share of the parent's variance that may stay */
  readonly rest: number
  readonly sharp: number
  readonly least: (children: number) => number
  /** share of the parent's energy that the sharp ones have */
  readonly energy: number
}
/** Either half of the others are sharp, or few large ones are and next to nothing stays. */
const DEMANDS: readonly Demand[] = [
  { rest: 0.01, sharp: 0.05, least: children => Math.max(2, children / 2), energy: 0 },
  { rest: 0.002, sharp: 0.1, least: () => 3, energy: 0.4 }
]

/**
 * Names a parent where no meter has one and one meter follows the sum of all the others with small losses.
 * One wrong ratio among the children does not hide it: the regression, not the sum, must fit.
 */
export function inferParents(meters: readonly MeterPoint[], readings: readonly Reading[]): MeterPoint[] {
  if (meters.length < 3 || meters.length > 41 || meters.some(meter => meter.parent !== undefined))
    return [...meters]
  const hours = hourly(meters, readings)
  const sizes = meters.map((_, n) => hours.reduce((sum, row) => sum + (row[n] as number), 0))
  // the parent may be the one whose ratio is wrong and then be smaller: try the three largest
  const tried = sizes
    .map((_, n) => n)
    .sort((a, b) => (sizes[b] as number) - (sizes[a] as number))
    .slice(0, 3)
  for (const candidate of tried) {
    const rows: BalanceRow[] = hours.map(row => ({
      parent: row[candidate] as number,
      children: row.filter((_, n) => n !== candidate)
    }))
    if (WINDOWS.some(window => fits(rows.slice(0, window), meters.length - 1))) {
      const parent = meters[candidate] as MeterPoint
      return meters.map(meter => (meter.id === parent.id ? meter : { ...meter, parent: parent.id }))
    }
  }
  return [...meters]
}

function fits(rows: readonly BalanceRow[], children: number): boolean {
  const { coefficients } = judgeBalance(rows, new Array(children + 1).fill({ ct: 1, pt: 1 }), 6)
  if (coefficients.length < children) return false
  const energies = Array.from({ length: children }, (_, n) =>
    rows.reduce((sum, row) => sum + (row.children[n] as number), 0)
  )
  const whole = rows.reduce((sum, row) => sum + row.parent, 0)
  const mean = whole / rows.length
  let off = 0
  let spread = 0
  for (const row of rows) {
    const fitted = coefficients.reduce((sum, c) => sum + c.value * (row.children[c.index] as number), 0)
    off += (row.parent - fitted) ** 2
    spread += (row.parent - mean) ** 2
  }
  return DEMANDS.some(({ rest, sharp, least, energy }) => {
    const big = coefficients.filter(c => c.error < sharp * c.value)
    if (!(off < rest * spread) || big.length < least(children)) return false
    const usual = median(big.map(c => c.value))
    const had = big.reduce((sum, c) => sum + c.value * (energies[c.index] as number), 0)
    return usual > 0.9 && usual < 1.2 && had > energy * whole
  })
}

/** Primary kWh by hour-like row of four slots, for slots every meter has. */
function hourly(meters: readonly MeterPoint[], readings: readonly Reading[]): number[][] {
  const index = new Map(meters.map((meter, n) => [meter.id, n]))
  const bySlot = new Map<number, (number | undefined)[]>()
  for (const reading of readings) {
    const n = index.get(reading.meter)
    const raw = reading.values.find(([item]) => item === ID.importTotal)?.[1]
    if (n === undefined || raw === undefined || raw === null) continue
    const out = reading.values.find(([item]) => item === ID.exportTotal)?.[1] ?? 0
    const { ct, pt } = transformersOf(meters[n] as MeterPoint, reading)
    const row = bySlot.get(reading.slot) ?? []
    row[n] = ((raw - out) / 1000) * quotientOf(ct) * quotientOf(pt)
    bySlot.set(reading.slot, row)
  }
  const slots = [...bySlot.keys()].sort((a, b) => a - b)
  const rows: number[][] = []
  for (let i = 4; i < slots.length && rows.length < ROWS; i += 4) {
    const now = bySlot.get(slots[i] as number)
    const before = bySlot.get(slots[i - 4] as number)
    if (!now || !before || (slots[i] as number) - (slots[i - 4] as number) !== 4) continue
    const row = meters.map((_, n) => (now[n] ?? Number.NaN) - (before[n] ?? Number.NaN))
    if (row.every(x => x >= 0)) rows.push(row)
  }
  return rows
}
