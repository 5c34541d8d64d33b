import type { ReadingQuery } from '../../agent/ports.ts'
import type { Reading } from '../../proto/reading.ts'
import { decodeBlock, decodeBlockKeys, encodeBlock } from './column-codec.ts'
import type { StoreFile } from './database.ts'
import { StoreError } from './errors.ts'
import { createNames, type Names } from './names.ts'

/**
 * Readings in blocks: one compressed block per append of one slot from one source (a bus of the agent, a gateway of the ledger).
 * The key starts with time, so that appending touches one page and pruning removes a range.
 */
export interface ReadingBlocks {
  /** Inside a write. (meter, slot, version) that are there already are left out. @returns ids of the blocks written and count of new readings */
  append(
    source: string,
    readings: readonly Reading[]
  ): { readonly blocks: readonly bigint[]; readonly added: number }
  query(query: ReadingQuery, source?: string): Reading[]
  highestVersion(meter: string, slot: number): number
  block(id: bigint): Reading[]
  removeBefore(slot: number, limit: number): number
  count(source?: string): number
}

export const READING_TABLES = `
CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE meter_source (meter INTEGER NOT NULL, source INTEGER NOT NULL, PRIMARY KEY (meter, source)) WITHOUT ROWID;
CREATE TABLE reading_block (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, octets BLOB NOT NULL);
`

/** id = slot x 2^20 + source x 2^10 + part: rises with time and stays below 2^53 for slots of a second. */
const SOURCES = 1_024
const PARTS = 1_024
const PER_SLOT = BigInt(SOURCES * PARTS)
const SLOTS_CACHED = 8

interface BlockRow {
  readonly id: bigint
  readonly octets: Uint8Array
}

/** The slot of a block's id. */
export function blockSlot(id: bigint): number {
  return Number(id / PER_SLOT)
}

/** The lowest id a block of the slot can have. */
export function firstBlockId(slot: number): bigint {
  return BigInt(slot) * PER_SLOT
}

/** Blocks fetched at a time: bounds memory, and no statement stays open between them. */
const PAGE_ROWS = 32

/** Rows of a paged range statement, in its order. An iterator of the library is not used: see connection.ts. */
function* walk(
  statement: { all(from: bigint, to: bigint): BlockRow[] },
  from: bigint,
  to: bigint,
  down: boolean
): Generator<BlockRow> {
  let low = from
  let high = to
  for (;;) {
    const rows = statement.all(low, high)
    yield* rows
    const last = rows.at(-1)
    if (!last || rows.length < PAGE_ROWS) return
    if (down) high = last.id
    else low = last.id + 1n
  }
}

/** @param scope 'store': a (meter, slot, version) is unique in the file; 'source': within its source */
export function createReadingBlocks(
  file: StoreFile,
  meters: Names,
  scope: 'store' | 'source'
): ReadingBlocks {
  const { sql } = file
  const sources = createNames(file, 'source')
  const insert = sql.prepare('INSERT INTO reading_block (id, count, octets) VALUES (?, ?, ?)')
  const lastPart = sql
    .prepare<[bigint, bigint], { id: bigint }>(
      'SELECT max(id) AS id FROM reading_block WHERE id >= ? AND id < ?'
    )
    .safeIntegers()
  const range = sql
    .prepare<[bigint, bigint], BlockRow>(
      `SELECT id, octets FROM reading_block WHERE id >= ? AND id < ? ORDER BY id LIMIT ${PAGE_ROWS}`
    )
    .safeIntegers()
  const rangeDown = sql
    .prepare<[bigint, bigint], BlockRow>(
      `SELECT id, octets FROM reading_block WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ${PAGE_ROWS}`
    )
    .safeIntegers()
  const one = sql
    .prepare<[bigint], BlockRow>('SELECT id, octets FROM reading_block WHERE id = ?')
    .safeIntegers()
  const link = sql.prepare('INSERT OR IGNORE INTO meter_source (meter, source) VALUES (?, ?)')
  const links = sql.prepare<[number], { source: number }>('SELECT source FROM meter_source WHERE meter = ?')
  const removeRange = sql.prepare(
    'DELETE FROM reading_block WHERE id IN (SELECT id FROM reading_block WHERE id < ? ORDER BY id LIMIT ?)'
  )
  const counts = sql
    .prepare<[], { id: bigint; count: bigint }>('SELECT id, count FROM reading_block')
    .safeIntegers()
  const linked = new Set<string>()
  /** Highest version by meter of the slots last touched; several versions of one meter are contiguous from 1 or not, so all are kept. */
  const keysBySlot = new Map<string, Map<number, Set<number>>>()
  file.onFailure(() => {
    keysBySlot.clear()
    linked.clear()
  })

  const sourceOf = (id: bigint): number => Number((id / BigInt(PARTS)) % BigInt(SOURCES))
  const place = (id: bigint): string => `reading_block ${id}`

  const keysOf = (slot: number, source: number): Map<number, Set<number>> => {
    const key = scope === 'store' ? `${slot}` : `${slot}/${source}`
    const cached = keysBySlot.get(key)
    if (cached) return cached
    const keys = new Map<number, Set<number>>()
    const from = firstBlockId(slot)
    for (const row of walk(range, from, from + PER_SLOT, false)) {
      if (scope === 'source' && sourceOf(row.id) !== source) continue
      for (const { meter, version } of decodeBlockKeys(row.octets, place(row.id)))
        addKey(keys, meter, version)
    }
    keysBySlot.set(key, keys)
    const oldest = keysBySlot.keys().next()
    if (keysBySlot.size > SLOTS_CACHED && !oldest.done) keysBySlot.delete(oldest.value)
    return keys
  }

  const nextId = (slot: number, source: number): bigint => {
    const from = firstBlockId(slot) + BigInt(source * PARTS)
    const last = lastPart.get(from, from + BigInt(PARTS))?.id ?? null
    const next = last === null ? from : last + 1n
    if (next >= from + BigInt(PARTS)) {
      throw new StoreError('STORE_LIMIT', `a slot holds at most ${PARTS} blocks of one source`, {
        at: `slot ${slot} ${sources.nameOf(source)}`,
        next: 'append the readings of a sweep together'
      })
    }
    return next
  }

  const appendSlot = (
    source: number,
    slot: number,
    readings: readonly Reading[]
  ): { id: bigint; added: number } | undefined => {
    const keys = keysOf(slot, source)
    const fresh = readings.filter(({ meter, version }) => addKey(keys, meters.take(meter), version))
    if (fresh.length === 0) return undefined
    for (const { meter } of fresh) {
      const pair = `${meter}\n${source}`
      if (linked.has(pair)) continue
      link.run(meters.take(meter), source)
      linked.add(pair)
    }
    const id = nextId(slot, source)
    insert.run(
      id,
      fresh.length,
      encodeBlock(fresh, meter => meters.take(meter))
    )
    return { id, added: fresh.length }
  }

  return {
    append(sourceName, readings) {
      const source = sources.take(sourceName)
      if (source >= SOURCES) {
        throw new StoreError('STORE_LIMIT', `the store knows at most ${SOURCES - 1} sources`, {
          at: sourceName,
          next: 'begin a new store'
        })
      }
      const bySlot = new Map<number, Reading[]>()
      for (const reading of readings) {
        const members = bySlot.get(reading.slot)
        if (members) members.push(reading)
        else bySlot.set(reading.slot, [reading])
      }
      const written = [...bySlot].flatMap(([slot, members]) => appendSlot(source, slot, members) ?? [])
      return {
        blocks: written.map(({ id }) => id),
        added: written.reduce((sum, { added }) => sum + added, 0)
      }
    },

    query(
      { meter, fromSlot = 0, toSlot = 2 ** 33 - 2, limit = Number.POSITIVE_INFINITY, newestFirst = false },
      sourceName
    ) {
      const wanted = meter === undefined ? undefined : meters.find(meter)
      if (meter !== undefined && wanted === undefined) return []
      const only = sourceName === undefined ? undefined : sources.find(sourceName)
      if (sourceName !== undefined && only === undefined) return []
      const sourcesOfMeter =
        wanted === undefined ? undefined : new Set(links.all(wanted).map(row => row.source))
      const out: Reading[] = []
      const rows = walk(
        newestFirst ? rangeDown : range,
        firstBlockId(fromSlot),
        firstBlockId(toSlot + 1),
        newestFirst === true
      )
      for (const row of rows) {
        const source = sourceOf(row.id)
        if (only !== undefined && only !== source) continue
        if (sourcesOfMeter && !sourcesOfMeter.has(source)) continue
        const block = decodeBlock(row.octets, number => meters.nameOf(number), place(row.id))
        const matching = meter === undefined ? block : block.filter(reading => reading.meter === meter)
        out.push(...(newestFirst ? matching.reverse() : matching))
        if (out.length >= limit) return out.slice(0, limit)
      }
      return out
    },

    highestVersion(meter, slot) {
      const number = meters.find(meter)
      if (number === undefined) return 0
      return Math.max(0, ...(keysOf(slot, 0).get(number) ?? []))
    },

    block(id) {
      const row = one.get(id)
      return row ? decodeBlock(row.octets, number => meters.nameOf(number), place(id)) : []
    },

    removeBefore: (slot, limit) => removeRange.run(firstBlockId(slot), limit).changes,

    count(sourceName) {
      const only = sourceName === undefined ? undefined : (sources.find(sourceName) ?? -1)
      let sum = 0
      for (const row of counts.all())
        if (only === undefined || sourceOf(row.id) === only) sum += Number(row.count)
      return sum
    }
  }
}

/** @returns false when it was there */
function addKey(keys: Map<number, Set<number>>, meter: number, version: number): boolean {
  const versions = keys.get(meter)
  if (!versions) keys.set(meter, new Set([version]))
  else if (versions.has(version)) return false
  else versions.add(version)
  return true
}
