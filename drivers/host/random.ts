import { randomBytes } from 'node:crypto'

/** Octets of the operating system's generator; blocks until it is seeded (getrandom). */
export function randomOctets(count: number): Uint8Array {
  return new Uint8Array(randomBytes(count))
}

/** Uniform in [0, 1), for jitter. */
export function randomFraction(): number {
  return randomBytes(6).readUIntBE(0, 6) / 2 ** 48
}
