/** Rules as data: the shape of config/rules/*.yaml once loaded, and the limits of one meter. */
import type { QualityFlag } from '../../proto/reading.ts'

export interface RuleLimit {
  readonly default: number
  readonly unit: string
  readonly min: number
  readonly max: number
  /** Short key an operator may use in `rules:` beside "<rule>.<limit>", e.g. overload */
  readonly alias: string | undefined
}

/** When findings become an alarm and when it ends. */
export interface AlarmPolicy {
  /** violated in `raise` of the last `of` slots with evidence */
  readonly raise: number
  readonly of: number
  /** slots an alarm stays raised at least */
  readonly holdSlots: number
  /** slots at or under the clear level, in a row, before it ends */
  readonly clearSlots: number
}

export interface Rule {
  readonly id: string
  readonly title: { readonly en: string; readonly zh: string }
  readonly reason: string
  readonly source: string
  /** general: local team, 2 h; serious: province, 8 h */
  readonly class: 'general' | 'serious'
  readonly flag: QualityFlag | undefined
  readonly limits: Readonly<Record<string, RuleLimit>>
  /** undefined: the finding only marks the reading or feeds another rule */
  readonly alarm: AlarmPolicy | undefined
  /** Rules whose alarm on the same meter explains this one away. */
  readonly hiddenBy: readonly string[]
  /** Whether the alarm is to be an event on chain too; see {@link withChainChoice}. */
  readonly onChain: boolean
}

export interface RuleBook {
  readonly rules: ReadonlyMap<string, Rule>
}

/** By rule, then by limit. Plain objects: they are looked into a hundred times a reading, and a map takes twice as long. */
type LimitTable = Readonly<Record<string, Readonly<Record<string, number>>>>

/** Limits in force for one meter, by rule and limit name. */
export class MeterLimits {
  readonly #values: LimitTable
  readonly #disabled: ReadonlySet<string>

  constructor(values: LimitTable, disabled: ReadonlySet<string>) {
    this.#values = values
    this.#disabled = disabled
  }

  /** @throws RangeError for a name the rule book does not have: a defect of the program, not of the configuration */
  get(rule: string, limit: string): number {
    const value = this.#values[rule]?.[limit]
    if (value === undefined) throw new RangeError(`no limit ${rule}.${limit} in the rule book`)
    return value
  }

  /** No rule is turned off. */
  get allEnabled(): boolean {
    return this.#disabled.size === 0
  }

  enabled(rule: string): boolean {
    return !this.#disabled.has(rule)
  }
}

const MADE = new WeakMap<RuleBook, Map<string, MeterLimits>>()

/** As {@link limitsOf}, but meters with the same overrides share one object. */
export function sharedLimits(book: RuleBook, overrides: Readonly<Record<string, number>>): MeterLimits {
  const made = MADE.get(book) ?? new Map<string, MeterLimits>()
  MADE.set(book, made)
  const key = JSON.stringify(overrides)
  const limits = made.get(key) ?? limitsOf(book, overrides)
  made.set(key, limits)
  return limits
}

/**
 * The limits of a meter: defaults of the book, overridden by "<rule>.<limit>" or the limit's alias;
 * "<rule>.enabled: 0" turns a rule off. Overrides are held inside the limit's bounds.
 */
export function limitsOf(book: RuleBook, overrides: Readonly<Record<string, number>>): MeterLimits {
  const values: Record<string, Record<string, number>> = {}
  const disabled = new Set<string>()
  for (const rule of book.rules.values()) {
    const own: Record<string, number> = {}
    for (const [name, limit] of Object.entries(rule.limits)) {
      const wanted = overrides[`${rule.id}.${name}`] ?? (limit.alias ? overrides[limit.alias] : undefined)
      own[name] = wanted === undefined ? limit.default : Math.min(limit.max, Math.max(limit.min, wanted))
    }
    values[rule.id] = own
    if (overrides[`${rule.id}.enabled`] === 0) disabled.add(rule.id)
  }
  return new MeterLimits(values, disabled)
}

/** The book with "<rule>.onChain: 0" or "1" of the gateway's overrides in place of what the rules say. */
export function withChainChoice(book: RuleBook, overrides: Readonly<Record<string, number>>): RuleBook {
  const rules = [...book.rules.values()].map(rule => {
    const wanted = overrides[`${rule.id}.onChain`]
    return [rule.id, wanted === undefined ? rule : { ...rule, onChain: wanted !== 0 }] as const
  })
  return { rules: new Map(rules) }
}

/** Keys of an override table that name no limit of the book: an operator's typing mistakes. */
export function unknownOverrides(book: RuleBook, overrides: Readonly<Record<string, number>>): string[] {
  const known = new Set<string>()
  for (const rule of book.rules.values()) {
    known.add(`${rule.id}.enabled`)
    known.add(`${rule.id}.onChain`)
    for (const [name, limit] of Object.entries(rule.limits)) {
      known.add(`${rule.id}.${name}`)
      if (limit.alias) known.add(limit.alias)
    }
  }
  return Object.keys(overrides).filter(key => !known.has(key))
}
