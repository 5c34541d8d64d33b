import { CodecError } from '../errors.ts'

/** Which edition of the standard a meter speaks: DL/T 645-2007 or DL/T 645-1997. */
export type Edition = '2007' | '1997'

/**
 * A meter's address as printed on it: 12 characters, high digit first, each pair two decimal digits or `AA` (any).
 * On the line the low pair goes first.
 */
export type MeterAddress = string & { readonly meterAddress: true }

const SHAPE = /^(?:\d\d|AA){6}$/

/** Every meter on the line: only for requests that nobody answers (clause on broadcast time and freeze). */
export const BROADCAST_ADDRESS = '999999999999' as MeterAddress

/** Whichever meter hears it: for a line with one meter, and for searching. */
export const WILDCARD_ADDRESS = 'AAAAAAAAAAAA' as MeterAddress

/**
 * Parses an address of 1 to 12 decimal digits, or 12 characters with `AA` for pairs that may be anything.
 * A short one is padded in the high digits: with 0 in 2007, with AA in 1997.
 * @throws CodecError CODEC_ADDRESS
 */
export function parseAddress(text: string, edition: Edition = '2007'): MeterAddress {
  const upper = text.trim().toUpperCase()
  if (SHAPE.test(upper)) return upper as MeterAddress
  if (!/^\d{1,12}$/.test(upper)) {
    throw new CodecError('CODEC_ADDRESS', `not a meter address: ${JSON.stringify(text)}`, {
      next: 'give up to 12 decimal digits, or AA for pairs that may be anything'
    })
  }
  const even = upper.length % 2 === 0 ? upper : `0${upper}`
  return even.padStart(12, edition === '1997' ? 'A' : '0') as MeterAddress
}

/** The address with its leading 00 pairs turned into AA: how many 1997 masters pad, and some 1997 meters expect. */
export function padWithWildcards(address: MeterAddress): MeterAddress {
  const zeros = /^(?:00)*/.exec(address)?.[0].length ?? 0
  return `${'A'.repeat(Math.min(zeros, 10))}${address.slice(Math.min(zeros, 10))}` as MeterAddress
}

/** Six octets as they go on the line, low pair first. */
export function encodeAddress(address: MeterAddress): Uint8Array {
  const out = new Uint8Array(6)
  for (let i = 0; i < 6; i++) out[i] = Number.parseInt(address.slice(10 - 2 * i, 12 - 2 * i), 16)
  return out
}

/** Twelve upper-case hexadecimal characters of six octets; no promise that they are decimal (see {@link isMeterAddress}). */
export function decodeAddress(octets: Uint8Array): string {
  let out = ''
  for (let i = 5; i >= 0; i--) out += (octets[i] as number).toString(16).padStart(2, '0').toUpperCase()
  return out
}

/** True when the text can stand in a request: decimal pairs or AA. */
export function isMeterAddress(text: string): text is MeterAddress {
  return SHAPE.test(text)
}

/** What an address stands for. */
export function addressKind(address: string): 'broadcast' | 'wildcard' | 'shortened' | 'single' {
  if (address === BROADCAST_ADDRESS) return 'broadcast'
  if (address === WILDCARD_ADDRESS) return 'wildcard'
  return /^(?:..)*?AA/.test(address) ? 'shortened' : 'single'
}

/**
 * Whether an answer from `answered` can be to a question sent to `asked`.
 * AA in the question stands for any pair. An answer that itself says AA counts only where the question said AA
 * (some meters answer with the wildcard as their own address). In 1997 a read sent to 99..99 is answered by real meters.
 */
export function answersTo(asked: MeterAddress, answered: string, edition: Edition): boolean {
  if (asked === answered) return true
  if (asked === BROADCAST_ADDRESS) return edition === '1997'
  if (answered === WILDCARD_ADDRESS) return asked.includes('AA')
  for (let i = 0; i < 12; i += 2) {
    const want = asked.slice(i, i + 2)
    if (want !== 'AA' && want !== answered.slice(i, i + 2)) return false
  }
  return true
}
