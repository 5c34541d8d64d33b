import { crc16 } from './crc.ts'

/**
 * First octet of what is written, by function code: makers take passwords as register values (Eastron, Chint), so that no written
 * value can be told from one. Register addresses and counts stay.
 */
const WRITTEN_FROM: Readonly<Record<number, number>> = { 5: 4, 6: 4, 15: 7, 16: 7, 21: 3, 22: 4, 23: 11 }
/** A confirmation repeats the value; of blocks it repeats address and count alone. */
const CONFIRMED_FROM: Readonly<Record<number, number>> = { 5: 4, 6: 4, 21: 3, 22: 4 }

/**
 * The frame with written values blanked and the CRC made right again; the frame itself where nothing is written.
 * @param frame exactly one frame, CRC included
 */
export function redactModbus(frame: Uint8Array, direction: 'request' | 'response'): Uint8Array {
  const from = (direction === 'request' ? WRITTEN_FROM : CONFIRMED_FROM)[frame[1] as number]
  if (from === undefined || from >= frame.length - 2) return frame
  const out = frame.slice().fill(0, from, frame.length - 2)
  const crc = crc16(out, 0, out.length - 2)
  out[out.length - 2] = crc & 0xff
  out[out.length - 1] = crc >>> 8
  return out
}
