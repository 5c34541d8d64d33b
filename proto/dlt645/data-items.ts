import { CodecError } from '../errors.ts'
import type { Edition } from './address.ts'
import { type DataIdentifier, editionOf, octetOf, withOctet } from './data-identifier.ts'
import { ITEM_ROWS_1997 } from './data-items-1997.ts'
import { ITEM_ROWS_2007, type ItemRow } from './data-items-2007.ts'
import { EVENT_ROWS_2007 } from './data-items-events.ts'
import { type Field, fieldsOctets, parseFields } from './field-format.ts'

/** A variable part of an identifier: its values, and whether FF (F in 1997) asks for all of them at once. */
interface Axis {
  readonly first: number
  readonly last: number
  readonly block: boolean
  /** name of a value in item names and keys; '' when it goes without saying */
  readonly label: (value: number) => string
}

const none = (): string => ''
const back = (value: number): string => (value === 0 ? ', current' : `, last ${value}`)
const tariff = (value: number): string => (value === 0 ? 'total' : `t${value}`)
const phase = (value: number): string => ['total', 'A', 'B', 'C'][value] ?? `${value}`

const AXES: Readonly<Record<string, Axis>> = {
  TT: { first: 0, last: 0x3f, block: true, label: tariff },
  SS: { first: 0, last: 0x0c, block: true, label: back },
  PP: { first: 1, last: 3, block: true, label: phase },
  QQ: { first: 0, last: 3, block: true, label: phase },
  HH: { first: 1, last: 0x15, block: true, label: value => `order ${value}` },
  WW: { first: 1, last: 7, block: true, label: value => `${value}` },
  NN: { first: 1, last: 0xfe, block: false, label: value => ` (last ${value})` },
  KK: { first: 1, last: 0xfe, block: false, label: value => `${value}` },
  '**': { first: 0, last: 0xff, block: false, label: none },
  t: { first: 0, last: 0xe, block: true, label: tariff },
  p: { first: 0, last: 3, block: true, label: phase },
  k: { first: 1, last: 0xe, block: false, label: value => `${value}` }
}

interface OctetPattern {
  readonly mask: number
  readonly value: number
  readonly axis: string | undefined
}

/** One row of the table: what an identifier pattern means. */
export interface DataItem {
  readonly edition: Edition
  readonly pattern: string
  readonly octets: readonly OctetPattern[]
  readonly fields: readonly Field[]
  readonly en: string
  readonly zh: string
}

/** Where an identifier stands on the axes of its row. */
export interface ItemMatch {
  readonly item: DataItem
  readonly di: DataIdentifier
  /** octets DIn that ask for all values */
  readonly blocks: readonly { readonly n: number; readonly axis: string; readonly nibble: boolean }[]
  readonly en: string
  readonly zh: string
}

/** Items of the standard and of the user, looked up by identifier. */
export interface ItemTable {
  readonly items: readonly DataItem[]
}

/** Compiles a row. The count of octets tells the edition. @throws CodecError CODEC_SHAPE naming the row */
export function parseDataItem(row: ItemRow): DataItem {
  const [pattern, fields, en, zh] = row
  const octets = pattern.split(' ').map(pair => parseOctet(pair, pattern))
  if (octets.length !== 4 && octets.length !== 2) throw badPattern(pattern)
  return {
    edition: octets.length === 4 ? '2007' : '1997',
    pattern,
    octets,
    fields: parseFields(fields),
    en,
    zh
  }
}

function parseOctet(pair: string, pattern: string): OctetPattern {
  if (/^[0-9A-F]{2}$/.test(pair)) return { mask: 0xff, value: Number.parseInt(pair, 16), axis: undefined }
  if (AXES[pair] && pair.length === 2) return { mask: 0, value: 0, axis: pair }
  const high = /^([0-9A-F])([tpk])$/.exec(pair)
  if (!high) throw badPattern(pattern)
  return { mask: 0xf0, value: Number.parseInt(high[1] as string, 16) << 4, axis: high[2] as string }
}

function badPattern(pattern: string): CodecError {
  return new CodecError('CODEC_SHAPE', `not a pattern of data identifiers: ${JSON.stringify(pattern)}`, {
    next: 'write 4 octets (2007) or 2 (1997), each two hexadecimal digits or one of TT SS PP QQ HH NN KK'
  })
}

/** The standard's items. Rows of the user come first, so that they can correct one. */
export function createItemTable(userRows: readonly ItemRow[] = []): ItemTable {
  return { items: [...userRows, ...ITEM_ROWS_2007, ...EVENT_ROWS_2007, ...ITEM_ROWS_1997].map(parseDataItem) }
}

/** What an identifier means; undefined when no row fits. */
export function findDataItem(table: ItemTable, di: DataIdentifier): ItemMatch | undefined {
  const edition = editionOf(di)
  for (const item of table.items) {
    if (item.edition !== edition) continue
    const match = matchItem(item, di)
    if (match) return match
  }
  return undefined
}

function matchItem(item: DataItem, di: DataIdentifier): ItemMatch | undefined {
  const blocks: { n: number; axis: string; nibble: boolean }[] = []
  const labels: string[] = []
  for (let at = 0; at < item.octets.length; at++) {
    const n = item.octets.length - 1 - at
    const part = item.octets[at] as OctetPattern
    const octet = octetOf(di, n)
    if ((octet & part.mask) !== part.value) return undefined
    if (part.axis === undefined) continue
    const axis = AXES[part.axis] as Axis
    const nibble = part.mask !== 0
    const value = nibble ? octet & 0x0f : octet
    if (axis.block && value === (nibble ? 0x0f : 0xff)) {
      blocks.push({ n, axis: part.axis, nibble })
      labels.push(' block')
    } else if (value < axis.first || value > axis.last) return undefined
    else {
      const label = axis.label(value)
      labels.push(label === '' || /^[ ,]/.test(label) ? label : ` ${label}`)
    }
  }
  const suffix = labels.join('')
  return { item, di, blocks, en: item.en + suffix, zh: item.zh + suffix }
}

const BLOCK_AXES: ReadonlySet<string> = new Set(['TT', 'PP', 'QQ', 'WW', 't', 'p'])

/** The identifier that asks for a value and its neighbours (all tariffs, all phases, all status words) at once. */
export function blockIdentifier(table: ItemTable, di: DataIdentifier): DataIdentifier | undefined {
  const octets = findDataItem(table, di)?.item.octets ?? []
  const at = octets.findIndex(part => part.axis !== undefined && BLOCK_AXES.has(part.axis))
  if (at < 0) return undefined
  const n = octets.length - 1 - at
  return withOctet(di, n, (octets[at] as OctetPattern).mask === 0 ? 0xff : octetOf(di, n) | 0x0f)
}

/** One value of a block: the identifier that would bring it alone (undefined when two parts are FF), and its name. */
export interface BlockElement {
  readonly di: DataIdentifier | undefined
  readonly label: string
}

/**
 * The elements of a block of `count` values, in the order they come (rising in the part that is FF).
 * A count that cannot be right for the axis gives elements without identifiers.
 */
export function blockElements(match: ItemMatch, count: number): BlockElement[] {
  const block = match.blocks[0]
  const out: BlockElement[] = []
  if (!block || match.blocks.length > 1) {
    for (let i = 0; i < count; i++) out.push({ di: undefined, label: `${i}` })
    return out
  }
  const axis = AXES[block.axis] as Axis
  // Phases: three values are A, B, C; four have the total in front; one is the total, or A where there is none.
  const first = block.axis === 'p' && count === 3 ? 1 : axis.first
  const known =
    first + count - 1 <= axis.last && !((block.axis === 'QQ' || block.axis === 'p') && count === 2)
  const sure = known && !(block.axis === 'QQ' && count === 3)
  for (let i = 0; i < count; i++) {
    const value = first + i
    const octet = block.nibble ? (octetOf(match.di, block.n) & 0xf0) | value : value
    out.push({
      di: sure ? withOctet(match.di, block.n, octet & 0xff) : undefined,
      label: sure ? axis.label(value).trim().replace(/^, /, '') : `${i}`
    })
  }
  return out
}

/** Data octets a usual answer has behind the identifier: what a request expects. Blocks of tariffs count four and the total. */
export function usualOctets(match: ItemMatch | undefined): number {
  if (!match) return 8
  const size = fieldsOctets(match.item.fields)
  let count = 1
  for (const block of match.blocks) {
    const axis = AXES[block.axis] as Axis
    count *= block.axis === 'TT' || block.axis === 't' ? 5 : axis.last - axis.first + 1
  }
  return size * count
}
