import type { LineSetting } from './bus.ts'

/** An open line: octets out, octets in. Loss of the line is a BusError out of `write` or `take`. */
export interface Line {
  /** for people: what kind of line, whether receive parity is checked */
  readonly detail: string
  /** false where no baud rate stands between the octets */
  readonly paced: boolean
  /** false where wrong octets come through: without parity, or where the port does not check it */
  readonly checksParity: boolean
  /** what the way to the wire may add to any wait: 0 on a local port */
  readonly slackMs: number
  write(octets: Uint8Array): void
  /** Takes what has come; an empty string when nothing has. */
  take(): Uint8Array
  /** Calls once when octets have come or the line is lost. A second call replaces the first. */
  onReadable(callback: () => void): void
  ignoreReadable(): void
  /** Changes the line setting between two transactions. */
  apply(setting: LineSetting): Promise<void>
  /** True when the path leads to another device by now: renamed or plugged anew. */
  moved(): boolean
  /** The adapter's own error counters, where it has them. */
  errorCounters(): Readonly<Record<string, number>>
  /** Never takes longer than two seconds. */
  close(): Promise<void>
}
