import type { Priority } from '../../agent/ports.ts'

/** What a bus counts, by name, since it was opened. */
export type CounterName =
  | 'exchanges'
  | 'replies'
  | 'silent'
  | 'garbage'
  | 'skipped'
  | 'probes'
  /** an answer to a request that was given up on */
  | 'late'
  /** requests that came back to us, in whole or in part */
  | 'echo'
  | 'echoPartial'
  /** an echo that differs from what was sent: somebody spoke at the same time */
  | 'collisions'
  /** frames, and octets while nothing was asked, that are nobody's answer */
  | 'foreignFrames'
  | 'foreignOctets'
  | 'noiseOctets'
  /** questions of another master; waits for an answer to it; answers of ours that may have been to it */
  | 'foreignRequests'
  | 'backOffs'
  | 'contested'
  /** the line was never quiet for as long as a request needs */
  | 'jammed'
  | 'opens'
  | 'openFailures'
  /** lines lost or given up on */
  | 'reopens'
  | 'guardWaits'
  | 'sentOctets'
  | 'receivedOctets'
  | 'busyMs'
  /** of it, by who asked */
  | `${Priority}Ms`
  | 'silentMs'

export class Counters {
  readonly #counts = new Map<CounterName, number>()

  add(name: CounterName, n = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + n)
  }

  get(name: CounterName): number {
    return this.#counts.get(name) ?? 0
  }

  snapshot(): Record<string, number> {
    return Object.fromEntries([...this.#counts].map(([name, n]) => [name, Math.round(n)]))
  }
}
