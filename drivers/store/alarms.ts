import type { AlarmQuery, AlarmState, AlarmStore, StoredAlarm } from '../../agent/ports.ts'
import type { AlarmFilings } from './alarm-filings.ts'
import type { StoreFile } from './database.ts'

interface AlarmRow {
  readonly id: number
  readonly meter: string | null
  readonly bus: string | null
  readonly rule: string
  readonly state: AlarmState
  readonly class: StoredAlarm['class']
  readonly raised_at: number
  readonly cleared_at: number | null
  readonly acknowledged_at: number | null
  readonly shelved_until: number | null
  readonly evidence: string
  readonly message_state: AlarmState
  readonly signed: Uint8Array
  readonly receipt: Uint8Array | null
}

const SELECT =
  'SELECT a.*, m.state AS message_state, m.signed, m.receipt FROM alarm a JOIN alarm_message m ON m.alarm = a.id'

/** Alarms and their signed messages: the raise and the clear of one alarm are two messages, each delivered for itself. */
export function createAlarms(file: StoreFile, filings: AlarmFilings): AlarmStore {
  const { sql } = file
  const last = sql.prepare<[], { id: number | null }>('SELECT max(id) AS id FROM alarm')
  const save =
    sql.prepare(`INSERT INTO alarm (id, meter, bus, rule, state, class, raised_at, cleared_at, acknowledged_at,
    shelved_until, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, class = excluded.class, cleared_at = excluded.cleared_at,
    acknowledged_at = excluded.acknowledged_at, shelved_until = excluded.shelved_until, evidence = excluded.evidence`)
  // bytes once signed never change: the first message of a state stays
  const saveMessage = sql.prepare(
    'INSERT OR IGNORE INTO alarm_message (alarm, state, signed) VALUES (?, ?, ?)'
  )
  // 'raised' sorts before 'cleared' in descending order
  const open = sql.prepare<[number], AlarmRow>(
    `${SELECT} WHERE m.receipt IS NULL ORDER BY m.alarm, m.state DESC LIMIT ?`
  )
  const acknowledge = sql.prepare(
    'UPDATE alarm_message SET receipt = ? WHERE alarm = ? AND state = ? AND receipt IS NULL'
  )
  let nextId: number | undefined

  return {
    nextAlarmId() {
      nextId ??= file.read('nextAlarmId', () => (last.get()?.id ?? 0) + 1)
      return nextId++
    },

    saveAlarm(alarm, onChain = false) {
      file.write('saveAlarm', () => {
        save.run(
          alarm.id,
          alarm.meter,
          alarm.bus,
          alarm.rule,
          alarm.state,
          alarm.class,
          alarm.raisedAt,
          alarm.clearedAt,
          alarm.acknowledgedAt,
          alarm.shelvedUntil,
          alarm.evidence
        )
        const { changes } = saveMessage.run(alarm.id, alarm.state, alarm.signed)
        if (onChain && alarm.state === 'raised' && changes > 0) filings.markDue(alarm.id)
      })
    },

    alarms: query => file.read('alarms', () => selectAlarms(file, query).map(toAlarm)),

    undeliveredAlarms: limit =>
      file.read('undeliveredAlarms', () =>
        open.all(limit).map(row => {
          const alarm = toAlarm(row)
          return row.message_state === 'raised'
            ? { ...alarm, state: 'raised' as const, clearedAt: null }
            : alarm
        })
      ),

    acknowledgeAlarmDelivery(id, state, receipt) {
      file.writeSoon('acknowledgeAlarmDelivery', () => acknowledge.run(receipt, id, state))
    },

    alarmFiling: id => file.read('alarmFiling', () => filings.filingOf(id))
  }
}

function selectAlarms(file: StoreFile, { state, meter, rule, limit }: AlarmQuery): AlarmRow[] {
  const where = ['m.state = a.state']
  const values: (string | number)[] = []
  for (const [column, value] of [
    ['a.state', state],
    ['a.meter', meter],
    ['a.rule', rule]
  ] as const) {
    if (value === undefined) continue
    where.push(`${column} = ?`)
    values.push(value)
  }
  return file.sql
    .prepare<(string | number)[], AlarmRow>(
      `${SELECT} WHERE ${where.join(' AND ')} ORDER BY a.id DESC LIMIT ?`
    )
    .all(...values, limit ?? -1)
}

function toAlarm(row: AlarmRow): StoredAlarm {
  return {
    id: row.id,
    meter: row.meter,
    bus: row.bus,
    rule: row.rule,
    state: row.state,
    class: row.class,
    raisedAt: row.raised_at,
    clearedAt: row.cleared_at,
    acknowledgedAt: row.acknowledged_at,
    shelvedUntil: row.shelved_until,
    evidence: row.evidence,
    signed: new Uint8Array(row.signed),
    delivered: row.receipt !== null
  }
}
