import { connect, type Socket } from 'node:net'
import { concatBytes } from '../../proto/bytes.ts'
import { BusError } from './errors.ts'
import type { Line } from './line.ts'
import { ModbusTcpFraming } from './modbus-tcp-framing.ts'

const CONNECT_DEADLINE_MS = 5_000
/** First probe after this silence, then one a second, ten in all: a dead peer shows after about 15 s without traffic. */
const KEEPALIVE_MS = 5_000
/** What a serial server and the network may add to an answer. */
const NETWORK_SLACK_MS = 250
/** A peer that sends and is never listened to must not fill the memory. */
const MAX_PENDING = 65_536
const EMPTY = new Uint8Array(0)

/**
 * Connects to a serial server (raw octets) or a Modbus TCP server (framed there and back, so that the codecs see RTU).
 * @throws BusError BUS_OPEN
 */
export async function openTcpLine(host: string, port: number, framed: boolean): Promise<Line> {
  const at = `${host}:${port}`
  const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS })
  await new Promise<void>((resolve, reject) => {
    const fail = (what: string, cause?: unknown): void => {
      socket.destroy()
      reject(new BusError('BUS_OPEN', what, { at, next: 'check address, port and network', cause }))
    }
    const timer = setTimeout(
      () => fail(`no connection within ${CONNECT_DEADLINE_MS} ms`),
      CONNECT_DEADLINE_MS
    )
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.once('error', cause => {
      clearTimeout(timer)
      fail(`cannot connect: ${cause.message}`, cause)
    })
  })
  return new TcpLine(at, socket, framed ? new ModbusTcpFraming() : undefined)
}

class TcpLine implements Line {
  readonly slackMs = NETWORK_SLACK_MS
  readonly checksParity = false
  readonly paced: boolean
  readonly detail: string
  readonly #at: string
  readonly #socket: Socket
  readonly #framing: ModbusTcpFraming | undefined
  #pending: Uint8Array = EMPTY
  #lost: BusError | undefined
  #callback: (() => void) | undefined

  constructor(at: string, socket: Socket, framing: ModbusTcpFraming | undefined) {
    this.#at = at
    this.#socket = socket
    this.#framing = framing
    this.paced = framing === undefined
    this.detail = framing ? 'Modbus TCP' : 'serial server; its own port settings decide about parity'
    socket.on('data', octets => this.#receive(octets))
    socket.on('error', cause => this.#lose(cause.message, cause))
    socket.on('end', () => this.#lose('the peer closed the connection'))
    socket.on('close', () => this.#lose('the connection is closed'))
  }

  write(octets: Uint8Array): void {
    if (this.#lost) throw this.#lost
    // What an earlier request left in a peer that no longer takes anything would all arrive at once later.
    if (this.#socket.writableLength > 0) {
      this.#lose('the peer takes no octets')
      throw this.#lost as unknown as BusError
    }
    this.#socket.write(this.#framing ? this.#framing.wrap(octets) : octets)
  }

  take(): Uint8Array {
    if (this.#pending.length === 0) {
      if (this.#lost) throw this.#lost
      return EMPTY
    }
    const octets = this.#pending
    this.#pending = EMPTY
    return octets
  }

  onReadable(callback: () => void): void {
    if (this.#pending.length > 0 || this.#lost) setImmediate(callback)
    else this.#callback = callback
  }

  ignoreReadable(): void {
    this.#callback = undefined
  }

  async apply(): Promise<void> {
    // Line settings are the serial server's own.
  }

  moved(): boolean {
    return false
  }

  errorCounters(): Readonly<Record<string, number>> {
    const late = this.#framing?.late ?? 0
    return late > 0 ? { lateTransactions: late } : {}
  }

  async close(): Promise<void> {
    this.#lose('closed')
  }

  #receive(octets: Uint8Array): void {
    const clear = this.#framing ? this.#framing.unwrap(octets) : octets
    if (clear.length === 0) return
    if (this.#pending.length + clear.length <= MAX_PENDING) this.#pending = concatBytes(this.#pending, clear)
    this.#notify()
  }

  #lose(what: string, cause?: unknown): void {
    this.#lost ??= new BusError('BUS_HANGUP', what, {
      at: this.#at,
      next: 'check the serial server; it is connected again by itself',
      cause
    })
    this.#socket.destroy()
    this.#notify()
  }

  #notify(): void {
    const waiting = this.#callback
    this.#callback = undefined
    waiting?.()
  }
}
