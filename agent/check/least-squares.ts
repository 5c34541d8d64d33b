/** Small linear algebra for the balance: Cholesky, least squares over hours, and non-negative least squares on normal equations. */

/** Lower Cholesky factor of a symmetric matrix (row-major, n x n); undefined when it is not positive definite. */
export function cholesky(a: Float64Array, n: number): Float64Array | undefined {
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j] as number
      for (let k = 0; k < j; k++) sum -= (l[i * n + k] as number) * (l[j * n + k] as number)
      if (i === j) {
        if (sum <= 1e-12 * (a[i * n + i] as number)) return undefined
        l[i * n + i] = Math.sqrt(sum)
      } else l[i * n + j] = sum / (l[j * n + j] as number)
    }
  return l
}

/** x of A x = b by the lower Cholesky factor of A. */
export function solveFactored(l: Float64Array, b: Float64Array, n: number): Float64Array {
  const x = Float64Array.from(b)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] = (x[i] as number) - (l[i * n + k] as number) * (x[k] as number)
    x[i] = (x[i] as number) / (l[i * n + i] as number)
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] = (x[i] as number) - (l[k * n + i] as number) * (x[k] as number)
    x[i] = (x[i] as number) / (l[i * n + i] as number)
  }
  return x
}

/** Diagonal of the inverse of the matrix with that factor. */
export function inverseDiagonal(l: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n)
  const column = new Float64Array(n)
  for (let c = 0; c < n; c++) {
    column.fill(0)
    // forward substitution of the unit vector; the squared length of L^-1 e_c is (A^-1)_cc
    for (let i = c; i < n; i++) {
      let sum = i === c ? 1 : 0
      for (let k = c; k < i; k++) sum -= (l[i * n + k] as number) * (column[k] as number)
      column[i] = sum / (l[i * n + i] as number)
    }
    let square = 0
    for (let i = c; i < n; i++) square += (column[i] as number) ** 2
    out[c] = square
  }
  return out
}

export interface RowFit {
  readonly x: Float64Array
  /** sum of the squares that the fit leaves */
  readonly rest: number
  /** standard errors of x */
  readonly errors: Float64Array
}

/**
 * Least squares over rows in order of time, with standard errors that know that neighbouring rows err alike: there are fewer
 * independent rows than rows.
 * @param take writes row n into the columns and gives what they are to explain
 * @param options.floor variance of a row that is taken for chance besides; options.nonNegative no x under zero
 * @returns undefined where the columns do not tell each other apart
 */
export function fitRows(
  count: number,
  columns: number,
  take: (n: number, into: Float64Array) => number,
  { floor = 0, nonNegative = false } = {}
): RowFit | undefined {
  const m = columns
  const ata = new Float64Array(m * m)
  const atb = new Float64Array(m)
  const row = new Float64Array(m)
  for (let n = 0; n < count; n++) {
    const y = take(n, row)
    for (let a = 0; a < m; a++) {
      const value = row[a] as number
      if (value === 0) continue
      atb[a] = (atb[a] as number) + value * y
      for (let b = 0; b < m; b++) ata[a * m + b] = (ata[a * m + b] as number) + value * (row[b] as number)
    }
  }
  const factor = cholesky(ata, m)
  if (!factor) return undefined
  const x = nonNegative ? solveNonNegative(ata, atb, m) : solveFactored(factor, atb, m)
  let rest = 0
  let lagged = 0
  let last = 0
  for (let n = 0; n < count; n++) {
    let off = take(n, row)
    for (let a = 0; a < m; a++) off -= (row[a] as number) * (x[a] as number)
    rest += off * off
    lagged += off * last
    last = off
  }
  const alike = Math.max(0, Math.min(0.9, rest > 0 ? lagged / rest : 0))
  const variance = ((rest / Math.max(1, count - m) + floor) * (1 + alike)) / (1 - alike)
  return { x, rest, errors: inverseDiagonal(factor, m).map(one => Math.sqrt(variance * one)) }
}

/** x >= 0 that minimises |Ax - b|, given AtA and Atb: coordinate descent to convergence. */
export function solveNonNegative(
  ata: Float64Array,
  atb: Float64Array,
  n: number,
  rounds = 400
): Float64Array {
  const x = new Float64Array(n)
  const gradient = Float64Array.from(atb, value => -value)
  for (let round = 0; round < rounds; round++) {
    let moved = 0
    for (let i = 0; i < n; i++) {
      const diagonal = ata[i * n + i] as number
      if (diagonal <= 0) continue
      const before = x[i] as number
      const after = Math.max(0, before - (gradient[i] as number) / diagonal)
      const step = after - before
      if (step === 0) continue
      x[i] = after
      moved = Math.max(moved, Math.abs(step))
      for (let k = 0; k < n; k++) gradient[k] = (gradient[k] as number) + step * (ata[k * n + i] as number)
    }
    if (moved < 1e-7) break
  }
  return x
}
