import type { Edition } from '../../proto/dlt645/address.ts'
import { catalogueEntry } from '../../proto/dlt645/catalogue.ts'
import type { DataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { blockIdentifier, findDataItem, type ItemTable, usualOctets } from '../../proto/dlt645/data-items.ts'
import { itemById } from '../../proto/items.ts'

/** A catalogue item to be taken out of an answer. */
export interface Want {
  readonly item: number
  readonly di: DataIdentifier
  readonly field: string
}

/** One read. */
export interface PlanStep {
  readonly di: DataIdentifier
  readonly isBlock: boolean
  readonly wants: readonly Want[]
  /** octets expected behind the identifier */
  readonly dataOctets: number
}

/** What planning has to know of a meter. */
export interface PlanKnowledge {
  /** the block is refused: read its parts one by one */
  isRefused(di: DataIdentifier): boolean
  /** data octets of a block, when they are known to differ from the table */
  octetsOf(di: DataIdentifier): number | undefined
}

/**
 * What one more exchange costs in octets of line time: preambles, both frames' overhead and identifiers (40),
 * and a turnaround of some 80 ms at 2400 baud.
 */
const EXCHANGE_OCTETS = 58

/** The reads that bring the items for the fewest octets. Items the edition has no identifier for are left out. */
export function planReads(
  items: readonly number[],
  edition: Edition,
  table: ItemTable,
  knowledge: PlanKnowledge
): PlanStep[] {
  const byDi = new Map<DataIdentifier, Want[]>()
  for (const item of items) {
    const entry = catalogueEntry(item, edition)
    if (!entry) continue
    byDi.set(entry.di, [...(byDi.get(entry.di) ?? []), entry])
  }
  const groups = new Map<DataIdentifier, DataIdentifier[]>()
  for (const di of byDi.keys()) {
    const block = blockIdentifier(table, di) ?? di
    groups.set(block, [...(groups.get(block) ?? []), di])
  }
  const steps: PlanStep[] = []
  for (const [block, parts] of groups) {
    const singles = parts.map(di => stepOf(di, byDi.get(di) ?? [], table, knowledge, false))
    const whole = stepOf(
      block,
      parts.flatMap(di => byDi.get(di) ?? []),
      table,
      knowledge,
      true
    )
    const apart = singles.reduce((sum, step) => sum + EXCHANGE_OCTETS + step.dataOctets, 0)
    const useBlock =
      parts.length > 1 && !knowledge.isRefused(block) && EXCHANGE_OCTETS + whole.dataOctets <= apart
    steps.push(...(useBlock ? [whole] : singles))
  }
  return steps.sort((a, b) => rank(a) - rank(b))
}

/** A refused block read one by one. */
export function splitStep(step: PlanStep, table: ItemTable, knowledge: PlanKnowledge): PlanStep[] {
  const parts = new Map<DataIdentifier, Want[]>()
  for (const want of step.wants) parts.set(want.di, [...(parts.get(want.di) ?? []), want])
  return [...parts].map(([di, wants]) => stepOf(di, wants, table, knowledge, false))
}

function stepOf(
  di: DataIdentifier,
  wants: readonly Want[],
  table: ItemTable,
  knowledge: PlanKnowledge,
  isBlock: boolean
): PlanStep {
  const dataOctets = knowledge.octetsOf(di) ?? usualOctets(findDataItem(table, di))
  return { di, isBlock, wants, dataOctets }
}

/** Registers first: their time is the reading's. */
function rank(step: PlanStep): number {
  const kinds = step.wants.map(want => itemById(want.item).kind)
  return kinds.includes('energy') ? 0 : kinds.includes('demand') ? 1 : 2
}
