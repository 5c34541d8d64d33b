/** The check stage: every fresh reading gets its quality, alarms come out. State lives in the LearnedStore and is cheap to lose. */
import { GAP_REASON, isGap, type Reading } from '../../proto/reading.ts'
import type { LearnedStore, MeterPoint } from '../ports.ts'
import { AlarmEngine, type AlarmEvent, type AlarmPlace, type AlarmStatus } from './alarm-engine.ts'
import type { KnownFault } from './area.ts'
import { Areas } from './areas.ts'
import { checkReading } from './check-reading.ts'
import type { CheckOptions } from './context.ts'
import type { Finding } from './finding.ts'
import { holds, violated } from './finding.ts'
import { decodeHistory, emptyHistory, encodeHistory, type MeterHistory } from './history.ts'
import { type MeterLimits, type RuleBook, sharedLimits } from './rule-book.ts'
import { checkSuccess, type DayCount } from './success.ts'
import { dayOf } from './sum-check.ts'

export interface CheckStageOptions {
  readonly meters: readonly MeterPoint[]
  readonly rules: RuleBook
  readonly learned: LearnedStore
  readonly slotSeconds: number
  /** minutes east of UTC of the site */
  readonly utcOffsetMinutes: number
  /** of the gateway, for alarms of buses and of meters without their own */
  readonly location?: { readonly lat: number; readonly lon: number }
}

export interface CheckedSlot {
  /** in the order given, with quality flags added */
  readonly readings: Reading[]
  readonly alarmEvents: AlarmEvent[]
  /** what was violated (and a register that rolled over), with the meter or bus it is about */
  readonly findings: SubjectFinding[]
}

export interface SubjectFinding extends Finding {
  readonly meter: string | null
  readonly bus: string | null
  readonly slot: number
}

interface MeterSlot {
  readonly meter: MeterPoint
  readonly limits: MeterLimits
  history: MeterHistory
  day: DayCount
}

const ALARMS_KEY = 'check/alarms'
const meterKey = (meter: string) => `check/meter/${meter}`
const SAVE_EVERY = 96

export class CheckStage {
  readonly #options: CheckStageOptions
  readonly #engine: AlarmEngine
  readonly #areas: Areas
  readonly #meters = new Map<string, MeterSlot>()
  #openSlot = -1
  #day = -1

  constructor(options: CheckStageOptions) {
    this.#options = options
    this.#engine = new AlarmEngine(options.rules)
    this.#areas = new Areas(options.meters, options.rules, options)
  }

  /** Takes up what was learned before the restart. Call once, before the first slot. */
  start(): void {
    const { meters, rules, learned } = this.#options
    for (const meter of meters)
      this.#meters.set(meter.id, {
        meter,
        limits: sharedLimits(rules, meter.rules),
        history: decodeHistory(learned.get(meterKey(meter.id))),
        day: { expected: 0, first: 0, filled: 0 }
      })
    this.#engine.load(learned.get(ALARMS_KEY))
  }

  /**
   * Checks fresh readings of a slot: of all buses at once, or bus by bus. A later slot closes the one before.
   * @param frames SHA-256 (hex) of the raw frames by meter: evidence for alarms
   */
  onSlot(
    slot: number,
    readings: readonly Reading[],
    frames: ReadonlyMap<string, readonly string[]> = new Map()
  ): CheckedSlot {
    const out: CheckedSlot = { readings: [], alarmEvents: [], findings: [] }
    if (this.#openSlot >= 0 && slot > this.#openSlot) this.#close(out)
    this.#openSlot = Math.max(this.#openSlot, slot)
    this.#turnDay(slot, out)
    const buses = this.#busFindings(slot, readings, out)
    for (const reading of readings) {
      const known = this.#meters.get(reading.meter)
      if (!known || reading.slot !== slot) {
        out.readings.push(reading)
        continue
      }
      known.day.expected++
      if (!isGap(reading)) known.day.first++
      const checked = checkReading(
        reading,
        known.history,
        known.meter,
        known.limits,
        this.#checkOptions(known)
      )
      out.readings.push(checked.reading)
      if (checked.energy) this.#areas.note(reading.meter, checked.energy)
      this.#report(known.meter, checked.findings, slot, frames.get(reading.meter) ?? [], buses, out)
    }
    if (out.alarmEvents.length > 0) this.#options.learned.set(ALARMS_KEY, this.#engine.save())
    this.#saveSome(slot, readings)
    return out
  }

  /** Ends the open slot: checks over several meters (balance, peers). Their findings reach the meters with the next reading. */
  endSlot(): CheckedSlot {
    const out: CheckedSlot = { readings: [], alarmEvents: [], findings: [] }
    if (this.#openSlot >= 0) this.#close(out)
    if (out.alarmEvents.length > 0) this.#options.learned.set(ALARMS_KEY, this.#engine.save())
    return out
  }

  /**
   * Readings that came late (back-fill): flagged like fresh ones against an empty history, counted for the second success figure.
   * No alarms about the past.
   */
  onBackfill(readings: readonly Reading[]): Reading[] {
    return readings.map(reading => {
      const known = this.#meters.get(reading.meter)
      if (!known || isGap(reading)) return reading
      if (dayOf(reading.slot, this.#options) === this.#day) known.day.filled++
      const fresh = emptyHistory()
      fresh.resolution = known.history.resolution
      return checkReading(reading, fresh, known.meter, known.limits, this.#checkOptions()).reading
    })
  }

  /** Writes all state; call before the process ends. */
  flush(): void {
    const { learned } = this.#options
    for (const { meter, history } of this.#meters.values())
      learned.set(meterKey(meter.id), encodeHistory(history))
    learned.set(ALARMS_KEY, this.#engine.save())
  }

  raised(): AlarmStatus[] {
    return this.#engine.raised()
  }

  /** @returns false when no such alarm stands */
  acknowledge(key: string, atS: number): boolean {
    const done = this.#engine.acknowledge(key, atS)
    this.#options.learned.set(ALARMS_KEY, this.#engine.save())
    return done
  }

  shelve(key: string, untilS: number): void {
    this.#engine.shelve(key, untilS)
    this.#options.learned.set(ALARMS_KEY, this.#engine.save())
  }

  /** The memory of a meter, for `ratio show`; undefined for a meter that is not configured. */
  historyOf(meter: string): MeterHistory | undefined {
    return this.#meters.get(meter)?.history
  }

  #checkOptions(known?: MeterSlot): CheckOptions {
    const { slotSeconds, utcOffsetMinutes } = this.#options
    const area = known ? this.#areas.findingsFor(known.meter.id) : undefined
    const parent = known !== undefined && this.#areas.isParent(known.meter.id)
    const { usualLean } = this.#areas
    return { slotSeconds, utcOffsetMinutes, parent, usualLean, ...(area ? { area } : {}) }
  }

  #place(slot: number, frames: readonly string[], meter?: MeterPoint): AlarmPlace {
    const { slotSeconds, location } = this.#options
    return {
      slot,
      atS: (slot + 1) * slotSeconds,
      frames,
      location: meter?.location ?? location ?? null,
      slotSeconds
    }
  }

  #report(
    meter: MeterPoint,
    findings: readonly Finding[],
    slot: number,
    frames: readonly string[],
    hiddenBy: readonly string[],
    out: CheckedSlot
  ): void {
    const subject = { meter: meter.id, bus: meter.bus }
    out.alarmEvents.push(...this.#engine.step(subject, findings, this.#place(slot, frames, meter), hiddenBy))
    for (const finding of findings)
      if (finding.verdict === 'violated' || isFact(finding))
        out.findings.push({ ...finding, ...subject, slot })
  }

  #gateway(findings: readonly Finding[], slot: number, hiddenBy: readonly string[], out: CheckedSlot): void {
    const subject = { meter: null, bus: null }
    out.alarmEvents.push(...this.#engine.step(subject, findings, this.#place(slot, []), hiddenBy))
    for (const finding of findings)
      if (finding.verdict === 'violated') out.findings.push({ ...finding, ...subject, slot })
  }

  /** A bus whose meters are all silent for its sake: one alarm, and its meters' gaps are hidden by it. */
  #busFindings(slot: number, readings: readonly Reading[], out: CheckedSlot): string[] {
    const buses = new Map<string, { all: number; down: number; gaps: number }>()
    for (const reading of readings) {
      const bus = this.#meters.get(reading.meter)?.meter.bus
      if (bus === undefined || reading.slot !== slot) continue
      const count = buses.get(bus) ?? { all: 0, down: 0, gaps: 0 }
      count.all++
      if (isGap(reading)) count.gaps++
      if ((reading.quality & 0xff) === GAP_REASON.busDown) count.down++
      buses.set(bus, count)
    }
    const hidden: string[] = []
    for (const [bus, count] of buses) {
      const down = count.down === count.all || (count.all >= 3 && count.gaps === count.all)
      const numbers = { meters: count.all, silent: count.gaps }
      const subject = { meter: null, bus }
      const finding = down ? violated('bus-down', numbers) : holds('bus-down', numbers)
      out.alarmEvents.push(...this.#engine.step(subject, [finding], this.#place(slot, [])))
      if (down) out.findings.push({ ...finding, ...subject, slot })
      if (down || this.#engine.isRaised(subject, 'bus-down')) hidden.push('bus-down')
    }
    return hidden
  }

  /** At the first slot of a day: the read-success rate of the day before, as two figures, with the worst meters. */
  #turnDay(slot: number, out: CheckedSlot): void {
    const day = dayOf(slot, this.#options)
    if (day === this.#day) return
    const first = this.#day < 0
    this.#day = day
    if (first) return
    const total: DayCount = { expected: 0, first: 0, filled: 0 }
    let worst: MeterSlot | undefined
    for (const known of this.#meters.values()) {
      total.expected += known.day.expected
      total.first += known.day.first
      total.filled += known.day.filled
      const missed = known.day.expected - known.day.first
      if (missed > 0 && missed > (worst ? worst.day.expected - worst.day.first : 0)) worst = known
    }
    const any = this.#meters.values().next().value
    if (!any || total.expected === 0) return
    const more = worst ? { worst: worst.meter.id, worstMissed: worst.day.expected - worst.day.first } : {}
    const finding = checkSuccess(total, any.limits.get('read-success', 'min'), more)
    this.#gateway([finding], slot, [], out)
    for (const known of this.#meters.values()) {
      const own = checkSuccess(known.day, known.limits.get('read-success', 'min'))
      const subject = { meter: known.meter.id, bus: known.meter.bus }
      // per meter it is a fact for the table, not an alarm: one missed slot of 96 is already under 99.5 %
      if (own.verdict === 'violated') out.findings.push({ ...own, ...subject, slot: slot - 1 })
      known.day = { expected: 0, first: 0, filled: 0 }
    }
  }

  #close(out: CheckedSlot): void {
    const slot = this.#openSlot
    for (const { subject, findings } of this.#areas.endSlot(
      slot,
      meter => this.#meters.get(meter)?.history,
      meter => this.#knownFault(meter)
    )) {
      const point = subject.meter === null ? undefined : this.#meters.get(subject.meter)?.meter
      const explained = this.#areas.ratioInDoubt(subject.meter ?? '', meter =>
        this.#engine.isRaised({ meter, bus: null }, 'ratio')
      )
      out.alarmEvents.push(
        ...this.#engine.step(subject, findings, this.#place(slot, [], point), explained ? ['ratio'] : [])
      )
      for (const finding of findings)
        if (finding.verdict === 'violated') out.findings.push({ ...finding, ...subject, slot })
    }
    this.#openSlot = -1
  }

  /** What alarms that stand say of a meter's energy: the balance must not lay it to another one. */
  #knownFault(meter: string): KnownFault | undefined {
    const stands = (rule: string) => this.#engine.isRaised({ meter, bus: null }, rule)
    if (['zero-energy', 'flat-line'].some(stands)) return 'silent'
    if (['phase-swap', 'phase-reversed', 'pattern'].some(stands)) return 'erratic'
    return stands('ratio') ? 'factor' : undefined
  }

  /** Each meter's memory once in 96 slots, spread over them: flash lives on few writes. */
  #saveSome(slot: number, readings: readonly Reading[]): void {
    readings.forEach((reading, index) => {
      if (index % SAVE_EVERY !== slot % SAVE_EVERY) return
      const known = this.#meters.get(reading.meter)
      if (known) this.#options.learned.set(meterKey(reading.meter), encodeHistory(known.history))
    })
  }
}

/** A rollover is no violation, yet whoever reads the findings must see that it was one. */
const isFact = (finding: Finding) => finding.verdict === 'holds' && finding.cause !== undefined
