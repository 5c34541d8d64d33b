import type { MatchResult, ReadRequest } from '../../proto/bus-reply.ts'
import { concatBytes } from '../../proto/bytes.ts'
import type { Counters } from './counters.ts'
import { type Arrival, estimateEndMs } from './timing.ts'

/** What became of the octets so far. */
export type Look =
  /** nothing pending, or `wanted` octets needed in the buffer before more can be said */
  | { readonly kind: 'wait'; readonly wanted: number }
  | { readonly kind: 'reply'; readonly frame: Uint8Array; readonly rest: Uint8Array }

/** What came but is not the answer: a whole frame, or octets that make none (an older answer may hide in them). */
export interface Stranger {
  readonly octets: Uint8Array
  readonly reason: 'late' | 'foreign' | 'noise'
}

const EMPTY = new Uint8Array(0)
/** DL/T 645-2007 5.1: wake-up octets before a frame are no noise */
const PREAMBLE = 0xfe

/** The octets received since one request was sent: takes off the echo and whatever else is not the answer. */
export class Reception {
  readonly strangers: Stranger[] = []
  /** all that may have been meant as an answer: neither echo nor somebody else's frame */
  heard = 0
  /** octets of the arrival that began the answer: more than a few at once means an adapter that holds octets back */
  firstBatch = 0
  echo: 'open' | 'none' | 'full' | 'collision' = 'open'
  reason = 'truncated'
  readonly #request: ReadRequest
  readonly #echoExpected: boolean
  readonly #counters: Counters
  readonly #arrivals: Arrival[] = []
  #all: Uint8Array = EMPTY
  /** octets of #all already dealt with */
  #done = 0
  #answerFrom = 0
  /** where the last noise ended, in octets of #all */
  #noiseEnd = -1

  constructor(request: ReadRequest, echoExpected: boolean, counters: Counters) {
    this.#request = request
    this.#echoExpected = echoExpected
    this.#counters = counters
  }

  get lastArrivalMs(): number | undefined {
    return this.#arrivals.at(-1)?.atMs
  }

  /** everything since the request but for its echo */
  get octets(): Uint8Array {
    return this.#all.subarray(this.#answerFrom)
  }

  /** What came before the answer `look` found, but for the echo. */
  before(frame: Uint8Array): Uint8Array {
    return this.#all.subarray(this.#answerFrom, this.#done - frame.length)
  }

  get pending(): number {
    return this.#all.length - this.#done
  }

  /** octets thrown away so far */
  get discarded(): number {
    return this.#done
  }

  add(octets: Uint8Array, atMs: number): void {
    this.#all = this.#all.length === 0 ? octets : concatBytes(this.#all, octets)
    this.#arrivals.push({ atMs, count: this.#all.length })
    this.heard += octets.length
    if (this.firstBatch === 0 && this.echo !== 'open') this.firstBatch = octets.length
  }

  /** Wire time of the last octet of `count` pending ones, if they come without a pause. */
  dueMs(count: number, characterMs: number): number {
    return estimateEndMs(this.#arrivals, this.#done, this.#done + count, characterMs)
  }

  /** Wire time of the last octet of the frame that `look` found and dropped. */
  frameEndMs(frame: Uint8Array, characterMs: number): number {
    return estimateEndMs(this.#arrivals, this.#done - frame.length, this.#done, characterMs)
  }

  look(): Look {
    for (;;) {
      const rest = this.#all.subarray(this.#done)
      if (rest.length === 0) return { kind: 'wait', wanted: 0 }
      if (this.echo === 'open') {
        const wanted = this.#takeEcho(rest)
        if (wanted > 0) return { kind: 'wait', wanted }
        continue
      }
      const result = this.#request.match(rest)
      if (result.kind === 'more') return { kind: 'wait', wanted: Math.max(result.octets, rest.length + 1) }
      if (result.kind === 'reply') {
        const frame = rest.slice(result.start, result.end)
        this.#noteNoise(rest.subarray(0, result.start))
        this.#done += result.end
        return { kind: 'reply', frame, rest: rest.slice(result.end) }
      }
      this.#drop(rest, result)
    }
  }

  /** @returns octets needed to tell; 0 when it is settled */
  #takeEcho(rest: Uint8Array): number {
    const sent = this.#request.octets
    const length = Math.min(rest.length, sent.length)
    let same = 0
    while (same < length && rest[same] === sent[same]) same++
    if (same === sent.length) {
      this.echo = 'full'
      this.#counters.add('echo')
      this.#done += same
      this.#answerFrom = this.#done
      this.heard -= same
      this.firstBatch = rest.length - same
      return 0
    }
    // An answer differs from its request before the request's end: the direction bit, or the octet after the function.
    if (same === rest.length) return this.#echoExpected ? sent.length : rest.length + 1
    this.echo = this.#echoExpected && same > 0 ? 'collision' : 'none'
    if (this.echo === 'collision') this.#counters.add('collisions')
    this.firstBatch = this.#arrivals[0]?.count ?? 0
    return 0
  }

  #drop(rest: Uint8Array, result: Extract<MatchResult, { kind: 'noise' | 'not-ours' }>): void {
    if (result.kind === 'noise') {
      const octets = rest.subarray(0, Math.max(1, result.octets))
      this.reason = result.reason
      this.#noteNoise(octets)
      this.#done += octets.length
      return
    }
    this.#noteNoise(rest.subarray(0, result.start))
    const end = Math.max(1, result.end)
    this.#done += end
    this.heard -= end - result.start
    if (result.reason === 'echo') this.#counters.add('echo')
    else this.strangers.push({ octets: rest.slice(result.start, end), reason: result.reason })
  }

  /** In one piece as far as it came so: what is noise to this request may be a late answer of the other protocol. */
  #addNoise(octets: Uint8Array): void {
    const last = this.strangers.at(-1)
    if (last?.reason === 'noise' && this.#noiseEnd === this.#done)
      this.strangers[this.strangers.length - 1] = {
        octets: concatBytes(last.octets, octets),
        reason: 'noise'
      }
    else this.strangers.push({ octets: octets.slice(), reason: 'noise' })
    this.#noiseEnd = this.#done + octets.length
  }

  #noteNoise(octets: Uint8Array): void {
    if (octets.length === 0) return
    const counts = this.#request.protocol === 'dlt645' ? octets.filter(octet => octet !== PREAMBLE) : octets
    if (counts.length === 0) return
    if (octets.length > 2 && endsWith(this.#request.octets, octets)) this.#counters.add('echoPartial')
    else this.#addNoise(octets)
  }
}

/** A driver that turns round late cuts off the head of the echo. */
function endsWith(whole: Uint8Array, tail: Uint8Array): boolean {
  if (tail.length > whole.length) return false
  const from = whole.length - tail.length
  for (let i = 0; i < tail.length; i++) if (whole[from + i] !== tail[i]) return false
  return true
}
