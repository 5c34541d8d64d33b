import { crc32 } from 'node:zlib'
import type {
  BatchQuery,
  BatchStore,
  DeliveryState,
  LeafRef,
  SealedBatch,
  StoredBatch
} from '../../agent/ports.ts'
import { equalBytes, toHex } from '../../proto/bytes.ts'
import type { StoreFile } from './database.ts'
import { StoreError } from './errors.ts'
import { decodeLeaves, encodeLeaves } from './leaf-list.ts'
import type { Membership } from './membership.ts'
import type { Names } from './names.ts'

/** A batch's id is its epoch's number times this, plus its sequence. */
export const PER_EPOCH = 2n ** 32n

interface BatchRow {
  readonly id: bigint
  readonly epoch: Uint8Array
  readonly slot_from: bigint
  readonly slot_to: bigint
  readonly reason: bigint
  readonly count: bigint
  readonly root: Uint8Array
  readonly prev: Uint8Array
  readonly anchor: Uint8Array
  readonly anchor_hash: Uint8Array
  readonly salt_key: Uint8Array
  readonly leaves: Uint8Array
  readonly created_at: bigint
  readonly crc: bigint
  readonly body: Uint8Array
  readonly state: DeliveryState
  readonly published_at: bigint | null
  readonly attempts: bigint
  readonly receipt: Uint8Array | null
  readonly refusal: string | null
}

const SELECT = `
SELECT b.*, e.octets AS epoch, y.crc AS crc, y.octets AS body,
  d.state AS state, d.published_at AS published_at, d.attempts AS attempts, r.octets AS receipt, d.refusal AS refusal
FROM batch b JOIN epoch e ON e.id = b.id >> 32 JOIN batch_body y ON y.id = b.id
JOIN delivery d ON d.batch = b.id LEFT JOIN receipt r ON r.id = d.receipt`

/** Batches, their delivery and the search for a leaf. Queries by id are shared with the anchors' table. */
export interface Batches extends BatchStore {
  idOf(epoch: Uint8Array, seq: number): bigint | undefined
  byId(id: bigint): StoredBatch | undefined
}

export function createBatches(file: StoreFile, meters: Names, membership: Membership): Batches {
  const { sql } = file
  const epochs = sql
    .prepare<[Uint8Array], { id: bigint }>('SELECT id FROM epoch WHERE octets = ?')
    .safeIntegers()
  const newEpoch = sql.prepare('INSERT INTO epoch (octets) VALUES (?)').safeIntegers()
  const lastRow = sql
    .prepare<[], Pick<BatchRow, 'id' | 'epoch' | 'anchor' | 'anchor_hash' | 'slot_to'>>(
      'SELECT b.id AS id, e.octets AS epoch, b.anchor, b.anchor_hash, b.slot_to FROM batch b JOIN epoch e ON e.id = b.id >> 32 ORDER BY b.id DESC LIMIT 1'
    )
    .safeIntegers()
  const insertBatch =
    sql.prepare(`INSERT INTO batch (id, slot_from, slot_to, reason, count, root, prev, anchor, anchor_hash,
    salt_key, leaves, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const insertBody = sql.prepare('INSERT INTO batch_body (id, crc, octets) VALUES (?, ?, ?)')
  const insertDelivery = sql.prepare('INSERT INTO delivery (batch) VALUES (?)')
  const one = sql.prepare<[bigint], BatchRow>(`${SELECT} WHERE b.id = ?`).safeIntegers()
  const byHash = sql
    .prepare<[Uint8Array], BatchRow>(`${SELECT} WHERE b.anchor_hash = ? ORDER BY b.id DESC`)
    .safeIntegers()
  const undelivered = sql
    .prepare<[string | null, number], BatchRow>(
      `${SELECT} WHERE d.state <> 'delivered' AND d.state = coalesce(?, d.state) ORDER BY d.batch LIMIT ?`
    )
    .safeIntegers()
  const ofSlot = sql
    .prepare<[number], BatchRow>(
      `${SELECT} WHERE b.id IN (SELECT batch FROM batch_slot WHERE slot = ?) ORDER BY b.id DESC`
    )
    .safeIntegers()
  const lastSlot = sql.prepare<[], { slot_to: number }>(
    'SELECT slot_to FROM batch WHERE reason <> 1 ORDER BY id DESC LIMIT 1'
  )
  const insertReceipt = sql.prepare('INSERT INTO receipt (octets) VALUES (?)')
  const markDelivered = sql.prepare(
    `UPDATE delivery SET state = 'delivered', receipt = ?, refusal = NULL WHERE batch = ? AND state <> 'delivered'`
  )
  const markRefused = sql.prepare(
    `UPDATE delivery SET state = 'refused', refusal = ? WHERE batch = ? AND state <> 'delivered'`
  )
  const stateOf = sql.prepare<[bigint], { state: DeliveryState }>(
    'SELECT state FROM delivery WHERE batch = ?'
  )
  const markPublished = sql.prepare(
    'UPDATE delivery SET published_at = ?, attempts = attempts + ? WHERE batch = ?'
  )

  /** Held back until the next write: when something was last sent is worth no write of its own. */
  const published = new Map<bigint, { atMs: number; times: number }>()
  file.onWrite(() => {
    for (const [id, { atMs, times }] of published) markPublished.run(atMs, times, id)
    published.clear()
  })

  const idOf = (epoch: Uint8Array, seq: number): bigint | undefined => {
    const number = epochs.get(epoch)?.id
    return number === undefined ? undefined : number * PER_EPOCH + BigInt(seq)
  }

  const toBatch = (row: BatchRow): StoredBatch => {
    const seq = Number(row.id % PER_EPOCH)
    const at = `batch ${toHex(row.epoch)}/${seq}`
    if (crc32(row.body) !== Number(row.crc)) {
      throw new StoreError('STORE_CORRUPT', 'a sealed batch does not match its checksum', {
        at,
        next: 'restart: the damaged file is set aside and a new epoch begins'
      })
    }
    const held = published.get(row.id)
    return {
      epoch: plain(row.epoch),
      seq,
      slotFrom: Number(row.slot_from),
      slotTo: Number(row.slot_to),
      reason: Number(row.reason),
      count: Number(row.count),
      root: plain(row.root),
      batch: plain(row.body),
      anchor: plain(row.anchor),
      anchorHash: plain(row.anchor_hash),
      prev: plain(row.prev),
      saltKey: plain(row.salt_key),
      leaves: decodeLeaves(row.leaves, meters, at),
      createdAt: Number(row.created_at),
      state: row.state,
      publishedAt: held?.atMs ?? (row.published_at === null ? null : Number(row.published_at)),
      attempts: Number(row.attempts) + (held?.times ?? 0),
      receipt: row.receipt === null ? null : plain(row.receipt),
      refusal: row.refusal
    }
  }

  const follow = (batch: SealedBatch): bigint => {
    const last = lastRow.get()
    const at = `${toHex(batch.epoch)}/${batch.seq}`
    if (last && equalBytes(last.epoch, batch.epoch)) {
      const expected = Number(last.id % PER_EPOCH) + 1
      if (batch.seq !== expected || !equalBytes(batch.prev, last.anchor_hash)) {
        throw new StoreError(
          'STORE_SEQ',
          `the batch does not follow the head: expected sequence ${expected}`,
          {
            at,
            next: 'read the head and seal again'
          }
        )
      }
      return last.id + 1n
    }
    if (batch.seq !== 0 || epochs.get(batch.epoch)) {
      throw new StoreError('STORE_SEQ', 'a new epoch begins with sequence 0 and never comes back', {
        at,
        next: 'read the head and seal again'
      })
    }
    return BigInt(newEpoch.run(batch.epoch).lastInsertRowid) * PER_EPOCH
  }

  return {
    idOf,
    byId: id => file.read('batch', () => optional(one.get(id), toBatch)),

    head: () =>
      file.read('head', () =>
        optional(lastRow.get(), last => ({
          epoch: plain(last.epoch),
          seq: Number(last.id % PER_EPOCH),
          anchorHash: plain(last.anchor_hash),
          slotTo: Number(last.slot_to),
          anchor: plain(last.anchor)
        }))
      ),

    lastSealedSlot: () => file.read('head', () => lastSlot.get()?.slot_to),

    commitBatch(batch) {
      file.write('commitBatch', () => {
        const id = follow(batch)
        insertBatch.run(
          id,
          batch.slotFrom,
          batch.slotTo,
          batch.reason,
          batch.count,
          batch.root,
          batch.prev,
          batch.anchor,
          batch.anchorHash,
          batch.saltKey,
          encodeLeaves(batch.leaves, meters),
          batch.createdAt
        )
        insertBody.run(id, crc32(batch.batch), batch.batch)
        insertDelivery.run(id)
        membership.enter(id, batch.leaves)
      })
    },

    batch: (epoch, seq) =>
      file.read('batch', () => {
        const id = idOf(epoch, seq)
        return id === undefined ? undefined : optional(one.get(id), toBatch)
      }),

    batchByAnchorHash: hash => file.read('batch', () => optional(byHash.get(hash), toBatch)),

    queryBatches: query => file.read('queryBatches', () => selectBatches(file, query).map(toBatch)),

    undelivered: (limit, state) =>
      file.read('undelivered', () => undelivered.all(state ?? null, limit).map(toBatch)),

    notePublished(epoch, seq, atMs) {
      const id = idOf(epoch, seq)
      if (id !== undefined) published.set(id, { atMs, times: (published.get(id)?.times ?? 0) + 1 })
    },

    acknowledge: (epoch, seq, receipt) =>
      file.writeSoon('acknowledge', () => {
        const id = idOf(epoch, seq)
        if (id === undefined || (stateOf.get(id)?.state ?? 'delivered') === 'delivered') return false
        return markDelivered.run(insertReceipt.run(receipt).lastInsertRowid, id).changes > 0
      }),

    refuse(epoch, seq, reason) {
      file.writeSoon('refuse', () => {
        const id = idOf(epoch, seq)
        if (id !== undefined) markRefused.run(reason, id)
      })
    },

    findLeaf: (meter, slot, version) =>
      file.read('findLeaf', () => {
        let best: { batch: StoredBatch; index: number; version: number } | undefined
        for (const batch of ofSlot.all(slot).map(toBatch)) {
          batch.leaves.forEach((leaf: LeafRef, index) => {
            if (leaf.meter !== meter || leaf.slot !== slot) return
            if (version !== undefined && leaf.version !== version) return
            if (best === undefined || leaf.version > best.version)
              best = { batch, index, version: leaf.version }
          })
        }
        return best && { batch: best.batch, index: best.index }
      })
  }
}

function selectBatches(
  file: StoreFile,
  { fromSlot, toSlot, state, limit, newestFirst }: BatchQuery
): BatchRow[] {
  const where = ['b.slot_to >= ?', 'b.slot_from <= ?']
  const values: (number | string)[] = [fromSlot ?? 0, toSlot ?? Number.MAX_SAFE_INTEGER]
  if (state !== undefined) {
    where.push('d.state = ?')
    values.push(state)
  }
  const order = newestFirst === true ? 'DESC' : 'ASC'
  return file.sql
    .prepare<(number | string)[], BatchRow>(
      `${SELECT} WHERE ${where.join(' AND ')} ORDER BY b.id ${order} LIMIT ?`
    )
    .safeIntegers()
    .all(...values, limit ?? -1)
}

/** better-sqlite3 gives Buffers; the ports promise plain octets. */
function plain(octets: Uint8Array): Uint8Array {
  return new Uint8Array(octets.buffer, octets.byteOffset, octets.byteLength)
}

function optional<T, U>(value: T | undefined, map: (value: T) => U): U | undefined {
  return value === undefined ? undefined : map(value)
}
