import type { AnchorStore, Attempt } from '../../agent/ports.ts'
import type { AlarmFilings } from './alarm-filings.ts'
import type { Anchors } from './anchors.ts'
import type { StoreFile } from './database.ts'

/**
 * Transactions on their way to the chain: written with their raw octets and their nonce before anything is sent.
 * Anchors and alarms stand in tables of their own and take their nonces from one sequence.
 */
export function createTransactions(file: StoreFile, anchors: Anchors, filings: AlarmFilings): AnchorStore {
  const { sql } = file
  const takeNonce = sql.prepare(`INSERT INTO account_nonce (chain_id, sender, nonce) VALUES (?, ?, ?)
    ON CONFLICT (chain_id, sender) DO UPDATE SET nonce = max(nonce, excluded.nonce)`)
  const lastNonce = sql
    .prepare<[string, string], { nonce: bigint }>(
      'SELECT nonce FROM account_nonce WHERE chain_id = ? AND sender = ?'
    )
    .safeIntegers()
  const part = (table: string) => `SELECT nonce, raw, tx_hash, created_at FROM ${table}
    WHERE chain_id = @chainId AND sender = @from AND nonce >= @fromNonce AND nonce < @belowNonce AND length(raw) > 0`
  const inRange = sql
    .prepare<[object], { nonce: bigint; raw: Uint8Array; tx_hash: string }>(
      `${part('anchor_attempt')} UNION ALL ${part('alarm_attempt')} ORDER BY nonce, created_at DESC LIMIT @limit`
    )
    .safeIntegers()

  return {
    nextUnanchored: afterEpoch => file.read('nextUnanchored', () => anchors.nextUnanchored(afterEpoch)),
    nextDueAlarm: afterId => file.read('nextDueAlarm', () => filings.nextDue(afterId)),

    inFlight: () =>
      file.read('inFlight', () => {
        const live: Attempt[] = [anchors.live(), filings.live()].filter(one => one !== undefined)
        return live.sort((a, b) => (a.nonce < b.nonce ? -1 : 1))[0]
      }),

    saveAttempt: attempt =>
      file.write('saveAttempt', () => {
        if ('alarm' in attempt) filings.insert(attempt)
        else anchors.insert(attempt)
        // without octets of our own there was no transaction of ours, and no nonce
        if (attempt.raw.length === 0) return
        takeNonce.run(attempt.chainId.toString(), attempt.from, attempt.nonce)
      }),

    updateAttempt: (txHash, change) =>
      file.writeSoon('updateAttempt', () => {
        // the live ones first: they are found by an index, the others are looked for row by row
        for (const onlyLive of [true, false]) {
          if (filings.update(txHash, change, onlyLive) || anchors.update(txHash, change, onlyLive)) return
        }
      }),

    attempts: query => file.read('attempts', () => anchors.attempts(query)),
    alarmAttempts: query => file.read('alarmAttempts', () => filings.attempts(query)),

    transactions: ({ chainId, from }, fromNonce, belowNonce, limit) =>
      file.read('transactions', () =>
        inRange
          .all({ chainId: chainId.toString(), from, fromNonce, belowNonce, limit })
          .map(row => ({ nonce: row.nonce, raw: new Uint8Array(row.raw), txHash: row.tx_hash }))
      ),

    lastNonce: (chainId, from) => file.read('lastNonce', () => lastNonce.get(chainId.toString(), from)?.nonce)
  }
}
