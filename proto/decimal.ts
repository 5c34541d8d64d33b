import { CodecError } from './errors.ts'

/**
 * Exact decimal text of a scaled integer: value x 10^exponent, e.g. (12345, -2) -> "123.45", (-5, -3) -> "-0.005".
 * The count of decimals is the exponent's, so that the resolution shows.
 */
export function formatScaled(value: number | bigint, exponent: number): string {
  const negative = value < 0
  const digits = (negative ? -BigInt(value) : BigInt(value)).toString()
  const sign = negative ? '-' : ''
  if (exponent >= 0) return sign + (digits === '0' ? '0' : digits + '0'.repeat(exponent))
  const places = -exponent
  const padded = digits.padStart(places + 1, '0')
  return `${sign}${padded.slice(0, -places)}.${padded.slice(-places)}`
}

/**
 * Parses decimal text to an integer scaled by 10^exponent, exactly.
 * @throws CodecError CODEC_RANGE when the text is no decimal, has digits below the exponent, or leaves the safe integers
 */
export function parseScaled(text: string, exponent: number): number {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(text.trim())
  if (!match) throw new CodecError('CODEC_RANGE', `not a decimal: ${JSON.stringify(text)}`)
  const fraction = match[3] ?? ''
  const digits = BigInt(`${match[2]}${fraction}`)
  return rescale(match[1] === '-' ? -digits : digits, -fraction.length, exponent)
}

/**
 * Moves an integer from one decimal exponent to another, exactly.
 * @throws CodecError CODEC_RANGE when digits would be lost or the result leaves the safe integers
 */
export function rescale(value: number | bigint, from: number, to: number): number {
  let big = BigInt(value)
  if (from >= to) big *= 10n ** BigInt(from - to)
  else {
    const divisor = 10n ** BigInt(to - from)
    if (big % divisor !== 0n)
      throw new CodecError('CODEC_RANGE', `${value}e${from} does not fit exponent ${to} exactly`)
    big /= divisor
  }
  const out = Number(big)
  if (!Number.isSafeInteger(out))
    throw new CodecError('CODEC_RANGE', `${value}e${from} leaves the safe integers at exponent ${to}`)
  return out
}
