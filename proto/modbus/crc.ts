/** CRC-16 of Modbus over serial line: reflected polynomial A001H, start FFFFH, low octet sent first (Modbus serial line guide 6.2.2). */

const TABLE = Uint16Array.from({ length: 256 }, (_, octet) => {
  let crc = octet
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
  return crc
})

/** CRC of octets[start, end). */
export function crc16(octets: Uint8Array, start = 0, end = octets.length): number {
  let crc = 0xffff
  for (let i = start; i < end; i++)
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (octets[i] as number)) & 0xff] as number)
  return crc
}

/** The octets with their CRC behind them. */
export function appendCrc(octets: Uint8Array): Uint8Array {
  const out = new Uint8Array(octets.length + 2)
  out.set(octets)
  const crc = crc16(octets)
  out[octets.length] = crc & 0xff
  out[octets.length + 1] = crc >>> 8
  return out
}

/** True when the last two of octets[start, end) are the CRC of those before. */
export function hasValidCrc(octets: Uint8Array, start = 0, end = octets.length): boolean {
  if (end - start < 4) return false
  const crc = crc16(octets, start, end - 2)
  return octets[end - 2] === (crc & 0xff) && octets[end - 1] === crc >>> 8
}
