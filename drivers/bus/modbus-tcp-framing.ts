import { concatBytes } from '../../proto/bytes.ts'
import { appendCrc } from '../../proto/modbus/crc.ts'

const HEADER_OCTETS = 7
/** Modbus messaging on TCP/IP 3.1.3: the length counts the unit and at most 253 octets behind it */
const MAX_LENGTH = 254
const EMPTY = new Uint8Array(0)

/**
 * RTU outside, Modbus TCP on the connection: the transaction number takes the place of the CRC and tells a late answer
 * from the one that is waited for.
 */
export class ModbusTcpFraming {
  /** answers to requests that were given up on */
  late = 0
  #transaction = 0
  #pending: Uint8Array = EMPTY

  /** An RTU request as it goes out. */
  wrap(rtu: Uint8Array): Uint8Array {
    this.#transaction = (this.#transaction + 1) & 0xffff
    const body = rtu.subarray(0, rtu.length - 2)
    const header = new Uint8Array(6)
    const view = new DataView(header.buffer)
    view.setUint16(0, this.#transaction)
    view.setUint16(4, body.length)
    return concatBytes(header, body)
  }

  /** What came in; answers to the last request come out as RTU frames. */
  unwrap(octets: Uint8Array): Uint8Array {
    this.#pending = concatBytes(this.#pending, octets)
    let out: Uint8Array = EMPTY
    while (this.#pending.length >= HEADER_OCTETS) {
      const view = new DataView(this.#pending.buffer, this.#pending.byteOffset)
      const length = view.getUint16(4)
      if (view.getUint16(2) !== 0 || length < 2 || length > MAX_LENGTH) {
        // Out of step: nothing behind this can be trusted. The request times out and the rest is dropped.
        this.#pending = EMPTY
        break
      }
      const end = 6 + length
      if (this.#pending.length < end) break
      if (view.getUint16(0) === this.#transaction)
        out = concatBytes(out, appendCrc(this.#pending.subarray(6, end)))
      else this.late++
      this.#pending = this.#pending.slice(end)
    }
    return out
  }
}
