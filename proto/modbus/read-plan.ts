import { MAX_REGISTERS, type ReadFunction } from './function-code.ts'

/** Registers [address, address + count) of one table. */
export interface RegisterSpan {
  readonly function: ReadFunction
  readonly address: number
  readonly count: number
}

/** One request of a plan. */
export interface ReadBlock extends RegisterSpan {
  /** the wanted spans it answers, as indices of the list given to planReads */
  readonly wants: readonly number[]
}

/** What a transaction costs on this line with this meter. */
export interface ReadCosts {
  /** a transaction without registers: request, answer's frame, turnaround, silence before it */
  readonly requestMs: number
  /** each register in the answer */
  readonly registerMs: number
}

export interface ReadLimits {
  /** most registers the meter answers at once, 1..125 */
  readonly maxRegisters: number
  /** registers no request may cover in passing */
  readonly holes: readonly RegisterSpan[]
  /** addresses no request may reach across, learned from refusals */
  readonly cuts: readonly { readonly function: ReadFunction; readonly address: number }[]
}

export const NO_LIMITS: ReadLimits = { maxRegisters: MAX_REGISTERS, holes: [], cuts: [] }

/** Octets of request and answer beside the registers: 8 asked, 5 answered. */
const FRAME_OCTETS = 13

/**
 * Costs on a serial line: 13 octets of frame, the meter's turnaround, and twice t3.5 (3.5 characters, 1.75 ms above
 * 19200 baud; Modbus serial line guide 2.5.1.1).
 * @param characterBits 11 with parity or two stop bits, 10 for 8N1
 */
export function serialCosts(baud: number, turnaroundMs: number, characterBits = 11): ReadCosts {
  const characterMs = (1000 * characterBits) / baud
  const silenceMs = baud > 19_200 ? 1.75 : 3.5 * characterMs
  return {
    requestMs: FRAME_OCTETS * characterMs + turnaroundMs + 2 * silenceMs,
    registerMs: 2 * characterMs
  }
}

/** Bus time of a plan in milliseconds. */
export function planCost(blocks: readonly RegisterSpan[], costs: ReadCosts): number {
  return blocks.reduce((sum, block) => sum + costs.requestMs + block.count * costs.registerMs, 0)
}

/**
 * The requests that bring all wanted spans in the least bus time. Exact: dynamic programming over the sorted spans,
 * a block being a run of neighbours (a span between two others of a block is in that block at no cost).
 * A span beyond a limit by itself is asked for alone.
 */
export function planReads(
  wants: readonly RegisterSpan[],
  costs: ReadCosts,
  limits: ReadLimits = NO_LIMITS
): ReadBlock[] {
  const blocks: ReadBlock[] = []
  for (const table of [3, 4] as const) {
    const order = wants.map((_, index) => index).filter(index => wants[index]?.function === table)
    order.sort((a, b) => compareSpans(wants[a] as RegisterSpan, wants[b] as RegisterSpan))
    const forbidden = createForbiddenTest(table, limits)
    blocks.push(...planTable(wants, order, costs, limits.maxRegisters, forbidden))
  }
  return blocks
}

function compareSpans(a: RegisterSpan, b: RegisterSpan): number {
  return a.address - b.address || a.count - b.count
}

type ForbiddenTest = (start: number, end: number) => boolean

function createForbiddenTest(table: ReadFunction, limits: ReadLimits): ForbiddenTest {
  const holes = limits.holes.filter(hole => hole.function === table)
  const cuts = limits.cuts.filter(cut => cut.function === table)
  return (start, end) =>
    holes.some(hole => hole.address < end && hole.address + hole.count > start) ||
    cuts.some(cut => start < cut.address && cut.address < end)
}

function planTable(
  wants: readonly RegisterSpan[],
  order: readonly number[],
  costs: ReadCosts,
  maxRegisters: number,
  forbidden: ForbiddenTest
): ReadBlock[] {
  const spans = order.map(index => wants[index] as RegisterSpan)
  // best[j]: least cost of the first j spans; cut[j]: where the last block of that plan begins
  const best = [0]
  const cut = [0]
  for (let j = 1; j <= spans.length; j++) {
    best[j] = Number.POSITIVE_INFINITY
    let end = 0
    let start = Number.POSITIVE_INFINITY
    let same = true
    for (let i = j; i >= 1; i--) {
      const span = spans[i - 1] as RegisterSpan
      same &&= i === j || span.address === start
      start = span.address
      end = Math.max(end, span.address + span.count)
      // one span, also when wanted twice, is asked for whatever the limits say
      if (!same && (end - start > maxRegisters || forbidden(start, end))) break
      const cost = (best[i - 1] as number) + costs.requestMs + (end - start) * costs.registerMs
      if (cost < (best[j] as number) - 1e-9) {
        best[j] = cost
        cut[j] = i - 1
      }
    }
  }
  const blocks: ReadBlock[] = []
  for (let j = spans.length; j > 0; j = cut[j] as number) {
    const first = cut[j] as number
    blocks.push(blockOf(spans.slice(first, j), order.slice(first, j)))
  }
  return blocks.reverse()
}

function blockOf(spans: readonly RegisterSpan[], wants: readonly number[]): ReadBlock {
  const first = spans[0] as RegisterSpan
  const end = Math.max(...spans.map(span => span.address + span.count))
  return { function: first.function, address: first.address, count: end - first.address, wants }
}

/** Turnarounds a meter may turn out to have, in milliseconds. */
const LIKELY_TURNAROUNDS_MS = [5, 10, 20, 40, 80]

/**
 * The block to begin with while the meter's turnaround is unknown: the one that most of the plans for likely turnarounds agree
 * on, the shortest among equals. The rest is planned once its answer has been timed.
 */
export function planFirstBlock(
  wants: readonly RegisterSpan[],
  baud: number,
  limits: ReadLimits = NO_LIMITS
): ReadBlock | undefined {
  const votes = new Map<string, { readonly block: ReadBlock; votes: number }>()
  for (const turnaroundMs of LIKELY_TURNAROUNDS_MS) {
    for (const block of planReads(wants, serialCosts(baud, turnaroundMs), limits)) {
      const key = `${block.function}:${block.address}:${block.count}`
      const entry = votes.get(key) ?? { block, votes: 0 }
      entry.votes++
      votes.set(key, entry)
    }
  }
  const ranked = [...votes.values()].sort((a, b) => b.votes - a.votes || a.block.count - b.block.count)
  return ranked[0]?.block
}

/**
 * The block to ask for next. An RTU answer names no address, so one that comes twice, or late, must have the wrong length for
 * the request on the line: of the blocks whose (function, count) is free, one whose length is most frequent among those left,
 * which keeps equal lengths apart to the end.
 * @returns its index, or -1 when no block is free
 */
export function chooseByLength(
  blocks: readonly RegisterSpan[],
  isFree: (span: RegisterSpan) => boolean
): number {
  const lengths = new Map<string, number>()
  const keyOf = (block: RegisterSpan) => `${block.function}:${block.count}`
  for (const block of blocks) lengths.set(keyOf(block), (lengths.get(keyOf(block)) ?? 0) + 1)
  let chosen = -1
  let most = 0
  blocks.forEach((block, index) => {
    const frequency = lengths.get(keyOf(block)) as number
    if (frequency <= most || !isFree(block)) return
    chosen = index
    most = frequency
  })
  return chosen
}
