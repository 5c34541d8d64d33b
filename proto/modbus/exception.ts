/** Exception codes of an error answer (Modbus application protocol, section 7). */
const NAMES: Readonly<Record<number, string>> = {
  1: 'illegal function',
  2: 'illegal data address',
  3: 'illegal data value',
  4: 'server device failure',
  5: 'acknowledge',
  6: 'server device busy',
  7: 'negative acknowledge',
  8: 'memory parity error',
  10: 'gateway path unavailable',
  11: 'gateway target device failed to respond'
}

/** The name of an exception code, e.g. 2 -> "illegal data address". */
export function exceptionName(code: number): string {
  return NAMES[code] ?? `exception ${code}`
}

/** True for 05 and 06: the meter is at work and wants to be asked again later. */
export function isBusyException(code: number): boolean {
  return code === 5 || code === 6
}

/** True for 02 and 03: the range asked for is refused, smaller ranges in it may be answered. */
export function isRangeException(code: number): boolean {
  return code === 2 || code === 3
}

/** Exception code as two upper-case hexadecimal digits, e.g. "02". */
export function formatException(code: number): string {
  return code.toString(16).toUpperCase().padStart(2, '0')
}
