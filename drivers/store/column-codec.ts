import type { RatioStamp, Reading } from '../../proto/reading.ts'
import { OctetReader, OctetWriter } from './octets.ts'
import { pack, unpack } from './packed.ts'

/** Readings of one slot as compressed columns: about 20 octets for a reading of 20 values, where a row per value takes 386. */

/** A (meter, version) of a block, in the block's order. */
export interface BlockKey {
  readonly meter: number
  readonly version: number
}

/** @param meterNumber the store's own small number of a metering point */
export function encodeBlock(
  readings: readonly Reading[],
  meterNumber: (meter: string) => number
): Uint8Array {
  const out = new OctetWriter()
  out.unsigned(readings.length)
  let before = 0
  for (const { meter } of readings) {
    const number = meterNumber(meter)
    out.signed(number - before)
    before = number
  }
  for (const { version } of readings) out.unsigned(version)
  for (const { quality } of readings) out.unsigned(quality)
  for (const { source } of readings) out.unsigned(source)
  for (const { readAt } of readings) out.signed(readAt)
  for (const { meterTime } of readings) out.signed(meterTime)
  writeRatios(out, readings)
  writeValues(out, readings)
  return pack(out.finish())
}

/** The keys alone, without decoding any value. @throws StoreError STORE_CORRUPT */
export function decodeBlockKeys(packed: Uint8Array, at: string): BlockKey[] {
  return readKeys(new OctetReader(unpack(packed, at)))
}

/** @throws StoreError STORE_CORRUPT when the block is damaged */
export function decodeBlock(
  packed: Uint8Array,
  slot: number,
  meterName: (meter: number) => string,
  at: string
): Reading[] {
  const input = new OctetReader(unpack(packed, at))
  const keys = readKeys(input)
  const qualities = keys.map(() => input.unsigned())
  const sources = keys.map(() => input.unsigned())
  const readAts = keys.map(() => input.signed())
  const meterTimes = keys.map(() => input.signed())
  const ratios = readRatios(input, keys.length)
  const values = readValues(input, keys.length)
  return keys.map((key, i) => ({
    meter: meterName(key.meter),
    slot,
    version: key.version,
    quality: qualities[i] as number,
    source: sources[i] as number,
    readAt: readAts[i] as number | null,
    meterTime: meterTimes[i] as number | null,
    ratio: ratios[i] as RatioStamp | null,
    values: values[i] as Reading['values']
  }))
}

function readKeys(input: OctetReader): BlockKey[] {
  const count = input.unsigned()
  const meters: number[] = []
  let meter = 0
  for (let i = 0; i < count; i++) {
    meter += input.integer()
    meters.push(meter)
  }
  return meters.map(number => ({ meter: number, version: input.unsigned() }))
}

function writeRatios(out: OctetWriter, readings: readonly Reading[]): void {
  const known = new Map<string, number>()
  const distinct: RatioStamp[] = []
  const column = readings.map(({ ratio }) => {
    if (ratio === null) return 0
    const text = `${ratio.version} ${ratio.ctPrimary} ${ratio.ctSecondary} ${ratio.ptPrimary} ${ratio.ptSecondary}`
    let number = known.get(text)
    if (number === undefined) {
      number = distinct.push(ratio)
      known.set(text, number)
    }
    return number
  })
  out.unsigned(distinct.length)
  for (const ratio of distinct) {
    for (const part of [
      ratio.version,
      ratio.ctPrimary,
      ratio.ctSecondary,
      ratio.ptPrimary,
      ratio.ptSecondary
    ]) {
      out.unsigned(part)
    }
  }
  for (const number of column) out.unsigned(number)
}

function readRatios(input: OctetReader, count: number): (RatioStamp | null)[] {
  const distinct = Array.from({ length: input.unsigned() }, () => ({
    version: input.unsigned(),
    ctPrimary: input.unsigned(),
    ctSecondary: input.unsigned(),
    ptPrimary: input.unsigned(),
    ptSecondary: input.unsigned()
  }))
  return Array.from({ length: count }, () => distinct[input.unsigned() - 1] ?? null)
}

/** Meters of one kind have the same items: each distinct list is written once, then its values item by item. */
function writeValues(out: OctetWriter, readings: readonly Reading[]): void {
  const shapes = new Map<string, Reading[]>()
  const column = readings.map(reading => {
    const key = reading.values.map(([item]) => item).join()
    const members = shapes.get(key)
    if (members) members.push(reading)
    else shapes.set(key, [reading])
    return [...shapes.keys()].indexOf(key)
  })
  out.unsigned(shapes.size)
  for (const members of shapes.values()) {
    const items = (members[0] as Reading).values.map(([item]) => item)
    out.unsigned(items.length)
    for (const item of items) out.unsigned(item)
  }
  for (const shape of column) out.unsigned(shape)
  for (const members of shapes.values()) {
    for (let i = 0; i < (members[0] as Reading).values.length; i++) {
      for (const { values } of members) out.signed(values[i]?.[1] ?? null)
    }
  }
}

function readValues(input: OctetReader, count: number): Reading['values'][] {
  const shapes = Array.from({ length: input.unsigned() }, () =>
    Array.from({ length: input.unsigned() }, () => input.unsigned())
  )
  const rows = Array.from({ length: count }, () => ({
    shape: input.unsigned(),
    values: [] as (readonly [number, number | null])[]
  }))
  for (const [shape, items] of shapes.entries()) {
    const members = rows.filter(row => row.shape === shape)
    for (const item of items) {
      for (const { values } of members) values.push([item, input.signed()])
    }
  }
  return rows.map(row => row.values)
}
