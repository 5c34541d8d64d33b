/** Reopening a line on which nobody answers: first after this long, then ever more rarely. */
const SERIAL_MUTE_MS = 60_000
const TCP_MUTE_MS = 15_000
const MAX_MUTE_MS = 600_000
const MIN_SILENT = 3

/**
 * An open port proves nothing: adapters hang and connections stay half open without an error. Alive is a line from which
 * octets come; one that has been asked and stayed mute is opened anew.
 */
export class Liveness {
  #silent = 0
  #sinceMs: number | undefined
  #patienceMs: number
  readonly #firstPatienceMs: number

  /** @param isLocal no network stands between: one may swallow everything for ever without an error */
  constructor(isLocal: boolean) {
    this.#firstPatienceMs = isLocal ? SERIAL_MUTE_MS : TCP_MUTE_MS
    this.#patienceMs = this.#firstPatienceMs
  }

  noteOctets(): void {
    this.#silent = 0
    this.#sinceMs = undefined
    this.#patienceMs = this.#firstPatienceMs
  }

  /** A request stayed without a single octet. @returns true when the line should be opened anew */
  noteSilence(nowMs: number): boolean {
    this.#silent++
    this.#sinceMs ??= nowMs
    if (this.#silent < MIN_SILENT || nowMs - this.#sinceMs < this.#patienceMs) return false
    this.#silent = 0
    this.#sinceMs = undefined
    this.#patienceMs = Math.min(MAX_MUTE_MS, this.#patienceMs * 2)
    return true
  }
}
