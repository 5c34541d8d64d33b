/** A frame as a meter takes it off the line. */
export interface HeardFrame {
  /** A0..A5 */
  readonly address: readonly number[]
  readonly control: number
  /** without the +33 */
  readonly data: readonly number[]
  /** octets fed after its last one */
  readonly behind: number
}

const LONGEST = 12 + 255

/** Finds frames in what a meter hears: any octets before, between and after them. */
export class DltListener {
  #held: number[] = []

  /** A pause of more than 500 ms between octets ends whatever had begun. */
  reset(): void {
    this.#held = []
  }

  feed(octets: Uint8Array): HeardFrame[] {
    const held = this.#held
    for (const octet of octets) held.push(octet)
    const frames: HeardFrame[] = []
    let at = 0
    while (at < held.length) {
      const size = frameSize(held, at)
      if (size === 0) at++
      else if (at + size > held.length) break
      else if (isWhole(held, at, size)) {
        frames.push({
          address: held.slice(at + 1, at + 7),
          control: held[at + 8] as number,
          data: held.slice(at + 10, at + size - 2).map(octet => (octet - 0x33) & 0xff),
          behind: held.length - at - size
        })
        at += size
      } else at++
    }
    held.splice(0, Math.max(at, held.length - LONGEST))
    return frames
  }
}

/** Octets the frame starting here would need; 0 when none can start here. Too few octets to tell counts as the least frame. */
function frameSize(held: readonly number[], at: number): number {
  if (held[at] !== 0x68) return 0
  if (at + 7 < held.length && held[at + 7] !== 0x68) return 0
  return at + 9 < held.length ? 12 + (held[at + 9] as number) : 12
}

function isWhole(held: readonly number[], at: number, size: number): boolean {
  if (held[at + size - 1] !== 0x16) return false
  let sum = 0
  for (let i = at; i < at + size - 2; i++) sum += held[i] as number
  return (sum & 0xff) === held[at + size - 2]
}
