import { CodecError } from '../errors.ts'
import { finish } from '../pieces.ts'
import type { ItemValue, RatioStamp, Reading } from '../reading.ts'
import { PLAIN_FROM, readColumn, repeat, type SumTerms, writeColumn } from './column.ts'
import { COUNT_MAX } from './header.ts'
import { type PayloadClass, readClass, sortIntoClasses, writeClass } from './payload-class.ts'
import { requireReading } from './reading.ts'
import { readRoster, writeRoster } from './roster.ts'
import { VarintReader, VarintWriter } from './varint.ts'

/** Most values, nulls among them, of one batch: a null costs no octet, so the size of the payload does not bound them. */
const PAYLOAD_VALUES_MAX = 4_000_000

/** The contents of a batch: the meters it must cover and its readings in leaf order. */
export interface Payload {
  readonly roster: readonly string[]
  readonly readings: readonly Reading[]
}

/**
 * The columnar payload (layout 1) before compression: rebuilds every reading, and so every leaf, exactly.
 * @throws CodecError when a reading breaks its rules or is not in leaf order (place in the roster, slot, version)
 */
export function encodePayload(payload: Payload): Uint8Array {
  return finish(encodePayloadInPieces(payload))
}

/** {@link encodePayload} in pieces of about a millisecond each; the payload must not change between them. */
export function* encodePayloadInPieces(payload: Payload): Generator<undefined, Uint8Array> {
  const { readings, roster } = payload
  for (const reading of readings) requireReading(reading)
  yield
  const places = requireLeafOrder(payload)
  const ratios = distinctRatios(readings)
  const { classes, classOf } = sortIntoClasses(readings)
  const out = new VarintWriter()
  writeRoster(out, roster)
  out.uint(ratios.size)
  for (const { version, ctPrimary, ctSecondary, ptPrimary, ptSecondary } of ratios.values())
    for (const part of [version, ctPrimary, ctSecondary, ptPrimary, ptSecondary]) out.uint(part)
  out.uint(classes.length)
  for (const entry of classes) writeClass(out, entry)
  out.uint(readings.length)
  yield
  writeColumn(out, classOf)
  writeColumn(out, places)
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
  return out.take()
}

/**
 * Decodes the columnar payload.
 * @throws CodecError when it is not whole, has octets left over, or holds a reading that breaks its rules or the leaf order
 */
export function decodePayload(octets: Uint8Array): Payload {
  const input = new VarintReader(octets)
  const roster = readRoster(input)
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
  const meters = readColumn(input, count).map(place => at(roster, place))
  const [slots, versions, qualities, sources] = repeat(4, () => readColumn(input, count))
  const readAt = readNullable(input, classOf, 'hasReadAt')
  const meterTime = readNullable(input, classOf, 'hasMeterTime')
  const ratioOf = readNullable(input, classOf, 'hasRatio')
  const total = classOf.reduce((sum, entry) => sum + entry.items.length, 0)
  if (total > PAYLOAD_VALUES_MAX)
    throw new CodecError('CODEC_TOO_LARGE', `${total} values`, { at: 'payload' })
  const values = readAllValues(input, classes, classOf)
  if (input.left !== 0) {
    throw new CodecError('CODEC_TRAILING', `${input.left} octets follow the last column`, { at: 'payload' })
  }
  const readings = meters.map((meter, row): Reading => {
    const ratio = ratioOf[row] as number | null
    return {
      meter,
      slot: slots?.[row] as number,
      version: versions?.[row] as number,
      quality: qualities?.[row] as number,
      source: sources?.[row] as number,
      readAt: readAt[row] as number | null,
      meterTime: meterTime[row] as number | null,
      ratio: ratio === null ? null : at(ratios, ratio),
      values: values[row] as ItemValue[]
    }
  })
  const payload = { roster, readings }
  requireLeafOrder(payload)
  for (const reading of readings) requireReading(reading)
  return payload
}

/**
 * Leaf order: place in the roster, then slot, then version, each leaf once.
 * @returns the place of each reading's meter
 * @throws CodecError CODEC_SHAPE
 */
export function requireLeafOrder({ roster, readings }: Payload): number[] {
  if (readings.length > COUNT_MAX)
    throw new CodecError('CODEC_TOO_LARGE', `${readings.length} readings`, { at: 'payload' })
  const placeOf = new Map(roster.map((meter, place) => [meter, place]))
  const places = readings.map(({ meter }) => {
    const place = placeOf.get(meter)
    if (place !== undefined) return place
    throw new CodecError('CODEC_SHAPE', `${JSON.stringify(meter)} is not in the roster`, { at: 'payload' })
  })
  readings.forEach((reading, row) => {
    const before = readings[row - 1]
    if (!before) return
    const rise =
      (places[row] as number) - (places[row - 1] as number) ||
      reading.slot - before.slot ||
      reading.version - before.version
    if (rise <= 0) {
      throw new CodecError('CODEC_SHAPE', 'readings are not in leaf order', {
        at: `payload: ${reading.meter}, slot ${reading.slot}, version ${reading.version}`
      })
    }
  })
  return places
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
