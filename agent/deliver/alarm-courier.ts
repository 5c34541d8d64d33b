import { equalBytes, toHex } from '../../proto/bytes.ts'
import { alarmHash } from '../../proto/envelope/signed-objects.ts'
import type { AlarmStore, StoredAlarm, Uplink } from '../ports.ts'
import type { Flight } from './flight.ts'

const WINDOW = 10

/** Alarms go out beside the batches under the same guarantee: delivered is what the ledger's receipt names. */
export class AlarmCourier {
  readonly #store: Pick<AlarmStore, 'undeliveredAlarms' | 'acknowledgeAlarmDelivery'>
  readonly #uplink: Pick<Uplink, 'publish'>
  readonly #flight: Flight

  constructor(
    store: Pick<AlarmStore, 'undeliveredAlarms' | 'acknowledgeAlarmDelivery'>,
    uplink: Pick<Uplink, 'publish'>,
    flight: Flight
  ) {
    this.#store = store
    this.#uplink = uplink
    this.#flight = flight
  }

  /** Sends what is due. @param onFailure a publish that the broker did not take */
  pump(nowMs: number, onFailure: (error: unknown) => void): void {
    for (const alarm of this.#store.undeliveredAlarms(WINDOW)) {
      const key = keyOf(alarm)
      if (this.#flight.isWaiting(key, nowMs)) continue
      this.#flight.note(key, nowMs)
      this.#uplink.publish('alarm', alarm.signed).catch(onFailure)
    }
  }

  /** A new connection: everything is due. */
  renew(): void {
    this.#flight.clear()
  }

  /** @returns whether an alarm of ours was waiting for it */
  acknowledge(hash: Uint8Array, receipt: Uint8Array): boolean {
    const alarm = this.#store
      .undeliveredAlarms(WINDOW * 10)
      .find(({ signed }) => equalBytes(alarmHash(signed), hash))
    if (!alarm) return false
    this.#store.acknowledgeAlarmDelivery(alarm.id, alarm.state, receipt)
    this.#flight.done(keyOf(alarm))
    return true
  }
}

function keyOf(alarm: StoredAlarm): string {
  return `alarm ${toHex(alarmHash(alarm.signed))}`
}
