import type { MeterSetting } from './meter-setting.ts'

/** One simulated RS-485 line. */
export interface BusSetting {
  readonly name: string
  readonly baud: number
  readonly parity: 'even' | 'odd' | 'none'
  readonly stopBits?: 1 | 2
  /** symbolic link to the port; without it the path is the system's choice */
  readonly path?: string
  /** the adapter hears itself */
  readonly echo?: boolean
  /** Modbus meters take only what stands between silences of 3.5 characters */
  readonly strictT35?: boolean
  /** ms of octets an adapter gathers before it hands them on */
  readonly lumpMs?: number
  readonly meters: readonly MeterSetting[]
}

/** A whole simulation as configured; config/simulator.schema.json says the same to editors. */
export interface SimulatorSetting {
  readonly slotSeconds?: number
  readonly seed?: number
  readonly utcOffsetMinutes?: number
  readonly buses: readonly BusSetting[]
}
