import { isGap } from '../../proto/reading.ts'
import type { AgentStore, Clock } from '../ports.ts'
import type { BackfillLine } from './backfill-line.ts'
import { CELL_SLOTS, cellOf, type GapRange } from './backfill-plan.ts'
import { isMendable, latestVersions } from './gap-scan.ts'

/** What somebody wants read again. */
export interface BackfillAsk {
  /** all meters when left out */
  readonly meter?: string
  readonly fromSlot: number
  readonly toSlot: number
  /** slots that have values too: what the meter's memory says becomes a further version */
  readonly again?: boolean
}

/** What an asked re-read came to. */
export interface BackfillFigures {
  /** slots that were wanted */
  readonly wanted: number
  readonly filled: number
  /** slots the meter's own memory has no record for, now recorded as such */
  readonly holes: number
  readonly damagedBlocks: number
  /** slots that stay as they were */
  readonly left: number
  /** meters without a load profile and freezes */
  readonly unsupported: readonly string[]
  /** meters that did not answer */
  readonly silent: readonly string[]
}

export const NOTHING_ASKED: BackfillFigures = {
  wanted: 0,
  filled: 0,
  holes: 0,
  damagedBlocks: 0,
  left: 0,
  unsupported: [],
  silent: []
}

export function addFigures(a: BackfillFigures, b: BackfillFigures): BackfillFigures {
  return {
    wanted: a.wanted + b.wanted,
    filled: a.filled + b.filled,
    holes: a.holes + b.holes,
    damagedBlocks: a.damagedBlocks + b.damagedBlocks,
    left: a.left + b.left,
    unsupported: [...a.unsupported, ...b.unsupported],
    silent: [...a.silent, ...b.silent]
  }
}

/** Reads again what was asked of one meter, newest first, however often it failed before. Rejects only when the signal aborts. */
export async function serveAsk(
  line: BackfillLine,
  meter: string,
  ask: BackfillAsk,
  host: { readonly store: Pick<AgentStore, 'queryReadings'>; readonly clock: Clock },
  signal: AbortSignal
): Promise<BackfillFigures> {
  let sum = NOTHING_ASKED
  let isBeyondReach = false
  // a slot whose account is still open may be asked for too: what comes is in its batch
  const last = Math.min(ask.toSlot, line.newestSlot(meter, Number.POSITIVE_INFINITY))
  for (let cell = cellOf(last); cell >= cellOf(ask.fromSlot); cell--) {
    const from = Math.max(ask.fromSlot, cell * CELL_SLOTS)
    const to = Math.min(last, (cell + 1) * CELL_SLOTS - 1)
    const { range, mendable } = await wantedOf(meter, from, to, ask, host, signal)
    if (!range) continue
    if (isBeyondReach) {
      sum = addFigures(sum, { ...NOTHING_ASKED, wanted: range.slots.length, left: range.slots.length })
      continue
    }
    const result = await line.read(range, signal, slot => mendable.has(slot))
    const done = result.filled + result.holes
    isBeyondReach = result.kind !== 'read'
    sum = addFigures(sum, {
      wanted: range.slots.length,
      filled: result.filled,
      holes: result.holes,
      damagedBlocks: result.damagedBlocks,
      left: range.slots.length - done,
      unsupported: result.kind === 'unsupported' ? [meter] : [],
      silent: result.kind === 'silent' || result.kind === 'lineDown' ? [meter] : []
    })
    line.store()
  }
  line.store(true)
  return sum
}

/** The slots of a cell that are wanted: gaps, slots never recorded, and with `again` those with values. One slot a turn of the event loop. */
async function wantedOf(
  meter: string,
  from: number,
  to: number,
  ask: BackfillAsk,
  host: { readonly store: Pick<AgentStore, 'queryReadings'>; readonly clock: Clock },
  signal: AbortSignal
): Promise<{ range: GapRange | undefined; mendable: ReadonlySet<number> }> {
  const slots: number[] = []
  const mendable = new Set<number>()
  for (let slot = from; slot <= to; slot++) {
    const reading = latestVersions(host.store.queryReadings({ meter, fromSlot: slot, toSlot: slot })).get(
      meter
    )
    if (!reading || isGap(reading) || ask.again) slots.push(slot)
    if (reading && isMendable(reading)) mendable.add(slot)
    await host.clock.wait(0, signal)
  }
  const [first] = slots
  if (first === undefined) return { range: undefined, mendable }
  return { range: { meter, fromSlot: first, toSlot: slots.at(-1) as number, slots }, mendable }
}
