import { endsWithCrc } from './modbus-octets.ts'

const LONGEST = 256
const REQUEST = 8

/**
 * Finds requests in what Modbus slaves hear. A strict slave takes only what stands between two silences of 3.5 characters,
 * so a request sent too soon after another frame is lost; a lenient one finds it by its CRC.
 */
export class ModbusListener {
  readonly #silenceMs: number
  readonly #units: ReadonlySet<number>
  #held: number[] = []
  #endMs = Number.NEGATIVE_INFINITY

  constructor(silenceMs: number, units: ReadonlySet<number>) {
    this.#silenceMs = silenceMs
    this.#units = units
  }

  /** Takes octets that were on the line from `fromMs` to `untilMs`. */
  feed(octets: Uint8Array, fromMs: number, untilMs: number): void {
    if (fromMs - this.#endMs >= this.#silenceMs) this.#held = []
    for (const octet of octets) this.#held.push(octet)
    if (this.#held.length > LONGEST) this.#held.splice(0, this.#held.length - LONGEST)
    this.#endMs = untilMs
  }

  /** What a lenient slave makes of it at once: everything since the last silence, or its last eight octets. */
  findNow(): number[] | undefined {
    const held = this.#held
    const tail = held.length - REQUEST
    for (const from of tail > 0 ? [0, tail] : [0]) {
      const readable = from === 0 || ((held[from + 1] as number) >= 1 && (held[from + 1] as number) <= 6)
      if (readable && this.#units.has(held[from] as number) && endsWithCrc(held, from))
        return this.#take(from)
    }
    return undefined
  }

  /** What a strict slave makes of it once nothing has come for 3.5 characters after `untilMs`. */
  findAfterSilence(untilMs: number): number[] | undefined {
    if (untilMs !== this.#endMs || !this.#units.has(this.#held[0] as number)) return undefined
    return endsWithCrc(this.#held, 0) ? this.#take(0) : undefined
  }

  #take(from: number): number[] {
    const found = this.#held.slice(from)
    this.#held = []
    return found
  }
}
