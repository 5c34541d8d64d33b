import type { AlarmEvent } from '../check/alarm-engine.ts'
import type { Clock } from '../ports.ts'
import type { AlarmDesk } from './alarm-desk.ts'

/** A trouble of the way to ledger or chain, as its loop reports it; undefined = over. */
export interface Trouble {
  readonly kind: string
  readonly detail: string
}

/** What must not wait: somebody else signs under this identity, or the past is contradicted. */
const AT_ONCE: ReadonlySet<string> = new Set([
  'fork',
  'ledgerAhead',
  'conflict',
  'keyUsedElsewhere',
  'chainBehind',
  'refused'
])

interface Open {
  readonly trouble: Trouble
  readonly sinceMs: number
  raised: boolean
}

/**
 * Turns troubles of delivery and anchoring into alarms. One that passes within a slot is only logged: an unattended box
 * must not cry for every restart of a broker.
 */
export class TroubleDesk {
  readonly #desk: AlarmDesk
  readonly #clock: Clock
  readonly #slotSeconds: number
  readonly #open = new Map<string, Open>()

  constructor(desk: AlarmDesk, clock: Clock, slotSeconds: number) {
    this.#desk = desk
    this.#clock = clock
    this.#slotSeconds = slotSeconds
  }

  /** @param way 'delivery' or 'anchor' */
  note(way: string, trouble: Trouble | undefined): void {
    const before = this.#open.get(way)
    if (before && before.trouble.kind === trouble?.kind) return
    if (before?.raised) this.#file('cleared', way, before)
    if (trouble) this.#open.set(way, { trouble, sinceMs: this.#clock.nowMs(), raised: false })
    else this.#open.delete(way)
    this.tick()
  }

  /** Raises what has lasted; called once a slot and at every change. */
  tick(): void {
    for (const [way, open] of this.#open) {
      const lasted = this.#clock.nowMs() - open.sinceMs >= this.#slotSeconds * 1000
      if (open.raised || (!lasted && !AT_ONCE.has(open.trouble.kind))) continue
      open.raised = true
      this.#file('raised', way, open)
    }
  }

  #file(kind: AlarmEvent['kind'], way: string, { trouble, sinceMs }: Open): void {
    const nowS = Math.floor(this.#clock.nowMs() / 1000)
    const isSerious = AT_ONCE.has(trouble.kind)
    this.#desk.file([
      {
        kind,
        key: `gateway/${way}-${trouble.kind}`,
        meter: null,
        bus: null,
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
