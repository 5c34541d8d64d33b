import { encodeDigits } from './bcd.ts'
import { type DataIdentifier, octetOf, parseDataIdentifier, withOctet } from './data-identifier.ts'
import { type Field, parseFields } from './field-format.ts'
import { formatDigits, type LocalTime } from './local-time.ts'

/** DI2 of the freezes a gateway reads by itself. */
export const FREEZE = { timed: 0x00, instant: 0x01, hourly: 0x04, daily: 0x06 } as const
export type FreezeKind = keyof typeof FREEZE

/** What is frozen: DI1 of a freeze identifier. */
export const FREEZE_PART = { time: 0x00, forward: 0x01, reverse: 0x02, everything: 0xff } as const
export type FreezePart = keyof typeof FREEZE_PART

const pair = (value: number): string => value.toString(16).padStart(2, '0')

/** Identifier of a part of the `back`-th last freeze (1 = newest, at most 254). */
export function freezeIdentifier(kind: FreezeKind, part: FreezePart, back: number): DataIdentifier {
  return parseDataIdentifier(`05${pair(FREEZE[kind])}${pair(FREEZE_PART[part])}${pair(back)}`)
}

/** True for the identifiers that ask for everything of one freeze. */
export function isFreezeBlock(di: DataIdentifier): boolean {
  return di.length === 8 && octetOf(di, 3) === 0x05 && octetOf(di, 1) === 0xff
}

/** One field of a freeze block with the identifier of its part. */
export interface FreezeField {
  readonly di: DataIdentifier
  readonly label: string
  readonly field: Field
  readonly at: number
}

interface Part {
  readonly di1: number
  readonly label: string
  readonly fields: readonly Field[]
  readonly perTariff: boolean
}

const part = (di1: number, label: string, fields: string, perTariff = false): Part => ({
  di1,
  label,
  fields: parseFields(fields),
  perTariff
})

const HOURLY: readonly Part[] = [
  part(0x00, 'time', 'time:YYMMDDhhmm'),
  part(0x01, 'forward', 'energy:XXXXXX.XX kWh'),
  part(0x02, 'reverse', 'energy:XXXXXX.XX kWh')
]

const FULL: readonly Part[] = [
  part(0x00, 'time', 'time:YYMMDDhhmm'),
  part(0x01, 'forward', 'energy:XXXXXX.XX kWh', true),
  part(0x02, 'reverse', 'energy:XXXXXX.XX kWh', true),
  part(0x03, 'reactive-1', 'energy:±XXXXXX.XX kvarh', true),
  part(0x04, 'reactive-2', 'energy:±XXXXXX.XX kvarh', true),
  part(0x05, 'q1', 'energy:XXXXXX.XX kvarh', true),
  part(0x06, 'q2', 'energy:XXXXXX.XX kvarh', true),
  part(0x07, 'q3', 'energy:XXXXXX.XX kvarh', true),
  part(0x08, 'q4', 'energy:XXXXXX.XX kvarh', true),
  part(0x09, 'forward-demand', 'demand:XX.XXXX kW | time:YYMMDDhhmm', true),
  part(0x0a, 'reverse-demand', 'demand:XX.XXXX kW | time:YYMMDDhhmm', true),
  part(
    0x10,
    'variables',
    'active-total:±XX.XXXX kW | active-a:±XX.XXXX kW | active-b:±XX.XXXX kW | active-c:±XX.XXXX kW' +
      ' | reactive-total:±XX.XXXX kvar | reactive-a:±XX.XXXX kvar | reactive-b:±XX.XXXX kvar | reactive-c:±XX.XXXX kvar'
  )
]

/**
 * Where each field stands in a freeze block. The count of tariffs follows from the length; some meters put AA behind each part.
 * Undefined when no count of tariffs, with or without AA, gives this length.
 */
export function freezeLayout(di: DataIdentifier, data: Uint8Array): FreezeField[] | undefined {
  const parts = octetOf(di, 2) === FREEZE.hourly ? HOURLY : FULL
  const most = parts === HOURLY ? 1 : 64
  for (const separated of [false, true]) {
    for (let tariffs = 1; tariffs <= most; tariffs++) {
      const layout = layOut(di, data, parts, tariffs, separated)
      if (layout) return layout
    }
  }
  return undefined
}

function layOut(
  di: DataIdentifier,
  data: Uint8Array,
  parts: readonly Part[],
  tariffs: number,
  separated: boolean
): FreezeField[] | undefined {
  const out: FreezeField[] = []
  let at = 0
  for (const { di1, label, fields, perTariff } of parts) {
    const own = withOctet(di, 1, di1)
    for (let n = 0; n < (perTariff ? tariffs : 1); n++) {
      const place = perTariff ? `${label}-${n === 0 ? 'total' : `t${n}`}` : label
      for (const field of fields) {
        out.push({ di: own, label: fields.length > 1 ? `${place}-${field.key}` : place, field, at })
        at += field.format.octets
      }
    }
    if (at > data.length) return undefined
    if (!separated) continue
    if (at < data.length && data[at] !== 0xaa) return undefined
    if (at < data.length) at++
  }
  return at === data.length ? out : undefined
}

/**
 * Data of the freeze command (16): mm hh DD MM, 99 for "every". Parts left out are "every":
 * nothing at all freezes now, a minute alone every hour, minute and hour every day.
 */
export function freezeCommandData(
  when: {
    readonly minute?: number
    readonly hour?: number
    readonly day?: number
    readonly month?: number
  } = {}
): Uint8Array {
  const digits = [when.month, when.day, when.hour, when.minute].map(part =>
    String(part ?? 99).padStart(2, '0')
  )
  return encodeDigits(digits.join(''))
}

/** Data of the broadcast of time (08): ss mm hh DD MM YY. */
export function broadcastTimeData(time: LocalTime): Uint8Array {
  return encodeDigits(formatDigits(time, 'YYMMDDhhmmss'))
}
