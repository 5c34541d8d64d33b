/** Small linear algebra for the balance: Cholesky and non-negative least squares on normal equations. */

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
