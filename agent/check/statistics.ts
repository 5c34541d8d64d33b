/** Small robust statistics. */

const SMALL = new Float64Array(64)

/** The middle value; NaN of an empty list. */
export function median(values: ArrayLike<number>): number {
  const n = values.length
  if (n === 0) return Number.NaN
  const sorted = n <= SMALL.length ? insertionSort(values) : Float64Array.from(values).sort()
  const half = n >> 1
  return n % 2 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2
}

/** Short lists are many and mostly in order: sorted in a scratch array, without garbage. */
function insertionSort(values: ArrayLike<number>): Float64Array {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    let at = i
    while (at > 0 && (SMALL[at - 1] as number) > value) {
      SMALL[at] = SMALL[at - 1] as number
      at--
    }
    SMALL[at] = value
  }
  return SMALL
}

/** Median absolute deviation times 1.4826: the standard deviation of a normal spread, deaf to outliers. */
export function spread(values: readonly number[], middle = median(values)): number {
  return 1.4826 * median(values.map(value => Math.abs(value - middle)))
}
