import type { ReadFunction } from './function-code.ts'
import type { RegisterSpan } from './read-plan.ts'

/** Registers of one meter as far as they have been read. */
export class RegisterImage {
  private readonly words = new Map<number, number>()

  /** Keeps the registers of an answer, two octets each, from `address` up. */
  put(table: ReadFunction, address: number, octets: Uint8Array): void {
    for (let i = 0; 2 * i + 1 < octets.length; i++)
      this.words.set(
        keyOf(table, address + i),
        ((octets[2 * i] as number) << 8) | (octets[2 * i + 1] as number)
      )
  }

  /** The octets of a span as on the wire; undefined when any register of it has not been read. */
  get(span: RegisterSpan): Uint8Array | undefined {
    const out = new Uint8Array(2 * span.count)
    for (let i = 0; i < span.count; i++) {
      const word = this.words.get(keyOf(span.function, span.address + i))
      if (word === undefined) return undefined
      out[2 * i] = word >>> 8
      out[2 * i + 1] = word & 0xff
    }
    return out
  }
}

function keyOf(table: ReadFunction, address: number): number {
  return table * 0x10000 + address
}
