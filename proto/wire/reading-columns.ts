import { CodecError } from '../errors.ts'
import type { ItemValue, RatioStamp, Reading } from '../reading.ts'
import { PLAIN_FROM, readColumn, repeat, type SumTerms, writeColumn } from './column.ts'
import { COUNT_MAX } from './header.ts'
import { type PayloadClass, readClass, sortIntoClasses, writeClass } from './payload-class.ts'
import type { VarintReader, VarintWriter } from './varint.ts'

/** Most values, nulls among them, of one batch: a null costs no octet, so the size of the payload does not bound them. */
const PAYLOAD_VALUES_MAX = 4_000_000

/**
 * Writes readings as columns, a number standing for each one's meter. Pieces of about a millisecond each.
 * @param readings keep the rules of {@link requireReading} @param meters by reading
 */
export function* writeReadings(
  out: VarintWriter,
  readings: readonly Reading[],
  meters: readonly number[]
): Generator<undefined, void> {
  const ratios = distinctRatios(readings)
  const { classes, classOf } = sortIntoClasses(readings)
  out.uint(ratios.size)
  for (const { version, ctPrimary, ctSecondary, ptPrimary, ptSecondary } of ratios.values())
    for (const part of [version, ctPrimary, ctSecondary, ptPrimary, ptSecondary]) out.uint(part)
  out.uint(classes.length)
  for (const entry of classes) writeClass(out, entry)
  out.uint(readings.length)
  yield
  writeColumn(out, classOf)
  writeColumn(out, meters)
  for (const key of ['slot', 'version', 'quality', 'source'] as const)
    writeColumn(
      out,
      readings.map(reading => reading[key])
    )
  for (const key of ['readAt', 'meterTime'] as const)
    writeColumn(
      out,
      readings.flatMap(reading => reading[key] ?? [])
    )
  const ratioNumbers = new Map([...ratios.keys()].map((key, i) => [key, i]))
  writeColumn(
    out,
    readings.flatMap(({ ratio }) => (ratio ? (ratioNumbers.get(ratioKey(ratio)) as number) : []))
  )
  for (const [number, entry] of classes.entries()) {
    yield
    writeValues(
      out,
      entry,
      readings.filter((_, row) => classOf[row] === number)
    )
  }
}

/**
 * Reads what {@link writeReadings} wrote.
 * @param meterOf the meter of a number
 * @throws CodecError when it is not whole; the rules of each reading are the caller's to check
 */
export function readReadings(input: VarintReader, meterOf: (number: number) => string): Reading[] {
  const { ratios, classes, classOf, meters, slots, versions } = readKeys(input)
  const count = meters.length
  const [qualities, sources] = repeat(2, () => readColumn(input, count))
  const readAt = readNullable(input, classOf, 'hasReadAt')
  const meterTime = readNullable(input, classOf, 'hasMeterTime')
  const ratioOf = readNullable(input, classOf, 'hasRatio')
  const total = classOf.reduce((sum, entry) => sum + entry.items.length, 0)
  if (total > PAYLOAD_VALUES_MAX)
    throw new CodecError('CODEC_TOO_LARGE', `${total} values`, { at: 'payload' })
  const values = readAllValues(input, classes, classOf)
  return meters.map((meter, row): Reading => {
    const ratio = ratioOf[row] as number | null
    return {
      meter: meterOf(meter),
      slot: slots[row] as number,
      version: versions[row] as number,
      quality: qualities?.[row] as number,
      source: sources?.[row] as number,
      readAt: readAt[row] as number | null,
      meterTime: meterTime[row] as number | null,
      ratio: ratio === null ? null : at(ratios, ratio),
      values: values[row] as ItemValue[]
    }
  })
}

/** What tells the readings apart, without what they say. @throws CodecError */
export function readReadingKeys(input: VarintReader): {
  readonly meters: number[]
  readonly versions: number[]
} {
  const { meters, versions } = readKeys(input)
  return { meters, versions }
}

const readKeys = (input: VarintReader) => {
  const ratios = repeat(input.uint(COUNT_MAX), () => ({
    version: input.uint(),
    ctPrimary: input.uint(),
    ctSecondary: input.uint(),
    ptPrimary: input.uint(),
    ptSecondary: input.uint()
  }))
  const classes = repeat(input.uint(COUNT_MAX), () => readClass(input))
  const count = input.uint(COUNT_MAX)
  const classOf = readColumn(input, count).map(number => at(classes, number))
  const meters = readColumn(input, count)
  const slots = readColumn(input, count)
  const versions = readColumn(input, count)
  return { ratios, classes, classOf, meters, slots, versions }
}

/** Which columns add up to which, by number: totals of the catalogue and their tariffs or phases. Only the writer asks. */
const partsOf = (item: number): readonly number[] => {
  if (item < 200 && item % 10 === 0) return [item + 1, item + 2, item + 3, item + 4]
  return [320, 330, 340].includes(item) ? [item + 1, item + 2, item + 3] : []
}

/** Values go by falling item number: parts come before their totals. */
const writeValues = (out: VarintWriter, entry: PayloadClass, rows: readonly Reading[]): void => {
  const columns = new Map<number, readonly number[]>()
  for (let i = entry.items.length - 1; i >= 0; i--) {
    if (!entry.present[i]) continue
    const item = entry.items[i] as number
    const column = rows.map(({ values }) => values[i]?.[1] as number)
    writeColumn(out, column, sumTerms(partsOf(item), columns))
    columns.set(item, column)
  }
}

const sumTerms = (
  parts: readonly number[],
  columns: ReadonlyMap<number, readonly number[]>
): SumTerms | undefined => {
  const terms = parts.flatMap(part => {
    const column = columns.get(part)
    return column ? [column] : []
  })
  const [first] = terms
  if (!first || terms.length !== parts.length) return undefined
  if (terms.some(term => term.some(value => Math.abs(value) > PLAIN_FROM))) return undefined
  return {
    items: parts,
    sums: first.map((_, row) => terms.reduce((sum, term) => sum + (term[row] as number), 0))
  }
}

const readAllValues = (
  input: VarintReader,
  classes: readonly PayloadClass[],
  classOf: readonly PayloadClass[]
): (readonly ItemValue[])[] => {
  const rowsOf = new Map<PayloadClass, number[]>(classes.map(entry => [entry, []]))
  classOf.forEach((entry, row) => {
    rowsOf.get(entry)?.push(row)
  })
  const out: (readonly ItemValue[])[] = []
  for (const [entry, rows] of rowsOf) {
    const columns = new Map<number, readonly number[]>()
    for (let i = entry.items.length - 1; i >= 0; i--) {
      const item = entry.items[i] as number
      if (entry.present[i])
        columns.set(
          item,
          readColumn(input, rows.length, id => columns.get(id))
        )
    }
    rows.forEach((row, i) => {
      out[row] = entry.items.map((item): ItemValue => [item, columns.get(item)?.[i] ?? null])
    })
  }
  return out
}

const readNullable = (
  input: VarintReader,
  classOf: readonly PayloadClass[],
  has: 'hasReadAt' | 'hasMeterTime' | 'hasRatio'
): (number | null)[] => {
  const column = readColumn(input, classOf.filter(entry => entry[has]).length)
  let next = 0
  return classOf.map(entry => (entry[has] ? (column[next++] as number) : null))
}

const ratioKey = (ratio: RatioStamp): string =>
  [ratio.version, ratio.ctPrimary, ratio.ctSecondary, ratio.ptPrimary, ratio.ptSecondary].join()

const distinctRatios = (readings: readonly Reading[]): ReadonlyMap<string, RatioStamp> =>
  new Map(readings.flatMap(({ ratio }) => (ratio ? [[ratioKey(ratio), ratio] as const] : [])))

const at = <T>(list: readonly T[], index: number): T => {
  const found = index >= 0 ? list[index] : undefined
  if (found === undefined)
    throw new CodecError('CODEC_RANGE', `number ${index} of ${list.length}`, { at: 'payload' })
  return found
}
