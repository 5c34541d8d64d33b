/**
 * Order of the octets of a value that fills one or more registers. A B C D are the octets from the most significant down:
 * ABCD big-endian, CDAB low register first, BADC octets of each register swapped, DCBA little-endian.
 * Makers differ, and on some meters it is a setting, so it is data and never code.
 */
export type ByteOrder = 'ABCD' | 'CDAB' | 'BADC' | 'DCBA'

export const BYTE_ORDERS: readonly ByteOrder[] = ['ABCD', 'CDAB', 'BADC', 'DCBA']

/**
 * Octets as on the wire to big-endian; the same function turns them back. A single register knows only AB and BA.
 * Values of three or four registers follow their pattern: CDAB reverses the registers, DCBA all octets.
 */
export function reorderOctets(octets: Uint8Array, order: ByteOrder): Uint8Array {
  const out = new Uint8Array(octets.length)
  const registers = octets.length / 2
  const reverse = order === 'CDAB' || order === 'DCBA'
  const swap = order === 'BADC' || order === 'DCBA' ? 1 : 0
  for (let i = 0; i < registers; i++) {
    const from = 2 * (reverse ? registers - 1 - i : i)
    out[2 * i] = octets[from + swap] as number
    out[2 * i + 1] = octets[from + 1 - swap] as number
  }
  return out
}
