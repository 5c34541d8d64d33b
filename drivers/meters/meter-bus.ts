import type {
  BusStatus,
  MeterAnswer,
  MeterBus,
  MeterPoint,
  ProfileAnswer,
  ReadOptions
} from '../../agent/ports.ts'
import type { Bus } from '../bus/bus.ts'

/** Speaks one family of protocols over a bus. */
export interface MeterReader {
  readMeter(meter: MeterPoint, options: ReadOptions): Promise<MeterAnswer>
  readProfile(meter: MeterPoint, fromMs: number, toMs: number, options: ReadOptions): Promise<ProfileAnswer>
}

export interface MeterReaders {
  /** both editions */
  readonly dlt645: MeterReader
  readonly modbus: MeterReader
}

/** One line with meters of both protocols on it. Closing it closes the bus. */
export function createMeterBus(bus: Bus, readers: MeterReaders): MeterBus {
  const readerOf = (meter: MeterPoint): MeterReader =>
    meter.protocol === 'modbus' ? readers.modbus : readers.dlt645
  return {
    name: bus.name,
    readMeter: (meter, options) => readerOf(meter).readMeter(meter, options),
    readProfile: (meter, fromMs, toMs, options) => readerOf(meter).readProfile(meter, fromMs, toMs, options),
    status: (): BusStatus => bus.status(),
    close: () => bus.close()
  }
}
