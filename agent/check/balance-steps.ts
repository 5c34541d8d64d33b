/**
 * Which children of an area need a coefficient of their own, found step by step: the gap between parent and children is laid to losses
 * first, then to the child that explains most of what is left, and so on, all coefficients being estimated anew at each step.
 */
import type { BalanceRow } from './balance-columns.ts'
import { cholesky, fitRows, solveFactored } from './least-squares.ts'

/** Least root mean square of the parent that is taken for chance: registers of a few digits, meters of class 1. */
const FLOOR = 0.002
/** Columns of the losses: constant, in the load, in its square. */
const LOSSES = 3
/** Bounds of each, share of the mean parent. */
const LOW = [0, 0, 0] as const
const HIGH = [0.05, 0.06, 0.06] as const

/** Products of all columns with each other: what every choice of children is solved from. */
export interface Products {
  readonly rows: readonly BalanceRow[]
  readonly children: number
  /** mean of the parent, kWh; square of the parent, summed */
  readonly mean: number
  readonly square: number
  readonly scale: Float64Array
  readonly size: number
  readonly at: Float64Array
}

export interface StepFit {
  readonly chosen: readonly number[]
  /** parent's kWh per recorded kWh of each chosen child */
  readonly values: readonly number[]
  readonly losses: readonly number[]
  /** what is left: root mean square over that of the parent */
  readonly residual: number
}

/** Column `k` of a row, in the units of the products: losses, children, and the gap last. */
function fill(row: BalanceRow, into: Float64Array, mean: number, scale: Float64Array): void {
  const p = row.parent / mean
  into[0] = 1
  into[1] = p
  into[2] = p * p
  let gap = row.parent
  const n = row.children.length
  for (let i = 0; i < n; i++) {
    const x = row.children[i] as number
    gap -= x
    into[LOSSES + i] = x / (scale[i] as number)
  }
  into[LOSSES + n] = gap / mean
}

/** Products of rows; undefined where the parent has no energy. */
export function productsOf(rows: readonly BalanceRow[]): Products | undefined {
  const children = rows[0]?.children.length ?? 0
  let sum = 0
  let square = 0
  const scale = new Float64Array(children)
  for (const row of rows) {
    sum += row.parent
    square += row.parent ** 2
    for (let i = 0; i < children; i++) scale[i] = (scale[i] as number) + Math.abs(row.children[i] as number)
  }
  const mean = sum / Math.max(1, rows.length)
  if (mean <= 0) return undefined
  for (let i = 0; i < children; i++) scale[i] = Math.max(1e-9, (scale[i] as number) / rows.length)
  const size = LOSSES + children + 1
  const at = new Float64Array(size * size)
  const column = new Float64Array(size)
  for (const row of rows) {
    fill(row, column, mean, scale)
    for (let a = 0; a < size; a++) {
      const x = column[a] as number
      for (let b = a; b < size; b++)
        at[a * size + b] = (at[a * size + b] as number) + x * (column[b] as number)
    }
  }
  for (let a = 0; a < size; a++) for (let b = 0; b < a; b++) at[a * size + b] = at[b * size + a] as number
  return { rows, children, mean, square, scale, size, at }
}

/** Least squares over the losses and the chosen children. Losses are held in their bounds. */
export function fitOf(p: Products, chosen: readonly number[]): StepFit | undefined {
  const y = p.size - 1
  const fixed: (number | undefined)[] = [undefined, undefined, undefined]
  for (;;) {
    const free = [0, 1, 2].filter(k => fixed[k] === undefined)
    const used = [...free, ...chosen.map(i => LOSSES + i)]
    const m = used.length
    const ata = new Float64Array(m * m)
    const atb = new Float64Array(m)
    for (let a = 0; a < m; a++) {
      const row = (used[a] as number) * p.size
      for (let b = 0; b < m; b++) ata[a * m + b] = p.at[row + (used[b] as number)] as number
      let rest = p.at[row + y] as number
      for (let k = 0; k < LOSSES; k++) rest -= (fixed[k] ?? 0) * (p.at[row + k] as number)
      atb[a] = rest
    }
    const factor = cholesky(ata, m)
    if (!factor) return undefined
    const x = solveFactored(factor, atb, m)
    let worst = -1
    let most = 1e-9
    free.forEach((k, a) => {
      const value = x[a] as number
      const off = Math.max((LOW[k] as number) - value, value - (HIGH[k] as number))
      if (off > most) {
        most = off
        worst = k
      }
    })
    if (worst >= 0) {
      const value = x[free.indexOf(worst)] as number
      fixed[worst] = value < (LOW[worst] as number) ? (LOW[worst] as number) : (HIGH[worst] as number)
      continue
    }
    const losses = [0, 1, 2].map(k => fixed[k] ?? (x[free.indexOf(k)] as number))
    const values = chosen.map(
      (i, n) => 1 + ((x[free.length + n] as number) * p.mean) / (p.scale[i] as number)
    )
    return { chosen, values, losses, residual: residualOf(p, losses, used, x, free.length) }
  }
}

function residualOf(
  p: Products,
  losses: readonly number[],
  used: readonly number[],
  x: Float64Array,
  free: number
): number {
  const index = [0, 1, 2, ...used.slice(free)]
  const value = [...losses, ...x.slice(free)]
  const y = p.size - 1
  let rest = p.at[y * p.size + y] as number
  for (let a = 0; a < index.length; a++) {
    const row = (index[a] as number) * p.size
    rest -= 2 * (value[a] as number) * (p.at[row + y] as number)
    for (let b = 0; b < index.length; b++)
      rest += (value[a] as number) * (value[b] as number) * (p.at[row + (index[b] as number)] as number)
  }
  return Math.sqrt((Math.max(0, rest) * p.mean ** 2) / p.square)
}

/** How surely the second residual is less, logarithm of the likelihood ratio, halved for neighbouring hours that err alike. */
export function sureness(rows: number, worse: number, better: number): number {
  return (rows / 4) * Math.log((worse ** 2 + FLOOR ** 2) / (better ** 2 + FLOOR ** 2))
}

/**
 * Chooses children forward while each explains surely more, and drops those that a later one makes needless.
 * @param held chosen from the start: known to be wrong otherwise
 * @param most children chosen beside those
 * @param proposed chosen first, where something else is known of the rows: each may be dropped again
 */
export function choose(
  p: Products,
  held: readonly number[],
  most: number,
  sigmas: number,
  proposed: readonly number[] = []
): StepFit | undefined {
  const start = fitOf(p, [...held, ...proposed])
  let now = start && pruned(p, start, held, sigmas)
  for (let round = 0; now && round < 2 * most && now.chosen.length < held.length + most; round++) {
    let best: StepFit | undefined
    for (let i = 0; i < p.children; i++) {
      if (now.chosen.includes(i)) continue
      const tried = fitOf(p, [...now.chosen, i])
      if (tried && (tried.values.at(-1) as number) > 0 && (!best || tried.residual < best.residual))
        best = tried
    }
    if (!best || sureness(p.rows.length, now.residual, best.residual) < 2 * sigmas) break
    now = pruned(p, best, [...held, best.chosen.at(-1) as number], sigmas)
  }
  return now
}

/** Drops children without which as much is explained. @param held stay */
function pruned(p: Products, fit: StepFit, held: readonly number[], sigmas: number): StepFit {
  let now = fit
  for (;;) {
    const without = now.chosen
      .filter(i => !held.includes(i))
      .map(i =>
        fitOf(
          p,
          now.chosen.filter(other => other !== i)
        )
      )
      .filter(one => one !== undefined)
      .sort((a, b) => a.residual - b.residual)[0]
    if (!without || sureness(p.rows.length, without.residual, now.residual) >= sigmas) return now
    now = without
  }
}

/** Standard errors of a fit: neighbouring hours err alike, so that there are fewer independent rows than rows. */
export function errorsOf(
  p: Products,
  fit: StepFit,
  extra?: Float64Array
): { errors: number[]; extra: number; extraError: number } | undefined {
  const { chosen } = fit
  const m = LOSSES + chosen.length + (extra ? 1 : 0)
  const column = new Float64Array(p.size)
  const take = (n: number, row: Float64Array) => {
    fill(p.rows[n] as BalanceRow, column, p.mean, p.scale)
    for (let k = 0; k < LOSSES; k++) row[k] = column[k] as number
    chosen.forEach((i, a) => {
      row[LOSSES + a] = column[LOSSES + i] as number
    })
    if (extra) row[m - 1] = extra[n] as number
    return column[p.size - 1] as number
  }
  const floor = (FLOOR ** 2 * p.square) / (p.mean ** 2 * p.rows.length)
  const found = fitRows(p.rows.length, m, take, { floor })
  if (!found) return undefined
  const errors = chosen.map(
    (i, a) => ((found.errors[LOSSES + a] as number) * p.mean) / (p.scale[i] as number)
  )
  return {
    errors,
    extra: extra ? (found.x[m - 1] as number) : 0,
    extraError: extra ? (found.errors[m - 1] as number) : 0
  }
}
