import { CodecError } from '../errors.ts'
import type { Reading } from '../reading.ts'
import { VALUES_MAX } from './reading.ts'
import type { VarintReader, VarintWriter } from './varint.ts'

/** What readings of one kind of meter have in common: which fields and items they carry, and which items have a value. */
export interface PayloadClass {
  readonly hasReadAt: boolean
  readonly hasMeterTime: boolean
  readonly hasRatio: boolean
  /** rising */
  readonly items: readonly number[]
  /** for each item whether it has a value; the others are null */
  readonly present: readonly boolean[]
}

const READ_AT = 1
const METER_TIME = 2
const RATIO = 4

/** Sorts readings into classes, in the order of their first appearance. @returns the class number of each reading */
export function sortIntoClasses(readings: readonly Reading[]): {
  readonly classes: readonly PayloadClass[]
  readonly classOf: readonly number[]
} {
  const classes: PayloadClass[] = []
  const coarse: boolean[] = []
  let last = 0
  const classOf = readings.map(reading => {
    const isCoarse = countsInTens(reading)
    const fits = (number: number): boolean =>
      coarse[number] === isCoarse && belongs(reading, classes[number] as PayloadClass)
    // neighbours are mostly of one kind
    if (last < classes.length && fits(last)) return last
    last = classes.findIndex((_, number) => fits(number))
    if (last >= 0) return last
    coarse.push(isCoarse)
    last = classes.length
    classes.push({
      hasReadAt: reading.readAt !== null,
      hasMeterTime: reading.meterTime !== null,
      hasRatio: reading.ratio !== null,
      items: reading.values.map(([item]) => item),
      present: reading.values.map(([, value]) => value !== null)
    })
    return last
  })
  return { classes, classOf }
}

/** Meters that report energy in steps of 10 are kept from those that do not: the factor is per class and column. */
const countsInTens = ({ values }: Reading): boolean =>
  values.every(([item, value]) => item >= 300 || value === null || value % 10 === 0)

const belongs = (reading: Reading, entry: PayloadClass): boolean =>
  (reading.readAt !== null) === entry.hasReadAt &&
  (reading.meterTime !== null) === entry.hasMeterTime &&
  (reading.ratio !== null) === entry.hasRatio &&
  reading.values.length === entry.items.length &&
  reading.values.every(([item, value], i) => item === entry.items[i] && (value !== null) === entry.present[i])

export function writeClass(out: VarintWriter, entry: PayloadClass): void {
  const { items, present } = entry
  out.uint(
    (entry.hasReadAt ? READ_AT : 0) | (entry.hasMeterTime ? METER_TIME : 0) | (entry.hasRatio ? RATIO : 0)
  )
  out.uint(items.length)
  items.forEach((item, i) => {
    out.uint(i === 0 ? item : item - (items[i - 1] as number))
  })
  const bits = new Uint8Array(Math.ceil(items.length / 8))
  present.forEach((is, i) => {
    if (is) bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7))
  })
  out.append(bits)
}

/** @throws CodecError when items do not rise or bits beyond the last item are set */
export function readClass(input: VarintReader): PayloadClass {
  const flags = input.uint(READ_AT | METER_TIME | RATIO)
  const count = input.uint(VALUES_MAX)
  const items: number[] = []
  for (let i = 0; i < count; i++) {
    const step = input.uint()
    const item = i === 0 ? step : step + (items[i - 1] as number)
    if ((i > 0 && step === 0) || !Number.isSafeInteger(item))
      throw new CodecError('CODEC_SHAPE', 'items of a class must rise', { at: 'payload.classes' })
    items.push(item)
  }
  const bits = input.bytes(Math.ceil(count / 8))
  if (count % 8 !== 0 && (bits[bits.length - 1] as number) >> (count % 8) !== 0)
    throw new CodecError('CODEC_NOT_CANONICAL', 'bits beyond the last item', { at: 'payload.classes' })
  return {
    hasReadAt: (flags & READ_AT) !== 0,
    hasMeterTime: (flags & METER_TIME) !== 0,
    hasRatio: (flags & RATIO) !== 0,
    items,
    present: items.map((_, i) => (((bits[i >> 3] as number) >> (i & 7)) & 1) === 1)
  }
}
