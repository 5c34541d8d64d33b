import { CodecError } from '../../proto/errors.ts'
import { finish } from '../../proto/pieces.ts'
import type { Reading } from '../../proto/reading.ts'
import { requireReading } from '../../proto/wire/reading.ts'
import { readReadingKeys, readReadings, writeReadings } from '../../proto/wire/reading-columns.ts'
import { VarintReader, VarintWriter } from '../../proto/wire/varint.ts'
import { StoreError } from './errors.ts'
import { pack, unpack } from './packed.ts'

/**
 * Readings of one slot as compressed columns, in the wire's own way of writing them: about 30 octets for a reading of 20 values,
 * where a row per value takes 386. Totals go as what their parts leave over, and steps of 10 without the zero.
 */

/** A (meter, version) of a block, in the block's order. */
export interface BlockKey {
  readonly meter: number
  readonly version: number
}

/**
 * @param meterNumber the store's own small number of a metering point
 * @throws CodecError when a reading breaks the rules of the wire contract: it could never be sealed
 */
export function encodeBlock(
  readings: readonly Reading[],
  meterNumber: (meter: string) => number
): Uint8Array {
  for (const reading of readings) requireReading(reading)
  const out = new VarintWriter()
  finish(
    writeReadings(
      out,
      readings,
      readings.map(({ meter }) => meterNumber(meter))
    )
  )
  return pack(out.take())
}

/** The keys alone, without decoding any value. @throws StoreError STORE_CORRUPT */
export function decodeBlockKeys(packed: Uint8Array, at: string): BlockKey[] {
  return decoded(packed, at, input => {
    const { meters, versions } = readReadingKeys(input)
    return meters.map((meter, i) => ({ meter, version: versions[i] as number }))
  })
}

/** @throws StoreError STORE_CORRUPT when the block is damaged */
export function decodeBlock(packed: Uint8Array, meterName: (meter: number) => string, at: string): Reading[] {
  return decoded(packed, at, input => readReadings(input, meterName))
}

const decoded = <T>(packed: Uint8Array, at: string, read: (input: VarintReader) => T): T => {
  const input = new VarintReader(unpack(packed, at))
  try {
    return read(input)
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new StoreError('STORE_CORRUPT', 'a stored block is no block of readings', {
      at,
      next: 'restart: the damaged file is set aside and a new epoch begins',
      cause
    })
  }
}
