import { CodecError } from '../errors.ts'
import { requireSafe, type VarintReader, type VarintWriter } from './varint.ts'

/**
 * How the integers of a column are told. Meters report in steps (0.01 kWh, 0.1 V) of a finer catalogue unit, which the
 * factor takes out; totals are told by what the sum of their parts leaves over.
 */
export const COLUMN_MODE = {
  /** each above the least one: value = base + factor x uint */
  base: 0,
  /** each from the one before, the first from the base: value = before + factor x int */
  delta: 1,
  /** each from the sum of other columns of the same row: value = sum + int */
  sum: 2,
  /** as they are: value = int */
  plain: 3
} as const

/** Columns with a value beyond this go out plain, so that no difference or sum ever leaves the safe integers. */
export const PLAIN_FROM = 2 ** 48
const TWO_31 = 2 ** 31

/** Other columns of the same rows by item, for mode `sum`. */
export interface SumTerms {
  readonly items: readonly number[]
  readonly sums: readonly number[]
}

/** Writes a column in the mode that takes the fewest bits. @param terms given where another set of columns adds up to it */
export function writeColumn(out: VarintWriter, values: readonly number[], terms?: SumTerms): void {
  if (values.length === 0) return
  if (
    values.some(value => Math.abs(value) > PLAIN_FROM) ||
    terms?.sums.some(sum => Math.abs(sum) > PLAIN_FROM)
  ) {
    out.uint(COLUMN_MODE.plain)
    for (const value of values) out.int(value)
    return
  }
  const base = values.reduce((a, b) => Math.min(a, b))
  const factor = values.reduce((divisor, value) => gcd(value - base, divisor), 0) || 1
  const heights = values.map(value => (value - base) / factor)
  const steps = values.map((value, i) => (i === 0 ? 0 : (value - (values[i - 1] as number)) / factor))
  const rests = terms && values.map((value, i) => value - (terms.sums[i] as number))
  const [heightBits, stepBits] = [bitsOf(heights), bitsOf(steps) + steps.length]
  if (terms && rests && bitsOf(rests) + rests.length < Math.min(heightBits, stepBits)) {
    out.uint(COLUMN_MODE.sum)
    out.uint(terms.items.length)
    for (const item of terms.items) out.uint(item)
    for (const rest of rests) out.int(rest)
  } else if (stepBits < heightBits) {
    out.uint(COLUMN_MODE.delta)
    out.uint(factor)
    out.int(values[0] as number)
    for (const step of steps) out.int(step)
  } else {
    out.uint(COLUMN_MODE.base)
    out.uint(factor)
    out.int(base)
    for (const height of heights) out.uint(height)
  }
}

/**
 * Reads a column of `count` integers.
 * @param columnOf gives an already read column of the same rows, undefined when there is none
 * @throws CodecError
 */
export function readColumn(
  input: VarintReader,
  count: number,
  columnOf: (item: number) => readonly number[] | undefined = () => undefined
): number[] {
  if (count === 0) return []
  // every value takes an octet at least: no memory for a count that the input cannot hold
  if (count > input.left) throw new CodecError('CODEC_TRUNCATED', 'a column is cut off', { at: 'payload' })
  const mode = input.uint()
  if (mode === COLUMN_MODE.plain) return repeat(count, () => input.int())
  if (mode === COLUMN_MODE.sum) {
    const terms = repeat(input.uint(16), () => {
      const item = input.uint()
      const column = columnOf(item)
      if (column) return column
      throw new CodecError('CODEC_SHAPE', `a sum over item ${item}, which is not before it`, {
        at: 'payload'
      })
    })
    return repeat(count, i =>
      requireSafe(terms.reduce((sum, term) => requireSafe(sum + (term[i] as number)), 0) + input.int())
    )
  }
  if (mode !== COLUMN_MODE.base && mode !== COLUMN_MODE.delta)
    throw new CodecError('CODEC_SHAPE', `column mode ${mode} is not known`, { at: 'payload' })
  const factor = input.uint()
  if (factor === 0) throw new CodecError('CODEC_RANGE', 'a factor of 0', { at: 'payload' })
  let last = input.int()
  const base = last
  if (mode === COLUMN_MODE.base)
    return repeat(count, () => requireSafe(base + requireSafe(factor * input.uint())))
  return repeat(count, () => {
    last = requireSafe(last + requireSafe(factor * input.int()))
    return last
  })
}

/** A list of what `make` gives, called in order. */
export function repeat<T>(count: number, make: (i: number) => T): T[] {
  const out: T[] = []
  for (let i = 0; i < count; i++) out.push(make(i))
  return out
}

const gcd = (a: number, b: number): number => {
  let [x, y] = [Math.abs(a), b]
  while (y !== 0) [x, y] = [y, x % y]
  return x
}

/** Roughly the bits that the numbers take. */
const bitsOf = (values: readonly number[]): number => {
  let bits = 0
  for (const value of values) {
    const size = Math.abs(value)
    bits += size < TWO_31 ? 32 - Math.clz32(size) : Math.ceil(Math.log2(size + 1))
  }
  return bits
}
