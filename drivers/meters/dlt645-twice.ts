import { equalBytes } from '../../proto/bytes.ts'
import type { DataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import type { ItemTable } from '../../proto/dlt645/data-items.ts'
import { decodeItemValues } from '../../proto/dlt645/item-values.ts'

/** Registers move between two answers, but not by more than this in their last digit. */
const MOST_COUNTS = 5

/** Whether two answers to one energy read, moments apart, can both be right. */
export function isSameEnergy(
  table: ItemTable,
  di: DataIdentifier,
  first: Uint8Array,
  second: Uint8Array
): boolean {
  if (equalBytes(first, second)) return true
  if (first.length !== second.length) return false
  const before = decodeItemValues(table, di, first)
  const after = decodeItemValues(table, di, second)
  if (!before.sound || !after.sound) return false
  return before.elements.every((element, i) => {
    const one = element.value
    const other = after.elements[i]?.value
    if (one.kind !== 'number' || other?.kind !== 'number') return one.kind === other?.kind
    return one.exponent === other.exponent && Math.abs(other.value - one.value) <= MOST_COUNTS
  })
}
