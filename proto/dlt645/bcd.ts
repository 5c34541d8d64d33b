import { CodecError } from '../errors.ts'

/** True when every octet is FF: the meter has no such value (absent phase, class not measured). */
export function isAbsent(octets: Uint8Array): boolean {
  return octets.length > 0 && octets.every(b => b === 0xff)
}

/** Decimal digits, high first, of BCD octets that come low first; null when a nibble is above 9. */
export function decodeDigits(octets: Uint8Array): string | null {
  let out = ''
  for (let i = octets.length - 1; i >= 0; i--) {
    const b = octets[i] as number
    if (b >> 4 > 9 || (b & 15) > 9) return null
    out += `${b >> 4}${b & 15}`
  }
  return out
}

/** BCD octets, low first, of an even count of decimal digits given high first. @throws CodecError CODEC_BCD */
export function encodeDigits(digits: string): Uint8Array {
  if (!/^(?:\d\d)*$/.test(digits)) {
    throw new CodecError('CODEC_BCD', `not an even count of decimal digits: ${JSON.stringify(digits)}`)
  }
  const out = new Uint8Array(digits.length / 2)
  for (let i = 0; i < out.length; i++) {
    out[out.length - 1 - i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  }
  return out
}

/** Upper-case hexadecimal, high octet first, of octets that come low first: how values and identifiers are printed. */
export function printHigh(octets: Uint8Array): string {
  let out = ''
  for (let i = octets.length - 1; i >= 0; i--) {
    out += (octets[i] as number).toString(16).padStart(2, '0').toUpperCase()
  }
  return out
}
