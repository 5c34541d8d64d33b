/** Checks over several meters of one transformer area. */
import type { Reading } from '../../proto/reading.ts'
import type { MeterPoint } from '../ports.ts'
import type { AlarmSubject } from './alarm-engine.ts'
import type { Finding } from './finding.ts'
import type { MeterHistory } from './history.ts'
import type { RuleBook } from './rule-book.ts'

export class AreaChecks {
  readonly #meters: readonly MeterPoint[]
  readonly #rules: RuleBook
  readonly #options: { readonly slotSeconds: number; readonly utcOffsetMinutes: number }

  constructor(
    meters: readonly MeterPoint[],
    rules: RuleBook,
    options: { readonly slotSeconds: number; readonly utcOffsetMinutes: number }
  ) {
    this.#meters = meters
    this.#rules = rules
    this.#options = options
  }

  note(_reading: Reading, _history: MeterHistory, _meter: MeterPoint): void {
    void this.#meters
    void this.#rules
    void this.#options
  }

  findingsFor(_meter: string): readonly Finding[] | undefined {
    return undefined
  }

  endSlot(
    _slot: number,
    _historyOf: (meter: string) => MeterHistory | undefined
  ): { subject: AlarmSubject; findings: Finding[] }[] {
    return []
  }
}
