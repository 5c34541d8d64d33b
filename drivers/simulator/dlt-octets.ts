/**
 * The simulator's own small encoders. They share nothing with proto/dlt645 on purpose: a mistake there cannot hide behind the
 * same mistake here.
 */

/** Decimal digits, two an octet, low octet first. Digits beyond the size are cut off, as a register rolls over. */
export function digits(value: number, octets: number): number[] {
  let rest = Math.abs(Math.round(value))
  const out: number[] = []
  for (let n = 0; n < octets; n++) {
    const pair = rest % 100
    out.push(((pair / 10) << 4) | (pair % 10))
    rest = Math.floor(rest / 100)
  }
  return out
}

/** As {@link digits}, with the sign in the top bit of the highest octet. */
export function signedDigits(value: number, octets: number): number[] {
  const out = digits(value, octets)
  if (value < 0) out[octets - 1] = (out[octets - 1] as number) | 0x80
  return out
}

/** The octets that say "no such value". */
export function absent(octets: number): number[] {
  return new Array<number>(octets).fill(0xff)
}

/** Text, last character first, padded with blanks in front. */
export function text(value: string, octets: number): number[] {
  return [...value.slice(0, octets).padEnd(octets, ' ')].map(c => c.charCodeAt(0)).reverse()
}

/** 12 digits as A0..A5. */
export function addressOctets(address: string): number[] {
  const padded = address.padStart(12, '0')
  return [5, 4, 3, 2, 1, 0].map(n => Number.parseInt(padded.slice(2 * n, 2 * n + 2), 16))
}

/** A whole frame: FE, 68 A0..A5 68 C L DATA+33 CS 16. @param address A0..A5 */
export function dltFrame(
  address: readonly number[],
  control: number,
  data: readonly number[],
  preamble = 0
): number[] {
  const body = [0x68, ...address, 0x68, control, data.length, ...data.map(octet => (octet + 0x33) & 0xff)]
  const sum = body.reduce((total, octet) => total + octet, 0) & 0xff
  return [...new Array<number>(preamble).fill(0xfe), ...body, sum, 0x16]
}
