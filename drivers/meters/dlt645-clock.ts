import type { ReadFault } from '../../agent/ports.ts'
import { decodeDigits } from '../../proto/dlt645/bcd.ts'
import { type DataIdentifier, parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { type LocalTime, parseLocalTime } from '../../proto/dlt645/local-time.ts'
import { askData } from '../../proto/dlt645/question.ts'
import type { Dlt645Context, Visit } from './dlt645-context.ts'
import { type Asked, faultOf } from './dlt645-session.ts'

/** A meter's clock at an instant of ours. */
export interface ClockReading {
  /** the meter's own time, unix ms; null when it was not had */
  readonly meterTimeMs: number | null
  /** our wall clock when the answer had come */
  readonly atMs: number
  readonly faults: readonly ReadFault[]
}

const CLOCK_2007 = parseDataIdentifier('0400010C')
const DATE_2007 = parseDataIdentifier('04000101')
const TIME_2007 = parseDataIdentifier('04000102')
const DATE_1997 = parseDataIdentifier('C010')
const TIME_1997 = parseDataIdentifier('C011')

const DAY_SECONDS = 86_400
/** Between reading date and time midnight may pass: only this close to it does that matter. */
const MIDNIGHT_SECONDS = 60

/**
 * Reads the meter's date and time: in one item where the meter has it (supplement 3), else in two,
 * with the date read again when midnight may have come between.
 */
export async function readClock(context: Dlt645Context, visit: Visit): Promise<ClockReading> {
  const nowMs = context.deps.clock.nowMs()
  if (visit.edition === '2007' && visit.memory.refusal(CLOCK_2007, true, nowMs) === undefined) {
    const whole = await read(context, visit, CLOCK_2007, 'YYMMDDWWhhmmss')
    if (whole.kind === 'digits') return clockOf(context, whole.text, 'YYMMDDWWhhmmss', whole.endAtMs)
    if (whole.answer.kind !== 'refused') return failed(CLOCK_2007, whole.answer, nowMs)
    if (whole.answer.clean) visit.memory.noteRefused(CLOCK_2007, whole.answer.word, nowMs)
  }
  const [dateDi, timeDi] = visit.edition === '2007' ? [DATE_2007, TIME_2007] : [DATE_1997, TIME_1997]
  let date = await read(context, visit, dateDi, 'YYMMDDWW')
  if (date.kind === 'failed') return failed(dateDi, date.answer, nowMs)
  const time = await read(context, visit, timeDi, 'hhmmss')
  if (time.kind === 'failed') return failed(timeDi, time.answer, nowMs)
  if (secondsOfDay(time.text) < MIDNIGHT_SECONDS) {
    date = await read(context, visit, dateDi, 'YYMMDDWW')
    if (date.kind === 'failed') return failed(dateDi, date.answer, nowMs)
  }
  return clockOf(context, `${date.text}${time.text}`, 'YYMMDDWWhhmmss', time.endAtMs)
}

type Digits =
  | { readonly kind: 'digits'; readonly text: string; readonly endAtMs: number }
  | { readonly kind: 'failed'; readonly answer: Asked }

async function read(
  context: Dlt645Context,
  visit: Visit,
  di: DataIdentifier,
  layout: string
): Promise<Digits> {
  const answer = await visit.session.ask(askData(visit.address, di), { table: context.table })
  if (answer.kind !== 'data') return { kind: 'failed', answer }
  const text = decodeDigits(answer.data.subarray(0, layout.length / 2))
  if (text === null || text.length !== layout.length) {
    return { kind: 'failed', answer: { kind: 'garbage', detail: 'not a date and time' } }
  }
  return { kind: 'digits', text, endAtMs: answer.endAtMs }
}

function clockOf(context: Dlt645Context, digits: string, layout: string, atMs: number): ClockReading {
  const time = parseLocalTime(digits, layout)
  if (!time) {
    const fault: ReadFault = { kind: 'value', asked: 'clock', detail: `not a date and time: ${digits}` }
    return { meterTimeMs: null, atMs, faults: [fault] }
  }
  return { meterTimeMs: context.deps.zone.toUnixMs(time), atMs, faults: [] }
}

function failed(di: DataIdentifier, answer: Asked, atMs: number): ClockReading {
  if (answer.kind === 'data' || answer.kind === 'address') return { meterTimeMs: null, atMs, faults: [] }
  return { meterTimeMs: null, atMs, faults: [faultOf(di, answer)] }
}

function secondsOfDay(hhmmss: string): number {
  const [hours, minutes, seconds] = [0, 2, 4].map(at => Number(hhmmss.slice(at, at + 2))) as [
    number,
    number,
    number
  ]
  return (hours * 60 + minutes) * 60 + seconds
}

/** Why the time is not broadcast now; undefined when it may be. */
export type BroadcastRefusal = 'midnight' | 'slot-edge' | 'in-step' | 'too-far' | 'done-today'

const MEET_LIMIT_MS = 300_000
/** Closer than this a broadcast would not make the clock better: it is read to a second, over a line that takes its time. */
const IN_STEP_MS = 3_000
const MIDNIGHT_MARGIN_SECONDS = 600
const SLOT_MARGIN_MS = 90_000

/**
 * Whether the standard's limits and ours let the time be broadcast: not near midnight (meters settle and freeze then) or a slot's edge,
 * drift within five minutes (meters ignore more), once a day.
 * @param driftMs the meter's clock minus ours
 * @param lastAtMs when it was last done; undefined for never
 */
export function judgeBroadcast(input: {
  readonly driftMs: number
  readonly nowMs: number
  readonly local: LocalTime
  readonly slotSeconds: number
  readonly lastAtMs: number | undefined
}): BroadcastRefusal | undefined {
  const { driftMs, nowMs, local, slotSeconds, lastAtMs } = input
  const ofDay = (local.hour * 60 + local.minute) * 60 + local.second
  const drift = Math.abs(driftMs)
  if (ofDay < MIDNIGHT_MARGIN_SECONDS || ofDay > DAY_SECONDS - MIDNIGHT_MARGIN_SECONDS) return 'midnight'
  const slotMs = slotSeconds * 1000
  const margin = Math.min(SLOT_MARGIN_MS, slotMs / 4) + drift
  const inSlot = nowMs % slotMs
  if (inSlot < margin || inSlot > slotMs - margin) return 'slot-edge'
  if (drift < IN_STEP_MS) return 'in-step'
  if (drift > MEET_LIMIT_MS) return 'too-far'
  if (lastAtMs !== undefined && nowMs - lastAtMs < 20 * 3_600_000) return 'done-today'
  return undefined
}
