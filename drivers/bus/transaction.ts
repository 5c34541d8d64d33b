import type { Clock } from '../../agent/ports.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'
import type { Counters } from './counters.ts'
import type { ForeignTalk } from './foreign-talk.ts'
import type { Line } from './line.ts'
import { Reception, type Stranger } from './reception.ts'
import { sleep, type WireTiming } from './timing.ts'

/** DL/T 645-2007 5.3.3: not more than 500 ms between two octets of a frame. */
const DLT645_OCTET_GAP_MS = 500
/**
 * Modbus allows t1.5, which nothing behind an adapter keeps: lumps of 64 octets, gateways and busy slaves leave pauses in
 * the middle of an answer. Half an answer thrown away costs a whole exchange, this wait a fraction of one.
 */
const MODBUS_OCTET_GAP_MS = 150
/** As many octets as an answer has are in and none made a frame: wait only until the line is quiet. */
const QUIET_MS = 40
/** Wake up this much before the last octet is due (a timer is late by up to this), then wait for it by event. */
const LEAD_MS = 1.2
/** Less than this is not worth a timer of its own. */
const WORTH_A_TIMER_MS = 2
/** An adapter holds octets back for this long at most (FTDI's default latency timer); more is a pause of the meter's. */
const ADAPTER_HOLD_MS = 17
const CONTESTED = 'another master asked the same meter: the answer may be to its question'
const NOTHING = new Uint8Array(0)

export interface TransactionInput {
  readonly line: Line
  readonly clock: Clock
  readonly timing: WireTiming
  readonly request: ReadRequest
  /** from the end of the request to the first octet of the answer, at most */
  readonly firstOctetMs: number
  readonly echoExpected: boolean
  /** the adapter holds octets back: count the gap from the predicted end of the frame, not from its late delivery */
  readonly batching: boolean
  readonly counters: Counters
  /** what another master is known to have asked */
  readonly foreign: ForeignTalk
  /** earlier requests that may still be answered */
  readonly waiting: readonly ReadRequest[]
}

export interface TransactionResult {
  readonly kind: 'reply' | 'silent' | 'garbage'
  /** an answer came that may be to another master's question: the one to ours may still come */
  readonly isContested: boolean
  /** the answer, or all that came instead */
  readonly octets: Uint8Array
  readonly reason: string
  readonly turnaroundMs: number
  readonly discarded: number
  /** monotonic time at which the request was over on the wire */
  readonly requestEndMs: number
  /** monotonic time of the last octet on the wire */
  readonly lineFreeMs: number
  readonly echo: Reception['echo']
  readonly firstBatch: number
  readonly strangers: readonly Stranger[]
  /** octets behind the answer */
  readonly rest: Uint8Array
}

/**
 * Sends one request and takes in what comes, with a handful of wake-ups: the first octet, the header, the last octet.
 * An answer ends the moment its matcher knows it whole; no silence is waited for.
 * @throws BusError when the line is lost
 */
export async function transact(input: TransactionInput): Promise<TransactionResult> {
  const { line, clock, timing, request } = input
  const { characterMs } = timing
  const reception = new Reception(request, input.echoExpected, input.counters)
  line.write(request.octets)
  input.foreign.noteSent(request, clock.monotonicMs())
  const requestEndMs = clock.monotonicMs() + request.octets.length * characterMs
  input.counters.add('sentOctets', request.octets.length)
  const deadlineMs = requestEndMs + input.firstOctetMs + line.slackMs
  const finish = (
    kind: TransactionResult['kind'],
    octets: Uint8Array,
    lineFreeMs: number,
    startMs: number
  ) => ({
    kind,
    isContested,
    octets,
    reason: isContested ? CONTESTED : reception.echo === 'collision' ? 'collision' : reception.reason,
    turnaroundMs: Math.max(0, startMs - requestEndMs),
    discarded: Math.max(0, reception.discarded - (kind === 'reply' ? octets.length : 0)),
    requestEndMs,
    lineFreeMs,
    echo: reception.echo,
    firstBatch: reception.firstBatch,
    strangers: reception.strangers,
    rest
  })
  const overhear = (heard: Uint8Array, nowMs: number): number => {
    const { questions, unexplained } = input.foreign.hear(heard, nowMs, [...input.waiting, request])
    if (questions > 0) input.counters.add('foreignRequests', questions)
    return unexplained
  }
  let rest: Uint8Array = NOTHING
  let isContested = false
  for (;;) {
    const nowMs = clock.monotonicMs()
    const octets = line.take()
    if (octets.length > 0) {
      reception.add(octets, clock.monotonicMs())
      input.counters.add('receivedOctets', octets.length)
    }
    const wasOpen = reception.echo === 'open'
    const look = reception.look()
    if (wasOpen && reception.echo === 'full' && !input.echoExpected) input.foreign.noteEqual(request, nowMs)
    if (look.kind === 'reply') {
      const lastMs = reception.lastArrivalMs ?? nowMs
      const endMs = reception.frameEndMs(look.frame, characterMs)
      rest = look.rest
      const before = reception.before(look.frame)
      const unexplained = overhear(before, nowMs)
      // an answer begins like its request: with nothing before it, there was no echo at all
      const isAnothers = input.foreign.contests(request, look.frame, nowMs)
      if (isAnothers || isUnsure(request, reception.echo === 'collision' && before.length > 0, unexplained)) {
        isContested = true
        input.counters.add('contested')
        return finish('garbage', look.frame, lastMs, endMs)
      }
      const heldBack = input.batching && rest.length === 0
      const lineFreeMs = heldBack ? Math.max(endMs, lastMs - ADAPTER_HOLD_MS) : lastMs
      return finish('reply', look.frame, lineFreeMs, endMs - look.frame.length * characterMs)
    }
    const giveUpMs = giveUpAt(reception, request, deadlineMs, characterMs, line.slackMs)
    // Read once more after every wait: a stalled process must not take a late look for a silent meter.
    if (nowMs >= giveUpMs) break
    await waitForMore(input, reception, look.wanted, nowMs, giveUpMs)
  }
  overhear(reception.octets, clock.monotonicMs())
  const lineFreeMs = Math.max(requestEndMs, reception.lastArrivalMs ?? 0)
  const kind = reception.heard > 0 ? 'garbage' : 'silent'
  return finish(kind, reception.octets, lineFreeMs, lineFreeMs)
}

/**
 * A Modbus answer names no register. Where our request was spoilt on the wire, or octets came that may have been its answer, a good one may be to what
 * the other master asked at the same time, unheard.
 */
function isUnsure(
  { protocol, expectedReplyOctets }: ReadRequest,
  isSpoilt: boolean,
  unexplained: number
): boolean {
  return protocol === 'modbus' && (isSpoilt || unexplained >= expectedReplyOctets)
}

function giveUpAt(
  reception: Reception,
  request: ReadRequest,
  deadlineMs: number,
  characterMs: number,
  slackMs: number
): number {
  const lastMs = reception.lastArrivalMs
  if (lastMs === undefined || reception.heard <= 0) return deadlineMs
  const shortMs = Math.max(3.5 * characterMs, QUIET_MS) + slackMs
  if (reception.heard >= request.expectedReplyOctets) return lastMs + 2 * shortMs
  // As much as an answer, and no octet of it can still become one: spoilt, or somebody spoke at the same time.
  if (reception.heard >= request.expectedReplyOctets / 2 && reception.pending === 0)
    return lastMs + 2 * shortMs
  const octetGapMs = slackMs + (request.protocol === 'dlt645' ? DLT645_OCTET_GAP_MS : MODBUS_OCTET_GAP_MS)
  // Half an answer was an answer; a few octets may be noise before one that is still to come.
  if (reception.heard >= request.expectedReplyOctets / 2) return lastMs + octetGapMs
  return Math.max(deadlineMs, reception.pending > 0 ? lastMs + octetGapMs : 0)
}

async function waitForMore(
  input: TransactionInput,
  reception: Reception,
  wanted: number,
  nowMs: number,
  giveUpMs: number
): Promise<void> {
  if (reception.pending > 0 && wanted > reception.pending) {
    const { expectedReplyOctets } = input.request
    // A damaged length wants octets that never come: past what was to be expected, every look may be the last.
    const next = reception.pending < expectedReplyOctets ? Math.min(wanted, expectedReplyOctets) : wanted
    const dueMs = reception.dueMs(next, input.timing.characterMs)
    // The header's end need not be met exactly; the frame's must.
    const header = wanted < 0.6 * expectedReplyOctets
    const wakeMs = Math.min(header ? dueMs + 0.5 : dueMs - LEAD_MS, giveUpMs)
    if (wakeMs - nowMs >= WORTH_A_TIMER_MS) return sleep(Math.floor(wakeMs - nowMs))
  }
  return readable(input.line, Math.max(1, Math.ceil(giveUpMs - nowMs)))
}

/** Waits until octets are there or the time is over. */
export function readable(line: Line, timeoutMs: number): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(() => {
      line.ignoreReadable()
      resolve()
    }, timeoutMs)
    line.onReadable(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
