import { reorderOctets } from './byte-order.ts'
import { divideDecimals } from './decimal-value.ts'
import { encodeRegister } from './encode-register.ts'
import type { ProfilePlace, ProfileRegister } from './profile.ts'
import type { RegisterSpan } from './read-plan.ts'

/** Registers and what is to stand in them. */
export interface RegisterContent {
  readonly span: RegisterSpan
  readonly octets: Uint8Array
}

/** Decimals kept for a float register; more than any f64 of a meter's size can hold. */
const FLOAT_DECIMALS = -9

/**
 * Registers of an item with its scale (1) and sign registers: the reverse of readItem, for simulated meters and tests.
 * @param value integer x 10^exponent of the item; null writes the type's sentinel
 * @throws CodecError CODEC_RANGE when the register cannot hold the value
 */
export function encodeItem(register: ProfileRegister, value: number | null): RegisterContent[] {
  const { spec, span, item, multiplier, scaleBy, signBy } = register
  if (value === null) return [{ span, octets: sentinel(register) }]
  const out: RegisterContent[] = []
  const negative = value < 0 && signBy !== undefined
  const size = BigInt(negative ? -value : value)
  const decimals = spec.type === 'f32' || spec.type === 'f64' ? FLOAT_DECIMALS : 0
  const { digits } = divideDecimals({ digits: size, exponent: item.exponent }, multiplier, decimals)
  out.push({ span, octets: encodeRegister({ digits, exponent: decimals }, spec) })
  if (scaleBy) out.push(contentOf(scaleBy, scaleBy.as === 'power10' ? 0 : 1))
  if (signBy) out.push(contentOf(signBy, negative ? (signBy.negative[0] as number) : 0))
  return out
}

function contentOf(place: ProfilePlace, value: number): RegisterContent {
  const { digits } = divideDecimals({ digits: BigInt(value), exponent: 0 }, place.multiplier, 0)
  return { span: place.span, octets: encodeRegister({ digits, exponent: 0 }, place.spec) }
}

/** What the meter writes where it has no value: its own sentinel, NaN for floats, all ones where none is known. */
function sentinel({ spec, span }: ProfileRegister): Uint8Array {
  const known = spec.missing?.[0]
  const octets = new Uint8Array(2 * span.count).fill(0xff)
  if (known === undefined) return octets
  const big = Uint8Array.from(octets, (_, i) => Number.parseInt(known.slice(2 * i, 2 * i + 2), 16))
  return reorderOctets(big, spec.order)
}
