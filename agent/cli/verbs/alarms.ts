import { loadConfig } from '../../../config/load.ts'
import type { AlarmFiling, AlarmState, StoredAlarm } from '../../ports.ts'
import { EXIT } from '../errors.ts'
import { parseCount } from '../slots.ts'
import { textOption, type Verb } from '../verb.ts'

export const alarmsVerb: Verb = {
  name: 'alarms',
  summary: ['shows the alarms', '显示告警'],
  options: [
    { flags: '--meter <id>', about: ['one metering point', '计量点'] },
    { flags: '--rule <rule>', about: ['one rule', '规则'] },
    { flags: '--state <state>', about: ['only these', '仅此状态'], choices: ['raised', 'cleared'] },
    { flags: '--limit <n>', about: ['newest n only', '最多 n 条(最新)'], fallback: '200' }
  ],
  async run({ out, configFile }, options) {
    const { openStoreForReading } = await import('../../compose/stores.ts')
    const store = openStoreForReading(loadConfig(configFile))
    try {
      const meter = textOption(options, 'meter')
      const rule = textOption(options, 'rule')
      const state = textOption(options, 'state') as AlarmState | undefined
      const rows = store.alarms({
        ...(meter ? { meter } : {}),
        ...(rule ? { rule } : {}),
        ...(state ? { state } : {}),
        limit: parseCount(textOption(options, 'limit') ?? '200', '--limit')
      })
      const filings = new Map(rows.map(({ id }) => [id, store.alarmFiling(id)]))
      out.document(rows.map(alarm => alarmToJson(alarm, filings.get(alarm.id))))
      if (rows.length === 0) out.tell(['no alarms', '没有告警'])
      else {
        out.table(
          [
            ['id', '编号'],
            ['state', '状态'],
            ['class', '等级'],
            ['meter', '计量点'],
            ['rule', '规则'],
            ['raised', '发生'],
            ['chain', '上链'],
            ['evidence', '证据']
          ],
          rows.map(alarm => [
            String(alarm.id),
            alarm.state,
            alarm.class,
            alarm.meter ?? alarm.bus ?? '-',
            alarm.rule,
            new Date(alarm.raisedAt).toISOString().slice(0, 16),
            filings.get(alarm.id)?.state ?? '-',
            alarm.evidence
          ])
        )
      }
    } finally {
      store.close()
    }
    return EXIT.done
  }
}

/** An alarm as the CLI's JSON gives it; `chain` is null where it is not to be an event there. */
function alarmToJson(alarm: StoredAlarm, filing: AlarmFiling | undefined): object {
  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  return {
    id: alarm.id,
    meter: alarm.meter,
    bus: alarm.bus,
    rule: alarm.rule,
    state: alarm.state,
    class: alarm.class,
    raisedAt: iso(alarm.raisedAt),
    clearedAt: iso(alarm.clearedAt),
    acknowledgedAt: iso(alarm.acknowledgedAt),
    shelvedUntil: iso(alarm.shelvedUntil),
    evidence: JSON.parse(alarm.evidence),
    delivered: alarm.delivered,
    chain: filing ?? null
  }
}
