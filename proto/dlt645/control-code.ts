import { CodecError } from '../errors.ts'
import { BROADCAST_ADDRESS, decodeAddress, type Edition } from './address.ts'
import { scanFrame } from './frame.ts'

/** Control code: D7 direction (1 = meter), D6 abnormal, D5 follow-up exists, D4-D0 function. */
export const CONTROL = { fromMeter: 0x80, abnormal: 0x40, followUp: 0x20, function: 0x1f } as const

/** Requests this product can make, edition 2007. */
export const FUNCTION_2007 = {
  broadcastTime: 0x08,
  read: 0x11,
  readFollowUp: 0x12,
  readAddress: 0x13,
  freeze: 0x16
} as const

/** Requests this product can make, edition 1997. */
export const FUNCTION_1997 = { read: 0x01, readFollowUp: 0x02, reread: 0x03 } as const

const NAMES_2007: Readonly<Record<number, string>> = {
  3: 'security-authentication',
  8: 'broadcast-time',
  17: 'read-data',
  18: 'read-follow-up',
  19: 'read-address',
  20: 'write-data',
  21: 'write-address',
  22: 'freeze',
  23: 'change-baud',
  24: 'change-password',
  25: 'clear-max-demand',
  26: 'clear-meter',
  27: 'clear-events',
  28: 'relay-control',
  29: 'multi-function-terminal'
}

const NAMES_1997: Readonly<Record<number, string>> = {
  1: 'read-data',
  2: 'read-follow-up',
  3: 're-read',
  4: 'write-data',
  8: 'broadcast-time',
  10: 'write-address',
  12: 'change-baud',
  15: 'change-password',
  16: 'clear-max-demand'
}

/** Name of the function in the low five bits. */
export function functionName(control: number, edition: Edition): string {
  const names = edition === '1997' ? NAMES_1997 : NAMES_2007
  return names[control & CONTROL.function] ?? 'reserved/unknown'
}

/** The edition a control code belongs to; undefined for codes that both or neither know. */
export function editionOfControl(control: number): Edition | undefined {
  const code = control & CONTROL.function
  const in2007 = NAMES_2007[code] !== undefined
  const in1997 = NAMES_1997[code] !== undefined
  return in2007 === in1997 ? undefined : in2007 ? '2007' : '1997'
}

const ERROR_BITS = [
  'other-error',
  'no-requested-data',
  'password-wrong-or-not-authorised',
  'baud-cannot-change',
  'year-zones-exceeded',
  'day-periods-exceeded',
  'tariffs-exceeded',
  'reserved'
] as const

const SUPPLEMENT_ERROR_BITS = [
  'other-error',
  'repeated-charge',
  'esam-check-failed',
  'identity-check-failed',
  'customer-number-mismatch',
  'charge-count-wrong',
  'over-hoard-limit'
] as const

/** Names of the bits set in an error word: one octet (ERR), or two for functions 03 and 1C (SERR). */
export function errorBits(word: number, octets: number): string[] {
  const names: readonly string[] = octets === 2 ? SUPPLEMENT_ERROR_BITS : ERROR_BITS
  const out: string[] = []
  for (let bit = 0; bit < 8 * octets; bit++) {
    if ((word >> bit) & 1) out.push(names[bit] ?? `bit-${bit}`)
  }
  return out
}

/** What besides reading an operator has switched on. Nothing else can ever pass. */
export interface BeyondReading {
  /** 08 with time, to the broadcast address: meters within 5 minutes take the time over */
  readonly broadcastTime?: boolean
  /** 16: meters store their present registers beside the others */
  readonly freeze?: boolean
}

const READ_LENGTHS: Readonly<Record<number, readonly number[]>> = {
  1: [2],
  2: [2],
  // 03 is "read again" in 1997 but security authentication in the supplement of 2007, which always carries data.
  3: [0],
  17: [4, 5, 10],
  18: [5],
  19: [0]
}

/**
 * The last check before octets leave: exactly one frame behind any preamble, and it only reads.
 * @throws CodecError CODEC_FORBIDDEN_CONTROL
 */
export function assertReadOnlyDlt645(octets: Uint8Array, beyond: BeyondReading = {}): void {
  let start = 0
  while (octets[start] === 0xfe) start++
  const scan = scanFrame(octets)
  if (scan.kind !== 'frame' || scan.start !== start || scan.end !== octets.length) {
    throw forbidden('the octets are not exactly one DL/T 645 frame')
  }
  const control = octets[start + 8] as number
  const length = octets[start + 9] as number
  if (READ_LENGTHS[control]?.includes(length)) return
  const broadcast = decodeAddress(octets.subarray(start + 1, start + 7)) === BROADCAST_ADDRESS
  if (control === FUNCTION_2007.broadcastTime && beyond.broadcastTime && broadcast && length === 6) return
  if (control === FUNCTION_2007.freeze && beyond.freeze && length === 4) return
  throw forbidden(
    `control code ${control.toString(16).padStart(2, '0').toUpperCase()} with ${length} data octets`
  )
}

function forbidden(what: string): CodecError {
  return new CodecError('CODEC_FORBIDDEN_CONTROL', `refused to send: ${what}`, {
    at: 'dlt645',
    next: 'this product only reads meters; use the maker’s tool to change one'
  })
}
