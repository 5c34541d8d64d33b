import type { Clock, Log } from '../../agent/ports.ts'
import { type BusConfig, parsePort } from './config.ts'
import type { Counters } from './counters.ts'
import { BusError } from './errors.ts'
import type { Line } from './line.ts'
import { openSerialLine } from './serial-line.ts'
import { openTcpLine } from './tcp-line.ts'

const FIRST_RETRY_MS = 250
/** An adapter that comes back is in use again within this, well under ten seconds. */
const MAX_RETRY_MS = 4_000
/** A native close that has not come back by then never will (node-serialport#2117): the line is given up as it is. */
const CLOSE_DEADLINE_MS = 2_000

export type LineOpener = (config: BusConfig) => Promise<Line>

/** Opens the line a port names. */
export function openLine(config: BusConfig): Promise<Line> {
  const port = parsePort(config.port)
  return port.kind === 'serial'
    ? openSerialLine(port.path, config)
    : openTcpLine(port.host, port.port, port.kind === 'modbus-tcp')
}

/** Keeps one line open: opens it, and opens it again with growing delay whenever it is lost, for ever. */
export class LineKeeper {
  readonly #config: BusConfig
  readonly #open: LineOpener
  readonly #clock: Clock
  readonly #log: Log
  readonly #counters: Counters
  readonly #closing = new AbortController()
  readonly #onOpen: (line: Line) => void
  #line: Line | undefined
  #attempt: Promise<void> | undefined
  #running: Promise<void> | undefined
  #detail = 'opening'
  #tried = false

  /** @param onOpen called with every line that was opened */
  constructor(
    config: BusConfig,
    deps: { readonly open: LineOpener; readonly clock: Clock; readonly log: Log },
    counters: Counters,
    onOpen: (line: Line) => void
  ) {
    this.#config = config
    this.#open = deps.open
    this.#clock = deps.clock
    this.#log = deps.log
    this.#counters = counters
    this.#onOpen = onOpen
  }

  get state(): 'open' | 'opening' | 'down' {
    if (this.#line) return 'open'
    return this.#tried ? 'down' : 'opening'
  }

  get detail(): string {
    return this.#line?.detail ?? this.#detail
  }

  get current(): Line | undefined {
    return this.#line
  }

  /** Begins to keep the line. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** The line; undefined when it is down. Waits for the first attempt, and for one that is under way. */
  async line(): Promise<Line | undefined> {
    if (!this.#line && !this.#tried) await this.#attempt
    return this.#line
  }

  /** The line is lost, or is to be opened anew. */
  lose(reason: string): void {
    const line = this.#line
    if (!line) return
    this.#line = undefined
    this.#detail = reason
    this.#counters.add('reopens')
    this.#log.warn('bus-lost', { bus: this.#config.name, port: this.#config.port, reason })
    this.#running = this.#abandon(line).then(() => this.#run())
  }

  async close(): Promise<void> {
    this.#closing.abort(new BusError('BUS_CLOSED', 'the bus is closed', { at: this.#config.name }))
    if (this.#line) await this.#abandon(this.#line)
    this.#line = undefined
    this.#tried = true
    this.#detail = 'closed'
    await this.#running?.catch(() => undefined)
  }

  /** Closes the line, or leaves it to itself when that takes too long. */
  async #abandon(line: Line): Promise<void> {
    const done = new AbortController()
    const closing = line.close().finally(() => done.abort())
    const late = this.#clock.wait(CLOSE_DEADLINE_MS, done.signal)
    await Promise.race([closing, late]).catch(() => undefined)
    if (!done.signal.aborted) this.#log.warn('bus-close-abandoned', { bus: this.#config.name })
  }

  async #run(): Promise<void> {
    let delayMs = FIRST_RETRY_MS
    while (!this.#closing.signal.aborted && !this.#line) {
      this.#attempt = this.#tryOpen()
      await this.#attempt
      if (this.#line) return
      await this.#clock.wait(delayMs, this.#closing.signal).catch(() => undefined)
      delayMs = Math.min(MAX_RETRY_MS, delayMs * 2)
    }
  }

  async #tryOpen(): Promise<void> {
    try {
      const line = await this.#open(this.#config)
      if (this.#closing.signal.aborted) return await line.close()
      this.#line = line
      this.#counters.add('opens')
      this.#log.info('bus-open', { bus: this.#config.name, port: this.#config.port, detail: line.detail })
      this.#onOpen(line)
    } catch (error) {
      this.#counters.add('openFailures')
      const detail = error instanceof Error ? error.message : String(error)
      if (detail !== this.#detail) {
        this.#log.warn('bus-open-failed', { bus: this.#config.name, port: this.#config.port, detail })
      }
      this.#detail = detail
    } finally {
      this.#tried = true
    }
  }
}
