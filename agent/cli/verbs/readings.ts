import { loadConfig } from '../../../config/load.ts'
import { formatScaled } from '../../../proto/decimal.ts'
import { itemById } from '../../../proto/items.ts'
import { flagsOf, gapReasonOf, isGap, type Reading, sourceName } from '../../../proto/reading.ts'
import { readingToJson } from '../../../proto/reading-json.ts'
import { EXIT } from '../errors.ts'
import { configuredMeter } from '../line-options.ts'
import { SPAN_OPTIONS, slotLabel, spanOf } from '../slots.ts'
import type { Verb } from '../verb.ts'

const SHOWN = 4

export const readingsVerb: Verb = {
  name: 'readings',
  summary: ['shows the readings in the store', '显示存储的读数'],
  options: SPAN_OPTIONS,
  examples: ['wattproof readings --meter QY-000123 --from 2026-11-22 --json'],
  async run({ out, configFile }, options) {
    const { openStoreForReading } = await import('../../compose/stores.ts')
    const config = loadConfig(configFile)
    const store = openStoreForReading(config)
    try {
      const span = spanOf(options, config.slotSeconds)
      const rows = store.queryReadings({ ...span, newestFirst: true })
      // a meter taken out of the configuration still has its readings
      if (rows.length === 0 && span.meter !== undefined) configuredMeter(config, span.meter)
      out.document(rows.map(reading => readingToJson(reading, config.slotSeconds)))
      out.table(
        [
          ['slot', '时段'],
          ['meter', '计量点'],
          ['v', '版本'],
          ['source', '来源'],
          ['quality', '质量'],
          ['values', '数值']
        ],
        rows.map(reading => [
          slotLabel(reading.slot, config.slotSeconds),
          reading.meter,
          String(reading.version),
          sourceName(reading.source) ?? String(reading.source),
          qualityText(reading),
          valuesText(reading)
        ])
      )
    } finally {
      store.close()
    }
    return EXIT.done
  }
}

function qualityText(reading: Reading): string {
  if (isGap(reading)) return `gap: ${gapReasonOf(reading.quality) ?? reading.quality}`
  return flagsOf(reading.quality).join('+') || 'good'
}

function valuesText(reading: Reading): string {
  const shown = reading.values.slice(0, SHOWN).map(([id, value]) => {
    const item = itemById(id)
    return `${item.key}=${value === null ? '-' : formatScaled(value, item.exponent)}${item.unit && ` ${item.unit}`}`
  })
  const more = reading.values.length - shown.length
  return shown.join(' ') + (more > 0 ? ` (+${more})` : '')
}
