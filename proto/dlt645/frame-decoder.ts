import { concatBytes } from '../bytes.ts'
import { FRAME_OVERHEAD, scanFrame } from './frame.ts'

/** Why octets were thrown away. */
export type DiscardReason =
  /** FE that no frame followed */
  | 'preamble'
  /** looked like a frame, but its checksum or end is wrong, or it never ended */
  | 'damaged'
  /** anything else */
  | 'garbage'

export type DecoderEvent =
  | { readonly kind: 'frame'; readonly octets: Uint8Array; readonly preambleFE: number }
  | { readonly kind: 'discarded'; readonly octets: Uint8Array; readonly reason: DiscardReason }

const CHUNK = 256
const PREAMBLE_KEPT = 64

/**
 * Cuts a stream of octets into frames, whatever stands before, between and after them.
 * State stays under 1 KiB: a frame has at most 267 octets and input is taken in pieces.
 */
export class FrameDecoder {
  #pending: Uint8Array = new Uint8Array(0)

  /** Octets held back because they may begin a frame. */
  get pendingOctets(): number {
    return this.#pending.length
  }

  /** Takes octets as they came and gives what became clear, in order. */
  push(octets: Uint8Array): DecoderEvent[] {
    const events: DecoderEvent[] = []
    for (let at = 0; at < octets.length; at += CHUNK) {
      this.#pending = concatBytes(this.#pending, octets.subarray(at, at + CHUNK))
      this.#drain(events)
    }
    return events
  }

  /** The line has gone quiet: what is held back will not be completed. */
  flush(): DecoderEvent[] {
    const events: DecoderEvent[] = []
    discard(events, this.#pending)
    this.#pending = new Uint8Array(0)
    return events
  }

  #drain(events: DecoderEvent[]): void {
    for (;;) {
      const scan = scanFrame(this.#pending)
      if (scan.kind === 'more') {
        // A storm of FE must not pile up: a preamble is told by its last few.
        const head = firstStart(this.#pending, scan.keep)
        const keep = Math.max(scan.keep, head - PREAMBLE_KEPT)
        discard(events, this.#pending.subarray(0, keep))
        this.#pending = this.#pending.slice(keep)
        return
      }
      let preamble = scan.start
      while (preamble > 0 && this.#pending[preamble - 1] === 0xfe) preamble--
      discard(events, this.#pending.subarray(0, preamble))
      events.push({
        kind: 'frame',
        octets: this.#pending.slice(scan.start, scan.end),
        preambleFE: scan.start - preamble
      })
      this.#pending = this.#pending.slice(scan.end)
    }
  }
}

/** Offset of the first octet that is not FE, from `from` on. */
function firstStart(octets: Uint8Array, from: number): number {
  let at = from
  while (octets[at] === 0xfe) at++
  return at
}

function discard(events: DecoderEvent[], octets: Uint8Array): void {
  if (octets.length === 0) return
  const reason = reasonFor(octets)
  const last = events.at(-1)
  if (last?.kind === 'discarded' && last.reason === reason && last.octets.length < CHUNK) {
    events[events.length - 1] = { kind: 'discarded', octets: concatBytes(last.octets, octets), reason }
  } else events.push({ kind: 'discarded', octets: octets.slice(), reason })
}

function reasonFor(octets: Uint8Array): DiscardReason {
  const start = firstStart(octets, 0)
  if (start === octets.length) return 'preamble'
  for (let i = start; i + 9 < octets.length && i < start + FRAME_OVERHEAD; i++) {
    if (octets[i] === 0x68 && octets[i + 7] === 0x68) return 'damaged'
  }
  return 'garbage'
}
