import type { AnchorState, StoreSummary } from '../../agent/ports.ts'
import type { StoreFile } from './database.ts'

/** Counts of a store without its contents: a scrape must not read a month of batches into memory. */
export function createSummary(file: StoreFile): () => StoreSummary {
  const { sql } = file
  const open = sql.prepare<[], { undelivered: number; refused: number; oldest: number | null }>(
    `SELECT count(*) AS undelivered, coalesce(sum(state = 'refused'), 0) AS refused, min(batch) AS oldest
     FROM delivery WHERE state <> 'delivered'`
  )
  const createdAt = sql.prepare<[number], { created_at: number }>('SELECT created_at FROM batch WHERE id = ?')
  const attempts = sql.prepare<[], { state: AnchorState; count: number }>(
    'SELECT state, count(*) AS count FROM anchor_progress GROUP BY state'
  )
  const raised = sql.prepare<[], { raised: number; serious: number }>(
    `SELECT count(*) AS raised, coalesce(sum(class = 'serious'), 0) AS serious FROM alarm WHERE state = 'raised'`
  )
  return () =>
    file.read('summary', () => {
      const { undelivered = 0, refused = 0, oldest = null } = open.get() ?? {}
      const alarms = raised.get()
      return {
        undelivered,
        refused,
        oldestUndeliveredAt: oldest === null ? null : (createdAt.get(oldest)?.created_at ?? null),
        anchors: Object.fromEntries(attempts.all().map(({ state, count }) => [state, count])),
        alarmsRaised: alarms?.raised ?? 0,
        alarmsSerious: alarms?.serious ?? 0
      }
    })
}
