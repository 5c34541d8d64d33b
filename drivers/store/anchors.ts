import type { AnchorAttempt, AnchorQuery, StoredBatch } from '../../agent/ports.ts'
import { type AttemptChange, LIVE, type ProgressRow, toProgress } from './attempt-row.ts'
import { type Batches, PER_EPOCH } from './batches.ts'
import type { StoreFile } from './database.ts'
import { StoreError } from './errors.ts'

interface AttemptRow extends ProgressRow {
  readonly id: bigint
  readonly batch: bigint
  readonly epoch: Uint8Array
}

const SELECT = `SELECT a.*, p.*, e.octets AS epoch FROM anchor_attempt a
  JOIN anchor_progress p ON p.attempt = a.id JOIN epoch e ON e.id = a.batch >> 32`

/** Anchors still to be made and the transactions that make them. Writes run inside the caller's transaction. */
export interface Anchors {
  nextUnanchored(afterEpoch?: Uint8Array): StoredBatch | undefined
  live(): AnchorAttempt | undefined
  insert(attempt: AnchorAttempt): void
  /** @returns false when there is no such attempt */
  update(txHash: string, change: AttemptChange, onlyLive: boolean): boolean
  attempts(query: AnchorQuery): AnchorAttempt[]
}

export function createAnchors(file: StoreFile, batches: Batches): Anchors {
  const { sql } = file
  const nextUnanchored = sql
    .prepare<[bigint], { batch: bigint }>(
      `SELECT batch FROM delivery WHERE anchored = 0 AND batch >= ? AND batch NOT IN
       (SELECT a.batch FROM anchor_attempt a JOIN anchor_progress p ON p.attempt = a.id WHERE p.state IN ${LIVE})
       ORDER BY batch LIMIT 1`
    )
    .safeIntegers()
  const live = sql
    .prepare<[], AttemptRow>(`${SELECT} WHERE p.state IN ${LIVE} ORDER BY a.batch, a.n LIMIT 1`)
    .safeIntegers()
  const liveByHash = sql
    .prepare<[string], AttemptRow>(`${SELECT} WHERE p.state IN ${LIVE} AND a.tx_hash = ?`)
    .safeIntegers()
  const byHash = sql
    .prepare<[string], AttemptRow>(`${SELECT} WHERE a.tx_hash = ? ORDER BY a.id DESC LIMIT 1`)
    .safeIntegers()
  const insert =
    sql.prepare(`INSERT INTO anchor_attempt (batch, n, tx_hash, chain_id, sender, nonce, raw, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
  const insertProgress =
    sql.prepare(`INSERT INTO anchor_progress (attempt, state, block_number, block_hash, final_at, detail)
    VALUES (?, ?, ?, ?, ?, ?)`)
  const update =
    sql.prepare(`UPDATE anchor_progress SET state = ?, block_number = ?, block_hash = ?, final_at = ?, detail = ?
    WHERE attempt = ?`)
  const markAnchored = sql.prepare('UPDATE delivery SET anchored = ? WHERE batch = ?')

  return {
    nextUnanchored(afterEpoch) {
      const ended = afterEpoch === undefined ? undefined : batches.idOf(afterEpoch, 0)
      const row = nextUnanchored.get(ended === undefined ? 0n : ended + PER_EPOCH)
      return row && batches.byId(row.batch)
    },

    live() {
      const row = live.get()
      return row && toAttempt(row)
    },

    insert(attempt) {
      const batch = batches.idOf(attempt.epoch, attempt.seq)
      if (batch === undefined || batches.byId(batch) === undefined) {
        throw new StoreError('STORE_MEMBER', 'an anchor attempt names no batch of this store', {
          at: attempt.txHash,
          next: 'seal the batch first'
        })
      }
      const { n, txHash, chainId, from, nonce, raw, createdAt } = attempt
      const { lastInsertRowid } = insert.run(
        batch,
        n,
        txHash,
        chainId.toString(),
        from,
        nonce,
        raw,
        createdAt
      )
      const { state, blockNumber, blockHash, finalAt, detail } = attempt
      insertProgress.run(lastInsertRowid, state, blockNumber, blockHash, finalAt, detail)
      if (state === 'final') markAnchored.run(1, batch)
    },

    update(txHash, change, onlyLive) {
      const row = liveByHash.get(txHash) ?? (onlyLive ? undefined : byHash.get(txHash))
      if (row === undefined) return false
      const { state, blockNumber, blockHash, finalAt, detail } = { ...toAttempt(row), ...change }
      update.run(state, blockNumber, blockHash, finalAt, detail, row.id)
      if (state !== row.state) markAnchored.run(state === 'final' ? 1 : 0, row.batch)
      return true
    },

    attempts({ state, limit, newestFirst }) {
      const order = newestFirst === true ? 'DESC' : 'ASC'
      const where = state === undefined ? '1 = 1 OR ? IS NULL' : 'p.state = ?'
      return sql
        .prepare<[string | null, number], AttemptRow>(
          `${SELECT} WHERE ${where} ORDER BY a.batch ${order}, a.n ${order} LIMIT ?`
        )
        .safeIntegers()
        .all(state ?? null, limit ?? -1)
        .map(toAttempt)
    }
  }
}

function toAttempt(row: AttemptRow): AnchorAttempt {
  return { epoch: new Uint8Array(row.epoch), seq: Number(row.batch % PER_EPOCH), ...toProgress(row) }
}
