import type { DataIdentifier } from './data-identifier.ts'
import { blockElements, findDataItem, type ItemMatch, type ItemTable } from './data-items.ts'
import { decodeField, type Field, type FieldValue, fieldsOctets, isPadding } from './field-format.ts'
import { freezeLayout, isFreezeBlock } from './freeze.ts'

/** One value of an answer. */
export interface ItemElement {
  /** the identifier that names this value alone; undefined inside a block of two dimensions */
  readonly di: DataIdentifier | undefined
  /** place in a block, e.g. 't1', 'B'; '' outside of blocks */
  readonly label: string
  readonly field: Field
  readonly value: FieldValue
  readonly raw: Uint8Array
}

/** The data of an answer taken apart. */
export interface ItemValues {
  readonly match: ItemMatch | undefined
  readonly elements: readonly ItemElement[]
  /** octets behind the last value */
  readonly extra: Uint8Array
  /**
   * Whether the values may be used: the length is the table's, or what is over is only padding.
   * A value whose length differs otherwise may be another format altogether.
   */
  readonly sound: boolean
}

/** Takes data (behind the identifier) apart by the table. Total: any octets give a result. */
export function decodeItemValues(table: ItemTable, di: DataIdentifier, data: Uint8Array): ItemValues {
  const match = findDataItem(table, di)
  if (isFreezeBlock(di)) return decodeFreeze(match, di, data)
  if (!match) return { match, elements: [], extra: data, sound: false }
  return match.blocks.length > 0 ? decodeBlock(match, data) : decodeSingle(match, data)
}

function decodeFreeze(match: ItemMatch | undefined, di: DataIdentifier, data: Uint8Array): ItemValues {
  const layout = freezeLayout(di, data)
  if (!layout) return { match, elements: [], extra: data, sound: false }
  const elements: ItemElement[] = []
  for (const { di: own, label, field, at } of layout) take(elements, own, label, field, data, at)
  return { match, elements, extra: data.slice(data.length), sound: true }
}

function decodeSingle(match: ItemMatch, data: Uint8Array): ItemValues {
  const { fields } = match.item
  const size = fieldsOctets(fields)
  const elements: ItemElement[] = []
  const [only] = fields
  if (fields.length === 1 && only?.format.kind === 'ascii' && data.length > 0) {
    // Makers give texts the length they like.
    const field = { ...only, format: { ...only.format, octets: data.length } }
    take(elements, match.di, '', field, data, 0)
    return { match, elements, extra: data.slice(data.length), sound: true }
  }
  const repeatAt = fields.findIndex(field => field.repeats)
  let at = 0
  if (repeatAt < 0) {
    if (data.length < size) return { match, elements, extra: data, sound: false }
    for (const field of fields) at = take(elements, match.di, '', field, data, at)
  } else {
    const head = fields.slice(0, repeatAt)
    const group = fields.slice(repeatAt)
    const headSize = fieldsOctets(head)
    const groupSize = fieldsOctets(group)
    if (data.length < headSize + groupSize) return { match, elements, extra: data, sound: false }
    for (const field of head) at = take(elements, match.di, '', field, data, at)
    for (let i = 0; at + groupSize <= data.length; i++) {
      for (const field of group) at = take(elements, i === 0 ? match.di : undefined, `${i}`, field, data, at)
    }
  }
  const extra = data.slice(at)
  return { match, elements, extra, sound: extra.length === 0 || isPadding(extra) }
}

function decodeBlock(match: ItemMatch, data: Uint8Array): ItemValues {
  const { fields } = match.item
  const size = fieldsOctets(fields)
  const separated = separatedCount(data, size)
  const step = separated > 0 ? size + 1 : size
  const count = separated > 0 ? separated : Math.floor(data.length / size)
  const elements: ItemElement[] = []
  blockElements(match, count).forEach(({ di, label }, index) => {
    let at = index * step
    for (const field of fields) at = take(elements, di, label, field, data, at)
  })
  const end = separated > 0 ? Math.min(data.length, count * step) : count * size
  const extra = data.slice(end)
  // A count of values that the axis cannot have means other lengths than the table's.
  const fits = count > 0 && (match.blocks.length > 1 || elements[0]?.di !== undefined)
  return { match, elements, extra, sound: fits && (extra.length === 0 || isPadding(extra)) }
}

/** Count of values when AA stands behind each (the last may go without), which some meters do; 0 when it does not. */
function separatedCount(data: Uint8Array, size: number): number {
  const count = Math.ceil(data.length / (size + 1))
  if (count < 2 || (data.length % (size + 1) !== 0 && data.length % (size + 1) !== size)) return 0
  for (let i = 0; i < count; i++) {
    const at = i * (size + 1) + size
    if (at < data.length && data[at] !== 0xaa) return 0
  }
  return count
}

function take(
  elements: ItemElement[],
  di: DataIdentifier | undefined,
  label: string,
  field: Field,
  data: Uint8Array,
  at: number
): number {
  const raw = data.slice(at, at + field.format.octets)
  elements.push({ di, label, field, value: decodeField(field.format, raw), raw })
  return at + field.format.octets
}
