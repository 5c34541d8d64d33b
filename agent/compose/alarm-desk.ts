import { createHash } from 'node:crypto'
import { utf8 } from '../../proto/bytes.ts'
import type { Signer } from '../../proto/envelope/keys.ts'
import { signAlarm } from '../../proto/envelope/signed-objects.ts'
import type { AlarmEvent } from '../check/alarm-engine.ts'
import type { AlarmStore, Log, StoredAlarm } from '../ports.ts'

/** Signs alarm events and files them for delivery. Raise and clear of one alarm share an id. */
export class AlarmDesk {
  readonly #gateway: string
  readonly #signer: Signer
  readonly #store: AlarmStore
  readonly #log: Log
  readonly #filesOnChain: boolean

  /** @param filesOnChain whether a chain is configured: raises of its time are filed there, never those of the time before */
  constructor(gateway: string, signer: Signer, store: AlarmStore, log: Log, filesOnChain: boolean) {
    this.#gateway = gateway
    this.#signer = signer
    this.#store = store
    this.#log = log
    this.#filesOnChain = filesOnChain
  }

  file(events: readonly AlarmEvent[]): void {
    for (const event of events) this.#fileOne(event)
  }

  /** What is raised about a bus or the gateway (null) by rules whose name begins so, with the second it was raised at. */
  standing(
    prefix: string,
    bus: string | null
  ): readonly { readonly rule: string; readonly raisedAt: number }[] {
    return this.#store
      .alarms({ state: 'raised' })
      .filter(alarm => alarm.meter === null && alarm.bus === bus && alarm.rule.startsWith(prefix))
      .map(({ rule, raisedAt }) => ({ rule, raisedAt: Math.floor(raisedAt / 1000) }))
  }

  #fileOne(event: AlarmEvent): void {
    const open = this.#openAlarm(event)
    // a restart may see the same cause again while its alarm still stands: one alarm a cause
    if (event.kind === 'raised' && open) return
    const id = open?.id ?? this.#store.nextAlarmId()
    const evidence = JSON.stringify({
      ...event.evidence,
      slot: event.slot,
      locked: event.locked,
      deadlineHours: event.deadlineHours
    })
    const raisedAt = open ? Math.floor(open.raisedAt / 1000) : event.raisedAt
    const clearedAt = event.kind === 'cleared' ? (event.clearedAt ?? event.raisedAt) : null
    const signed = signAlarm(
      {
        gateway: this.#gateway,
        meter: event.meter,
        rule: event.rule,
        state: event.kind,
        class: event.class,
        raised: raisedAt,
        cleared: clearedAt,
        location: event.location && {
          latE7: Math.round(event.location.lat * 1e7),
          lonE7: Math.round(event.location.lon * 1e7)
        },
        evidence: utf8(evidence),
        id,
        bus: event.bus
      },
      this.#signer
    )
    const alarm: StoredAlarm = {
      id,
      meter: event.meter,
      bus: event.bus,
      rule: event.rule,
      state: event.kind,
      class: event.class,
      raisedAt: raisedAt * 1000,
      clearedAt: clearedAt === null ? null : clearedAt * 1000,
      acknowledgedAt: open?.acknowledgedAt ?? null,
      shelvedUntil: open?.shelvedUntil ?? null,
      // the row keeps what raised it; what cleared it stands in the signed message
      evidence: open?.evidence ?? evidence,
      signed,
      delivered: false
    }
    this.#store.saveAlarm(alarm, this.#filesOnChain && event.onChain && event.kind === 'raised')
    this.#log.warn(`alarm-${event.kind}`, {
      id,
      rule: event.rule,
      meter: event.meter,
      bus: event.bus,
      class: event.class,
      evidence: event.evidence
    })
  }

  #openAlarm(event: AlarmEvent): StoredAlarm | undefined {
    const raised = this.#store.alarms({
      state: 'raised',
      rule: event.rule,
      ...(event.meter === null ? {} : { meter: event.meter })
    })
    return raised.find(alarm => alarm.meter === event.meter && alarm.bus === event.bus)
  }
}

/** SHA-256 of each raw frame, hex: what an alarm's evidence names. */
export function frameHashes(frames: readonly Uint8Array[]): string[] {
  return frames.map(frame => createHash('sha256').update(frame).digest('hex'))
}
