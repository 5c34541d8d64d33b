import type { GapIndex } from './gap-index.ts'

/** One request to the memory of one meter: consecutive slots, of which `slots` are wanted. */
export interface GapRange {
  readonly meter: string
  readonly fromSlot: number
  readonly toSlot: number
  /** the slots wanted, rising */
  readonly slots: readonly number[]
}

/**
 * Slots of a cell. Ranges are cut at multiples of it: four hours of 15-minute records are three frames of class 4, so one request never
 * holds the line for long, and ranges of different meters lie over the same slots, so that what they bring is stored together.
 */
export const CELL_SLOTS = 16

/** The cell a slot lies in. */
export function cellOf(slot: number): number {
  return Math.floor(slot / CELL_SLOTS)
}

/** The ranges of one meter between two slots, newest first, one a cell. */
export function* rangesOf(
  index: GapIndex,
  meter: string,
  fromSlot: number,
  toSlot: number
): Generator<GapRange> {
  const spans = index.spans(meter)
  let cell: number | undefined
  let slots: number[] = []
  for (let at = spans.length - 1; at >= 0; at--) {
    const span = spans[at]
    if (!span || span.to < fromSlot) break
    for (let slot = Math.min(span.to, toSlot); slot >= Math.max(span.from, fromSlot); slot--) {
      if (cell !== undefined && cellOf(slot) !== cell) {
        yield asRange(meter, slots)
        slots = []
      }
      cell = cellOf(slot)
      slots.push(slot)
    }
  }
  if (slots.length > 0) yield asRange(meter, slots)
}

/** @param falling at least one slot, newest first */
function asRange(meter: string, falling: readonly number[]): GapRange {
  const slots = [...falling].reverse()
  return { meter, fromSlot: slots[0] as number, toSlot: slots.at(-1) as number, slots }
}

/** What a plan is made of. */
export interface PlanInput {
  readonly index: GapIndex
  /** meters of one bus that may be asked now */
  readonly meters: readonly string[]
  readonly fromSlot: number
  /** the newest slot a meter's memory can be expected to have, by meter */
  readonly newestSlot: (meter: string) => number
  readonly isResting: (range: GapRange) => boolean
}

/** The range to read next: the newest cell of all meters, so that today's bill data come before last week's. */
export function nextRange(input: PlanInput): GapRange | undefined {
  let best: GapRange | undefined
  for (const meter of input.meters) {
    const lowest = best ? (cellOf(best.toSlot) + 1) * CELL_SLOTS : input.fromSlot
    for (const range of rangesOf(
      input.index,
      meter,
      Math.max(input.fromSlot, lowest),
      input.newestSlot(meter)
    )) {
      if (input.isResting(range)) continue
      best = range
      break
    }
  }
  return best
}
