import type { Clock } from '../../agent/ports.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'
import { concatBytes } from '../../proto/bytes.ts'
import type { Line } from './line.ts'
import { assertReadOnly } from './read-only.ts'
import { type WireTiming, waitUntil } from './timing.ts'
import { readable } from './transaction.ts'

/** What one exchange took, watched octet by octet. The working bus looks only when a frame can be whole. */
export type Measured =
  | {
      readonly kind: 'reply'
      /** from the last octet of the request to the first of the answer, wake-up octets included */
      readonly turnaroundMs: number
      /** pauses inside the answer beyond what its octets take: one a delivery of the adapter */
      readonly pausesMs: readonly number[]
      readonly octets: number
    }
  | { readonly kind: 'silent' | 'garbage' }

export interface MeasureOptions {
  readonly line: Line
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly timing: WireTiming
  /** silence before the request */
  readonly gapMs: number
  /** longest wait for the answer's first octet, and for each that follows */
  readonly patienceMs: number
}

/**
 * Asks once and watches the answer come. For a line that nobody else uses.
 * @param freeAtMs monotonic time since which the line is free @returns the figures, and when the line was free again
 * @throws BusError when the line is lost, CodecError CODEC_FORBIDDEN_CONTROL (nothing was sent)
 */
export async function measureExchange(
  request: ReadRequest,
  freeAtMs: number,
  options: MeasureOptions
): Promise<{ readonly measured: Measured; readonly freeAtMs: number }> {
  const { line, clock, timing } = options
  const { characterMs } = timing
  line.take()
  await waitUntil(clock, freeAtMs + options.gapMs, characterMs)
  assertReadOnly(request, { name: 'line' })
  line.write(request.octets)
  const requestEndMs = clock.monotonicMs() + request.octets.length * characterMs
  let rest: Uint8Array = new Uint8Array(0)
  let firstMs: number | undefined
  let lastMs = requestEndMs
  let heard = 0
  const pausesMs: number[] = []
  for (;;) {
    const leftMs = lastMs + options.patienceMs + line.slackMs - clock.monotonicMs()
    const octets = line.take()
    if (octets.length === 0) {
      if (leftMs <= 0) return { measured: { kind: heard > 0 ? 'garbage' : 'silent' }, freeAtMs: lastMs }
      await readable(line, Math.max(1, Math.ceil(leftMs)))
      continue
    }
    const nowMs = clock.monotonicMs()
    if (firstMs !== undefined) pausesMs.push(Math.max(0, nowMs - lastMs - octets.length * characterMs))
    rest = concatBytes(rest, octets)
    heard += octets.length
    const isEcho = startsWith(request.octets, rest)
    if (!isEcho) firstMs ??= nowMs - octets.length * characterMs
    lastMs = Math.max(lastMs, nowMs)
    for (let result = request.match(rest); rest.length > 0; result = request.match(rest)) {
      if (result.kind === 'more') break
      if (result.kind === 'reply') {
        const turnaroundMs = Math.max(0, (firstMs ?? nowMs) - requestEndMs)
        const size = result.end - result.start
        return { measured: { kind: 'reply', turnaroundMs, pausesMs, octets: size }, freeAtMs: nowMs }
      }
      const drop = result.kind === 'noise' ? result.octets : result.end
      if (result.kind === 'not-ours' && result.reason === 'echo') {
        heard -= drop
        // what is left behind the echo has just begun
        firstMs = rest.length > drop ? nowMs - (rest.length - drop) * characterMs : undefined
        pausesMs.length = 0
      }
      rest = rest.slice(Math.max(1, drop))
    }
  }
}

function startsWith(whole: Uint8Array, head: Uint8Array): boolean {
  return head.length < whole.length && head.every((octet, i) => octet === whole[i])
}
