import type { Clock, Protocol } from '../../agent/ports.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'
import { parseAddress } from '../../proto/dlt645/address.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { askData } from '../../proto/dlt645/question.ts'
import { buildRequest, TURNAROUND_MAX_MS } from '../../proto/dlt645/request.ts'
import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import type { Line } from '../bus/line.ts'
import { type Measured, measureExchange } from '../bus/measure.ts'
import type { WireTiming } from '../bus/timing.ts'

/** A meter to be measured. */
export interface TuneSubject {
  readonly protocol: Protocol
  readonly address: string
  /** Modbus: what to read; ten holding registers from 0 when left out (a refusal is an answer too) */
  readonly span?: RegisterSpan
}

/** Milliseconds; p99 of few samples is the longest. */
export interface Spread {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface TunedMeter {
  readonly protocol: Protocol
  readonly address: string
  readonly asked: number
  readonly answered: number
  readonly turnaroundMs: Spread | null
  readonly octetGapMs: Spread | null
  /** for the whole exchange: request, turnaround, answer */
  readonly timeoutMs: number | null
}

export interface TuneReport {
  readonly meters: readonly TunedMeter[]
  readonly gap: {
    /** what the protocols ask for at this speed: t3.5 where a Modbus meter is measured, else one character */
    readonly standardMs: number
    /** shortest silence between an answer and the next request at which every answer was whole; null when none was */
    readonly leastMs: number | null
    readonly tried: readonly { readonly gapMs: number; readonly asked: number; readonly answered: number }[]
  }
  /** null when nothing answered */
  readonly proposal: {
    readonly gapMs: number
    readonly turnaroundMs: number
    readonly octetGapMs: number
  } | null
}

export interface TuneOptions {
  readonly line: Line
  readonly clock: Clock
  readonly timing: WireTiming
  readonly subjects: readonly TuneSubject[]
  /** exchanges a meter */
  readonly count: number
  readonly signal: AbortSignal
  readonly onMeter?: (meter: TunedMeter) => void
}

/** Silence before a request that no meter is known to need more than. */
const GENEROUS_GAP_MS = 100
/** Gaps tried, as multiples of what the standard asks for. Never less: a strict meter must not be taught bad manners. */
const GAP_STEPS = [1, 1.5, 2, 3, 5, 8, 12, 20]
/** Exchanges at each gap. */
const GAP_TRIES = 12
/** After a lost exchange: whatever is late has come by then. */
const SETTLE_MS = 1_200
const MODBUS_PATIENCE_MS = 1_100
const MARGIN = 1.5
/** scheduling and adapter on top of what was measured */
const SLACK_MS = 50
const MODBUS_SPAN: RegisterSpan = { function: 3, address: 0, count: 10 }

interface Series {
  readonly subject: TuneSubject
  readonly request: ReadRequest
  readonly turnarounds: number[]
  readonly pauses: number[]
  asked: number
}

/**
 * Measures a line that nobody else uses: how fast its meters answer, how their octets come, and how short a silence between two
 * exchanges they bear. Meters take turns, because the gap that matters is the one between two of them.
 * @throws BusError when the line is lost, or the signal's reason
 */
export async function tuneLine(options: TuneOptions): Promise<TuneReport> {
  const { clock, subjects, signal, count, timing } = options
  const all: Series[] = subjects.map(subject => ({
    subject,
    request: requestOf(subject),
    turnarounds: [],
    pauses: [],
    asked: 0
  }))
  let freeAtMs = clock.monotonicMs()
  const ask = async (series: Series, gapMs: number): Promise<Measured> => {
    signal.throwIfAborted()
    const patienceMs =
      series.request.protocol === 'modbus' ? MODBUS_PATIENCE_MS : TURNAROUND_MAX_MS + SLACK_MS
    const done = await measureExchange(series.request, freeAtMs, { ...options, gapMs, patienceMs })
    freeAtMs = done.freeAtMs
    if (done.measured.kind !== 'reply') await clock.wait(SETTLE_MS, signal)
    return done.measured
  }
  for (let round = 0; round < count; round++) {
    for (const series of all) {
      // A meter that has never answered is not worth more.
      if (series.asked >= 2 && series.turnarounds.length === 0) continue
      series.asked++
      const measured = await ask(series, GENEROUS_GAP_MS)
      if (measured.kind !== 'reply') continue
      series.turnarounds.push(measured.turnaroundMs)
      series.pauses.push(Math.max(0, ...measured.pausesMs))
    }
  }
  const meters = all.map(series => summarise(series, timing))
  for (const meter of meters) options.onMeter?.(meter)
  const alive = all.filter(series => series.turnarounds.length > 0)
  const standardMs = all.some(series => series.request.protocol === 'modbus')
    ? timing.modbusGapMs
    : timing.dlt645GapMs
  const gap = await findGap(alive, standardMs, ask)
  return { meters, gap, proposal: propose(alive, gap, timing) }
}

async function findGap(
  alive: readonly Series[],
  standardMs: number,
  ask: (series: Series, gapMs: number) => Promise<Measured>
): Promise<TuneReport['gap']> {
  const tried: { gapMs: number; asked: number; answered: number }[] = []
  // Behind Modbus TCP no gap can be kept, nor is one needed.
  for (const step of alive.length === 0 || standardMs === 0 ? [] : GAP_STEPS) {
    const gapMs = standardMs * step
    let answered = 0
    let asked = 0
    while (asked < GAP_TRIES && answered === asked) {
      const measured = await ask(alive[asked % alive.length] as Series, gapMs)
      asked++
      if (measured.kind === 'reply') answered++
    }
    tried.push({ gapMs: tenth(gapMs), asked, answered })
    if (answered === asked) return { standardMs: tenth(standardMs), leastMs: tenth(gapMs), tried }
  }
  return { standardMs: tenth(standardMs), leastMs: null, tried }
}

function propose(
  alive: readonly Series[],
  gap: TuneReport['gap'],
  timing: WireTiming
): TuneReport['proposal'] {
  if (alive.length === 0) return null
  const slowest = Math.max(...alive.map(series => spreadOf(series.turnarounds).p99))
  const pause = Math.max(...alive.map(series => spreadOf(series.pauses).p99))
  const leastMs = gap.leastMs ?? GENEROUS_GAP_MS
  return {
    // The standard's own gap needs no margin; more than that was found by trying, and may be just enough.
    gapMs: leastMs <= gap.standardMs ? gap.standardMs : tenth(leastMs * MARGIN),
    turnaroundMs: Math.ceil(slowest * MARGIN + SLACK_MS),
    octetGapMs: Math.ceil(Math.max(1.5 * timing.characterMs, pause * MARGIN))
  }
}

function requestOf({ protocol, address, span = MODBUS_SPAN }: TuneSubject): ReadRequest {
  if (protocol === 'modbus') return encodeReadRequest({ unit: Number(address), ...span })
  const is1997 = protocol === 'dlt645-1997'
  const di = parseDataIdentifier(is1997 ? '9010' : '00010000')
  return buildRequest(askData(parseAddress(address, is1997 ? '1997' : '2007'), di))
}

function summarise(series: Series, timing: WireTiming): TunedMeter {
  const { subject, request, turnarounds, pauses, asked } = series
  const { protocol, address } = subject
  const answered = turnarounds.length
  const base = { protocol, address, asked, answered }
  if (answered === 0) return { ...base, turnaroundMs: null, octetGapMs: null, timeoutMs: null }
  const turnaroundMs = spreadOf(turnarounds)
  const octets = request.octets.length + request.expectedReplyOctets
  const timeoutMs = Math.ceil(octets * timing.characterMs + turnaroundMs.p99 * MARGIN + SLACK_MS)
  return { ...base, turnaroundMs, octetGapMs: spreadOf(pauses), timeoutMs }
}

function spreadOf(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number) =>
    tenth(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number)
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

function tenth(ms: number): number {
  return Math.round(ms * 10) / 10
}
