import type { MeterAnswer, MeterPoint, ProfileAnswer, ReadOptions } from '../../agent/ports.ts'
import { createItemTable } from '../../proto/dlt645/data-items.ts'
import { askAddress } from '../../proto/dlt645/question.ts'
import type { Bus } from '../bus/bus.ts'
import { type BroadcastOptions, type BroadcastOutcome, broadcastTime } from './dlt645-broadcast.ts'
import { type ClockReading, readClock } from './dlt645-clock.ts'
import { Dlt645Context, type Dlt645Deps } from './dlt645-context.ts'
import { readProfile } from './dlt645-profile.ts'
import { readMeter } from './dlt645-read.ts'
import { type Asked, Dlt645Session } from './dlt645-session.ts'

/** Reads DL/T 645 meters of both editions over one bus. */
export interface Dlt645Reader {
  /** Reads the meter's configured items; what the meter does wrong is in the answer. Rejects only when the signal aborts. */
  readMeter(meter: MeterPoint, options: ReadOptions): Promise<MeterAnswer>
  /** Reads records with stamps in [fromMs, toMs] from load profile or freezes. */
  readProfile(meter: MeterPoint, fromMs: number, toMs: number, options: ReadOptions): Promise<ProfileAnswer>
  /** Asks whichever meter hears it for its address: for a line with one meter. */
  readAddress(options: ReadOptions): Promise<Asked>
  readClock(meter: MeterPoint, options: ReadOptions): Promise<ClockReading>
  /** Opt-in: see {@link broadcastTime}. */
  broadcastTime(meters: readonly MeterPoint[], options: BroadcastOptions): Promise<BroadcastOutcome>
}

/** A reader over one bus; keeps what it learns of each meter in `deps.learned`. */
export function createDlt645Reader(bus: Bus, deps: Dlt645Deps): Dlt645Reader {
  const context = new Dlt645Context(bus, deps, deps.table ?? createItemTable())
  return {
    readMeter: (meter, options) => readMeter(context, meter, options),
    readProfile: (meter, fromMs, toMs, options) => readProfile(context, meter, fromMs, toMs, options),
    broadcastTime: (meters, options) => broadcastTime(context, meters, options),
    readAddress: options => {
      const session = new Dlt645Session(bus, deps.clock, {
        meterKey: 'dlt645:AAAAAAAAAAAA',
        priority: options.priority,
        ...(options.signal && { signal: options.signal })
      })
      return session.ask(askAddress())
    },
    async readClock(meter, options) {
      let reading: ClockReading = { meterTimeMs: null, atMs: deps.clock.nowMs(), faults: [] }
      for (const dialect of context.dialects(meter, options)) {
        reading = await readClock(context, context.visit(meter, dialect, options))
        if (!reading.faults.some(fault => fault.kind === 'silent')) return reading
      }
      return reading
    }
  }
}
