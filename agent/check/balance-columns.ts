/** The hours of a transformer area by column. */
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
