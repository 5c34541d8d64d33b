import { CATALOGUE_VERSION, ITEM_SETS, ITEMS } from '../../../proto/items.ts'
import { EXIT } from '../errors.ts'
import type { Verb } from '../verb.ts'

export const itemsVerb: Verb = {
  name: 'items',
  summary: ['lists the item catalogue', '列出数据项目录'],
  async run({ out, lang }) {
    out.document({ version: CATALOGUE_VERSION, sets: ITEM_SETS, items: ITEMS })
    out.table(
      [
        ['id', '编号'],
        ['key', '名称'],
        ['unit', '单位'],
        ['obis', 'OBIS'],
        ['meaning', '含义']
      ],
      ITEMS.map(item => [String(item.id), item.key, item.unit, item.obis, lang === 'zh' ? item.zh : item.en])
    )
    return EXIT.done
  }
}
