/**
 * A reading as JSON: the form of `readings --json` and of `check --replay`.
 * Values are decimal strings at the catalogue's exponent, so that no digit is lost; readAt is in ms and meterTime in s from the slot's end.
 */
import { formatScaled } from './decimal.ts'
import { CodecError } from './errors.ts'
import { DAY_MS, formatInstant, parseInstant } from './instant.ts'
import { findItem, ITEMS, type Item } from './items.ts'
import {
  composeQuality,
  flagsOf,
  GAP_REASON,
  type GapReason,
  gapReasonOf,
  type ItemValue,
  QUALITY_FLAG,
  type QualityFlag,
  type RatioStamp,
  type Reading,
  SOURCE,
  type SourceName,
  sourceName
} from './reading.ts'
import { slotEndMs, slotStartMs } from './slot.ts'

export interface ReadingJson {
  readonly meter: string
  readonly slot: number
  /** ISO 8601, UTC */
  readonly slotStart: string
  readonly version: number
  readonly quality: {
    readonly code: number
    readonly gap: GapReason | null
    readonly flags: readonly QualityFlag[]
  }
  readonly source: SourceName | number
  readonly readAt: number | null
  readonly meterTime: number | null
  readonly ratio: RatioStamp | null
  readonly values: readonly ItemValueJson[]
}

export interface ItemValueJson {
  readonly item: number
  readonly key: string
  readonly obis: string
  readonly unit: string
  readonly value: string | null
}

const BY_ID = new Map(ITEMS.map(item => [item.id, item]))
const BY_OBIS = new Map(ITEMS.map(item => [item.obis, item]))

/** The JSON form of a reading. @param slotSeconds length of its slots */
export function readingToJson(reading: Reading, slotSeconds: number): ReadingJson {
  const gap = gapReasonOf(reading.quality)
  return {
    meter: reading.meter,
    slot: reading.slot,
    slotStart: formatInstant(slotStartMs(reading.slot, slotSeconds)),
    version: reading.version,
    quality: {
      code: reading.quality,
      gap: gap === undefined || gap === 'none' ? null : gap,
      flags: flagsOf(reading.quality)
    },
    source: sourceName(reading.source) ?? reading.source,
    readAt: reading.readAt,
    meterTime: reading.meterTime,
    ratio: reading.ratio,
    values: reading.values.map(([id, value]) => {
      const item = BY_ID.get(id)
      return {
        item: id,
        key: item?.key ?? String(id),
        obis: item?.obis ?? '',
        unit: item?.unit ?? '',
        value: value === null ? null : formatScaled(value, item?.exponent ?? 0)
      }
    })
  }
}

/**
 * The reading of a JSON form. Lenient towards other writers: slot or slotStart, item by id, key or OBIS code, values as text or number,
 * times as numbers (from the end of the slot, or since 1970) or ISO text, anything unknown left out. Digits below the catalogue's exponent are rounded.
 * @throws CodecError CODEC_SHAPE when meter or slot cannot be told, or values are neither list nor mapping
 */
export function readingFromJson(json: unknown, slotSeconds: number): Reading {
  const raw = asObject(json)
  const meter = raw?.['meter']
  if (!raw || typeof meter !== 'string' || meter === '')
    throw new CodecError('CODEC_SHAPE', 'a reading needs its meter', {
      next: 'give {"meter": ..., "slot": ..., "values": [...]}'
    })
  const start = typeof raw['slotStart'] === 'string' ? parseInstant(raw['slotStart']) : undefined
  const slot =
    typeof raw['slot'] === 'number' && Number.isInteger(raw['slot'])
      ? raw['slot']
      : start === undefined
        ? undefined
        : Math.floor(start / (slotSeconds * 1000))
  if (slot === undefined)
    throw new CodecError('CODEC_SHAPE', 'a reading needs its slot or slotStart', { at: meter })
  const values = parseValues(listed(raw['values'], meter))
  const endMs = slotEndMs(slot, slotSeconds)
  const source = raw['source']
  return {
    meter,
    slot,
    version: integerOf(raw['version']) ?? 1,
    quality: parseQuality(raw['quality'], values),
    source:
      typeof source === 'string' && source in SOURCE
        ? SOURCE[source as SourceName]
        : (integerOf(source) ?? SOURCE.live),
    readAt: relative(raw['readAt'], endMs, 1) ?? (values.length > 0 ? 0 : null),
    meterTime: relative(raw['meterTime'], endMs, 1000),
    ratio: parseRatio(raw['ratio']),
    values
  }
}

/** A list of values, or a mapping from item ids, keys or OBIS codes; of a gap nothing. */
function listed(given: unknown, meter: string): readonly unknown[] {
  if (Array.isArray(given)) return given
  const mapping = asObject(given ?? {})
  if (!mapping)
    throw new CodecError(
      'CODEC_SHAPE',
      `values of a reading are a list or a mapping, not ${JSON.stringify(given)}`,
      {
        at: meter,
        next: 'give {"meter": ..., "slot": ..., "values": [{"key": "active-import-total", "value": "12.34"}]}'
      }
    )
  return Object.entries(mapping).map(([item, value]) => ({ item, value }))
}

function parseValues(list: readonly unknown[]): ItemValue[] {
  const found = new Map<number, number | null>()
  for (const entry of list) {
    const one = Array.isArray(entry) ? { item: entry[0], value: entry[1] } : asObject(entry)
    const item = one ? itemOf(one as Record<string, unknown>) : undefined
    if (!one || !item) continue
    const value = (one as Record<string, unknown>)['value']
    found.set(item.id, scaledOf(value, item.exponent))
  }
  return [...found].sort((a, b) => a[0] - b[0])
}

function itemOf(entry: Record<string, unknown>): Item | undefined {
  for (const name of ['item', 'key', 'obis', 'id']) {
    const given = entry[name]
    if (typeof given === 'number') {
      const item = BY_ID.get(given)
      if (item) return item
    }
    if (typeof given === 'string') {
      const item = findItem(given) ?? BY_OBIS.get(given) ?? BY_ID.get(Number(given))
      if (item) return item
    }
  }
  return undefined
}

/** What our own writer gives: nearly every value. Big integers are for the rest. */
const PLAIN = /^(-?)(\d+)(?:\.(\d+))?$/

/** Decimal text (or a number) as an integer of the exponent; exact where the digits fit, rounded where there are more. */
function scaledOf(value: unknown, exponent: number): number | null {
  const text = typeof value === 'number' ? numberText(value) : typeof value === 'string' ? value.trim() : ''
  const quick = PLAIN.exec(text)
  if (quick && (quick[3] ?? '').length <= -exponent && text.length <= 15) {
    const fraction = (quick[3] ?? '').padEnd(-exponent, '0')
    const whole = Number(`${quick[2]}${fraction}`)
    if (Number.isSafeInteger(whole)) return quick[1] === '-' && whole !== 0 ? -whole : whole
  }
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text)
  if (!match || text === '' || (match[2] === '' && !match[3])) return null
  const fraction = match[3] ?? ''
  const shift = Number(match[4] ?? 0) - fraction.length - exponent
  if (Math.abs(shift) > 30) return null
  const digits = BigInt(`${match[2]}${fraction}` || '0')
  const divisor = 10n ** BigInt(Math.max(0, -shift))
  const scaled = (digits * 10n ** BigInt(Math.max(0, shift)) + divisor / 2n) / divisor
  const out = Number(match[1] === '-' ? -scaled : scaled)
  return Number.isSafeInteger(out) ? out : null
}

const numberText = (value: number) => (Number.isFinite(value) ? String(value) : '')

function parseQuality(given: unknown, values: readonly ItemValue[]): number {
  if (typeof given === 'number' && Number.isInteger(given)) return given
  const raw = asObject(given)
  const code = raw ? integerOf(raw['code']) : undefined
  if (code !== undefined) return code
  const gap = raw?.['gap']
  const reason: GapReason = typeof gap === 'string' && gap in GAP_REASON ? (gap as GapReason) : 'none'
  const flags = Array.isArray(raw?.['flags']) ? raw['flags'] : []
  const known = flags.filter((flag): flag is QualityFlag => typeof flag === 'string' && flag in QUALITY_FLAG)
  return composeQuality(reason === 'none' && values.length === 0 ? 'silent' : reason, known)
}

function parseRatio(given: unknown): RatioStamp | null {
  const raw = asObject(given)
  if (!raw) return null
  const of = (name: string) => {
    const value = Number(raw[name])
    return Number.isFinite(value) && value > 0 ? value : 1
  }
  return {
    version: integerOf(raw['version']) ?? 1,
    ctPrimary: of('ctPrimary'),
    ctSecondary: of('ctSecondary'),
    ptPrimary: of('ptPrimary'),
    ptSecondary: of('ptSecondary')
  }
}

/** Numbers above it are milliseconds since 1970: from a slot's end they would be three years late. */
const EPOCH_MS = 1e11
/** Numbers of seconds above it are counted since 1970: from a slot's end they would be 31 years. */
const EPOCH_S = 1e9

/** A time from the slot's end, in units of unitMs; an absolute one, text or number, is made relative. */
function relative(given: unknown, endMs: number, unitMs: 1 | 1000): number | null {
  const at = typeof given === 'string' ? parseInstant(given) : undefined
  if (at !== undefined) return Math.round((at - endMs) / unitMs)
  if (typeof given !== 'number' || !Number.isFinite(given)) return null
  if (given > EPOCH_MS) return Math.round((given - endMs) / unitMs)
  // milliseconds from the slot's end may be as many where a profile is read weeks later; but not those that fall on the very day
  if (given > EPOCH_S && (unitMs === 1000 || Math.abs(given * 1000 - endMs) < DAY_MS))
    return Math.round((given * 1000 - endMs) / unitMs)
  return Math.round(given)
}

function integerOf(given: unknown): number | undefined {
  return typeof given === 'number' && Number.isInteger(given) ? given : undefined
}

function asObject(given: unknown): Record<string, unknown> | undefined {
  return typeof given === 'object' && given !== null && !Array.isArray(given)
    ? (given as Record<string, unknown>)
    : undefined
}
