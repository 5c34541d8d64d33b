import { CodecError } from '../errors.ts'
import { type HashName, hashWith } from '../merkle/tree.ts'
import { finish } from '../pieces.ts'
import type { Reading } from '../reading.ts'
import { ANCHOR_REASON } from '../wire/anchor.ts'
import type { Payload } from '../wire/payload.ts'
import { encodeReadingAfter } from '../wire/reading.ts'
import { leafSalter } from './key-schedule.ts'

const LEAVES_AT_ONCE = 125
const SALT = 16

/** Leaf hashes of readings in leaf order: H(0x00 || salt || reading). */
export function leafHashes(hash: HashName, saltKey: Uint8Array, readings: readonly Reading[]): Uint8Array[] {
  return finish(leafHashesInPieces(hash, saltKey, readings))
}

/** {@link leafHashes} in pieces of about a millisecond each. */
export function* leafHashesInPieces(
  hash: HashName,
  saltKey: Uint8Array,
  readings: readonly Reading[]
): Generator<undefined, Uint8Array[]> {
  const salt = leafSalter(saltKey)
  const digest = hashWith(hash)
  // a leaf's input begins with 00 (RFC 9162 2.1.1), then the salt
  const prefix = new Uint8Array(1 + SALT)
  const hashes: Uint8Array[] = []
  for (const reading of readings) {
    if (hashes.length % LEAVES_AT_ONCE === 0) yield
    prefix.set(salt(reading.meter, reading.slot), 1)
    hashes.push(digest(encodeReadingAfter(prefix, reading)))
  }
  return hashes
}

/** The readings in leaf order: place in the roster, slot, version. Meters outside the roster go last, to be refused. */
export function inLeafOrder({ roster, readings }: Payload): Reading[] {
  const placeOf = new Map(roster.map((meter, place) => [meter, place]))
  const place = ({ meter }: Reading): number => placeOf.get(meter) ?? roster.length
  return [...readings].sort((a, b) => place(a) - place(b) || a.slot - b.slot || a.version - b.version)
}

/**
 * Holds a batch to what its anchor claims: leaves inside its slots, and for the anchor of slots a leaf for every meter of the
 * roster in every slot, so that nothing is left out unsigned.
 * @throws CodecError CODEC_SHAPE
 */
export function requireCoverage(
  claim: { readonly slotFrom: number; readonly slotTo: number; readonly reason: number },
  { roster, readings }: Payload
): void {
  const { slotFrom, slotTo, reason } = claim
  const covered = new Set<string>()
  for (const { meter, slot } of readings) {
    if (slot < slotFrom || slot > slotTo) {
      throw new CodecError('CODEC_SHAPE', `slot ${slot} is outside ${slotFrom} to ${slotTo}`, {
        at: `batch: ${meter}`
      })
    }
    covered.add(`${slot} ${meter}`)
  }
  if (reason === ANCHOR_REASON.supplementary || (readings.length === 0 && reason !== ANCHOR_REASON.slot))
    return
  if (covered.size !== roster.length * (slotTo - slotFrom + 1)) {
    throw new CodecError('CODEC_SHAPE', 'a meter of the roster has no leaf in a slot of the batch', {
      at: 'batch',
      next: 'put a gap record where nothing was read'
    })
  }
}
