import { CodecError } from '../errors.ts'
import { parseDataItem } from './data-items.ts'
import type { ItemRow } from './data-items-2007.ts'

/**
 * Checks items an operator adds as data: a list of `{ di, fields, en, zh }`, e.g.
 * `{ di: "02 80 22 FF", fields: "power:±XXXX.XX kW", en: vendor power, zh: 厂家功率 }`. Spaces in `di` may be left out.
 * @throws CodecError CODEC_SHAPE naming the entry
 */
export function parseUserItems(value: unknown): ItemRow[] {
  if (!Array.isArray(value)) throw new CodecError('CODEC_SHAPE', 'data items are not a list')
  return value.map((entry: unknown, index) => {
    const at = `entry ${index + 1}`
    if (typeof entry !== 'object' || entry === null) {
      throw new CodecError('CODEC_SHAPE', 'a data item is not a mapping', { at })
    }
    const text = (key: string): string => {
      const found = (entry as Readonly<Record<string, unknown>>)[key]
      if (typeof found === 'string' && found !== '') return found
      throw new CodecError('CODEC_SHAPE', `a data item has no text ${JSON.stringify(key)}`, { at })
    }
    const pattern = (text('di').replace(/\s/g, '').match(/../g) ?? []).join(' ')
    const row: ItemRow = [pattern, text('fields'), text('en'), text('zh')]
    try {
      parseDataItem(row)
    } catch (cause) {
      throw new CodecError('CODEC_SHAPE', cause instanceof Error ? cause.message : 'not a data item', {
        at,
        cause,
        next: 'write di as 4 octets, fields as key:FORMAT unit, names in en and zh'
      })
    }
    return row
  })
}
