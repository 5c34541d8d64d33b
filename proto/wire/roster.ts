import { fromUtf8, utf8 } from '../bytes.ts'
import { CodecError } from '../errors.ts'
import { requireId } from './fields.ts'
import type { VarintReader, VarintWriter } from './varint.ts'

/** Most meters of a roster. */
export const ROSTER_MAX = 20_000

/**
 * The ordered list of meters a batch covers, front-coded: ids of one site share their beginnings.
 * @throws CodecError CODEC_SHAPE for an id that is empty, too long or listed twice
 */
export function writeRoster(out: VarintWriter, ids: readonly string[]): void {
  requireRoster(ids)
  const octets = ids.map(utf8)
  const shared = octets.map((id, i) => sharedPrefix(octets[i - 1] ?? new Uint8Array(0), id))
  out.uint(ids.length)
  for (const prefix of shared) out.uint(prefix)
  octets.forEach((id, i) => {
    out.uint(id.length - (shared[i] as number))
  })
  octets.forEach((id, i) => {
    out.append(id.subarray(shared[i]))
  })
}

/** @throws CodecError */
export function readRoster(input: VarintReader): string[] {
  const count = input.uint(ROSTER_MAX)
  if (2 * count > input.left)
    throw new CodecError('CODEC_TRUNCATED', 'the roster is cut off', { at: 'payload' })
  const shared = Array.from({ length: count }, () => input.uint())
  const sizes = Array.from({ length: count }, () => input.uint())
  let last: Uint8Array = new Uint8Array(0)
  const ids = shared.map((prefix, i) => {
    if (prefix > last.length)
      throw new CodecError('CODEC_RANGE', 'an id shares more than there is', { at: 'payload.roster' })
    const id = new Uint8Array(prefix + Math.min(sizes[i] as number, input.left))
    id.set(last.subarray(0, prefix))
    id.set(input.bytes(sizes[i] as number), prefix)
    last = id
    return fromUtf8(id)
  })
  requireRoster(ids)
  return ids
}

/** @throws CodecError */
export function requireRoster(ids: readonly string[]): void {
  if (ids.length > ROSTER_MAX)
    throw new CodecError('CODEC_TOO_LARGE', `${ids.length} meters`, { at: 'roster' })
  for (const id of ids) requireId(id, 'roster')
  if (new Set(ids).size !== ids.length)
    throw new CodecError('CODEC_SHAPE', 'a meter stands in the roster twice', { at: 'roster' })
}

const sharedPrefix = (a: Uint8Array, b: Uint8Array): number => {
  let n = 0
  while (n < a.length && n < b.length && a[n] === b[n]) n++
  return n
}
