/** The hours of a transformer area by column, and what the plain sum of the children leaves of the parent. */
import { solveNonNegative } from './least-squares.ts'

export interface BalanceRow {
  readonly parent: number
  readonly children: readonly number[]
  /** of each child what the phase that leans recorded of it; NaN where none leans */
  readonly leaning?: readonly number[]
}

/** The rows by column, with their sums: what a hypothesis changes is one column. */
export interface Columns {
  readonly parent: Float64Array
  readonly children: readonly Float64Array[]
  readonly sums: Float64Array
}

export function columnsOf(rows: readonly BalanceRow[], children: number): Columns {
  const parent = Float64Array.from(rows, row => row.parent)
  const columns = Array.from({ length: children }, (_, n) =>
    Float64Array.from(rows, row => row.children[n] as number)
  )
  const sums = Float64Array.from(rows, row => row.children.reduce((a, b) => a + b, 0))
  return { parent, children: columns, sums }
}

export const totalOf = (values: Float64Array) => values.reduce((a, b) => a + b, 0)

/** Divides one recorded energy by a factor. `who` equal to the count of children is the parent. */
export function mend(columns: Columns, who: number, factor: number): void {
  const column = columns.children[who]
  if (!column) {
    for (let n = 0; n < columns.parent.length; n++) columns.parent[n] = (columns.parent[n] as number) / factor
    return
  }
  for (let n = 0; n < column.length; n++) {
    const before = column[n] as number
    column[n] = before / factor
    columns.sums[n] = (columns.sums[n] as number) - before + before / factor
  }
}

/** {@link plainResidual} were the meter's energy divided by the factor. Writes into `scratch`. */
export function residualIf(columns: Columns, who: number, factor: number, scratch: Float64Array): number {
  const { parent, children, sums } = columns
  const column = children[who]
  if (!column) {
    for (let n = 0; n < parent.length; n++) scratch[n] = (parent[n] as number) / factor
    return plainResidual(scratch, sums)
  }
  const change = 1 / factor - 1
  for (let n = 0; n < column.length; n++) scratch[n] = (sums[n] as number) + (column[n] as number) * change
  return plainResidual(parent, scratch)
}

/** Root mean square of what the plain sum of the children leaves of the parent, over the parent's. Losses: constant, 0 to 6 %, and square. */
export function plainResidual(parent: Float64Array, sums: Float64Array): number {
  const n = parent.length
  let scale = 1e-9
  for (let i = 0; i < n; i++) scale = Math.max(scale, Math.abs(sums[i] as number))
  // normal equations of 1, s, s^2 against the gap
  const m = [0, 0, 0, 0, 0]
  const v = [0, 0, 0]
  let parents = 0
  for (let i = 0; i < n; i++) {
    const p = parent[i] as number
    const s = (sums[i] as number) / scale
    const gap = p - (sums[i] as number)
    const s2 = s * s
    parents += p * p
    m[0] = (m[0] as number) + 1
    m[1] = (m[1] as number) + s
    m[2] = (m[2] as number) + s2
    m[3] = (m[3] as number) + s2 * s
    m[4] = (m[4] as number) + s2 * s2
    v[0] = (v[0] as number) + gap
    v[1] = (v[1] as number) + gap * s
    v[2] = (v[2] as number) + gap * s2
  }
  const [m0, m1, m2, m3, m4] = m as [number, number, number, number, number]
  const solved = solveNonNegative(
    Float64Array.of(m0, m1, m2, m1, m2, m3, m2, m3, m4),
    Float64Array.from(v),
    3,
    40
  )
  const linear = Math.min(0.06 * scale, solved[1] as number)
  const square = Math.min(0.06 * scale, solved[2] as number)
  // the constant once more, with the others held in their bounds
  const constant = Math.max(0, Math.min(0.05 * scale, ((v[0] as number) - linear * m1 - square * m2) / n))
  let rest = 0
  for (let i = 0; i < n; i++) {
    const s = (sums[i] as number) / scale
    const off = (parent[i] as number) - (sums[i] as number) - constant - linear * s - square * s * s
    rest += off * off
  }
  return Math.sqrt(rest / Math.max(1e-9, parents))
}
