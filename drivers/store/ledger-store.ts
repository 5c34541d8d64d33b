import { createHash } from 'node:crypto'
import type { EnrolledKey, LedgerAnchor, LedgerGateway, LedgerStore } from '../../agent/ports.ts'
import { equalBytes } from '../../proto/bytes.ts'
import { type FileKind, type OpenOptions, openFile, type StoreFile } from './database.ts'
import { createNames } from './names.ts'
import { createReadingBlocks, READING_TABLES } from './reading-blocks.ts'

const VERSION_1 = `
${READING_TABLES}
CREATE TABLE gateway (id TEXT PRIMARY KEY, sign_key BLOB NOT NULL, kid BLOB NOT NULL, status TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE anchor (
  id INTEGER PRIMARY KEY, gateway TEXT NOT NULL REFERENCES gateway (id), epoch BLOB NOT NULL, seq INTEGER NOT NULL,
  anchor_hash BLOB NOT NULL, signed BLOB NOT NULL, UNIQUE (gateway, epoch, seq));
CREATE UNIQUE INDEX anchor_hash ON anchor (gateway, anchor_hash);
CREATE INDEX anchor_order ON anchor (gateway, id);
CREATE TABLE anchor_batch (anchor INTEGER PRIMARY KEY, octets BLOB NOT NULL);
CREATE TABLE pending (
  gateway TEXT NOT NULL, epoch BLOB NOT NULL, seq INTEGER NOT NULL, anchor_hash BLOB NOT NULL, signed BLOB NOT NULL,
  batch BLOB, PRIMARY KEY (gateway, epoch, seq));
CREATE TABLE alarm (gateway TEXT NOT NULL, alarm_hash BLOB NOT NULL, signed BLOB NOT NULL, PRIMARY KEY (gateway, alarm_hash));
CREATE TABLE evidence (
  id INTEGER PRIMARY KEY, gateway TEXT NOT NULL, kind TEXT NOT NULL, digest BLOB NOT NULL, objects BLOB NOT NULL,
  UNIQUE (gateway, kind, digest));
`

/** Keys beside the gateway: one that was replaced goes on vouching for what it signed. The columns of version 1 keep the newest. */
const VERSION_2 = `
CREATE TABLE gateway_key (
  id INTEGER PRIMARY KEY, gateway TEXT NOT NULL REFERENCES gateway (id), kid BLOB NOT NULL, sign_key BLOB NOT NULL,
  since INTEGER, UNIQUE (gateway, kid));
INSERT INTO gateway_key (gateway, kid, sign_key) SELECT id, kid, sign_key FROM gateway;
`

/** "WLDG" */
const LEDGER_FILE: FileKind = { applicationId: 0x574c4447, migrations: [VERSION_1, VERSION_2] }

/** Whoever may publish under a gateway's name must not be able to fill the disk with refused objects. */
const EVIDENCE_PER_GATEWAY = 1_000
/** Anchors without their batch: a gateway has at most a window of them under way. */
const PENDING_PER_GATEWAY = 64

interface AnchorRow {
  readonly id: number
  readonly gateway: string
  readonly epoch: Uint8Array
  readonly seq: number
  readonly anchor_hash: Uint8Array
  readonly signed: Uint8Array
  readonly batch: Uint8Array | null
}

interface KeyRow {
  readonly sign_key: Uint8Array
  readonly kid: Uint8Array
  readonly since: number | null
}

/** The reference ledger's store. @throws StoreError as {@link openFile} */
export function openLedgerStore(path: string, options: OpenOptions): LedgerStore {
  const file = openFile(path, LEDGER_FILE, options)
  const { sql } = file
  const blocks = createReadingBlocks(file, createNames(file, 'meter'), 'source')
  const select = 'SELECT a.*, b.octets AS batch FROM anchor a LEFT JOIN anchor_batch b ON b.anchor = a.id'
  const head = sql.prepare<[string], AnchorRow>(`${select} WHERE a.gateway = ? ORDER BY a.id DESC LIMIT 1`)
  const byNumber = sql.prepare<[string, Uint8Array, number], AnchorRow>(
    `${select} WHERE a.gateway = ? AND a.epoch = ? AND a.seq = ?`
  )
  const byHash = sql.prepare<[string, Uint8Array], AnchorRow>(
    `${select} WHERE a.gateway = ? AND a.anchor_hash = ?`
  )
  const insertAnchor = sql.prepare(
    'INSERT INTO anchor (gateway, epoch, seq, anchor_hash, signed) VALUES (?, ?, ?, ?, ?)'
  )
  const insertBatch = sql.prepare('INSERT INTO anchor_batch (anchor, octets) VALUES (?, ?)')
  const pending = sql.prepare<[string, Uint8Array, number], AnchorRow>(
    'SELECT rowid AS id, * FROM pending WHERE gateway = ? AND epoch = ? AND seq = ?'
  )
  const insertPending =
    sql.prepare(`INSERT INTO pending (gateway, epoch, seq, anchor_hash, signed, batch) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (gateway, epoch, seq) DO UPDATE SET anchor_hash = excluded.anchor_hash, signed = excluded.signed, batch = excluded.batch`)
  const trimPending = sql.prepare(`DELETE FROM pending WHERE gateway = ? AND rowid NOT IN
    (SELECT rowid FROM pending WHERE gateway = ? ORDER BY rowid DESC LIMIT ${PENDING_PER_GATEWAY})`)
  const removePending = sql.prepare('DELETE FROM pending WHERE gateway = ? AND epoch = ? AND seq = ?')
  const gateway = sql.prepare<[string], { status: LedgerGateway['status'] }>(
    'SELECT status FROM gateway WHERE id = ?'
  )
  const keys = sql.prepare<[string], KeyRow>('SELECT * FROM gateway_key WHERE gateway = ? ORDER BY id')
  // a frozen gateway stays frozen however often it is enrolled
  const enrol = sql.prepare(`INSERT INTO gateway (id, sign_key, kid, status) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET sign_key = excluded.sign_key, kid = excluded.kid`)
  const admitKey = sql.prepare('INSERT INTO gateway_key (gateway, kid, sign_key) VALUES (?, ?, ?)')
  const noteSince = sql.prepare(
    'UPDATE gateway_key SET since = ? WHERE gateway = ? AND kid = ? AND since IS NULL'
  )
  const setStatus = sql.prepare('UPDATE gateway SET status = ? WHERE id = ?')
  const insertAlarm = sql.prepare(
    'INSERT OR IGNORE INTO alarm (gateway, alarm_hash, signed) VALUES (?, ?, ?)'
  )
  const insertEvidence = sql.prepare(
    `INSERT OR IGNORE INTO evidence (gateway, kind, digest, objects) SELECT ?, ?, ?, ?
     WHERE (SELECT count(*) FROM evidence WHERE gateway = ?) < ${EVIDENCE_PER_GATEWAY}`
  )

  return {
    gateway: id =>
      file.read('gateway', () => {
        const row = gateway.get(id)
        return row && { gateway: id, keys: keys.all(id).map(toKey), status: row.status }
      }),
    enrol: entry =>
      file.write('enrol', () => {
        if (keys.all(entry.gateway).some(({ kid }) => equalBytes(kid, entry.kid))) return
        enrol.run(entry.gateway, entry.signKey, entry.kid, entry.status)
        admitKey.run(entry.gateway, entry.kid, entry.signKey)
      }),
    setStatus: (id, status) => file.write('setStatus', () => void setStatus.run(status, id)),
    head: id => file.read('head', () => toAnchor(head.get(id))),
    anchor: (id, epoch, seq) => file.read('anchor', () => toAnchor(byNumber.get(id, epoch, seq))),
    anchorByHash: (id, hash) => file.read('anchor', () => toAnchor(byHash.get(id, hash))),
    pending: (id, epoch, seq) => file.read('pending', () => toAnchor(pending.get(id, epoch, seq))),
    savePending: anchor =>
      file.writeSoon('savePending', () => {
        insertPending.run(
          anchor.gateway,
          anchor.epoch,
          anchor.seq,
          anchor.anchorHash,
          anchor.signed,
          anchor.batch
        )
        trimPending.run(anchor.gateway, anchor.gateway)
      }),
    accept: (anchor, readings, key) =>
      file.write('accept', () => {
        const { lastInsertRowid } = insertAnchor.run(
          anchor.gateway,
          anchor.epoch,
          anchor.seq,
          anchor.anchorHash,
          anchor.signed
        )
        if (anchor.batch !== null) insertBatch.run(lastInsertRowid, anchor.batch)
        if (readings.length > 0) blocks.append(anchor.gateway, readings)
        if (key !== undefined) noteSince.run(key.since, anchor.gateway, key.kid)
        removePending.run(anchor.gateway, anchor.epoch, anchor.seq)
      }),
    saveAlarm: (id, alarm, hash) => file.write('saveAlarm', () => void insertAlarm.run(id, hash, alarm)),
    saveEvidence: (id, kind, objects) =>
      file.write('saveEvidence', () => {
        const octets = frame(objects)
        insertEvidence.run(id, kind, createHash('sha256').update(octets).digest(), octets, id)
      }),
    counts: id =>
      file.read('counts', () => ({
        anchors: count(file, 'anchor', id),
        readings: blocks.count(id),
        alarms: count(file, 'alarm', id),
        evidence: count(file, 'evidence', id)
      })),
    readings: ({ gateway: source, ...query }) => file.read('readings', () => blocks.query(query, source)),
    close: () => file.close()
  }
}

function count(file: StoreFile, table: 'anchor' | 'alarm' | 'evidence', gateway: string | undefined): number {
  const where = gateway === undefined ? '? IS NULL' : 'gateway = ?'
  const row = file.sql
    .prepare<[string | null], { n: number }>(`SELECT count(*) AS n FROM ${table} WHERE ${where}`)
    .get(gateway ?? null)
  return row?.n ?? 0
}

function toKey({ sign_key, kid, since }: KeyRow): EnrolledKey {
  return { signKey: plain(sign_key), kid: plain(kid), since }
}

function toAnchor(row: AnchorRow | undefined): LedgerAnchor | undefined {
  return (
    row && {
      gateway: row.gateway,
      epoch: plain(row.epoch),
      seq: row.seq,
      anchorHash: plain(row.anchor_hash),
      signed: plain(row.signed),
      batch: row.batch === null ? null : plain(row.batch)
    }
  )
}

/** Objects one after the other, each behind its length in four octets, big-endian. */
function frame(objects: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const object of objects) {
    const size = new Uint8Array(4)
    new DataView(size.buffer).setUint32(0, object.length)
    parts.push(size, object)
  }
  return new Uint8Array(Buffer.concat(parts))
}

/** better-sqlite3 gives Buffers; the ports promise plain octets. */
function plain(octets: Uint8Array): Uint8Array {
  return new Uint8Array(octets.buffer, octets.byteOffset, octets.byteLength)
}
