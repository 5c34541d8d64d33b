import { equalBytes, fromUtf8 } from '../bytes.ts'
import { formatScaled } from '../decimal.ts'
import { CodecError } from '../errors.ts'
import { decodeDigits, isAbsent, printHigh } from './bcd.ts'

/**
 * How octets of one field are read. Written as in the standard's tables:
 * `XXXXXX.XX` BCD number, `±XX.XXXX` with the sign in its top bit, `YYMMDDhhmm` and the like a date or time,
 * `N12` twelve digits kept as text, `ASCII:32` text, `BITS:2` a bit word, `HEX:4` octets shown high first.
 */
export type FieldFormat =
  | { readonly kind: 'number'; readonly octets: number; readonly exponent: number; readonly signed: boolean }
  | { readonly kind: 'time'; readonly octets: number; readonly layout: string }
  | { readonly kind: 'digits' | 'ascii' | 'bits' | 'hex'; readonly octets: number }

/** One field of a data item. */
export interface Field {
  readonly key: string
  readonly format: FieldFormat
  readonly unit: string
  /** this field and those behind it come again until the data ends */
  readonly repeats: boolean
}

/** A field's value. What the meter does wrong is a kind of its own; nothing here throws. */
export type FieldValue =
  | { readonly kind: 'number'; readonly value: number; readonly exponent: number; readonly text: string }
  /** digits high first, e.g. "2611230015" with layout "YYMMDDhhmm" */
  | { readonly kind: 'time'; readonly text: string; readonly layout: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bits'; readonly word: number; readonly text: string }
  /** FF in every octet: there is no such value */
  | { readonly kind: 'absent' }
  /** digits above 9 where only decimal ones can be; `text` are the octets, high first */
  | { readonly kind: 'invalid'; readonly text: string }

const TIME_LETTERS = /^(?:YY|MM|DD|WW|hh|mm|ss|NN)+$/

/** Parses a format as the tables write it. @throws CodecError CODEC_SHAPE */
export function parseFieldFormat(text: string): FieldFormat {
  const number = /^(±?)(X+)(?:\.(X+))?$/.exec(text)
  if (number) {
    const digits = (number[2] as string).length + (number[3]?.length ?? 0)
    if (digits <= 14) {
      return {
        kind: 'number',
        octets: Math.ceil(digits / 2),
        exponent: 0 - (number[3]?.length ?? 0),
        signed: number[1] !== ''
      }
    }
  }
  if (TIME_LETTERS.test(text)) return { kind: 'time', octets: text.length / 2, layout: text }
  const sized = /^(ASCII|BITS|HEX):(\d{1,3})$/.exec(text)
  if (sized) {
    const kind = (sized[1] as string).toLowerCase() as 'ascii' | 'bits' | 'hex'
    return { kind, octets: Number(sized[2]) }
  }
  const digits = /^N(\d{1,2})$/.exec(text)
  if (digits && Number(digits[1]) % 2 === 0) return { kind: 'digits', octets: Number(digits[1]) / 2 }
  throw new CodecError('CODEC_SHAPE', `not a field format: ${JSON.stringify(text)}`, {
    next: 'write XXXXXX.XX, ±XX.XXXX, YYMMDDhhmm, N12, ASCII:32, BITS:2 or HEX:4'
  })
}

/**
 * Parses fields written as `key:FORMAT unit`, separated by ` | `; a `*` after a key lets it and what follows repeat to the end.
 * @throws CodecError CODEC_SHAPE
 */
export function parseFields(text: string): Field[] {
  return text.split('|').map(part => {
    const match = /^\s*([A-Za-z][\w-]*)(\*?):(\S+)(?:\s+(\S+))?\s*$/.exec(part)
    if (!match) throw new CodecError('CODEC_SHAPE', `not a field: ${JSON.stringify(part.trim())}`)
    return {
      key: match[1] as string,
      format: parseFieldFormat(match[3] as string),
      unit: match[4] ?? '',
      repeats: match[2] === '*'
    }
  })
}

/** Octets the fields take together; a repeating one counted once. */
export function fieldsOctets(fields: readonly Field[]): number {
  return fields.reduce((sum, field) => sum + field.format.octets, 0)
}

/** Reads one field. Total: any octets give a value. */
export function decodeField(format: FieldFormat, octets: Uint8Array): FieldValue {
  if (isAbsent(octets) && format.kind !== 'bits') return { kind: 'absent' }
  switch (format.kind) {
    case 'number':
      return decodeNumber(octets, format.exponent, format.signed)
    case 'time': {
      const digits = decodeDigits(octets)
      return digits === null
        ? { kind: 'invalid', text: printHigh(octets) }
        : { kind: 'time', text: digits, layout: format.layout }
    }
    case 'digits': {
      // An address may be padded with AA; anything else above 9 is no digit.
      const text = printHigh(octets)
      return /^(?:AA)*\d*$/.test(text) ? { kind: 'text', text } : { kind: 'invalid', text }
    }
    case 'ascii':
      return decodeAscii(octets)
    case 'bits': {
      const word = octets.reduceRight((sum, b) => sum * 256 + b, 0)
      return { kind: 'bits', word, text: printHigh(octets) }
    }
    case 'hex':
      return { kind: 'text', text: printHigh(octets) }
  }
}

function decodeNumber(octets: Uint8Array, exponent: number, signed: boolean): FieldValue {
  const magnitude = octets.slice()
  const top = magnitude.length - 1
  const negative = signed && ((magnitude[top] as number) & 0x80) !== 0
  if (negative) magnitude[top] = (magnitude[top] as number) & 0x7f
  const digits = decodeDigits(magnitude)
  if (digits === null) return { kind: 'invalid', text: printHigh(octets) }
  const value = negative ? 0 - Number(digits) : Number(digits)
  return { kind: 'number', value: value === 0 ? 0 : value, exponent, text: formatScaled(value, exponent) }
}

function decodeAscii(octets: Uint8Array): FieldValue {
  const reversed = octets.slice().reverse()
  const kept = reversed.filter(b => b !== 0)
  if (kept.every(b => b >= 0x20 && b < 0x7f)) return { kind: 'text', text: fromUtf8(kept).trim() }
  return { kind: 'invalid', text: printHigh(octets) }
}

/** True when octets behind the last value are only a vendor's padding: 00, AA, DD or FF all through. */
export function isPadding(octets: Uint8Array): boolean {
  const first = octets[0] ?? 0
  return (
    [0x00, 0xaa, 0xdd, 0xff].includes(first) && equalBytes(octets, new Uint8Array(octets.length).fill(first))
  )
}
