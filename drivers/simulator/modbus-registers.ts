/** How a value lies in registers. */
export type RegisterCoding =
  | 'u16'
  | 'i16'
  | 'u32'
  | 'i32'
  | 'u48'
  | 'u64'
  | 'i64'
  | 'f32'
  | 'f64'
  | 'bcd'
  | 'mod10'
  | 'ascii'
  | 'bits'
export type WordOrder = 'ABCD' | 'CDAB' | 'BADC' | 'DCBA'

const REGISTERS: Readonly<Partial<Record<RegisterCoding, number>>> = {
  u32: 2,
  i32: 2,
  u48: 3,
  u64: 4,
  i64: 4,
  f32: 2,
  f64: 4
}

/** Registers a value fills where nothing else is said. */
export function registersOf(coding: RegisterCoding): number {
  return REGISTERS[coding] ?? 1
}

/**
 * Octets of a value in registers. Numbers that are too large are cut as a register rolls over.
 * @param value text for 'ascii' and 'hex' (big-endian octets as hexadecimal), a number for all others
 */
export function encodeRegisters(
  value: number | string,
  coding: RegisterCoding | 'hex',
  order: WordOrder,
  registers: number
): number[] {
  const words: number[][] = []
  const big = bigEndian(value, coding, 2 * registers)
  for (let at = 0; at < big.length; at += 2) words.push(big.slice(at, at + 2))
  if (order === 'CDAB' || order === 'DCBA') words.reverse()
  return (order === 'BADC' || order === 'DCBA' ? words.map(word => word.reverse()) : words).flat()
}

function bigEndian(value: number | string, coding: RegisterCoding | 'hex', size: number): number[] {
  if (coding === 'hex')
    return Array.from({ length: size }, (_, n) => Number.parseInt(String(value).slice(2 * n, 2 * n + 2), 16))
  if (coding === 'ascii')
    return [...String(value).padEnd(size, '\0').slice(0, size)].map(c => c.charCodeAt(0))
  const number = Number(value)
  const octets = new Uint8Array(8)
  const view = new DataView(octets.buffer)
  switch (coding) {
    case 'f32':
      view.setFloat32(0, number)
      return [...octets.subarray(0, 4)]
    case 'f64':
      view.setFloat64(0, number)
      return [...octets]
    case 'bcd':
      return bigEndian(
        String(Math.round(number))
          .padStart(2 * size, '0')
          .slice(-2 * size),
        'hex',
        size
      )
    case 'mod10': {
      const digits = String(Math.abs(Math.round(number)))
        .padStart(2 * size, '0')
        .slice(-2 * size)
      const parts = Array.from({ length: size / 2 }, (_, n) => Number(digits.slice(4 * n, 4 * n + 4)))
      return parts.flatMap(part => bigEndian(number < 0 ? -part : part, 'i16', 2))
    }
    default:
      view.setBigUint64(0, BigInt.asUintN(64, BigInt(Math.round(number))))
      return [...new Uint8Array(Math.max(0, size - 8)), ...octets.subarray(Math.max(0, 8 - size))]
  }
}
