import type { FileKind } from './database.ts'
import { READING_TABLES } from './reading-blocks.ts'

/**
 * Tables of the daemon's store. What changes often (delivery) is apart from what never changes (batch, batch_body),
 * since SQLite writes a changed row whole.
 * batch.id = epoch number x 2^32 + seq: rises with the age of the epoch, then with the sequence.
 */
const VERSION_1 = `
${READING_TABLES}
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE learned (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- blocks with at least one reading that is in no batch yet
CREATE TABLE unsealed_block (id INTEGER PRIMARY KEY);

CREATE TABLE epoch (id INTEGER PRIMARY KEY, octets BLOB NOT NULL UNIQUE);
CREATE TABLE batch (
  id INTEGER PRIMARY KEY,
  slot_from INTEGER NOT NULL, slot_to INTEGER NOT NULL, reason INTEGER NOT NULL, count INTEGER NOT NULL,
  root BLOB NOT NULL, prev BLOB NOT NULL, anchor BLOB NOT NULL, anchor_hash BLOB NOT NULL,
  salt_key BLOB NOT NULL, leaves BLOB NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE batch_body (id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, octets BLOB NOT NULL);
CREATE TABLE batch_slot (slot INTEGER NOT NULL, batch INTEGER NOT NULL, PRIMARY KEY (slot, batch)) WITHOUT ROWID;
CREATE TABLE receipt (id INTEGER PRIMARY KEY, octets BLOB NOT NULL);
CREATE TABLE delivery (
  batch INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'sealed', anchored INTEGER NOT NULL DEFAULT 0,
  published_at INTEGER, attempts INTEGER NOT NULL DEFAULT 0, receipt INTEGER, refusal TEXT);
CREATE INDEX delivery_open ON delivery (batch) WHERE state <> 'delivered';
CREATE INDEX delivery_unanchored ON delivery (batch) WHERE anchored = 0;

-- no index by transaction hash: hashes are random and would touch a random page at every write; live ones are few
CREATE TABLE anchor_attempt (
  id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, n INTEGER NOT NULL, tx_hash TEXT NOT NULL, chain_id TEXT NOT NULL,
  sender TEXT NOT NULL, nonce INTEGER NOT NULL, raw BLOB NOT NULL, created_at INTEGER NOT NULL);
CREATE INDEX anchor_attempt_batch ON anchor_attempt (batch, n);
CREATE TABLE anchor_progress (
  attempt INTEGER PRIMARY KEY, state TEXT NOT NULL, block_number INTEGER, block_hash TEXT, final_at INTEGER, detail TEXT);
CREATE INDEX anchor_progress_live ON anchor_progress (attempt) WHERE state IN ('built', 'sent', 'mined');
CREATE TABLE account_nonce (
  chain_id TEXT NOT NULL, sender TEXT NOT NULL, nonce INTEGER NOT NULL, PRIMARY KEY (chain_id, sender)) WITHOUT ROWID;

CREATE TABLE alarm (
  id INTEGER PRIMARY KEY, meter TEXT, bus TEXT, rule TEXT NOT NULL, state TEXT NOT NULL, class TEXT NOT NULL,
  raised_at INTEGER NOT NULL, cleared_at INTEGER, acknowledged_at INTEGER, shelved_until INTEGER, evidence TEXT NOT NULL);
CREATE INDEX alarm_raised ON alarm (id) WHERE state = 'raised';
CREATE TABLE alarm_message (
  alarm INTEGER NOT NULL, state TEXT NOT NULL, signed BLOB NOT NULL, receipt BLOB, PRIMARY KEY (alarm, state DESC)) WITHOUT ROWID;
CREATE INDEX alarm_message_open ON alarm_message (alarm) WHERE receipt IS NULL;
`

/**
 * Alarms as events on chain. They share account_nonce with the anchors: one account, one sequence.
 * Rows are few and never without such an alarm, so state and octets stand together.
 */
const VERSION_2 = `
CREATE TABLE alarm_due (alarm INTEGER PRIMARY KEY);
CREATE TABLE alarm_attempt (
  id INTEGER PRIMARY KEY, alarm INTEGER NOT NULL, n INTEGER NOT NULL, tx_hash TEXT NOT NULL, chain_id TEXT NOT NULL,
  sender TEXT NOT NULL, nonce INTEGER NOT NULL, raw BLOB NOT NULL, created_at INTEGER NOT NULL,
  state TEXT NOT NULL, block_number INTEGER, block_hash TEXT, final_at INTEGER, detail TEXT);
CREATE INDEX alarm_attempt_alarm ON alarm_attempt (alarm, n);
CREATE INDEX alarm_attempt_live ON alarm_attempt (id) WHERE state IN ('built', 'sent', 'mined');
`

/** "WPRF" */
export const AGENT_FILE: FileKind = { applicationId: 0x57505246, migrations: [VERSION_1, VERSION_2] }
