/** The simulator's own Modbus encoders; they share nothing with proto/modbus on purpose. */

/** CRC-16 of Modbus: polynomial A001 reflected, start FFFF; low octet goes first on the line. */
export function modbusCrc(octets: ArrayLike<number>, from = 0, to = octets.length): number {
  let crc = 0xffff
  for (let i = from; i < to; i++) {
    crc ^= octets[i] as number
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
  }
  return crc
}

export function modbusFrame(body: readonly number[]): number[] {
  const crc = modbusCrc(body)
  return [...body, crc & 0xff, crc >> 8]
}

/** True when the octets from `from` to the end close with the right CRC. */
export function endsWithCrc(octets: readonly number[], from: number): boolean {
  const end = octets.length - 2
  if (end - from < 2) return false
  const crc = modbusCrc(octets, from, end)
  return octets[end] === (crc & 0xff) && octets[end + 1] === crc >> 8
}
