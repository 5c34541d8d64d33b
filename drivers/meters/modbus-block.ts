import type { ReadBlock, ReadLimits, RegisterSpan } from '../../proto/modbus/read-plan.ts'

/** A block on its way through a visit. */
export interface VisitBlock extends ReadBlock {
  /** how often it has been asked for without use */
  readonly tries: number
  /** the planned block, when this one was lengthened or shortened to be told apart */
  readonly varied: VisitBlock | undefined
  /** must not be varied again: the meter refuses what lies beyond */
  readonly fixed?: boolean
}

/** Registers to lengthen a request by, at most: as many lengths can be told apart. */
const MAX_PADDING = 24

/**
 * The same wants in requests of other lengths, none of which can be confused: a register or two more at the end or the
 * beginning, or else the block in two. Undefined when neither can be.
 */
export function varyBlock(
  block: VisitBlock,
  spans: readonly RegisterSpan[],
  limits: ReadLimits,
  isFree: (span: RegisterSpan) => boolean
): readonly VisitBlock[] | undefined {
  if (!block.fixed) {
    for (let more = 1; more <= MAX_PADDING; more++) {
      for (const address of [block.address, block.address - more]) {
        const longer = { ...block, address, count: block.count + more, varied: block }
        if (isAllowed(longer, limits) && isFree(longer)) return [longer]
      }
    }
  }
  const halves = splitBlock(block, spans)
  return halves && isFree(halves[0]) ? halves : undefined
}

function isAllowed(span: RegisterSpan, limits: ReadLimits): boolean {
  const end = span.address + span.count
  return (
    span.address >= 0 &&
    end <= 0x10000 &&
    span.count <= limits.maxRegisters &&
    !limits.holes.some(
      hole =>
        hole.function === span.function && hole.address < end && hole.address + hole.count > span.address
    ) &&
    !limits.cuts.some(
      cut => cut.function === span.function && span.address < cut.address && cut.address < end
    )
  )
}

/**
 * A block in two, where the gap between its wants is widest, nearest the middle among equals: a refused register is in a gap
 * more often than not. Undefined when its wants cannot be parted.
 */
export function splitBlock(
  block: VisitBlock,
  spans: readonly RegisterSpan[]
): readonly [VisitBlock, VisitBlock] | undefined {
  const wants = [...block.wants].sort((a, b) => (spans[a]?.address ?? 0) - (spans[b]?.address ?? 0))
  let best: { readonly at: number; readonly gap: number; readonly offset: number } | undefined
  let end = 0
  wants.forEach((want, at) => {
    const span = spans[want] as RegisterSpan
    if (at > 0 && span.address >= end) {
      const gap = span.address - end
      const offset = Math.abs(at - wants.length / 2)
      if (!best || gap > best.gap || (gap === best.gap && offset < best.offset)) best = { at, gap, offset }
    }
    end = Math.max(end, span.address + span.count)
  })
  if (!best) return undefined
  return [blockOf(block, wants.slice(0, best.at), spans), blockOf(block, wants.slice(best.at), spans)]
}

/** True when the block runs over registers that none of its wants needs. */
export function hasGap(block: VisitBlock, spans: readonly RegisterSpan[]): boolean {
  const needed = new Set<number>()
  for (const want of block.wants) {
    const span = spans[want] as RegisterSpan
    for (let i = 0; i < span.count; i++) needed.add(span.address + i)
  }
  return needed.size < block.count
}

function blockOf(block: VisitBlock, wants: readonly number[], spans: readonly RegisterSpan[]): VisitBlock {
  const parts = wants.map(want => spans[want] as RegisterSpan)
  const address = Math.min(...parts.map(span => span.address))
  const end = Math.max(...parts.map(span => span.address + span.count))
  return { function: block.function, address, count: end - address, wants, tries: 0, varied: undefined }
}
