import type { ReadFault, ReadValue } from '../../agent/ports.ts'
import { toHex } from '../../proto/bytes.ts'
import { formatScaled, rescale } from '../../proto/decimal.ts'
import type { DataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import type { FieldValue } from '../../proto/dlt645/field-format.ts'
import type { ItemElement, ItemValues } from '../../proto/dlt645/item-values.ts'
import { parseLocalTime } from '../../proto/dlt645/local-time.ts'
import { itemById } from '../../proto/items.ts'
import type { Want } from './dlt645-plan.ts'
import type { MeterZone } from './dlt645-zone.ts'

export interface Taken {
  readonly values: readonly ReadValue[]
  readonly faults: readonly ReadFault[]
}

/**
 * Takes the wanted items out of an answer. One that a sound block does not reach is "no such value"
 * (a meter gives as many tariffs as are programmed); one with digits above 9 is a fault.
 */
export function takeWanted(wants: readonly Want[], read: ItemValues, zone: MeterZone): Taken {
  const values: ReadValue[] = []
  const faults: ReadFault[] = []
  for (const want of wants) {
    const element = read.elements.find(one => one.di === want.di && one.field.key === want.field)
    if (element?.value.kind === 'invalid') faults.push(notDecimal(want.di, element.value.text))
    else
      values.push(
        catalogueValue(want.item, want.di, element?.value ?? { kind: 'absent' }, element?.raw, zone)
      )
  }
  return { values, faults }
}

/** A catalogue item's value at the catalogue's exponent. */
export function catalogueValue(
  item: number,
  di: DataIdentifier,
  value: FieldValue,
  raw: Uint8Array | undefined,
  zone: MeterZone
): ReadValue {
  const { key, exponent, unit } = itemById(item)
  return {
    item,
    key,
    value: scaled(value, exponent, zone),
    exponent,
    unit,
    origin: di,
    raw: toHex(raw ?? new Uint8Array(0)),
    ...(value.kind === 'number' && { text: formatScaled(value.value, value.exponent) })
  }
}

function scaled(value: FieldValue, exponent: number, zone: MeterZone): number | null {
  switch (value.kind) {
    case 'number':
      return rescale(value.value, value.exponent, exponent)
    case 'bits':
      return value.word
    case 'time': {
      const time = parseLocalTime(value.text, value.layout)
      return time ? Math.floor(zone.toUnixMs(time) / 1000) : null
    }
    case 'text':
    case 'absent':
    case 'invalid':
      return null
  }
}

/** All values of a raw item, as they are; a part of a block is named behind a dot. */
export function takeRaw(name: string, di: DataIdentifier, read: ItemValues): Taken {
  const values: ReadValue[] = []
  const faults: ReadFault[] = []
  for (const element of read.elements) {
    if (element.value.kind === 'invalid') faults.push(notDecimal(di, element.value.text))
    else values.push(rawValue(rawKey(name, element, read.elements.length), di, element))
  }
  return { values, faults }
}

function rawKey(name: string, element: ItemElement, count: number): string {
  if (count === 1) return name
  return [name, element.label, element.field.key].filter(part => part !== '').join('.')
}

function rawValue(key: string, di: DataIdentifier, { di: own, field, value, raw }: ItemElement): ReadValue {
  const number = value.kind === 'number' ? value : undefined
  const text =
    value.kind === 'text' || value.kind === 'time' || value.kind === 'bits' ? value.text : undefined
  return {
    item: null,
    key,
    value: number?.value ?? (value.kind === 'bits' ? value.word : null),
    exponent: number?.exponent ?? 0,
    unit: field.unit,
    origin: own ?? di,
    raw: toHex(raw),
    ...(text !== undefined && { text })
  }
}

/** An answer of an item this product has no table for: its octets. */
export function takeUnknown(name: string, di: DataIdentifier, data: Uint8Array): ReadValue {
  const raw = toHex(data)
  return { item: null, key: name, value: null, exponent: 0, unit: '', origin: di, raw, text: raw }
}

export function lengthFault(di: DataIdentifier, octets: number): ReadFault {
  return { kind: 'value', asked: di, detail: `${octets} octets of data are not what the table has for it` }
}

function notDecimal(di: DataIdentifier, text: string): ReadFault {
  return { kind: 'value', asked: di, detail: `not decimal digits: ${text}` }
}
