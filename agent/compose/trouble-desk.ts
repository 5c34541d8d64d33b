import type { AlarmEvent } from '../check/alarm-engine.ts'
import type { Clock } from '../ports.ts'
import type { AlarmDesk } from './alarm-desk.ts'

/** A trouble of a line, or of the way to ledger or chain, as its loop reports it; undefined = over. */
export interface Trouble {
  readonly kind: string
  readonly detail: string
  /** no need to see whether it lasts */
  readonly isCertain?: boolean
}

/** What must not wait: somebody else signs under this identity, or the past is contradicted. */
const AT_ONCE: ReadonlySet<string> = new Set([
  'fork',
  'ledgerAhead',
  'conflict',
  'keyUsedElsewhere',
  'chainBehind',
  'refused',
  'swapped'
])

interface Open {
  readonly way: string
  readonly bus: string | null
  readonly trouble: Trouble
  readonly sinceMs: number
  raised: boolean
}

/**
 * Turns troubles of lines, delivery and anchoring into alarms. One that passes within a slot is only logged: an unattended box
 * must not cry for every restart of a broker.
 */
export class TroubleDesk {
  readonly #desk: Pick<AlarmDesk, 'file' | 'standing'>
  readonly #clock: Clock
  readonly #slotSeconds: number
  readonly #open = new Map<string, Open>()
  readonly #known = new Set<string>()

  constructor(desk: Pick<AlarmDesk, 'file' | 'standing'>, clock: Clock, slotSeconds: number) {
    this.#desk = desk
    this.#clock = clock
    this.#slotSeconds = slotSeconds
  }

  /** @param way 'delivery', 'anchor' or 'line' @param bus the line it is about; null for the gateway's own ways */
  note(way: string, trouble: Trouble | undefined, bus: string | null = null): void {
    const key = `${bus ?? 'gateway'}/${way}`
    if (!this.#known.has(key)) this.#adopt(key, way, bus)
    const before = this.#open.get(key)
    if (before?.trouble.kind === trouble?.kind) return
    if (before?.raised) this.#file('cleared', before)
    if (trouble) this.#open.set(key, { way, bus, trouble, sinceMs: this.#clock.nowMs(), raised: false })
    else this.#open.delete(key)
    this.tick()
  }

  /** What an earlier run has raised stands until this one finds it over. */
  #adopt(key: string, way: string, bus: string | null): void {
    this.#known.add(key)
    for (const { rule, raisedAt } of this.#desk.standing(`${way}-`, bus)) {
      const open = {
        way,
        bus,
        trouble: { kind: rule.slice(way.length + 1), detail: 'since before the last start' },
        sinceMs: raisedAt * 1000,
        raised: true
      }
      if (this.#open.has(key)) this.#file('cleared', open)
      else this.#open.set(key, open)
    }
  }

  /** Raises what has lasted; called once a slot and at every change. */
  tick(): void {
    for (const open of this.#open.values()) {
      const lasted = this.#clock.nowMs() - open.sinceMs >= this.#slotSeconds * 1000
      if (open.raised || (!lasted && !open.trouble.isCertain && !AT_ONCE.has(open.trouble.kind))) continue
      open.raised = true
      this.#file('raised', open)
    }
  }

  #file(kind: AlarmEvent['kind'], { way, bus, trouble, sinceMs }: Open): void {
    const nowS = Math.floor(this.#clock.nowMs() / 1000)
    const isSerious = AT_ONCE.has(trouble.kind)
    this.#desk.file([
      {
        kind,
        key: `${bus ?? 'gateway'}/${way}-${trouble.kind}`,
        meter: null,
        bus,
        rule: `${way}-${trouble.kind}`,
        class: isSerious ? 'serious' : 'general',
        deadlineHours: isSerious ? 8 : 2,
        raisedAt: Math.floor(sinceMs / 1000),
        clearedAt: kind === 'cleared' ? nowS : null,
        slot: Math.floor(nowS / this.#slotSeconds),
        location: null,
        evidence: {
          level: 1,
          cause: trouble.kind,
          factor: null,
          numbers: { detail: trouble.detail },
          frames: []
        },
        onChain: false,
        locked: false
      }
    ])
  }
}
