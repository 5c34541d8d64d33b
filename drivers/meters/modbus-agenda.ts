import {
  chooseByLength,
  planFirstBlock,
  planReads,
  type ReadBlock,
  type ReadLimits,
  type RegisterSpan,
  serialCosts
} from '../../proto/modbus/read-plan.ts'
import { type VisitBlock, varyBlock } from './modbus-block.ts'
import type { UnitMemory } from './modbus-memory.ts'
import type { UnitTrust } from './modbus-trust.ts'

export interface AgendaInput {
  readonly memory: UnitMemory
  readonly trust: UnitTrust
  readonly baud: number
  readonly limits: Pick<ReadLimits, 'maxRegisters' | 'holes'>
}

/** What is still to be asked on a visit, and what to ask next. */
export class VisitAgenda {
  readonly #input: AgendaInput
  readonly #spans: readonly RegisterSpan[]
  #pending: VisitBlock[] = []

  constructor(input: AgendaInput, spans: readonly RegisterSpan[]) {
    this.#input = input
    this.#spans = spans
  }

  get pending(): readonly VisitBlock[] {
    return this.#pending
  }

  /** Plans the reads for the wanted spans, given by index. */
  plan(wants: readonly number[]): void {
    const { baud, memory } = this.#input
    const costs = serialCosts(baud, memory.turnaroundMs)
    const first = memory.isNew ? this.#firstBlock(wants) : undefined
    const rest = wants.filter(want => !first?.wants.includes(want))
    const blocks = planReads(this.#spansOf(rest), costs, this.#limits())
    this.#pending = blocks.map(block => this.#blockOf(block, rest))
    if (first) this.#pending.unshift(first)
  }

  /** Plans what is left with what is known now. */
  planAgain(): void {
    this.plan(this.#pending.flatMap(block => block.wants))
  }

  add(...blocks: readonly VisitBlock[]): void {
    this.#pending.push(...blocks)
  }

  take(block: VisitBlock): VisitBlock {
    this.#pending = this.#pending.filter(other => other !== block)
    return block
  }

  takeAll(): readonly VisitBlock[] {
    const all = this.#pending
    this.#pending = []
    return all
  }

  /**
   * The next request: one whose answer cannot be confused; after a lost answer that makes it the canary.
   * @param shortest begin with the shortest one there is
   */
  next(nowMs: number, shortest: boolean): VisitBlock | undefined {
    const { memory, trust } = this.#input
    const isFree = (span: RegisterSpan) => trust.isFree(span, nowMs)
    const [first] = shortest ? [...this.#pending].sort((a, b) => a.count - b.count) : this.#pending
    if (first && (shortest || memory.isNew) && isFree(first)) return this.take(first)
    const index = chooseByLength(this.#pending, isFree)
    if (index >= 0) return this.take(this.#pending[index] as VisitBlock)
    for (const block of this.#pending) {
      const tried = memory.isRigid ? { ...block, fixed: true } : block
      const parts = varyBlock(tried, this.#spans, this.#limits(), isFree)
      if (!parts) continue
      this.take(block)
      this.add(...parts.slice(1))
      return parts[0]
    }
    // whatever is owed with this length can only be the answer to this range; or nothing is owed
    const last =
      this.#pending.find(block => trust.isSameRange(block, nowMs)) ??
      this.#pending.find(block => trust.freeInMs(block, nowMs) === 0)
    return last && this.take(last)
  }

  /** Milliseconds until some block can be asked for; undefined when none will be soon. */
  freeInMs(nowMs: number): number | undefined {
    const waits = this.#pending.flatMap(block => this.#input.trust.freeInMs(block, nowMs) ?? [])
    return waits.length === 0 ? undefined : Math.min(...waits)
  }

  #firstBlock(wants: readonly number[]): VisitBlock | undefined {
    const first = planFirstBlock(this.#spansOf(wants), this.#input.baud, this.#limits())
    return first && this.#blockOf(first, wants)
  }

  #blockOf(block: ReadBlock, wants: readonly number[]): VisitBlock {
    return {
      ...block,
      wants: block.wants.map(index => wants[index] as number),
      tries: 0,
      varied: undefined
    }
  }

  #spansOf(wants: readonly number[]): RegisterSpan[] {
    return wants.map(want => this.#spans[want] as RegisterSpan)
  }

  #limits(): ReadLimits {
    return { ...this.#input.limits, cuts: this.#input.memory.cuts }
  }
}
