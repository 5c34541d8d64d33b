import { fstatSync, readSync, statSync, writeSync } from 'node:fs'
import type { SerialPort } from 'serialport'
import type { LineSetting } from './bus.ts'
import type { BusConfig } from './config.ts'
import { BusError } from './errors.ts'
import type { Line } from './line.ts'
import { loadTermios, type Termios } from './termios.ts'
import { sleepUnref } from './timing.ts'

/** The binding's port as the Unix platforms have it: a descriptor and a poller on it. */
type AnyPort = Awaited<ReturnType<(typeof SerialPort)['binding']['open']>>
type UnixPort = Extract<AnyPort, { poller: unknown }>

/** A native open or close that has not come back by then never will (node-serialport#2117). */
const OPEN_DEADLINE_MS = 5_000
const CLOSE_DEADLINE_MS = 2_000
const READ_ROOM = 4096
const EMPTY = new Uint8Array(0)

/**
 * Opens and locks a serial port and switches on receive parity. Octets are read straight from the descriptor when they can
 * be there: the stream of the package wakes up and takes a thread for every single one (17 ms of CPU a transaction at 2400).
 * @throws BusError BUS_MISSING, BUS_LOCKED, BUS_PERMISSION or BUS_OPEN
 */
export async function openSerialLine(path: string, config: BusConfig): Promise<Line> {
  const { SerialPort } = await import('serialport')
  const opening: Promise<AnyPort> = SerialPort.binding.open({
    path,
    baudRate: config.baud,
    dataBits: config.dataBits ?? 8,
    stopBits: config.stopBits ?? 1,
    parity: config.parity,
    lock: true
  })
  const port = await Promise.race([opening, sleepUnref(OPEN_DEADLINE_MS)]).catch((cause: unknown) => {
    throw openError(path, cause)
  })
  if (!port) {
    // It may still open one day; nobody will want it then.
    opening.then(late => late.close()).catch(() => undefined)
    throw new BusError('BUS_OPEN', `the port did not open within ${OPEN_DEADLINE_MS} ms`, { at: path })
  }
  if (!('poller' in port) || port.fd === null) {
    await port.close()
    throw new BusError('BUS_OPEN', 'serial ports need Linux or macOS', { at: path })
  }
  return new SerialLine(path, port, port.fd, config, await loadTermios())
}

function openError(path: string, cause: unknown): BusError {
  const text = cause instanceof Error ? cause.message : String(cause)
  if (/cannot lock/i.test(text)) {
    return new BusError('BUS_LOCKED', 'another program has the port open', {
      at: path,
      next: `stop it (fuser ${path} names it; the daemon: systemctl stop wattproof)`,
      cause
    })
  }
  if (/no such (file|device)/i.test(text)) {
    return new BusError('BUS_MISSING', 'there is no such port', {
      at: path,
      next: 'plug the adapter in, or name it by /dev/serial/by-path/...',
      cause
    })
  }
  if (/permission denied/i.test(text)) {
    return new BusError('BUS_PERMISSION', 'not allowed to open the port', {
      at: path,
      next: 'add the user to the group that owns it (dialout)',
      cause
    })
  }
  return new BusError('BUS_OPEN', `cannot open the port: ${text}`, { at: path, cause })
}

class SerialLine implements Line {
  readonly paced = true
  readonly slackMs = 0
  readonly #path: string
  readonly #port: UnixPort
  readonly #fd: number
  readonly #termios: Termios | undefined
  readonly #room = new Uint8Array(READ_ROOM)
  #setting: LineSetting
  #parityChecked: boolean
  #callback: (() => void) | undefined
  #armed = false
  #closed = false

  constructor(path: string, port: UnixPort, fd: number, setting: LineSetting, termios: Termios | undefined) {
    this.#path = path
    this.#port = port
    this.#fd = fd
    this.#setting = { baud: setting.baud, parity: setting.parity }
    this.#termios = termios
    this.#parityChecked = termios?.checkParity(fd, setting.parity) ?? false
  }

  get checksParity(): boolean {
    return this.#parityChecked
  }

  get detail(): string {
    if (this.#setting.parity === 'none') return 'no parity on this line'
    return this.#parityChecked ? 'receive parity is checked' : 'receive parity is NOT checked by this port'
  }

  write(octets: Uint8Array): void {
    this.#assertOpen()
    let sent = 0
    try {
      sent = writeSync(this.#fd, octets)
    } catch (cause) {
      throw this.#lost(cause)
    }
    if (sent !== octets.length) {
      throw new BusError('BUS_WRITE', `the port took ${sent} of ${octets.length} octets`, { at: this.#path })
    }
  }

  take(): Uint8Array {
    this.#assertOpen()
    let count: number
    try {
      count = readSync(this.#fd, this.#room)
    } catch (cause) {
      const code = errnoOf(cause)
      if (code === 'EAGAIN' || code === 'EWOULDBLOCK' || code === 'EINTR') return EMPTY
      throw this.#lost(cause)
    }
    // Nothing to read is EAGAIN; an end of file is how a terminal says that its other end has gone.
    if (count === 0) throw this.#lost(undefined)
    return this.#room.slice(0, count)
  }

  onReadable(callback: () => void): void {
    this.#callback = callback
    if (this.#armed || this.#closed) return
    this.#armed = true
    this.#port.poller.once('readable', () => {
      this.#armed = false
      // The native poller calls without a callback scope: promises settled here would wait for the next timer.
      setImmediate(this.#notify)
    })
  }

  readonly #notify = (): void => {
    const waiting = this.#callback
    this.#callback = undefined
    waiting?.()
  }

  ignoreReadable(): void {
    this.#callback = undefined
  }

  async apply(setting: LineSetting): Promise<void> {
    this.#assertOpen()
    try {
      if (setting.baud !== this.#setting.baud) await this.#port.update({ baudRate: setting.baud })
    } catch (cause) {
      throw this.#lost(cause)
    }
    const parity = setting.parity !== this.#setting.parity
    this.#setting = { baud: setting.baud, parity: setting.parity }
    this.#parityChecked = this.#termios?.checkParity(this.#fd, setting.parity) ?? false
    if (parity && !this.#termios) {
      throw new BusError(
        'BUS_CONFIG',
        'cannot change parity on this platform without opening the port anew',
        {
          at: this.#path
        }
      )
    }
  }

  moved(): boolean {
    if (this.#closed) return true
    try {
      return statSync(this.#path).rdev !== fstatSync(this.#fd).rdev
    } catch {
      return true
    }
  }

  errorCounters(): Readonly<Record<string, number>> {
    return (this.#closed ? undefined : this.#termios?.lineErrors(this.#fd)) ?? {}
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#callback = undefined
    const closing = this.#port.close().catch(() => undefined)
    await Promise.race([closing, sleepUnref(CLOSE_DEADLINE_MS)])
  }

  #assertOpen(): void {
    if (this.#closed) throw new BusError('BUS_CLOSED', 'the port is closed', { at: this.#path })
  }

  #lost(cause: unknown): BusError {
    return new BusError(
      'BUS_HANGUP',
      `the port hung up${cause instanceof Error ? `: ${cause.message}` : ''}`,
      {
        at: this.#path,
        next: 'plug the adapter in again; it is opened by itself',
        cause
      }
    )
  }
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
