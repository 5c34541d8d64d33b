import { CodecError } from '../errors.ts'
import { finish } from '../pieces.ts'
import type { Reading } from '../reading.ts'
import { COUNT_MAX } from './header.ts'
import { requireReading } from './reading.ts'
import { readReadings, writeReadings } from './reading-columns.ts'
import { readRoster, writeRoster } from './roster.ts'
import { VarintReader, VarintWriter } from './varint.ts'

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
  const out = new VarintWriter()
  writeRoster(out, roster)
  yield* writeReadings(out, readings, places)
  return out.take()
}

/**
 * Decodes the columnar payload.
 * @throws CodecError when it is not whole, has octets left over, or holds a reading that breaks its rules or the leaf order
 */
export function decodePayload(octets: Uint8Array): Payload {
  const input = new VarintReader(octets)
  const roster = readRoster(input)
  const readings = readReadings(input, place => {
    const meter = roster[place]
    if (meter !== undefined) return meter
    throw new CodecError('CODEC_RANGE', `place ${place} of ${roster.length}`, { at: 'payload' })
  })
  if (input.left !== 0) {
    throw new CodecError('CODEC_TRAILING', `${input.left} octets follow the last column`, { at: 'payload' })
  }
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
