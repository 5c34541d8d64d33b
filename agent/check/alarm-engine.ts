/**
 * Alarm life cycle, after ISA-18.2: raised after m of n, cleared at 80 % of the raise level, held for a minimum,
 * one alarm a (subject, rule), one alarm a cause, locked when it flaps, acknowledged and shelved by people. Pure: time comes in.
 */
import type { Finding, Numbers } from './finding.ts'
import type { Rule, RuleBook } from './rule-book.ts'

/** Whom an alarm is about: one meter, one bus, or the gateway (both null). */
export interface AlarmSubject {
  readonly meter: string | null
  readonly bus: string | null
}

/** Everything the signed alarm of the wire contract needs. */
export interface AlarmEvent {
  readonly kind: 'raised' | 'cleared'
  /** "<meter or bus: or gateway>/<rule>": the same for raise and clear */
  readonly key: string
  readonly meter: string | null
  readonly bus: string | null
  readonly rule: string
  readonly class: 'general' | 'serious'
  /** hours until it must be dealt with */
  readonly deadlineHours: number
  /** unix seconds: end of the slot that raised or cleared it */
  readonly raisedAt: number
  readonly clearedAt: number | null
  readonly slot: number
  readonly location: { readonly lat: number; readonly lon: number } | null
  readonly evidence: AlarmEvidence
  readonly onChain: boolean
  /** true: it flaps and is held raised */
  readonly locked: boolean
}

export interface AlarmEvidence {
  readonly level: number
  readonly cause: string | null
  readonly factor: number | null
  readonly numbers: Numbers
  /** SHA-256 of the raw frames, hex */
  readonly frames: readonly string[]
}

interface Entry {
  /** newest verdict in bit 0: 1 violated, 0 holds */
  bits: number
  count: number
  raisedSlot: number | null
  raisedAt: number
  quiet: number
  acknowledgedAt: number | null
  shelvedUntil: number | null
  /** slots of the last raises */
  raises: number[]
  locked: boolean
  hidden: boolean
}

export interface AlarmPlace {
  readonly slot: number
  /** unix seconds of the slot's end */
  readonly atS: number
  readonly frames: readonly string[]
  readonly location: { readonly lat: number; readonly lon: number } | null
  readonly slotSeconds: number
}

export interface AlarmStatus {
  readonly key: string
  readonly raisedAt: number
  readonly acknowledgedAt: number | null
  readonly shelvedUntil: number | null
  readonly locked: boolean
}

const CLEAR_LEVEL = 0.8
const FLAPS = 5
const DEADLINE_HOURS = { general: 2, serious: 8 } as const

export class AlarmEngine {
  readonly #book: RuleBook
  /** by subject, then by rule */
  readonly #entries = new Map<string, Map<string, Entry>>()

  constructor(book: RuleBook) {
    this.#book = book
  }

  /**
   * Takes the findings of one subject for one slot. A finding without evidence neither raises nor clears.
   * @param hiddenBy rules (of any subject) whose alarms stand and explain this subject's, e.g. 'bus-down'
   */
  step(
    subject: AlarmSubject,
    findings: readonly Finding[],
    place: AlarmPlace,
    hiddenBy: readonly string[] = []
  ): AlarmEvent[] {
    const id = subjectId(subject)
    const entries = this.#entries.get(id)
    const spoken = findings.filter(
      finding => finding.verdict === 'violated' || (finding.verdict === 'holds' && entries?.has(finding.rule))
    )
    if (spoken.length === 0) return []
    // causes first, so that what they explain is hidden in the same slot
    if (spoken.length > 1) spoken.sort((a, b) => this.#depth(a.rule) - this.#depth(b.rule))
    const events: AlarmEvent[] = []
    for (const finding of spoken) {
      const rule = this.#book.rules.get(finding.rule)
      if (!rule?.alarm) continue
      const own = this.#entries.get(id) ?? new Map<string, Entry>()
      this.#entries.set(id, own)
      const entry = own.get(rule.id) ?? newEntry()
      own.set(rule.id, entry)
      entry.hidden = rule.hiddenBy.some(
        other => hiddenBy.includes(other) || own.get(other)?.raisedSlot != null
      )
      events.push(...this.#turn(`${id}/${rule.id}`, entry, rule, subject, finding, place))
      if (
        entry.raisedSlot === null &&
        entry.bits === 0 &&
        entry.shelvedUntil === null &&
        entry.raises.length === 0
      )
        own.delete(rule.id)
    }
    return events
  }

  #turn(
    key: string,
    entry: Entry,
    rule: Rule,
    subject: AlarmSubject,
    finding: Finding,
    place: AlarmPlace
  ): AlarmEvent[] {
    const policy = rule.alarm
    if (!policy) return []
    const violated = finding.verdict === 'violated'
    const window = 2 ** Math.min(30, policy.of) - 1
    entry.bits = ((entry.bits << 1) | (violated ? 1 : 0)) & window
    entry.count = Math.min(30, entry.count + 1)
    const flapWindow = Math.max(24, Math.ceil(3600 / place.slotSeconds))
    entry.raises = entry.raises.filter(slot => place.slot - slot < flapWindow)
    const make = (kind: 'raised' | 'cleared'): AlarmEvent => ({
      kind,
      key,
      ...subject,
      rule: rule.id,
      class: rule.class,
      deadlineHours: DEADLINE_HOURS[rule.class],
      raisedAt: entry.raisedAt,
      clearedAt: kind === 'cleared' ? place.atS : null,
      slot: place.slot,
      location: place.location,
      evidence: {
        level: finding.level,
        cause: finding.cause ?? null,
        factor: finding.factor ?? null,
        numbers: finding.numbers,
        frames: place.frames
      },
      onChain: rule.onChain,
      locked: entry.locked
    })
    if (entry.raisedSlot === null) {
      if (!violated || entry.hidden || bitCount(entry.bits) < policy.raise) return []
      if (entry.shelvedUntil !== null && entry.shelvedUntil > place.atS) return []
      entry.shelvedUntil = null
      entry.raisedSlot = place.slot
      entry.raisedAt = place.atS
      entry.quiet = 0
      entry.raises.push(place.slot)
      entry.locked = entry.raises.length > FLAPS
      return [make('raised')]
    }
    entry.quiet = violated || finding.level > CLEAR_LEVEL ? 0 : entry.quiet + 1
    if (entry.quiet < policy.clearSlots || place.slot - entry.raisedSlot < policy.holdSlots) return []
    // a flapping alarm stays until a whole flap window was quiet
    if (entry.locked && entry.quiet < flapWindow) return []
    const event = make('cleared')
    entry.raisedSlot = null
    entry.acknowledgedAt = null
    entry.locked = false
    entry.bits = 0
    return [event]
  }

  #depth(rule: string, seen = 0): number {
    const causes = this.#book.rules.get(rule)?.hiddenBy ?? []
    return seen > 4 || causes.length === 0
      ? 0
      : 1 + Math.max(...causes.map(cause => this.#depth(cause, seen + 1)))
  }

  #entry(key: string): Entry | undefined {
    const cut = key.lastIndexOf('/')
    return this.#entries.get(key.slice(0, cut))?.get(key.slice(cut + 1))
  }

  /** Whether the alarm stands. */
  isRaised(subject: AlarmSubject, rule: string): boolean {
    return this.#entries.get(subjectId(subject))?.get(rule)?.raisedSlot != null
  }

  /** Alarms that stand. */
  raised(): AlarmStatus[] {
    const out: AlarmStatus[] = []
    for (const [id, entries] of this.#entries)
      for (const [rule, { raisedSlot, raisedAt, acknowledgedAt, shelvedUntil, locked }] of entries)
        if (raisedSlot !== null)
          out.push({ key: `${id}/${rule}`, raisedAt, acknowledgedAt, shelvedUntil, locked })
    return out
  }

  /** Notes that someone has seen the alarm; it stays raised. @returns false when it does not stand */
  acknowledge(key: string, atS: number): boolean {
    const entry = this.#entry(key)
    if (entry?.raisedSlot == null) return false
    entry.acknowledgedAt = atS
    return true
  }

  /** Keeps the alarm from being raised (again) until then; one that stands still clears by itself. */
  shelve(key: string, untilS: number): void {
    const cut = key.lastIndexOf('/')
    const id = key.slice(0, cut)
    const entries = this.#entries.get(id) ?? new Map<string, Entry>()
    const entry = entries.get(key.slice(cut + 1)) ?? newEntry()
    entry.shelvedUntil = untilS
    entries.set(key.slice(cut + 1), entry)
    this.#entries.set(id, entries)
  }

  /** State as text for {@link load}. */
  save(): string {
    return JSON.stringify([1, [...this.#entries].map(([id, entries]) => [id, [...entries]])])
  }

  /** Takes up a saved state; one that is damaged is left: standing alarms are raised again by their findings. */
  load(text: string | undefined): void {
    if (text === undefined) return
    try {
      const parsed: unknown = JSON.parse(text)
      if (!Array.isArray(parsed) || parsed[0] !== 1) return
      for (const [id, entries] of parsed[1] as [string, [string, Entry][]][])
        this.#entries.set(id, new Map(entries.map(([rule, entry]) => [rule, { ...newEntry(), ...entry }])))
    } catch {
      this.#entries.clear()
    }
  }
}

export function subjectId(subject: AlarmSubject): string {
  return subject.meter ?? (subject.bus === null ? 'gateway' : `bus:${subject.bus}`)
}

function newEntry(): Entry {
  return {
    bits: 0,
    count: 0,
    raisedSlot: null,
    raisedAt: 0,
    quiet: 0,
    acknowledgedAt: null,
    shelvedUntil: null,
    raises: [],
    locked: false,
    hidden: false
  }
}

function bitCount(bits: number): number {
  let count = 0
  for (let rest = bits; rest; rest &= rest - 1) count++
  return count
}
