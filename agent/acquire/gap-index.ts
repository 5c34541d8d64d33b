/** Consecutive slots, both ends included. */
export interface SlotSpan {
  readonly from: number
  readonly to: number
}

/**
 * Which slots of which meters could still be had from the meters' own memory, as spans: a month-long outage of 500 meters is 500 entries.
 * Lives in memory and is made from the store, which alone is the truth.
 */
export class GapIndex {
  /** by meter, rising, never touching */
  readonly #spans = new Map<string, SlotSpan[]>()

  add(meter: string, slot: number): void {
    const spans = this.#spans.get(meter) ?? []
    this.#spans.set(meter, spans)
    const at = firstEndingAt(spans, slot - 1)
    const before = spans[at]
    const touches = before !== undefined && before.from <= slot + 1
    if (!touches) {
      spans.splice(at, 0, { from: slot, to: slot })
      return
    }
    const after = spans[at + 1]
    const joinsNext = after !== undefined && after.from === slot + 1 && before.to === slot - 1
    const to = joinsNext ? after.to : Math.max(before.to, slot)
    spans.splice(at, joinsNext ? 2 : 1, { from: Math.min(before.from, slot), to })
  }

  remove(meter: string, slot: number): void {
    const spans = this.#spans.get(meter)
    if (!spans) return
    const at = firstEndingAt(spans, slot)
    const span = spans[at]
    if (!span || span.from > slot) return
    const rest: SlotSpan[] = []
    if (span.from < slot) rest.push({ from: span.from, to: slot - 1 })
    if (span.to > slot) rest.push({ from: slot + 1, to: span.to })
    spans.splice(at, 1, ...rest)
    if (spans.length === 0) this.#spans.delete(meter)
  }

  has(meter: string, slot: number): boolean {
    const spans = this.#spans.get(meter) ?? []
    const span = spans[firstEndingAt(spans, slot)]
    return span !== undefined && span.from <= slot
  }

  /** Forgets what is older than the slot. */
  trimBelow(slot: number): void {
    for (const [meter, spans] of this.#spans) {
      const kept = spans.slice(firstEndingAt(spans, slot))
      const first = kept[0]
      if (first && first.from < slot) kept[0] = { from: slot, to: first.to }
      if (kept.length > 0) this.#spans.set(meter, kept)
      else this.#spans.delete(meter)
    }
  }

  /** Spans of a meter, oldest first. */
  spans(meter: string): readonly SlotSpan[] {
    return this.#spans.get(meter) ?? []
  }

  /** Slots in all spans of a meter. */
  count(meter: string): number {
    return this.spans(meter).reduce((sum, { from, to }) => sum + to - from + 1, 0)
  }
}

/** Index of the first span that ends at the slot or later. */
function firstEndingAt(spans: readonly SlotSpan[], slot: number): number {
  let low = 0
  let high = spans.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((spans[middle] as SlotSpan).to >= slot) high = middle
    else low = middle + 1
  }
  return low
}
