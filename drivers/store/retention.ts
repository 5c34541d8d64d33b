import type { AgentStore } from '../../agent/ports.ts'
import type { StoreFile } from './database.ts'
import { blockSlot, type ReadingBlocks } from './reading-blocks.ts'

/** One call removes at most so many rows of a kind: pruning must not hold up a sweep. */
const ROWS_AT_ONCE = 2_000

/**
 * Removes old history that is delivered and anchored. Nothing at or after the oldest slot that still waits for either is touched,
 * and the head of the chain of anchors stays for ever.
 */
export function createRetention(file: StoreFile, blocks: ReadingBlocks): Pick<AgentStore, 'prune'> {
  const { sql } = file
  const oldestOpen = sql.prepare<[number], { slot: number | null }>(
    `SELECT min(b.slot_from) AS slot FROM delivery d JOIN batch b ON b.id = d.batch
     WHERE d.state <> 'delivered' OR (d.anchored = 0 AND ? = 1)`
  )
  const oldestUnsealed = sql
    .prepare<[], { id: bigint | null }>('SELECT min(id) AS id FROM unsealed_block')
    .safeIntegers()
  const oldBatches = sql
    .prepare<[number, number], { id: bigint }>(
      `SELECT id FROM batch WHERE slot_to < ? AND id < (SELECT max(id) FROM batch) ORDER BY id LIMIT ?`
    )
    .safeIntegers()
  const removals = [
    'DELETE FROM batch_slot WHERE batch = ?',
    'DELETE FROM anchor_progress WHERE attempt IN (SELECT id FROM anchor_attempt WHERE batch = ?)',
    'DELETE FROM anchor_attempt WHERE batch = ?',
    'DELETE FROM delivery WHERE batch = ?',
    'DELETE FROM batch_body WHERE id = ?',
    'DELETE FROM batch WHERE id = ?'
  ].map(text => sql.prepare(text))
  const removeReceipts = sql.prepare(
    'DELETE FROM receipt WHERE id < (SELECT coalesce(min(receipt), 0) FROM delivery WHERE receipt IS NOT NULL)'
  )

  return {
    prune: ({ readingsBeforeSlot, batchesBeforeSlot, requireAnchored = true }) =>
      file.writeSoon('prune', () => {
        const open = oldestOpen.get(requireAnchored ? 1 : 0)?.slot ?? Number.MAX_SAFE_INTEGER
        const unsealedId = oldestUnsealed.get()?.id ?? null
        const unsealed = unsealedId === null ? Number.MAX_SAFE_INTEGER : blockSlot(unsealedId)
        const horizon = Math.min(open, unsealed)
        const readingBlocks = blocks.removeBefore(Math.min(readingsBeforeSlot, horizon), ROWS_AT_ONCE)
        const ids = oldBatches.all(Math.min(batchesBeforeSlot, horizon), ROWS_AT_ONCE / 10)
        for (const { id } of ids) for (const removal of removals) removal.run(id)
        if (ids.length > 0) removeReceipts.run()
        return { readingBlocks, batches: ids.length }
      })
  }
}
