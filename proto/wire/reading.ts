import { CodecError } from '../errors.ts'
import type { ItemValue, RatioStamp, Reading } from '../reading.ts'
import { isGap } from '../reading.ts'
import { type CborValue, encodeCborAfter } from './cbor.ts'
import { FieldReader, isArray, readObject, requireId, requireUint } from './fields.ts'

/** Most values of one reading. */
export const VALUES_MAX = 1024
const READING_MAX_OCTETS = 65536
const QUALITY_MAX = 0x7fff_ffff

/**
 * The `reading` of the wire contract: the octets that are hashed into its leaf.
 * @throws CodecError when a field is out of its range, items are not in rising order, or a gap record has values
 */
export function encodeReading(reading: Reading): Uint8Array {
  return encodeReadingAfter(NOTHING, reading)
}

const NOTHING = new Uint8Array(0)

/** The prefix and, right behind it, the reading: the input of its leaf's hash. @throws CodecError as {@link encodeReading} */
export function encodeReadingAfter(prefix: Uint8Array, reading: Reading): Uint8Array {
  requireReading(reading)
  const { meter, slot, version, quality, source, readAt, meterTime, ratio, values } = reading
  return encodeCborAfter(prefix, [
    meter,
    slot,
    version,
    quality,
    source,
    readAt,
    meterTime,
    ratio && [ratio.version, ratio.ctPrimary, ratio.ctSecondary, ratio.ptPrimary, ratio.ptSecondary],
    values
  ])
}

/** Decodes the `reading` of the wire contract. @throws CodecError */
export function decodeReading(octets: Uint8Array): Reading {
  const fields = readObject('reading', octets, READING_MAX_OCTETS)
  const reading: Reading = {
    meter: fields.id('meter'),
    slot: fields.uint('slot'),
    version: fields.uint('version'),
    quality: fields.uint('quality', QUALITY_MAX),
    source: fields.uint('source'),
    readAt: fields.nullable(() => fields.int('readAt')),
    meterTime: fields.nullable(() => fields.int('meterTime')),
    ratio: fields.nullable(() => readRatio(fields.array('ratio'))),
    values: fields.array('values').map(readValue)
  }
  fields.end()
  requireReading(reading)
  return reading
}

/** The rules of a reading beyond its types. @throws CodecError */
export function requireReading(reading: Reading): void {
  const { meter, slot, version, quality, source, ratio, values } = reading
  requireId(meter, 'reading.meter')
  requireUint(slot, 'reading.slot')
  requireUint(version, 'reading.version')
  if (version === 0) throw new CodecError('CODEC_RANGE', 'versions count from 1', { at: 'reading.version' })
  requireUint(quality, 'reading.quality', QUALITY_MAX)
  requireUint(source, 'reading.source')
  requireIntOrNull(reading.readAt, 'reading.readAt')
  requireIntOrNull(reading.meterTime, 'reading.meterTime')
  if (ratio) {
    for (const part of [
      ratio.version,
      ratio.ctPrimary,
      ratio.ctSecondary,
      ratio.ptPrimary,
      ratio.ptSecondary
    ])
      requireUint(part, 'reading.ratio')
  }
  requireValues(values)
  if (isGap(reading) && values.length > 0) {
    throw new CodecError('CODEC_SHAPE', 'a record that names a gap has no values', {
      at: 'reading.values',
      next: 'leave the low octet of quality zero where something was read'
    })
  }
}

const requireValues = (values: readonly ItemValue[]): void => {
  if (values.length > VALUES_MAX)
    throw new CodecError('CODEC_TOO_LARGE', `${values.length} values`, { at: 'reading.values' })
  let last = -1
  for (const [item, value] of values) {
    requireUint(item, 'reading.values.item')
    if (item <= last) {
      throw new CodecError('CODEC_SHAPE', `item ${item} after item ${last}: items rise, each once`, {
        at: 'reading.values'
      })
    }
    last = item
    requireIntOrNull(value, 'reading.values.value')
  }
}

const requireIntOrNull = (value: number | null, at: string): void => {
  if (value !== null && !Number.isSafeInteger(value))
    throw new CodecError('CODEC_RANGE', `${value} is not a safe integer`, { at })
}

const readRatio = (entries: readonly CborValue[]): RatioStamp => {
  const fields = new FieldReader('reading.ratio', entries)
  const ratio = {
    version: fields.uint('version'),
    ctPrimary: fields.uint('ctPrimary'),
    ctSecondary: fields.uint('ctSecondary'),
    ptPrimary: fields.uint('ptPrimary'),
    ptSecondary: fields.uint('ptSecondary')
  }
  fields.end()
  return ratio
}

const readValue = (entry: CborValue): ItemValue => {
  if (!isArray(entry)) throw new CodecError('CODEC_SHAPE', 'not an array', { at: 'reading.values' })
  const fields = new FieldReader('reading.values', entry)
  const item = fields.uint('item')
  const value = fields.nullable(() => fields.int('value'))
  fields.end()
  return [item, value]
}
