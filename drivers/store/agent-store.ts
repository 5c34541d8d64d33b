import type { AgentStore } from '../../agent/ports.ts'
import { AGENT_FILE } from './agent-schema.ts'
import { createAlarmFilings } from './alarm-filings.ts'
import { createAlarms } from './alarms.ts'
import { createAnchors } from './anchors.ts'
import { backupFile, COPY_MARK } from './backup.ts'
import { createBatches } from './batches.ts'
import { type OpenOptions, openFile, quarantined, type StoreFile, usedBytes } from './database.ts'
import { createLearned, createMeta } from './facts.ts'
import { createMembership } from './membership.ts'
import { createNames } from './names.ts'
import { createReadingBlocks } from './reading-blocks.ts'
import { createRetention } from './retention.ts'
import { createSummary } from './summary.ts'
import { createTransactions } from './transactions.ts'

/** The daemon's store with what only its owner may ask. */
export interface OpenedAgentStore extends AgentStore {
  readonly path: string
  /** Copies the store while in use. @returns path of the copy */
  backup(directory: string, keep?: number): Promise<string>
}

/**
 * Opens (or makes) the daemon's store. One process may write; others open read-only.
 * When the past was lost (a damaged store was set aside, or this file is a restored copy) the fact 'stateLost' tells why.
 * @throws StoreError STORE_LOCKED, STORE_MISSING, STORE_OPEN, STORE_SCHEMA, STORE_CORRUPT
 */
export function openAgentStore(path: string, options: OpenOptions): OpenedAgentStore {
  const file = openFile(path, AGENT_FILE, options)
  const meta = createMeta(file)
  if (options.readOnly !== true) noteLostState(file, meta)
  const meters = createNames(file, 'meter')
  const blocks = createReadingBlocks(file, meters, 'store')
  const membership = createMembership(file, meters, blocks)
  const batches = createBatches(file, meters, membership)
  const learned = createLearned(file)
  const filings = createAlarmFilings(file)
  const { idOf: _idOf, byId: _byId, ...batchStore } = batches
  return {
    path,
    ...meta,
    ...batchStore,
    ...createTransactions(file, createAnchors(file, batches), filings),
    ...createAlarms(file, filings),
    ...createRetention(file, blocks),
    summary: createSummary(file),
    get: learned.get,
    set: learned.set,
    delete: learned.delete,
    appendReadings: (bus, readings) =>
      file.write('appendReadings', () => {
        const written = blocks.append(bus, readings)
        membership.await(written.blocks)
        return written.added
      }),
    queryReadings: query => file.read('queryReadings', () => blocks.query(query)),
    highestVersion: (meter, slot) => file.read('highestVersion', () => blocks.highestVersion(meter, slot)),
    unsealed: (fromSlot, toSlot) => file.read('unsealed', () => membership.unsealed(fromSlot, toSlot)),
    sizeBytes: () => file.read('sizeBytes', () => usedBytes(file)),
    backup: (directory, keep) => backupFile(file, directory, options.nowMs(), keep),
    close() {
      if (options.readOnly !== true && file.sql.open) learned.flush()
      file.close()
    }
  }
}

function noteLostState(file: StoreFile, meta: Pick<AgentStore, 'getMeta' | 'setMeta'>): void {
  const copiedAt = meta.getMeta(COPY_MARK)
  if (copiedAt !== undefined) {
    file.write('restore', () => {
      meta.setMeta('stateLost', `restored from a copy of ${new Date(Number(copiedAt)).toISOString()}`)
      file.sql.prepare('DELETE FROM meta WHERE key = ?').run(COPY_MARK)
    })
  }
  if (meta.getMeta('createdBeside') !== undefined) return
  const aside = quarantined(file.path).at(-1)
  file.write('create', () => {
    meta.setMeta('createdBeside', aside ?? '')
    if (aside !== undefined && copiedAt === undefined)
      meta.setMeta('stateLost', `a damaged store was set aside: ${aside}`)
  })
}
