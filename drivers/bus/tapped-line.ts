import type { Clock } from '../../agent/ports.ts'
import type { LineSetting } from './bus.ts'
import type { Line } from './line.ts'
import { wireTiming } from './timing.ts'

/** @param atMs monotonic time at which the last of the octets is over; later than now for what is being sent */
export type Listener = (octets: Uint8Array, atMs: number) => void

/** Whoever wants to hear what is sent and received on a line that somebody else works on. */
export class Listeners {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #all = new Set<Listener>()

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /** @returns ends the listening */
  add(listener: Listener): () => void {
    this.#all.add(listener)
    return () => void this.#all.delete(listener)
  }

  /** The line, told of to the listeners. It stays what it is to its owner. */
  on(line: Line, setting: Pick<LineSetting, 'baud'>): Line {
    const tell = (octets: Uint8Array, leadMs: number): void => {
      for (const listener of this.#all) listener(octets, this.#clock.monotonicMs() + leadMs)
    }
    return new TappedLine(line, setting.baud, tell)
  }
}

class TappedLine implements Line {
  readonly #line: Line
  readonly #tell: (octets: Uint8Array, leadMs: number) => void
  #baud: number

  constructor(line: Line, baud: number, tell: (octets: Uint8Array, leadMs: number) => void) {
    this.#line = line
    this.#baud = baud
    this.#tell = tell
  }

  get detail(): string {
    return this.#line.detail
  }

  get paced(): boolean {
    return this.#line.paced
  }

  get checksParity(): boolean {
    return this.#line.checksParity
  }

  get slackMs(): number {
    return this.#line.slackMs
  }

  write(octets: Uint8Array): void {
    this.#line.write(octets)
    const wireMs = this.paced ? octets.length * wireTiming({ baud: this.#baud }).characterMs : 0
    this.#tell(octets, wireMs)
  }

  take(): Uint8Array {
    const octets = this.#line.take()
    if (octets.length > 0) this.#tell(octets, 0)
    return octets
  }

  onReadable(callback: () => void): void {
    this.#line.onReadable(callback)
  }

  ignoreReadable(): void {
    this.#line.ignoreReadable()
  }

  async apply(setting: LineSetting): Promise<void> {
    await this.#line.apply(setting)
    this.#baud = setting.baud
  }

  moved(): boolean {
    return this.#line.moved()
  }

  errorCounters(): Readonly<Record<string, number>> {
    return this.#line.errorCounters()
  }

  close(): Promise<void> {
    return this.#line.close()
  }
}
