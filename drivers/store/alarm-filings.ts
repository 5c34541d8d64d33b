import type { AlarmAttempt, AlarmFiling, AnchorQuery, AnchorState, DueAlarm } from '../../agent/ports.ts'
import { type AttemptChange, LIVE, type ProgressRow, toProgress } from './attempt-row.ts'
import type { StoreFile } from './database.ts'

interface FilingRow extends ProgressRow {
  readonly id: bigint
  readonly alarm: bigint
}

/** Alarms due for the chain and the transactions that file them. Writes run inside the caller's transaction. */
export interface AlarmFilings {
  markDue(alarm: number): void
  nextDue(afterId: number): DueAlarm | undefined
  live(): AlarmAttempt | undefined
  insert(attempt: AlarmAttempt): void
  /** @returns false when there is no such attempt */
  update(txHash: string, change: AttemptChange, onlyLive: boolean): boolean
  attempts(query: AnchorQuery): AlarmAttempt[]
  filingOf(alarm: number): AlarmFiling | undefined
}

export function createAlarmFilings(file: StoreFile): AlarmFilings {
  const { sql } = file
  const markDue = sql.prepare('INSERT OR IGNORE INTO alarm_due (alarm) VALUES (?)')
  const unmark = sql.prepare('DELETE FROM alarm_due WHERE alarm = ?')
  const isDue = sql.prepare<[number], { alarm: number }>('SELECT alarm FROM alarm_due WHERE alarm = ?')
  const nextDue = sql.prepare<[number], { id: number; signed: Uint8Array; attempts: number }>(
    `SELECT d.alarm AS id, m.signed AS signed, (SELECT count(*) FROM alarm_attempt a WHERE a.alarm = d.alarm) AS attempts
     FROM alarm_due d JOIN alarm_message m ON m.alarm = d.alarm AND m.state = 'raised'
     WHERE d.alarm > ? ORDER BY d.alarm LIMIT 1`
  )
  const select = (tail: string) => `SELECT * FROM alarm_attempt ${tail}`
  const live = sql.prepare<[], FilingRow>(select(`WHERE state IN ${LIVE} ORDER BY id LIMIT 1`)).safeIntegers()
  const liveByHash = sql
    .prepare<[string], FilingRow>(select(`WHERE state IN ${LIVE} AND tx_hash = ?`))
    .safeIntegers()
  const byHash = sql
    .prepare<[string], FilingRow>(select('WHERE tx_hash = ? ORDER BY id DESC LIMIT 1'))
    .safeIntegers()
  const newest = sql
    .prepare<[number], FilingRow>(select('WHERE alarm = ? ORDER BY n DESC, id DESC LIMIT 1'))
    .safeIntegers()
  const insert =
    sql.prepare(`INSERT INTO alarm_attempt (alarm, n, tx_hash, chain_id, sender, nonce, raw, created_at,
    state, block_number, block_hash, final_at, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const update =
    sql.prepare(`UPDATE alarm_attempt SET state = ?, block_number = ?, block_hash = ?, final_at = ?,
    detail = ? WHERE id = ?`)
  const settle = (alarm: number | bigint, state: AnchorState): void => {
    if (state === 'final') unmark.run(alarm)
    else markDue.run(alarm)
  }

  return {
    markDue: alarm => void markDue.run(alarm),
    nextDue(afterId) {
      const row = nextDue.get(afterId)
      return row && { ...row, signed: new Uint8Array(row.signed) }
    },
    live() {
      const row = live.get()
      return row && toFiling(row)
    },
    insert(attempt) {
      const { alarm, n, txHash, chainId, from, nonce, raw, createdAt, state } = attempt
      const { blockNumber, blockHash, finalAt, detail } = attempt
      const made = [alarm, n, txHash, chainId.toString(), from, nonce, raw, createdAt]
      insert.run(...made, state, blockNumber, blockHash, finalAt, detail)
      settle(alarm, state)
    },
    update(txHash, change, onlyLive) {
      const row = liveByHash.get(txHash) ?? (onlyLive ? undefined : byHash.get(txHash))
      if (row === undefined) return false
      const { state, blockNumber, blockHash, finalAt, detail } = { ...toFiling(row), ...change }
      update.run(state, blockNumber, blockHash, finalAt, detail, row.id)
      if (state !== row.state) settle(row.alarm, state)
      return true
    },
    attempts({ state, limit, newestFirst }) {
      const order = newestFirst === true ? 'DESC' : 'ASC'
      const where = state === undefined ? '1 = 1 OR ? IS NULL' : 'state = ?'
      return sql
        .prepare<[string | null, number], FilingRow>(select(`WHERE ${where} ORDER BY id ${order} LIMIT ?`))
        .safeIntegers()
        .all(state ?? null, limit ?? -1)
        .map(toFiling)
    },
    filingOf(alarm) {
      const row = newest.get(alarm)
      if (row !== undefined) {
        const { state, txHash, blockNumber, detail } = toFiling(row)
        return { state, txHash, blockNumber, detail }
      }
      return isDue.get(alarm) && { state: 'due', txHash: null, blockNumber: null, detail: null }
    }
  }
}

function toFiling(row: FilingRow): AlarmAttempt {
  return { alarm: Number(row.alarm), ...toProgress(row) }
}
