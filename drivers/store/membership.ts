import type { LeafRef } from '../../agent/ports.ts'
import type { Reading } from '../../proto/reading.ts'
import type { StoreFile } from './database.ts'
import { StoreError } from './errors.ts'
import { decodeLeaves } from './leaf-list.ts'
import type { Names } from './names.ts'
import { blockSlot, firstBlockId, type ReadingBlocks } from './reading-blocks.ts'

/** Which reading is in which batch: told by the batches' leaf lists, never by a flag that could contradict them. */
export interface Membership {
  /** Inside a write: the blocks hold readings that are in no batch. */
  await(blocks: readonly bigint[]): void
  /** Inside a write: the leaves belong to the batch now. @throws StoreError STORE_MEMBER unless each is stored and in no other batch */
  enter(batch: bigint, leaves: readonly LeafRef[]): void
  /** Readings in no batch, oldest slot first. */
  unsealed(fromSlot: number, toSlot: number): Reading[]
}

export function createMembership(file: StoreFile, meters: Names, blocks: ReadingBlocks): Membership {
  const { sql } = file
  const addBlock = sql.prepare('INSERT OR IGNORE INTO unsealed_block (id) VALUES (?)')
  const dropBlock = sql.prepare('DELETE FROM unsealed_block WHERE id = ?')
  const waiting = sql
    .prepare<[bigint, bigint], { id: bigint }>(
      'SELECT id FROM unsealed_block WHERE id >= ? AND id < ? ORDER BY id'
    )
    .safeIntegers()
  const addSlot = sql.prepare('INSERT INTO batch_slot (slot, batch) VALUES (?, ?)')
  const leavesOfSlot = sql
    .prepare<[number], { id: bigint; leaves: Uint8Array }>(
      'SELECT b.id AS id, b.leaves AS leaves FROM batch_slot s JOIN batch b ON b.id = s.batch WHERE s.slot = ?'
    )
    .safeIntegers()

  /** Keys of the slot that are in a batch. */
  const sealedKeys = (slot: number): Set<string> => {
    const keys = new Set<string>()
    for (const { id, leaves } of leavesOfSlot.all(slot)) {
      for (const leaf of decodeLeaves(leaves, meters, `batch ${id}`))
        if (leaf.slot === slot) keys.add(keyOf(leaf))
    }
    return keys
  }
  const blocksOf = (slot: number): bigint[] =>
    waiting.all(firstBlockId(slot), firstBlockId(slot + 1)).map(row => row.id)

  const enterSlot = (batch: bigint, slot: number, leaves: readonly LeafRef[]): void => {
    const sealed = sealedKeys(slot)
    const open = blocksOf(slot).map(id => ({ id, readings: blocks.block(id) }))
    const stored = new Set(open.flatMap(({ readings }) => readings.map(keyOf)))
    for (const leaf of leaves) {
      const key = keyOf(leaf)
      if (sealed.has(key) || !stored.has(key)) {
        throw new StoreError(
          'STORE_MEMBER',
          sealed.has(key) ? 'a leaf is in a batch already' : 'a leaf has no stored reading',
          {
            at: `${leaf.meter} slot ${leaf.slot} version ${leaf.version}`,
            next: 'read what is unsealed and seal again'
          }
        )
      }
      sealed.add(key)
    }
    addSlot.run(slot, batch)
    for (const { id, readings } of open)
      if (readings.every(reading => sealed.has(keyOf(reading)))) dropBlock.run(id)
  }

  return {
    await(ids) {
      for (const id of ids) addBlock.run(id)
    },
    enter(batch, leaves) {
      const bySlot = new Map<number, LeafRef[]>()
      for (const leaf of leaves) {
        const members = bySlot.get(leaf.slot)
        if (members) members.push(leaf)
        else bySlot.set(leaf.slot, [leaf])
      }
      for (const [slot, members] of bySlot) enterSlot(batch, slot, members)
    },
    unsealed(fromSlot, toSlot) {
      const out: Reading[] = []
      let slot = -1
      let sealed = new Set<string>()
      for (const { id } of waiting.all(firstBlockId(fromSlot), firstBlockId(toSlot + 1))) {
        if (blockSlot(id) !== slot) {
          slot = blockSlot(id)
          sealed = sealedKeys(slot)
        }
        out.push(...blocks.block(id).filter(reading => !sealed.has(keyOf(reading))))
      }
      return out
    }
  }
}

function keyOf({ meter, version }: LeafRef): string {
  return `${version} ${meter}`
}
