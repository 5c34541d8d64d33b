import { EventEmitter } from 'node:events'
import modbusSerial from 'modbus-serial'
import { equalBytes } from '../../proto/bytes.ts'
import { CodecError } from '../../proto/errors.ts'
import { encodeReadRequest, type RegisterRange } from '../../proto/modbus/request.ts'
import type { Bus, BusOutcome, ExchangeOptions } from '../bus/bus.ts'

/** What one request brought. */
export type RangeAnswer =
  | {
      readonly kind: 'registers'
      /** two octets a register, as on the wire */
      readonly octets: Uint8Array
      readonly reply: Extract<BusOutcome, { kind: 'reply' }>
    }
  | {
      readonly kind: 'exception'
      readonly code: number
      readonly reply: Extract<BusOutcome, { kind: 'reply' }>
    }
  | Exclude<BusOutcome, { kind: 'reply' }>

/**
 * modbus-serial over the shared bus. The library builds and parses the frames; its port is the bus's transaction, so its own
 * timer (never set) and its buffering can neither hold the line nor take a late answer for a new one: it sees a frame only
 * after the bus has matched it. What it builds is compared with the read request of proto/modbus before anything is sent.
 */
export class ModbusClient {
  readonly #bus: Bus
  readonly #options: ExchangeOptions
  readonly #port = new BusPort()
  readonly #client = new modbusSerial.default(this.#port)

  constructor(bus: Bus, options: ExchangeOptions) {
    this.#bus = bus
    this.#options = options
    this.#client.open()
  }

  /** Asks for one range. Rejects only when the signal aborts. @throws CodecError when the range is none */
  async read(range: RegisterRange, turnaroundMaxMs: number): Promise<RangeAnswer> {
    const request = encodeReadRequest(range, turnaroundMaxMs)
    let parsed: { octets: Uint8Array } | { fault: Error } | undefined
    const settle = (error: Error | null, result: { readonly buffer: Uint8Array }) => {
      parsed = error ? { fault: error } : { octets: Uint8Array.from(result.buffer) }
    }
    const ask = range.function === 3 ? this.#client.writeFC3 : this.#client.writeFC4
    ask.call(this.#client, range.unit, range.address, range.count, settle)
    if (!this.#port.written || !equalBytes(this.#port.written, request.octets))
      throw new CodecError('CODEC_FORBIDDEN_CONTROL', 'the library built another request than was meant', {
        at: request.asked
      })
    const reply = await this.#bus.exchange(request, this.#options)
    if (reply.kind !== 'reply') return reply
    this.#port.emit('data', Buffer.from(reply.frame))
    if (parsed && 'octets' in parsed) return { kind: 'registers', octets: parsed.octets, reply }
    const code = parsed && 'modbusCode' in parsed.fault ? Number(parsed.fault.modbusCode) : undefined
    if (code !== undefined) return { kind: 'exception', code, reply }
    return { kind: 'garbage', octets: reply.frame, reason: parsed?.fault.message ?? 'not parsed' }
  }
}

/** What modbus-serial takes for a serial port: keeps what is written, and gives what the bus brought. */
class BusPort extends EventEmitter {
  readonly isOpen = true
  written: Uint8Array | undefined

  open(done: (error: null) => void): void {
    done(null)
  }

  close(done: () => void): void {
    done()
  }

  write(octets: Uint8Array): void {
    this.written = Uint8Array.from(octets)
  }
}
