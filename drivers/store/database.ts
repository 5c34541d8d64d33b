import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type Database from 'better-sqlite3'
import { connect } from './connection.ts'
import { StoreError, toStoreError } from './errors.ts'

/** One SQLite file: write-ahead log with synchronous FULL, so that a commit that returned survives a power cut. */
export interface StoreFile {
  readonly sql: Database.Database
  readonly path: string
  /** Runs a read; SQLite's failures come out as StoreError. */
  read<T>(at: string, work: () => T): T
  /** Runs a write as one transaction, all or nothing, on disk on return. */
  write<T>(at: string, work: () => T): T
  /**
   * Runs a write that survives the process but may be lost with the power until the next {@link write}:
   * only for what the outside tells again (receipts, the chain's answers). Saves the flash a block each.
   */
  writeSoon<T>(at: string, work: () => T): T
  /** Called inside every write: what was held back for the next transaction goes in now. */
  onWrite(flush: () => void): void
  /** Called when a write failed: what memory believed about it must be forgotten. */
  onFailure(forget: () => void): void
  close(): void
}

export interface FileKind {
  /** PRAGMA application_id: tells the agent's store from the ledger's */
  readonly applicationId: number
  /** Numbered from 1; entry n takes user_version n to n + 1 */
  readonly migrations: readonly string[]
}

export interface OpenOptions {
  readonly nowMs: () => number
  /** For the CLI beside a running daemon */
  readonly readOnly?: boolean
  /** Quota in octets; beyond it writes fail with STORE_FULL and the store stays whole */
  readonly maxBytes?: number
}

/** Small pages: most transactions change a few hundred octets, and every changed page is written twice (log, checkpoint). Measured: 512 writes 14 % less than 1,024 and 45 % less than 4,096. */
const PAGE_SIZE = 512
const CHECKPOINT_PAGES = 8_000

/** @throws StoreError STORE_LOCKED, STORE_MISSING, STORE_OPEN, STORE_SCHEMA, STORE_CORRUPT (then the file was set aside) */
export function openFile(path: string, kind: FileKind, options: OpenOptions): StoreFile {
  if (options.readOnly === true) return openReadOnly(path, kind)
  const releaseLock = lockWriter(path)
  let sql: Database.Database | undefined
  try {
    sql = connect(path, { timeout: 5_000 })
    prepareFile(sql, path, kind, options)
    return manageFile(sql, path, releaseLock)
  } catch (cause) {
    sql?.close()
    const error = toStoreError(cause, path)
    if (error instanceof StoreError && error.code === 'STORE_CORRUPT') {
      const aside = quarantine(path, options.nowMs())
      releaseLock()
      throw new StoreError('STORE_CORRUPT', `${error.message}; it was set aside`, {
        at: aside,
        next: 'start again: a new epoch begins and the meters are read back; keep the file that was set aside for analysis',
        cause
      })
    }
    releaseLock()
    throw error
  }
}

function prepareFile(sql: Database.Database, path: string, kind: FileKind, options: OpenOptions): void {
  sql.pragma(`page_size = ${PAGE_SIZE}`)
  sql.pragma('journal_mode = WAL')
  sql.pragma('synchronous = FULL')
  sql.pragma('foreign_keys = ON')
  sql.pragma('trusted_schema = OFF')
  sql.pragma('cell_size_check = ON')
  sql.pragma('temp_store = MEMORY')
  sql.pragma('cache_size = -4096')
  sql.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
  sql.pragma(`journal_size_limit = ${2 * CHECKPOINT_PAGES * PAGE_SIZE}`)
  const verdict: unknown = sql.pragma('quick_check(1)', { simple: true })
  if (verdict !== 'ok')
    throw new StoreError('STORE_CORRUPT', `the store is damaged (${String(verdict)})`, { at: path })
  migrate(sql, path, kind)
  if (options.maxBytes !== undefined) {
    const pageSize = Number(sql.pragma('page_size', { simple: true }))
    sql.pragma(`max_page_count = ${Math.max(64, Math.floor(options.maxBytes / pageSize))}`)
  }
}

function migrate(sql: Database.Database, path: string, kind: FileKind): void {
  const version = Number(sql.pragma('user_version', { simple: true }))
  checkKind(sql, path, kind, version)
  if (version > 0 && version < kind.migrations.length) {
    const copy = `${path}.before-${kind.migrations.length}`
    if (!existsSync(copy)) sql.prepare('VACUUM INTO ?').run(copy)
  }
  for (let at = version; at < kind.migrations.length; at++) {
    sql.transaction(() => {
      sql.exec(kind.migrations[at] as string)
      sql.pragma(`application_id = ${kind.applicationId}`)
      sql.pragma(`user_version = ${at + 1}`)
    })()
  }
}

function checkKind(sql: Database.Database, path: string, kind: FileKind, version: number): void {
  if (version > kind.migrations.length) {
    throw new StoreError(
      'STORE_SCHEMA',
      `the store has version ${version}, this program knows ${kind.migrations.length}`,
      {
        at: path,
        next: `install the newer program again, or restore ${basename(path)}.before-${version}`
      }
    )
  }
  if (version > 0 && Number(sql.pragma('application_id', { simple: true })) !== kind.applicationId) {
    throw new StoreError('STORE_SCHEMA', 'the file is a store of another kind', {
      at: path,
      next: 'correct the path'
    })
  }
}

function openReadOnly(path: string, kind: FileKind): StoreFile {
  if (!existsSync(path)) {
    throw new StoreError('STORE_MISSING', 'there is no store yet', {
      at: path,
      next: 'start the daemon first, or correct `state`'
    })
  }
  try {
    const sql = connect(path, { readonly: true, timeout: 5_000 })
    const version = Number(sql.pragma('user_version', { simple: true }))
    checkKind(sql, path, kind, version)
    if (version < kind.migrations.length) {
      throw new StoreError('STORE_SCHEMA', `the store has the older version ${version}`, {
        at: path,
        next: 'start the daemon once: it brings the store up to date'
      })
    }
    return manageFile(sql, path, () => undefined)
  } catch (error) {
    throw toStoreError(error, path)
  }
}

function manageFile(sql: Database.Database, path: string, releaseLock: () => void): StoreFile {
  const flushes: (() => void)[] = []
  const forgets: (() => void)[] = []
  const place = (at: string): string => `${path} ${at}`
  const write = <T>(at: string, work: () => T): T => {
    try {
      return sql
        .transaction(() => {
          const result = work()
          for (const flush of flushes) flush()
          return result
        })
        .immediate()
    } catch (error) {
      for (const forget of forgets) forget()
      throw toStoreError(error, place(at))
    }
  }
  return {
    sql,
    path,
    read(at, work) {
      try {
        return work()
      } catch (error) {
        throw toStoreError(error, place(at))
      }
    },
    write,
    writeSoon(at, work) {
      if (sql.inTransaction) return write(at, work)
      sql.pragma('synchronous = NORMAL')
      try {
        return write(at, work)
      } finally {
        sql.pragma('synchronous = FULL')
      }
    },
    onWrite: flush => void flushes.push(flush),
    onFailure: forget => void forgets.push(forget),
    close() {
      if (!sql.open) return
      try {
        sql.close()
      } finally {
        releaseLock()
      }
    }
  }
}

/** An empty database held in an exclusive transaction: the kernel releases it whatever way the process ends. */
function lockWriter(path: string): () => void {
  let lock: Database.Database
  try {
    lock = connect(`${path}.lock`, { timeout: 0 })
  } catch (cause) {
    throw new StoreError('STORE_OPEN', 'the store cannot be opened', {
      at: path,
      next: 'check that the state directory exists, is yours and is mounted read-write',
      cause
    })
  }
  try {
    lock.pragma('journal_mode = MEMORY')
    lock.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    throw new StoreError('STORE_LOCKED', 'another wattproof process has this store', {
      at: path,
      next: 'stop the other one first (systemctl stop wattproof), or use another state directory',
      cause
    })
  }
  return () => lock.close()
}

/** Moves the damaged file with its log out of the way: a fresh database must never meet an old log. */
function quarantine(path: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const aside = `${path}.corrupt-${stamp}`
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
  }
  return aside
}

/** Names of stores that were set aside, oldest first: a fresh store beside them has lost its past. */
export function quarantined(path: string): string[] {
  const prefix = `${basename(path)}.corrupt-`
  return readdirSync(dirname(path))
    .filter(name => name.startsWith(prefix) && !/-(wal|shm)$/.test(name))
    .sort()
    .map(name => join(dirname(path), name))
}

/** Octets on disk: the pages in use and the log. */
export function usedBytes(file: StoreFile): number {
  const pages = Number(file.sql.pragma('page_count', { simple: true }))
  const free = Number(file.sql.pragma('freelist_count', { simple: true }))
  const pageSize = Number(file.sql.pragma('page_size', { simple: true }))
  const log = `${file.path}-wal`
  return (pages - free) * pageSize + (existsSync(log) ? statSync(log).size : 0)
}
