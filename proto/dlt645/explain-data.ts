import { toHex } from '../bytes.ts'
import { itemById } from '../items.ts'
import type { Edition } from './address.ts'
import { decodeDigits, printHigh } from './bcd.ts'
import { catalogueItemOf } from './catalogue.ts'
import { CONTROL } from './control-code.ts'
import { decodeDataIdentifier, octetOf, parseDataIdentifier } from './data-identifier.ts'
import { findDataItem, type ItemTable } from './data-items.ts'
import type { FieldValue } from './field-format.ts'
import type { Dlt645Frame } from './frame.ts'
import { decodeItemValues, type ItemElement } from './item-values.ts'
import { isProfileIdentifier, parseProfileBlocks } from './load-profile.ts'
import { formatLocalTime, parseLocalTime } from './local-time.ts'
import { decodeStatusWord } from './status-words.ts'

type Fields = Record<string, unknown>

const upper = (octets: Uint8Array): string => toHex(octets).toUpperCase()

/** What a request's data says, by function. */
export function explainRequest(frame: Dlt645Frame, edition: Edition, table: ItemTable): Fields {
  const code = frame.control & CONTROL.function
  const { data } = frame
  if (edition === '1997') {
    if (code === 1 || code === 2) return identified(data, edition, table)
    if (code === 4) return explainWrite(data, edition, table)
    return code === 8 ? broadcastTime(data) : {}
  }
  switch (code) {
    case 0x08:
      return broadcastTime(data)
    case 0x11:
      return { ...identified(data, edition, table), ...readDetail(data) }
    case 0x12:
      return { ...identified(data, edition, table), ...(data.length > 4 && { seq: data[data.length - 1] }) }
    case 0x14:
    case 0x18:
      return explainWrite(data, edition, table)
    case 0x15:
      return data.length === 6 ? { meterAddress: printHigh(data) } : {}
    case 0x16:
      return freezeCommand(data)
    case 0x17:
      return data.length === 1 ? { baudWord: upper(data) } : {}
    case 0x19:
    case 0x1a:
    case 0x1b:
    case 0x1c:
      return data.length >= 8 ? { ...credentials(data), writeData: upper(data.subarray(8)) } : {}
    case 0x03:
      return identified(data, edition, table)
    default:
      return {}
  }
}

/** What a normal answer's data says, by function. */
export function explainAnswer(frame: Dlt645Frame, edition: Edition, table: ItemTable): Fields {
  const code = frame.control & CONTROL.function
  const { data } = frame
  if (edition === '2007' && code === 0x13) return data.length === 6 ? { meterAddress: printHigh(data) } : {}
  if (edition === '2007' && code === 0x17) return data.length === 1 ? { baudWord: upper(data) } : {}
  const isRead = edition === '1997' ? code <= 3 : code === 0x11
  const isFollowUp = edition === '2007' && code === 0x12
  if (!isRead && !isFollowUp) return {}
  const di = decodeDataIdentifier(data, edition)
  if (di === undefined) return {}
  const head = di.length / 2
  const named = identified(data, edition, table)
  if (isFollowUp) {
    // A part may begin and end inside a value: only the whole can be read.
    return { ...named, seq: data[data.length - 1], payloadBytes: Math.max(0, data.length - head - 1) }
  }
  const body = data.subarray(head)
  if ((frame.control & CONTROL.followUp) !== 0) Object.assign(named, { payloadBytes: body.length })
  if (isProfileIdentifier(di)) return { ...named, ...explainProfile(di, body) }
  const { match, elements, extra, sound } = decodeItemValues(table, di, body)
  if (!match) return named
  return {
    ...named,
    values: valuesOf(elements),
    ...(extra.length > 0 && { extraBytes: upper(extra) }),
    ...(!sound && body.length > 0 && { note: 'the length is not the table’s: do not trust the value' })
  }
}

function identified(data: Uint8Array, edition: Edition, table: ItemTable): Fields {
  const di = decodeDataIdentifier(data, edition)
  if (di === undefined) return {}
  if (isProfileIdentifier(di)) {
    const names = ['earliest records', 'records from a time', 'latest record']
    const cls = octetOf(di, 2)
    return {
      di,
      item: `load profile, ${cls === 0 ? 'all classes' : `class ${cls}`}: ${names[octetOf(di, 0)]}`,
      itemZh: '负荷记录'
    }
  }
  const match = findDataItem(table, di)
  if (match) return { di, item: match.en, itemZh: match.zh }
  return { di, ...withoutOffset(data, edition, table) }
}

/** Senders that forget +33H ask for what the plain octets would name. */
function withoutOffset(data: Uint8Array, edition: Edition, table: ItemTable): Fields {
  const wire = decodeDataIdentifier(
    data.map(b => b + 0x33),
    edition
  )
  const meant = wire && findDataItem(table, wire)
  return meant ? { note: `unknown item; without +33H it would be ${wire} (${meant.en})` } : {}
}

/** Count and time of a load-profile read, or whatever else stands behind the identifier. */
function readDetail(data: Uint8Array): Fields {
  if (data.length === 4) return {}
  const blocks = data[4]
  if (data.length === 5) return { blocks }
  const digits = data.length === 10 ? decodeDigits(data.subarray(5)) : null
  const time = digits === null ? undefined : parseLocalTime(digits, 'YYMMDDhhmm')
  return time ? { blocks, fromTime: formatLocalTime(time) } : { requestData: upper(data.subarray(4)) }
}

function broadcastTime(data: Uint8Array): Fields {
  const digits = data.length === 6 ? decodeDigits(data) : null
  const time = digits === null ? undefined : parseLocalTime(digits, 'YYMMDDhhmmss')
  return time
    ? { time: formatLocalTime(time, true), timeLayoutWire: 'ss mm hh DD MM YY' }
    : { note: 'no date and time: meters ignore this' }
}

function freezeCommand(data: Uint8Array): Fields {
  const digits = data.length === 4 ? decodeDigits(data) : null
  if (digits === null) return {}
  const [month, day, hour, minute] = [0, 2, 4, 6].map(at => digits.slice(at, at + 2)) as [
    string,
    string,
    string,
    string
  ]
  const clock = `${hour}:${minute}`
  if (minute === '99') return { freeze: 'now' }
  if (hour === '99') return { freeze: `every hour at minute ${minute}` }
  if (day === '99') return { freeze: `every day at ${clock}` }
  return {
    freeze: month === '99' ? `every month on day ${day} at ${clock}` : `on ${month}-${day} at ${clock}`
  }
}

const credentials = (data: Uint8Array): Fields => ({
  passwordLevel: upper(data.subarray(0, 1)),
  password: printHigh(data.subarray(1, 4)),
  operator: printHigh(data.subarray(4, 8))
})

function explainWrite(data: Uint8Array, edition: Edition, table: ItemTable): Fields {
  const di = decodeDataIdentifier(data, edition)
  if (di === undefined) return {}
  const named = identified(data, edition, table)
  if (edition === '1997') {
    if (data.length < 6) return named
    const written = data.subarray(6)
    return {
      ...named,
      passwordField: upper(data.subarray(2, 6)),
      writeData: upper(written),
      ...writtenValues(di, written, table)
    }
  }
  if (data.length < 12) return named
  const written = data.subarray(12)
  return {
    ...named,
    ...credentials(data.subarray(4)),
    writeData: upper(written),
    ...writtenValues(di, written, table)
  }
}

function writtenValues(di: string, data: Uint8Array, table: ItemTable): Fields {
  const { elements } = decodeItemValues(table, parseDataIdentifier(di), data)
  return elements.length > 0 ? { written: valuesOf(elements) } : {}
}

function explainProfile(di: string, body: Uint8Array): Fields {
  const { blocks, faults } = parseProfileBlocks(parseDataIdentifier(di), body)
  const records = blocks.map(block => ({
    time: formatLocalTime(block.time),
    ...Object.fromEntries(block.values.map(({ key, value }) => [key, plain(value)]))
  }))
  return {
    records,
    values: records,
    ...(faults.length > 0 && { damagedBlocks: faults.length, blockFaults: faults })
  }
}

function plain(value: FieldValue): string | null {
  return value.kind === 'number' ? value.text : null
}

/** Values by name: one field by its key, blocks by their places, several fields of a place in an object of their own. */
function valuesOf(elements: readonly ItemElement[]): Fields {
  const out: Fields = {}
  const perPlace = new Map<string, number>()
  for (const { label } of elements) perPlace.set(label, (perPlace.get(label) ?? 0) + 1)
  for (const element of elements) {
    const { label, field } = element
    const shown = explainElement(element)
    if (label === '') out[field.key] = shown
    else if (perPlace.get(label) === 1) out[label] = shown
    else out[label] = { ...(out[label] as Fields | undefined), [field.key]: shown }
  }
  return out
}

function explainElement({ di, field, value }: ItemElement): Fields {
  const id = di === undefined ? undefined : catalogueItemOf(di, field.key)
  const item = id === undefined ? {} : { obis: itemById(id).obis, key: itemById(id).key }
  const { unit } = field
  switch (value.kind) {
    case 'number':
      return { value: value.text, unit, ...item }
    case 'time': {
      const time = parseLocalTime(value.text, value.layout)
      return { text: value.text, layout: value.layout, ...(time && { time: formatLocalTime(time, true) }) }
    }
    case 'text':
      return { text: value.text }
    case 'bits': {
      const word = di === undefined || !di.startsWith('040005') ? undefined : octetOf(di, 0)
      return {
        value: value.text,
        ...(word !== undefined && { flags: decodeStatusWord(word, value.word) }),
        ...item
      }
    }
    case 'absent':
      return { value: null, unit, ...item }
    case 'invalid':
      return { value: `invalid-bcd:${value.text}`, unit, ...item }
  }
}
