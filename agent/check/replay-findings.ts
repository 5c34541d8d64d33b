/** What a replay reports: findings of single slots joined into stretches. */
import { formatInstant } from '../../proto/instant.ts'
import { slotEndMs, slotStartMs } from '../../proto/slot.ts'
import type { AlarmEvent } from './alarm-engine.ts'
import type { SubjectFinding } from './check-stage.ts'
import type { Numbers } from './finding.ts'
import type { Rule, RuleBook } from './rule-book.ts'

export interface Observation {
  readonly meter: string | null
  readonly rule: string
  readonly slots: number
}

export interface EpisodeOptions {
  readonly rules: RuleBook
  readonly slotSeconds: number
  /** added to slot x slotSeconds for the instant a slot began */
  readonly originS?: number
}

/** One alarm-worthy stretch of a rule on a meter, a bus or the gateway. */
export interface ReplayFinding {
  readonly meter: string | null
  readonly bus: string | null
  readonly rule: string
  readonly class: 'general' | 'serious' | null
  /** 'holds' for a fact that is no fault: a register that rolled over */
  readonly verdict: 'violated' | 'holds'
  readonly cause: string | null
  /** archive ratio over likely true ratio */
  readonly factor: number | null
  /** first and last slot with the finding; `since` is when it likely began, for rules that look back over days */
  readonly slot: number
  readonly lastSlot: number
  readonly slotStart: string
  readonly since: string
  readonly until: string
  /** slots in which it was violated */
  readonly slots: number
  readonly level: number
  readonly numbers: Numbers
  /** other rules violated on the same meter at the same time */
  readonly also: readonly string[]
  /** rule whose alarm stands for this finding; null where it is an alarm (or a fact) of its own */
  readonly hiddenBy: string | null
}

/** Rules without an alarm whose finding is a fact worth a line all the same. */
const FACTS = new Set(['read-success', 'duplicate', 'power-fail', 'clock-step'])

/** The findings of a replay as stretches with their alarms, and what was seen beside them. */
export function episodes(
  found: readonly SubjectFinding[],
  alarms: readonly AlarmEvent[],
  options: EpisodeOptions
) {
  const raisedAt = new Map<string, AlarmEvent[]>()
  for (const alarm of alarms) {
    const key = `${alarm.meter ?? alarm.bus ?? ''}/${alarm.rule}`
    const list = raisedAt.get(key)
    if (list) list.push(alarm)
    else raisedAt.set(key, [alarm])
  }
  const bySubject = new Map<string, SubjectFinding[]>()
  const findings: ReplayFinding[] = []
  for (const finding of found) {
    if (finding.verdict === 'holds') {
      findings.push(toFinding([finding], [], options, null))
      continue
    }
    const key = `${finding.meter ?? finding.bus ?? ''}/${finding.rule}`
    const list = bySubject.get(key)
    if (list) list.push(finding)
    else bySubject.set(key, [finding])
  }
  // what else was violated on a meter is asked once a finding: by meter and in order of slots, or it costs their square
  const byMeter = new Map<string | null, SubjectFinding[]>()
  for (const finding of found) {
    const list = byMeter.get(finding.meter)
    if (list) list.push(finding)
    else byMeter.set(finding.meter, [finding])
  }
  for (const list of byMeter.values()) list.sort((a, b) => a.slot - b.slot)
  const near = (part: readonly SubjectFinding[]) => byMeter.get(part[0]?.meter ?? null) ?? []
  const observations: Observation[] = []
  for (const [key, list] of bySubject) {
    const rule = list[0]?.rule as string
    const events = raisedAt.get(key) ?? []
    if (FACTS.has(rule)) {
      for (const one of list) findings.push(toFinding([one], near([one]), options, null))
      continue
    }
    const spans = spansOf(events)
    let inside = 0
    for (const span of spans) {
      const part = list.filter(one => one.slot >= span.from && one.slot <= span.to)
      if (part.length === 0) continue
      inside += part.length
      findings.push(toFinding(part, near(part), options, null))
    }
    const rest = list.filter(one => !spans.some(span => one.slot >= span.from && one.slot <= span.to))
    for (const part of hiddenEpisodes(rest, options.rules.rules.get(rule))) {
      const cause = causeOf(part, raisedAt, options.rules.rules.get(rule)?.hiddenBy ?? [])
      if (cause === undefined) continue
      inside += part.length
      findings.push(toFinding(part, near(part), options, cause))
    }
    if (list.length > inside)
      observations.push({ meter: list[0]?.meter ?? null, rule, slots: list.length - inside })
  }
  findings.sort((a, b) => a.slot - b.slot)
  return { findings, observations }
}

/** Stretches that would have been raised, had nothing hidden them. */
function hiddenEpisodes(list: readonly SubjectFinding[], rule: Rule | undefined): SubjectFinding[][] {
  const policy = rule?.alarm
  if (!policy) return []
  const out: SubjectFinding[][] = []
  for (const one of list) {
    const last = out.at(-1)
    if (last && one.slot - (last.at(-1) as SubjectFinding).slot <= policy.of) last.push(one)
    else out.push([one])
  }
  return out.filter(part => part.length >= policy.raise)
}

/** The rule that hid the episode: its alarm on the same meter stood then. */
function causeOf(
  part: readonly SubjectFinding[],
  raisedAt: ReadonlyMap<string, readonly AlarmEvent[]>,
  causes: readonly string[]
): string | undefined {
  const { meter, bus, slot } = part[0] as SubjectFinding
  return causes.find(cause =>
    spansOf(raisedAt.get(`${meter ?? bus ?? ''}/${cause}`) ?? []).some(
      span => slot >= span.from - 1 && slot <= span.to
    )
  )
}

function spansOf(events: readonly AlarmEvent[]): { from: number; to: number }[] {
  const spans: { from: number; to: number }[] = []
  for (const event of events) {
    const last = spans.at(-1)
    if (event.kind === 'raised') spans.push({ from: event.slot, to: Number.POSITIVE_INFINITY })
    else if (last) last.to = event.slot
  }
  return spans
}

function toFinding(
  part: readonly SubjectFinding[],
  near: readonly SubjectFinding[],
  options: EpisodeOptions,
  hiddenBy: string | null
): ReplayFinding {
  const { slotSeconds, originS = 0 } = options
  const time = (ms: number) => formatInstant(ms + 1000 * originS)
  const first = part[0] as SubjectFinding
  const last = part.at(-1) as SubjectFinding
  // the strongest reading of an episode explains it, of equals the latest, which knows most; a factor, once known, is kept
  const worst = part.reduce((a, b) => (b.level >= a.level ? b : a))
  const named = part.findLast(one => one.factor !== undefined) ?? worst
  const days = Number(first.numbers['days'] ?? 0)
  const since = first.slot - Math.round((days * 86400) / slotSeconds)
  const also = new Set<string>()
  for (let n = firstFrom(near, first.slot); n < near.length; n++) {
    const other = near[n] as SubjectFinding
    if (other.slot > last.slot) break
    if (other.rule !== first.rule) also.add(other.rule)
  }
  return {
    meter: first.meter,
    bus: first.bus,
    rule: first.rule,
    class: options.rules.rules.get(first.rule)?.class ?? null,
    verdict: first.verdict === 'holds' ? 'holds' : 'violated',
    cause: named.cause ?? worst.cause ?? null,
    factor: named.factor ?? null,
    slot: first.slot,
    lastSlot: last.slot,
    slotStart: time(slotStartMs(first.slot, slotSeconds)),
    since: time(slotStartMs(since, slotSeconds)),
    until: time(slotEndMs(last.slot, slotSeconds)),
    slots: part.length,
    level: worst.level,
    numbers: named.factor === undefined ? worst.numbers : named.numbers,
    also: [...also],
    hiddenBy
  }
}

/** Index of the first finding at or after the slot; the list rises by slot. */
function firstFrom(list: readonly SubjectFinding[], slot: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle] as SubjectFinding).slot < slot) low = middle + 1
    else high = middle
  }
  return low
}
