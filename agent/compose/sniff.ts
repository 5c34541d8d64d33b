import { closeSync, openSync, writeSync } from 'node:fs'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { tapLine } from '../../drivers/bus/tap.ts'
import { wireTiming } from '../../drivers/bus/timing.ts'
import type { ControlCall } from '../../drivers/control/server.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { fromHex } from '../../proto/bytes.ts'
import { type Heard, LineListener } from '../../proto/line-listener.ts'
import type { Clock } from '../ports.ts'
import { askIfRunning } from './control.ts'
import type { AdhocLine } from './line.ts'
import type { OpenedLine } from './lines.ts'

export interface SniffOptions {
  readonly protocol: 'dlt645' | 'modbus' | undefined
  /** ends by itself after this long */
  readonly seconds: number | undefined
  readonly signal: AbortSignal
  /** @param startedAtMs wall clock, unix ms, of the first octet; @param gapMs silence before it, null for the first thing heard */
  readonly onHeard: (heard: Heard, startedAtMs: number, gapMs: number | null) => void
}

/** With the daemon listening, a sign of life goes to the caller this often. */
const ALIVE_MS = 1_000
/** The daemon looks at a line only when an answer can be whole: a pause says something after this long alone. */
const PAUSE_MS = 3_000

/** One thing heard, on its way from the daemon. */
interface Told {
  readonly heard: Omit<Heard, 'octets'> & { readonly octets: string }
  readonly startedAtMs: number
  readonly gapMs: number | null
}

/**
 * Listens on a line that others use, without ever writing to it, until the signal aborts or the time is over. Where the daemon of
 * the configuration has the line, it tells what it sends and hears.
 * @returns true when the daemon told
 * @throws BusError when the port cannot be had or is lost, ControlError when the daemon may not be asked
 */
export async function sniffLine(
  settings: AdhocLine,
  options: SniffOptions,
  config?: GatewayConfig
): Promise<boolean> {
  const signals = [options.signal]
  if (options.seconds !== undefined) signals.push(AbortSignal.timeout(options.seconds * 1000))
  const signal = AbortSignal.any(signals)
  const bus = config?.buses.find(({ port }) => port === settings.port)
  if (config && bus && (await sniffDaemon(config, bus.name, { ...options, signal }))) return true
  const clock = createClock()
  const listening = new Listening(clock, settings.baud, options)
  try {
    await tapLine(
      { name: 'line', ...settings },
      {
        clock,
        signal,
        onOctets: (octets, atMs) => listening.push(octets, atMs),
        onQuiet: nowMs => listening.settle(nowMs)
      }
    )
  } finally {
    listening.finish()
  }
  return false
}

/** @returns false when no daemon runs */
async function sniffDaemon(config: GatewayConfig, bus: string, options: SniffOptions): Promise<boolean> {
  const { protocol, signal, onHeard } = options
  const onProgress = (value: unknown): void => {
    if (value === null) return
    const { heard, startedAtMs, gapMs } = value as Told
    onHeard({ ...heard, octets: fromHex(heard.octets) } as Heard, startedAtMs, gapMs)
  }
  try {
    const asking = { timeoutMs: 10 * ALIVE_MS, signal, onProgress }
    return (await askIfRunning(config, 'admin', 'sniff', { bus, protocol }, asking)) !== undefined
  } catch (error) {
    if (signal.aborted) return true
    throw error
  }
}

/** The daemon's side: tells what it sends and hears on a line until the caller goes. */
export async function tellTraffic(
  opened: Pick<OpenedLine, 'line' | 'config'>,
  clock: Clock,
  protocol: 'dlt645' | 'modbus' | undefined,
  { signal, progress }: ControlCall
): Promise<void> {
  const onHeard = (heard: Heard, startedAtMs: number, gapMs: number | null): void =>
    progress({ heard, startedAtMs, gapMs })
  const listening = new Listening(clock, opened.config.baud, { protocol, onHeard })
  let lastMs = clock.monotonicMs()
  const end = opened.line.listen((octets, atMs) => {
    lastMs = atMs
    listening.push(octets, atMs)
  })
  try {
    while (!signal.aborted) {
      await clock.wait(ALIVE_MS, signal).catch(() => undefined)
      if (clock.monotonicMs() - lastMs > PAUSE_MS) listening.settle(clock.monotonicMs())
      progress(null)
    }
  } finally {
    end()
  }
}

/** Octets in, frames and noise with their times out. */
class Listening {
  readonly #clock: Pick<Clock, 'nowMs' | 'monotonicMs'>
  readonly #listener: LineListener
  readonly #onHeard: SniffOptions['onHeard']
  #endMs: number | undefined

  constructor(
    clock: Pick<Clock, 'nowMs' | 'monotonicMs'>,
    baud: number,
    { protocol, onHeard }: Pick<SniffOptions, 'protocol' | 'onHeard'>
  ) {
    this.#clock = clock
    this.#onHeard = onHeard
    const { characterMs } = wireTiming({ baud })
    this.#listener = new LineListener({ characterMs, ...(protocol === undefined ? {} : { protocol }) })
  }

  push(octets: Uint8Array, atMs: number): void {
    this.#pass(this.#listener.push(octets, atMs))
  }

  settle(nowMs: number): void {
    this.#pass(this.#listener.settle(nowMs))
  }

  finish(): void {
    this.#pass(this.#listener.finish())
  }

  #pass(heard: readonly Heard[]): void {
    for (const one of heard) {
      const startedAtMs = this.#clock.nowMs() - (this.#clock.monotonicMs() - one.startMs)
      const gapMs = this.#endMs === undefined ? null : Math.max(0, one.startMs - this.#endMs)
      this.#onHeard(one, startedAtMs, gapMs)
      this.#endMs = one.endMs
    }
  }
}

/** A capture being written: text that `decode -` and a simulated meter's `replay` read. */
export interface CaptureFile {
  line(text: string): void
  close(): void
}

/** Begins a capture in a new file. Throws the system's error (EEXIST for a file that is there already). */
export function createCapture(path: string): CaptureFile {
  const fd = openSync(path, 'wx')
  return {
    line: text => {
      writeSync(fd, `${text}\n`)
    },
    close: () => closeSync(fd)
  }
}
