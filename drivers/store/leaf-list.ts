import type { LeafRef } from '../../agent/ports.ts'
import type { Names } from './names.ts'
import { OctetReader, OctetWriter } from './octets.ts'
import { pack, unpack } from './packed.ts'

/** (meter, slot, version) of a batch's leaves as columns: a slot batch in roster order packs to a few dozen octets. */
export function encodeLeaves(leaves: readonly LeafRef[], meters: Names): Uint8Array {
  const out = new OctetWriter()
  out.unsigned(leaves.length)
  writeDeltas(
    out,
    leaves.map(({ meter }) => meters.take(meter))
  )
  writeDeltas(
    out,
    leaves.map(({ slot }) => slot)
  )
  writeDeltas(
    out,
    leaves.map(({ version }) => version)
  )
  return pack(out.finish())
}

/** @throws StoreError STORE_CORRUPT */
export function decodeLeaves(packed: Uint8Array, meters: Names, at: string): LeafRef[] {
  const input = new OctetReader(unpack(packed, at))
  const count = input.unsigned()
  const numbers = readDeltas(input, count)
  const slots = readDeltas(input, count)
  const versions = readDeltas(input, count)
  return numbers.map((number, i) => ({
    meter: meters.nameOf(number),
    slot: slots[i] as number,
    version: versions[i] as number
  }))
}

function writeDeltas(out: OctetWriter, values: readonly number[]): void {
  let before = 0
  for (const value of values) {
    out.signed(value - before)
    before = value
  }
}

function readDeltas(input: OctetReader, count: number): number[] {
  let before = 0
  return Array.from({ length: count }, () => {
    before += input.integer()
    return before
  })
}
