import type { AnchorAttempt, AnchorState, AnchorStore } from '../../agent/ports.ts'
import { type Batches, PER_EPOCH } from './batches.ts'
import type { StoreFile } from './database.ts'
import { StoreError } from './errors.ts'

interface AttemptRow {
  readonly id: bigint
  readonly tx_hash: string
  readonly batch: bigint
  readonly epoch: Uint8Array
  readonly n: bigint
  readonly chain_id: string
  readonly sender: string
  readonly nonce: bigint
  readonly raw: Uint8Array
  readonly state: AnchorState
  readonly created_at: bigint
  readonly block_number: bigint | null
  readonly block_hash: string | null
  readonly final_at: bigint | null
  readonly detail: string | null
}

const SELECT = `SELECT a.*, p.*, e.octets AS epoch FROM anchor_attempt a
  JOIN anchor_progress p ON p.attempt = a.id JOIN epoch e ON e.id = a.batch >> 32`
const LIVE = `('built', 'sent', 'mined')`
/** Transactions on their way to the chain: written with their raw octets and their nonce before anything is sent. */
export function createAnchors(file: StoreFile, batches: Batches): AnchorStore {
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
  const takeNonce = sql.prepare(`INSERT INTO account_nonce (chain_id, sender, nonce) VALUES (?, ?, ?)
    ON CONFLICT (chain_id, sender) DO UPDATE SET nonce = max(nonce, excluded.nonce)`)
  const lastNonce = sql
    .prepare<[string, string], { nonce: bigint }>(
      'SELECT nonce FROM account_nonce WHERE chain_id = ? AND sender = ?'
    )
    .safeIntegers()
  const markAnchored = sql.prepare('UPDATE delivery SET anchored = ? WHERE batch = ?')

  return {
    nextUnanchored: afterEpoch =>
      file.read('nextUnanchored', () => {
        const ended = afterEpoch === undefined ? undefined : batches.idOf(afterEpoch, 0)
        const row = nextUnanchored.get(ended === undefined ? 0n : ended + PER_EPOCH)
        return row && batches.byId(row.batch)
      }),

    inFlight: () =>
      file.read('inFlight', () => {
        const row = live.get()
        return row && toAttempt(row)
      }),

    saveAttempt(attempt) {
      file.write('saveAttempt', () => {
        const batch = batches.idOf(attempt.epoch, attempt.seq)
        if (batch === undefined || batches.byId(batch) === undefined) {
          throw new StoreError('STORE_MEMBER', 'an anchor attempt names no batch of this store', {
            at: attempt.txHash,
            next: 'seal the batch first'
          })
        }
        const chainId = attempt.chainId.toString()
        const { lastInsertRowid } = insert.run(
          batch,
          attempt.n,
          attempt.txHash,
          chainId,
          attempt.from,
          attempt.nonce,
          attempt.raw,
          attempt.createdAt
        )
        const { state, blockNumber, blockHash, finalAt, detail } = attempt
        insertProgress.run(lastInsertRowid, state, blockNumber, blockHash, finalAt, detail)
        // without octets of our own there was no transaction of ours, and no nonce
        if (attempt.raw.length > 0) takeNonce.run(chainId, attempt.from, attempt.nonce)
        if (state === 'final') markAnchored.run(1, batch)
      })
    },

    updateAttempt(txHash, change) {
      file.writeSoon('updateAttempt', () => {
        const row = liveByHash.get(txHash) ?? byHash.get(txHash)
        if (row === undefined) return
        const { state, blockNumber, blockHash, finalAt, detail } = { ...toAttempt(row), ...change }
        update.run(state, blockNumber, blockHash, finalAt, detail, row.id)
        if (state !== row.state) markAnchored.run(state === 'final' ? 1 : 0, row.batch)
      })
    },

    attempts: ({ state, limit, newestFirst }) =>
      file.read('attempts', () => {
        const order = newestFirst === true ? 'DESC' : 'ASC'
        const where = state === undefined ? '1 = 1 OR ? IS NULL' : 'p.state = ?'
        return sql
          .prepare<[string | null, number], AttemptRow>(
            `${SELECT} WHERE ${where} ORDER BY a.batch ${order}, a.n ${order} LIMIT ?`
          )
          .safeIntegers()
          .all(state ?? null, limit ?? -1)
          .map(toAttempt)
      }),

    lastNonce: (chainId, from) => file.read('lastNonce', () => lastNonce.get(chainId.toString(), from)?.nonce)
  }
}

function toAttempt(row: AttemptRow): AnchorAttempt {
  return {
    epoch: new Uint8Array(row.epoch),
    seq: Number(row.batch % PER_EPOCH),
    n: Number(row.n),
    chainId: BigInt(row.chain_id),
    from: row.sender,
    nonce: row.nonce,
    raw: new Uint8Array(row.raw),
    txHash: row.tx_hash,
    state: row.state,
    createdAt: Number(row.created_at),
    blockNumber: row.block_number,
    blockHash: row.block_hash,
    finalAt: row.final_at === null ? null : Number(row.final_at),
    detail: row.detail
  }
}
