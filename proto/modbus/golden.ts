import { fromHex } from '../bytes.ts'
import { parseScaled } from '../decimal.ts'
import { assertReadOnlyModbus, type ReadFunction } from './function-code.ts'
import { readItem } from './item-value.ts'
import type { MeterProfile } from './profile.ts'
import type { GoldenSource } from './profile-source.ts'
import { RegisterImage } from './register-image.ts'
import { decodeRegisterReply } from './reply.ts'
import type { RegisterRange } from './request.ts'

/** One value of a golden exchange, read anew. */
export interface GoldenFinding {
  /** index of the exchange in the profile */
  readonly exchange: number
  readonly item: string
  readonly expected: string | null
  /** integer in the item's exponent, null for missing, or what went wrong */
  readonly got: number | null | string
  readonly holds: boolean
}

/**
 * Replays every golden exchange of a profile through the same code that reads a live meter.
 * @throws CodecError when a request or a reply is no frame, or does not belong together
 */
export function replayGolden(profile: MeterProfile): GoldenFinding[] {
  return profile.golden.flatMap((golden, exchange) => replayExchange(profile, golden, exchange))
}

function replayExchange(profile: MeterProfile, golden: GoldenSource, exchange: number): GoldenFinding[] {
  const range = parseRequest(golden.request)
  const reply = decodeRegisterReply(fromHex(golden.reply), range)
  const image = new RegisterImage()
  if (reply.kind === 'registers') image.put(range.function, range.address, reply.octets)
  return Object.entries(golden.values).map(([key, expected]) => {
    const register = profile.registers.find(entry => entry.item.key === key)
    if (!register) return { exchange, item: key, expected, got: 'not an item of this profile', holds: false }
    const read = readItem(register, image)
    const got =
      read.kind === 'value' ? read.value : read.kind === 'missing' ? null : `${read.kind}${reasonOf(read)}`
    const wanted = expected === null ? null : parseScaled(expected, register.item.exponent)
    return { exchange, item: key, expected, got, holds: got === wanted }
  })
}

function reasonOf(read: { readonly kind: string; readonly reason?: string }): string {
  return read.reason === undefined ? '' : `: ${read.reason}`
}

/** The range a request frame asks for. @throws CodecError when it is no read request */
function parseRequest(text: string): RegisterRange {
  const octets = fromHex(text)
  assertReadOnlyModbus(octets)
  const [unit, code, high, low, countHigh, countLow] = octets as unknown as readonly number[]
  return {
    unit: unit as number,
    function: code as ReadFunction,
    address: ((high as number) << 8) | (low as number),
    count: ((countHigh as number) << 8) | (countLow as number)
  }
}
