import { itemById, itemByKey } from '../../proto/items.ts'
import { slotEndMs } from '../../proto/slot.ts'
import type { Clock, MeterAnswer, MeterBus, MeterPoint, ProfileAnswer, ReadValue } from '../ports.ts'
import { energyItems, slotOfStamp } from './profile-records.ts'

/** A sweep's answer with where its registers come from. */
export interface SlotAnswer {
  readonly answer: MeterAnswer
  readonly source: 'live' | ProfileAnswer['source']
}

/** A meter that had no record at the slot's end this often in a row ... */
const MISSES = 3
/** ... is left alone for so many slots: its interval is longer, its clock is behind, or the profile is off. */
const REST_SLOTS = 32
/** Registers that only grow: what a record says of the slot's end cannot be above what was read after it. */
const GROWING = ['active-import-total', 'active-export-total'].map(key => itemByKey(key).id)

/** Brings registers at the very end of the slot from the meters' own memory, for meters that are set to it. */
export class ExactSlots {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #slotSeconds: number
  readonly #misses = new Map<string, number>()
  readonly #restUntilSlot = new Map<string, number>()

  constructor(clock: Pick<Clock, 'nowMs'>, slotSeconds: number) {
    this.#clock = clock
    this.#slotSeconds = slotSeconds
  }

  wants(meter: MeterPoint, slot: number): boolean {
    if (meter.slotValue !== 'profile' || meter.protocol === 'modbus') return false
    return slot >= (this.#restUntilSlot.get(meter.id) ?? 0)
  }

  /**
   * The answer of the slot with its energy registers taken from the meter's record at the slot's end. Live values stay where there is no
   * such record, or where it says more than the meter itself did later.
   */
  async improve(
    bus: MeterBus,
    meter: MeterPoint,
    slot: number,
    live: MeterAnswer,
    signal: AbortSignal
  ): Promise<SlotAnswer> {
    const endMs = slotEndMs(slot, this.#slotSeconds)
    const wanted = { ...meter, items: energyItems(meter), rawItems: [] }
    const profile = await bus.readProfile(wanted, endMs, endMs, { priority: 'slot', signal })
    const record = profile.records.find(({ stampMs }) => slotOfStamp(stampMs, this.#slotSeconds) === slot)
    const registers = record?.values.filter(({ value }) => value !== null) ?? []
    if (!record || registers.length === 0) {
      if (profile.status !== 'failed') this.#noteMiss(meter.id, slot, profile.status === 'unsupported')
      return { answer: live, source: 'live' }
    }
    this.#misses.delete(meter.id)
    if (contradicts(registers, live.values)) return { answer: live, source: 'live' }
    return {
      source: profile.source,
      answer: {
        values: [...live.values.filter(isNotEnergy), ...registers],
        faults: live.faults,
        readAtMs: live.readAtMs ?? this.#clock.nowMs(),
        meterTimeMs: record.stampMs,
        frames: live.frames
      }
    }
  }

  #noteMiss(meter: string, slot: number, unsupported: boolean): void {
    const misses = unsupported ? MISSES : (this.#misses.get(meter) ?? 0) + 1
    this.#misses.set(meter, misses)
    if (misses < MISSES) return
    this.#misses.delete(meter)
    this.#restUntilSlot.set(meter, slot + REST_SLOTS)
  }
}

/** A live register of another instant beside the record's own would not add up with them. */
function isNotEnergy({ item }: ReadValue): boolean {
  return item === null || itemById(item).kind !== 'energy'
}

function contradicts(registers: readonly ReadValue[], live: readonly ReadValue[]): boolean {
  return registers.some(({ item, value }) => {
    if (item === null || value === null || !GROWING.includes(item)) return false
    const later = live.find(other => other.item === item)?.value
    return later !== undefined && later !== null && later < value
  })
}
