import { toHex } from '../bytes.ts'
import {
  type Decimal,
  decimalToNumber,
  divideDecimals,
  multiplyDecimals,
  ONE,
  roundDecimal
} from './decimal-value.ts'
import type { ProfilePlace, ProfileRatio, ProfileRegister } from './profile.ts'
import type { RegisterSpan } from './read-plan.ts'
import { decodeRegister } from './register.ts'
import type { RegisterImage } from './register-image.ts'

/** What the registers say of one item. */
export type ItemReadout =
  | {
      readonly kind: 'value'
      /** integer x 10^exponent of the item */
      readonly value: number
      /** decimals the register gives, not more than the item's */
      readonly decimals: number
      /** the register cannot tell its own steps apart at this size, or digits below the catalogue's were dropped */
      readonly coarse: boolean
      readonly raw: string
    }
  /** the meter says it has no such value */
  | { readonly kind: 'missing'; readonly raw: string }
  | { readonly kind: 'invalid'; readonly reason: string; readonly raw: string }
  /** not all registers have been read */
  | { readonly kind: 'unread' }

/** Largest power of ten a scale register may say (SunSpec allows ±10). */
const SCALE_POWER_LIMIT = 10

/** Every span that has to be read for an item: its own, its scale's and its sign's. */
export function spansOf(register: ProfileRegister): RegisterSpan[] {
  const places = [register, register.scaleBy, register.signBy]
  return places.flatMap(place => (place ? [place.span] : []))
}

/** The item's value in the catalogue's unit and exponent, exact as far as the register is. */
export function readItem(register: ProfileRegister, image: RegisterImage): ItemReadout {
  const octets = image.get(register.span)
  if (!octets) return { kind: 'unread' }
  const raw = toHex(octets)
  const decoded = decodeRegister(octets, register.spec)
  if (decoded.kind === 'missing') return { kind: 'missing', raw }
  if (decoded.kind === 'invalid') return { kind: 'invalid', reason: decoded.reason, raw }
  if (decoded.kind === 'text') return { kind: 'invalid', reason: 'text, not a number', raw }
  const scale = readScale(register, image)
  if (scale.kind !== 'scale') return scale.kind === 'unread' ? scale : { ...scale, raw }
  const multiplier = multiplyDecimals(register.multiplier, scale.factor)
  const { item } = register
  const exact = multiplyDecimals(decoded.value, multiplier)
  const rounded = roundDecimal(exact, item.exponent)
  const value = Number(rounded.digits)
  if (!Number.isSafeInteger(value))
    return { kind: 'invalid', reason: `${value} x 10^${item.exponent} ${item.unit} is out of reach`, raw }
  const step = (decoded.step ?? 0) * Math.abs(decimalToNumber(multiplier))
  const coarse = item.kind === 'energy' && isCoarse(register, step, rounded.exact)
  const decimals = Math.max(0, -Math.max(exact.exponent, item.exponent))
  return { kind: 'value', value: value === 0 ? 0 : value, decimals, coarse, raw }
}

/** A float is judged by its step at this size against the meter's own; an integer by digits lost to the catalogue's exponent. */
function isCoarse(register: ProfileRegister, step: number, exact: boolean): boolean {
  if (step === 0) return !exact
  return step > (register.resolution ?? 10 ** register.item.exponent)
}

type Scale =
  | { readonly kind: 'scale'; readonly factor: Decimal }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unread' }

function readScale(register: ProfileRegister, image: RegisterImage): Scale {
  let factor = ONE
  if (register.scaleBy) {
    const found = readPlace(register.scaleBy, image)
    if (found.kind !== 'scale') return found
    factor = found.factor
    if (register.scaleBy.as === 'power10') {
      const power = decimalToNumber(factor)
      if (!Number.isInteger(power) || Math.abs(power) > SCALE_POWER_LIMIT)
        return { kind: 'invalid', reason: `the scale register says 10^${power}` }
      factor = { digits: 1n, exponent: power }
    }
  }
  if (register.signBy) {
    const found = readPlace(register.signBy, image)
    if (found.kind !== 'scale') return found
    if (register.signBy.negative.includes(decimalToNumber(found.factor)))
      factor = { digits: -factor.digits, exponent: factor.exponent }
  }
  return { kind: 'scale', factor }
}

function readPlace(place: ProfilePlace, image: RegisterImage): Scale {
  const octets = image.get(place.span)
  if (!octets) return { kind: 'unread' }
  const decoded = decodeRegister(octets, place.spec)
  if (decoded.kind === 'number')
    return { kind: 'scale', factor: multiplyDecimals(decoded.value, place.multiplier) }
  return decoded.kind === 'missing' ? { kind: 'missing' } : { kind: 'invalid', reason: 'no number' }
}

/** Spans of a ratio. */
export function ratioSpans(ratio: ProfileRatio): RegisterSpan[] {
  return ratio.secondary ? [ratio.primary.span, ratio.secondary.span] : [ratio.primary.span]
}

/** Primary over secondary x 10^3 (items 450 and 451); a zero or senseless register is invalid. */
export function readRatio(ratio: ProfileRatio, image: RegisterImage): ItemReadout {
  const octets = ratioSpans(ratio).map(span => image.get(span))
  if (octets.some(part => part === undefined)) return { kind: 'unread' }
  const raw = octets.map(part => toHex(part as Uint8Array)).join('')
  const primary = readPlace(ratio.primary, image)
  const secondary = ratio.secondary
    ? readPlace(ratio.secondary, image)
    : ({ kind: 'scale', factor: ONE } as const)
  if (primary.kind === 'missing' || secondary.kind === 'missing') return { kind: 'missing', raw }
  if (primary.kind !== 'scale' || secondary.kind !== 'scale' || secondary.factor.digits === 0n)
    return { kind: 'invalid', reason: 'the ratio registers hold no ratio', raw }
  const { digits } = divideDecimals(primary.factor, secondary.factor, -3)
  return { kind: 'value', value: Number(digits), decimals: 3, coarse: false, raw }
}

/** The number a place holds after its scale, for plausibility only; the text of an ASCII place. */
export function readLoose(place: ProfilePlace, image: RegisterImage): number | string | undefined {
  const octets = image.get(place.span)
  const decoded = octets && decodeRegister(octets, place.spec)
  if (decoded?.kind === 'text') return decoded.text
  return decoded?.kind === 'number'
    ? decimalToNumber(multiplyDecimals(decoded.value, place.multiplier))
    : undefined
}
