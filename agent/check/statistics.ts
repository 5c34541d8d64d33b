/** Small robust statistics. */

/** The middle value; NaN of an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = Float64Array.from(values).sort()
  const half = sorted.length >> 1
  return sorted.length % 2
    ? (sorted[half] as number)
    : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2
}

/** Median absolute deviation times 1.4826: the standard deviation of a normal spread, deaf to outliers. */
export function spread(values: readonly number[], middle = median(values)): number {
  return 1.4826 * median(values.map(value => Math.abs(value - middle)))
}

/** The value under which the given share of the list lies. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number
}
