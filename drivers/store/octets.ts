import { StoreError } from './errors.ts'

/** Grows as it is written: variable-length integers of up to 53 bits. Own to the store; nothing of it leaves the device. */
export class OctetWriter {
  #octets = new Uint8Array(1_024)
  #size = 0

  /** Unsigned, seven bits an octet, low bits first. */
  unsigned(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.#put((rest % 128) + 128)
      rest = Math.floor(rest / 128)
    }
    this.#put(rest)
  }

  /** Signed or null. First octet: continue, sign, six bits; minus zero is null. Exact for every safe integer. */
  signed(value: number | null): void {
    const magnitude = Math.abs(value ?? 0)
    const sign = value === null || value < 0 ? 64 : 0
    if (magnitude < 64) this.#put(sign + magnitude)
    else {
      this.#put(128 + sign + (magnitude % 64))
      this.unsigned(Math.floor(magnitude / 64))
    }
  }

  octets(bytes: Uint8Array): void {
    this.unsigned(bytes.length)
    for (const byte of bytes) this.#put(byte)
  }

  finish(): Uint8Array {
    return this.#octets.subarray(0, this.#size)
  }

  #put(octet: number): void {
    if (this.#size === this.#octets.length) {
      const larger = new Uint8Array(this.#size * 2)
      larger.set(this.#octets)
      this.#octets = larger
    }
    this.#octets[this.#size++] = octet
  }
}

/** Reads what {@link OctetWriter} wrote. @throws StoreError STORE_CORRUPT at the end of the octets */
export class OctetReader {
  readonly #octets: Uint8Array
  #at = 0

  constructor(octets: Uint8Array) {
    this.#octets = octets
  }

  unsigned(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const octet = this.#take()
      value += (octet & 127) * scale
      if (octet < 128) return value
      scale *= 128
    }
  }

  signed(): number | null {
    const first = this.#take()
    const low = first & 63
    const magnitude = first & 128 ? low + 64 * this.unsigned() : low
    if ((first & 64) === 0) return magnitude
    return magnitude === 0 ? null : -magnitude
  }

  /** A signed value where null cannot stand. */
  integer(): number {
    return this.signed() ?? 0
  }

  octets(): Uint8Array {
    const size = this.unsigned()
    if (this.#at + size > this.#octets.length) throw damaged()
    this.#at += size
    return this.#octets.slice(this.#at - size, this.#at)
  }

  get ended(): boolean {
    return this.#at === this.#octets.length
  }

  #take(): number {
    const octet = this.#octets[this.#at++]
    if (octet === undefined) throw damaged()
    return octet
  }
}

function damaged(): StoreError {
  return new StoreError('STORE_CORRUPT', 'a stored column ends early', {
    next: 'restart: the damaged file is set aside and a new epoch begins'
  })
}
