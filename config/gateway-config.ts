import type { MeterPoint } from '../agent/ports.ts'

/** A gateway configuration with every default filled in and every text parsed. Paths are absolute. */
export interface GatewayConfig {
  readonly file: string
  readonly gateway: string
  readonly timezone: string
  readonly location: { readonly lat: number; readonly lon: number } | undefined
  readonly stateDir: string
  readonly slotSeconds: number
  readonly suite: 1 | 2 | 3
  readonly buses: readonly BusConfig[]
  /** in roster order */
  readonly meters: readonly MeterPoint[]
  /** customer number by meter id; never printed, never sent */
  readonly customers: ReadonlyMap<string, string>
  readonly broker: BrokerConfig | undefined
  readonly recipients: readonly { readonly name: string; readonly keyFile: string }[]
  readonly receiptKeyFile: string | undefined
  readonly chain: ChainConfig | undefined
  readonly rules: Readonly<Record<string, number>>
  readonly retention: {
    readonly readingsDays: number
    readonly batchesDays: number
    readonly diskMaxBytes: number
  }
  readonly backfill: { readonly enabled: boolean; readonly days: number; readonly share: number }
  readonly broadcastTime: boolean
  readonly metricsListen: string | undefined
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
}

export interface BusConfig {
  readonly name: string
  readonly port: string
  readonly baud: number
  readonly parity: 'even' | 'none' | 'odd'
  readonly stopBits: 1 | 2
  readonly preamble: number
}

export interface BrokerConfig {
  readonly url: string
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  readonly username: string | undefined
  readonly passwordFile: string | undefined
  readonly keepaliveSeconds: number
}

export interface ChainConfig {
  readonly kind: 'evm'
  readonly rpc: readonly string[]
  readonly contract: string
  readonly finality: number
  readonly pollMs: number
}
