import Database from 'better-sqlite3'
import { WattproofError } from '../../proto/errors.ts'

export type StoreCode =
  | 'STORE_LOCKED'
  | 'STORE_MISSING'
  | 'STORE_OPEN'
  | 'STORE_READONLY'
  | 'STORE_SCHEMA'
  | 'STORE_CORRUPT'
  | 'STORE_FULL'
  | 'STORE_IO'
  | 'STORE_BUSY'
  | 'STORE_SEQ'
  | 'STORE_NOT_FOUND'
  | 'STORE_MEMBER'
  | 'STORE_LIMIT'
  | 'STORE_FAULT'

/** The store refuses or cannot do what is asked; nothing was changed. */
export class StoreError extends WattproofError<StoreCode> {}

/** True when the same call may succeed later without anybody's help in the data: space freed, disk back, lock released. */
export function isRetryable(error: unknown): boolean {
  return error instanceof StoreError && ['STORE_FULL', 'STORE_IO', 'STORE_BUSY'].includes(error.code)
}

interface Verdict {
  readonly code: StoreCode
  readonly what: string
  readonly next: string
}

/** SQLite result codes by their primary name (https://www.sqlite.org/rescode.html). */
const VERDICTS: readonly (readonly [prefix: string, verdict: Verdict])[] = [
  [
    'SQLITE_FULL',
    {
      code: 'STORE_FULL',
      what: 'the disk or the quota of the store is full',
      next: 'free space on the disk, or raise retention.diskMax, or shorten retention'
    }
  ],
  [
    'SQLITE_IOERR',
    {
      code: 'STORE_IO',
      what: 'the disk fails to read or write',
      next: 'look at dmesg for the disk, replace the medium if it fails again'
    }
  ],
  [
    'SQLITE_CORRUPT',
    {
      code: 'STORE_CORRUPT',
      what: 'the store is damaged',
      next: 'restart: the damaged file is set aside and a new epoch begins'
    }
  ],
  [
    'SQLITE_NOTADB',
    {
      code: 'STORE_CORRUPT',
      what: 'the store is no database',
      next: 'restart: the damaged file is set aside and a new epoch begins'
    }
  ],
  [
    'SQLITE_BUSY',
    {
      code: 'STORE_BUSY',
      what: 'another process keeps the store locked',
      next: 'end the other process that writes to the store'
    }
  ],
  [
    'SQLITE_LOCKED',
    { code: 'STORE_BUSY', what: 'the store is locked by another statement', next: 'try again' }
  ],
  [
    'SQLITE_READONLY',
    {
      code: 'STORE_READONLY',
      what: 'the store cannot be written',
      next: 'check owner and permissions of the state directory and that it is mounted rw'
    }
  ],
  [
    'SQLITE_CANTOPEN',
    {
      code: 'STORE_OPEN',
      what: 'the store cannot be opened',
      next: 'check that the state directory exists and is yours'
    }
  ]
]

/** Puts any failure of SQLite into the store's own words; other errors pass as they are. */
export function toStoreError(error: unknown, at: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error
  const verdict = VERDICTS.find(([prefix]) => error.code.startsWith(prefix))?.[1]
  return new StoreError(verdict?.code ?? 'STORE_FAULT', `${verdict?.what ?? error.message} (${error.code})`, {
    at,
    next: verdict?.next ?? 'report this as a defect',
    cause: error
  })
}
