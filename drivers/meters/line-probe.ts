import type { ReadRequest } from '../../proto/bus-reply.ts'
import { toHex } from '../../proto/bytes.ts'
import { parseAddress, WILDCARD_ADDRESS } from '../../proto/dlt645/address.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { decodeFrame } from '../../proto/dlt645/frame.ts'
import { askAddress, askData, type Question } from '../../proto/dlt645/question.ts'
import { parseReply } from '../../proto/dlt645/reply.ts'
import { buildRequest } from '../../proto/dlt645/request.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import type { Bus, BusOutcome, LineSetting } from '../bus/bus.ts'
import { judgeGarbage, type ProbeResult } from './probe-verdict.ts'

export type ProbeProtocol = 'dlt645' | 'dlt645-1997' | 'modbus'

/** One question at one line setting. */
export interface ProbeTry extends LineSetting {
  readonly protocol: ProbeProtocol
  readonly asked: string
  readonly result: ProbeResult
  readonly detail: string
}

/** A meter that answered, and how it is to be spoken to. */
export interface ProbeFinding extends LineSetting {
  readonly protocol: ProbeProtocol
  readonly address: string
  readonly turnaroundMs: number
  /** the adapter hears itself; the bus takes the echo off by itself */
  readonly echo: boolean
}

export interface ProbeReport {
  readonly tried: readonly ProbeTry[]
  readonly found: ProbeFinding | null
}

export interface ProbeOptions {
  /** settings to try, one after another */
  readonly lines: readonly LineSetting[]
  readonly protocols: readonly ProbeProtocol[]
  /** asks this meter alone; whichever hears it (DL/T 645) or unit 1 (Modbus) when left out */
  readonly address?: string
  readonly signal?: AbortSignal
  readonly onTry?: (one: ProbeTry) => void
}

/** The speeds of DL/T 645 and of Modbus meters with both usual parities, the likely ones first. */
export const PROBE_LINES: readonly LineSetting[] = (
  [
    [2400, 'even'],
    [9600, 'none'],
    [9600, 'even'],
    [1200, 'even'],
    [4800, 'even'],
    [19200, 'even'],
    [19200, 'none'],
    [2400, 'none'],
    [4800, 'none'],
    [1200, 'none'],
    [9600, 'odd'],
    [19200, 'odd'],
    [2400, 'odd'],
    [4800, 'odd'],
    [1200, 'odd']
  ] as const
).map(([baud, parity]) => ({ baud, parity }))

const ENERGY_2007 = parseDataIdentifier('00010000')
const ENERGY_1997 = parseDataIdentifier('9010')

interface Asking {
  readonly protocol: ProbeProtocol
  readonly request: ReadRequest
  readonly addressOf: (frame: Uint8Array) => string
}

/**
 * Tries line settings until a meter answers clearly, and tells for every try what came instead.
 * Rejects only when the signal aborts. @throws CodecError when the address is none
 */
export async function probeLine(bus: Bus, options: ProbeOptions): Promise<ProbeReport> {
  const askings = options.protocols.flatMap(protocol => askingsOf(protocol, options.address))
  const tried: ProbeTry[] = []
  for (const line of options.lines) {
    for (const asking of askings) {
      const before = bus.status().counters
      const outcome = await bus.exchange(asking.request, {
        // A name of its own for every try: what is learned of one setting must not shorten the wait at the next.
        meterKey: `probe:${tried.length}`,
        priority: 'technician',
        ...(options.signal && { signal: options.signal }),
        line
      })
      const rise = risesOf(before, bus.status().counters)
      const [result, detail] = judge(asking, outcome, rise)
      const one: ProbeTry = {
        ...line,
        protocol: asking.protocol,
        asked: asking.request.asked,
        result,
        detail
      }
      tried.push(one)
      options.onTry?.(one)
      if (outcome.kind === 'busDown') return { tried, found: null }
      if (outcome.kind !== 'reply') continue
      const { protocol } = asking
      const turnaroundMs = Math.round(outcome.turnaroundMs)
      const address = asking.addressOf(outcome.frame)
      return { tried, found: { ...line, protocol, address, turnaroundMs, echo: rise('echo') > 0 } }
    }
  }
  return { tried, found: null }
}

function askingsOf(protocol: ProbeProtocol, address: string | undefined): Asking[] {
  if (protocol === 'modbus') {
    const unit = Number(address ?? 1)
    const request = encodeReadRequest({ unit, function: 3, address: 0, count: 1 })
    return [{ protocol, request, addressOf: () => String(unit) }]
  }
  const is1997 = protocol === 'dlt645-1997'
  const meter = address === undefined ? WILDCARD_ADDRESS : parseAddress(address, is1997 ? '1997' : '2007')
  const energy = askData(meter, is1997 ? ENERGY_1997 : ENERGY_2007)
  const questions = is1997 || address !== undefined ? [energy] : [askAddress(), energy]
  return questions.map(question => ({
    protocol,
    request: buildRequest(question),
    addressOf: frame => addressIn(question, frame)
  }))
}

function addressIn(question: Question, frame: Uint8Array): string {
  const decoded = decodeFrame(frame)
  const reply = parseReply(question, decoded)
  return reply.kind === 'address' ? reply.address : decoded.address
}

type Rise = (counter: string) => number

function risesOf(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): Rise {
  return counter => (after[counter] ?? 0) - (before[counter] ?? 0)
}

function judge(asking: Asking, outcome: BusOutcome, rise: Rise): readonly [ProbeResult, string] {
  const { protocol, request } = asking
  switch (outcome.kind) {
    case 'reply':
      return [
        'answer',
        `${asking.addressOf(outcome.frame)} answers after ${Math.round(outcome.turnaroundMs)} ms`
      ]
    case 'silent':
      return rise('echo') > 0
        ? ['echo', 'echo on this adapter: our own octets came back, nothing else']
        : ['nothing', 'nothing answers']
    case 'garbage': {
      const rises = { parity: rise('parityErrors'), framing: rise('framingErrors') }
      const family = protocol === 'modbus' ? 'modbus' : 'dlt645'
      const result = judgeGarbage(outcome.octets, family, request.octets[0] as number, rises)
      const octets = toHex(outcome.octets.subarray(0, 16)).toUpperCase()
      return [result, `${GARBAGE[result]}: ${outcome.octets.length} octets, ${octets}`]
    }
    case 'busDown':
      return ['portDown', outcome.detail]
    case 'skipped':
      return ['nothing', 'not asked']
  }
}

const GARBAGE = {
  parity: 'looks like parity',
  speed: 'garbage: wrong speed?',
  collision: 'spoilt answers: several meters at once?',
  noise: 'a damaged answer, or noise'
} as const
