import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { openAgentStore } from '../../drivers/store/agent-store.ts'
import { toHex } from '../../proto/bytes.ts'
import { type SealOutput, sealBatch } from '../../proto/envelope/seal.ts'
import { signReceipt } from '../../proto/envelope/signed-objects.ts'
import { RECEIPT_STATUS } from '../../proto/wire/receipt.ts'
import { villageReadings } from '../fixtures/village.ts'
import { cpuMs } from './core-figures.ts'
import {
  FIRST_SLOT,
  GATEWAY,
  ledgerSigner,
  METERS,
  randomOctets,
  SLOT_SECONDS,
  sealInput
} from './core-parts.ts'

/** What a store has cost so far. */
export interface StoreSample {
  /** octets this process caused to be sent to the block device, /proc/self/io */
  readonly writtenOctets: number
  readonly fileOctets: number
  /** of the store alone, without sealing */
  readonly cpuMs: number
}

interface StoreOptions {
  readonly folder: string
  /** an anchor attempt per batch as well: built, mined, final */
  readonly chain: boolean
}

/** The agent's store: a round records, seals and delivers so many slots; 0 closes it. */
export function openBlocks({ folder, chain }: StoreOptions): (slots: unknown) => StoreSample {
  const path = join(folder, chain ? 'chain.db' : 'store.db')
  const before = writtenOctets()
  const store = openAgentStore(path, { nowMs: Date.now })
  const ledger = ledgerSigner()
  let slot = FIRST_SLOT
  let prev: Uint8Array = new Uint8Array(32)
  let spent = 0
  const timed = (work: () => void): void => {
    const start = cpuMs()
    work()
    spent += cpuMs() - start
  }
  const receiptFor = ({ epoch, seq, anchorHash }: SealOutput): Uint8Array =>
    signReceipt(
      {
        ledger: 'BENCH-LEDGER',
        gateway: GATEWAY,
        epoch,
        upToSeq: seq,
        anchorHash,
        status: RECEIPT_STATUS.accepted,
        ledgerHead: anchorHash,
        time: (slot + 1) * SLOT_SECONDS
      },
      ledger
    )
  const oneSlot = (): void => {
    const input = sealInput(slot)
    const { readings } = input
    timed(() => {
      for (let bus = 0; bus < 4; bus++)
        store.appendReadings(`bus${bus}`, readings.slice((bus * METERS) / 4, ((bus + 1) * METERS) / 4))
      store.set('sweptSlot', String(slot))
    })
    const batch = sealBatch({ ...input, prev })
    const receipt = receiptFor(batch)
    timed(() => {
      store.commitBatch(batch)
      store.notePublished(batch.epoch, batch.seq, Date.now())
      store.acknowledge(batch.epoch, batch.seq, receipt)
      if (chain) anchor(batch)
    })
    prev = batch.anchorHash
    slot++
  }
  const anchor = ({ epoch, seq, anchorHash }: SealOutput): void => {
    const txHash = `0x${toHex(anchorHash)}`
    store.saveAttempt({
      ...{ epoch, seq, n: 0, chainId: 1n, from: '0x0000000000000000000000000000000000000001', txHash },
      nonce: BigInt(seq),
      raw: randomOctets(700),
      state: 'built',
      createdAt: Date.now(),
      ...{ blockNumber: null, blockHash: null, finalAt: null, detail: null }
    })
    store.updateAttempt(txHash, { state: 'mined', blockNumber: BigInt(seq + 1), blockHash: txHash })
    store.updateAttempt(txHash, { state: 'final', finalAt: Date.now() })
  }
  return slots => {
    for (let i = 0; i < Number(slots); i++) oneSlot()
    if (slots === 0) store.close()
    return { writtenOctets: writtenOctets() - before, fileOctets: statSync(path).size, cpuMs: spent }
  }
}

/** The obvious schema: a row for every value, in the same journal mode, a transaction a slot. */
export function openRows({ folder }: { readonly folder: string }): (slots: unknown) => StoreSample {
  const path = join(folder, 'rows.db')
  const before = writtenOctets()
  const sql = new Database(path)
  sql.pragma('journal_mode = WAL')
  sql.pragma('synchronous = FULL')
  sql.exec(
    'CREATE TABLE value (meter TEXT, ts INTEGER, key INTEGER, value INTEGER, PRIMARY KEY (meter, ts, key)) WITHOUT ROWID'
  )
  const insert = sql.prepare('INSERT INTO value VALUES (?, ?, ?, ?)')
  let slot = FIRST_SLOT
  let spent = 0
  const oneSlot = (): void => {
    const readings = villageReadings(METERS, slot, slot)
    const start = cpuMs()
    sql.transaction(() => {
      for (const { meter, values } of readings)
        for (const [key, value] of values) insert.run(meter, (slot + 1) * SLOT_SECONDS, key, value)
    })()
    spent += cpuMs() - start
    slot++
  }
  return slots => {
    for (let i = 0; i < Number(slots); i++) oneSlot()
    if (slots === 0) sql.close()
    return { writtenOctets: writtenOctets() - before, fileOctets: statSync(path).size, cpuMs: spent }
  }
}

function writtenOctets(): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? Number.NaN)
}
