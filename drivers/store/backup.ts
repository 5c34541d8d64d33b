import { existsSync, readdirSync, renameSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from './connection.ts'
import type { StoreFile } from './database.ts'
import { StoreError, toStoreError } from './errors.ts'

/** Says in a copy that it is one: a daemon that finds it in its own store was restored and begins a new epoch. */
export const COPY_MARK = 'copiedAt'

/**
 * Copies the store while it is in use, checks the copy and keeps the newest `keep` of them.
 * @returns path of the copy @throws StoreError
 */
export async function backupFile(
  file: StoreFile,
  directory: string,
  nowMs: number,
  keep = 7
): Promise<string> {
  const stamp = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const path = join(directory, `store-${stamp}.sqlite`)
  const draft = `${path}.new`
  try {
    if (existsSync(draft)) unlinkSync(draft)
    await file.sql.backup(draft)
    const copy = connect(draft)
    try {
      copy.pragma('journal_mode = DELETE')
      copy.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(COPY_MARK, String(nowMs))
      const verdict: unknown = copy.pragma('quick_check(1)', { simple: true })
      if (verdict !== 'ok') {
        throw new StoreError('STORE_CORRUPT', `the copy is damaged (${String(verdict)})`, {
          at: draft,
          next: 'check the disk the copies go to'
        })
      }
    } finally {
      copy.close()
    }
    renameSync(draft, path)
  } catch (error) {
    throw toStoreError(error, draft)
  }
  const copies = readdirSync(directory)
    .filter(name => /^store-\d{8}T\d{6}Z\.sqlite$/.test(name))
    .sort()
  for (const name of copies.slice(0, Math.max(0, copies.length - keep))) unlinkSync(join(directory, name))
  return path
}
