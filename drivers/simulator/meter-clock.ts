/** A meter's own clock: local time of its zone, off by an error that drifts until somebody sets it. */
export class MeterClock {
  readonly #utcOffsetS: number
  readonly #driftPpm: number
  #errorS: number
  #sinceS: number

  constructor(utcOffsetS: number, errorS: number, driftPpm: number, startedS: number) {
    this.#utcOffsetS = utcOffsetS
    this.#driftPpm = driftPpm
    this.#errorS = errorS
    this.#sinceS = startedS
  }

  /** Seconds the meter is ahead of true time. */
  errorAt(unixS: number): number {
    return this.#errorS + ((unixS - this.#sinceS) * this.#driftPpm) / 1e6
  }

  /** Local seconds shown at the instant. */
  localAt(unixS: number): number {
    return unixS + this.#utcOffsetS + this.errorAt(unixS)
  }

  /** The instant at which the meter showed (or will show) the local seconds. */
  instantOf(localS: number, nearS: number): number {
    return localS - this.#utcOffsetS - this.errorAt(nearS)
  }

  setLocal(localS: number, unixS: number): void {
    this.#errorS = localS - unixS - this.#utcOffsetS
    this.#sinceS = unixS
  }
}
