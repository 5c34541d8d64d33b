import type { FaultSetting } from './fault-setting.ts'

/** Transformer ratio as primary over secondary. */
export interface Ratio {
  readonly primary: number
  readonly secondary: number
}

export interface SpikeSetting {
  /** absolute slot number */
  readonly fromSlot?: number
  /** or an instant, RFC 3339 */
  readonly at?: string
  /** or so many slots after the simulator's start (such registers are not the same after a restart) */
  readonly afterSlots?: number
  readonly slots: number
  readonly factor: number
}

export type SimulatedProtocol = 'dlt645' | 'dlt645-1997' | 'modbus' | 'replay'

/** One simulated meter as configured. */
export interface MeterSetting {
  /** 12 digits, or 1..247 */
  readonly address: string
  readonly protocol: SimulatedProtocol
  readonly seed?: number
  /** what the customer may draw, primary side */
  readonly ratedKva?: number
  /** mean load on the primary side; negative feeds the grid */
  readonly loadKw?: number
  /** what is really fitted, e.g. 150/5 */
  readonly ct?: string | number
  readonly pt?: string | number
  /** what the meter's register says; the fitted one when left out */
  readonly registerCt?: string | number
  readonly registerPt?: string | number
  /** phase voltage at the meter's terminals */
  readonly nominalVoltage?: number
  readonly powerFactor?: number
  /** 1: phases B and C are absent */
  readonly phases?: 1 | 3
  readonly spike?: readonly SpikeSetting[]
  /** day from which the registers count, YYYY-MM-DD; 2026-01-01 when left out */
  readonly installed?: string
  /** tariffs programmed, 0..63 */
  readonly tariffs?: number
  readonly clockDriftPpm?: number
  readonly loadProfile?: {
    readonly days?: number
    /** classes switched on, 1..6 */
    readonly classes?: readonly number[]
  }
  /** counters by data identifier, e.g. { "03300D00": 2 } */
  readonly events?: Readonly<Record<string, number>>
  /** status words by number, e.g. { 4: "0001" } */
  readonly statusWords?: Readonly<Record<string, string>>
  /** DATA octets a reply may have; the rest follows in further frames */
  readonly frameData?: number
  /** FE octets before a reply */
  readonly preamble?: number
  readonly turnaroundMs?: number
  readonly jitterMs?: number
  /** Modbus: profile name or file */
  readonly profile?: string
  /** Modbus: registers a request may ask for */
  readonly maxRegisters?: number
  /** Modbus: register ranges that answer exception 02, e.g. "0x0014-0x0017" */
  readonly holes?: readonly string[]
  /** Modbus: registers that hold "no such value", e.g. "0x0008" */
  readonly sentinels?: readonly string[]
  /** replay: file with lines "> HEX" and "< HEX" */
  readonly capture?: string
  readonly faults?: FaultSetting
}

/** Ratio of a text such as "150/5", or of a bare number. */
export function parseRatio(value: string | number | undefined): Ratio {
  if (value === undefined) return { primary: 1, secondary: 1 }
  const [primary, secondary] = String(value).split('/').map(Number)
  return { primary: primary ?? 1, secondary: secondary ?? 1 }
}
