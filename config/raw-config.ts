/** The configuration as it stands in YAML after the schema filled in its defaults (config/schema.json). */
export interface RawConfig {
  gateway: { id: string; timezone: string; location?: { lat: number; lon: number } }
  state: string
  slot: string
  slotValue: 'live' | 'profile'
  suite: 1 | 2 | 3
  buses: {
    name: string
    port: string
    baud: number
    parity: 'even' | 'none' | 'odd'
    stopBits: 1 | 2
    preamble: number
  }[]
  meters: RawMeter[]
  broker?: {
    url: string
    ca?: string
    cert?: string
    key?: string
    username?: string
    passwordFile?: string
    keepalive: string
  }
  recipients?: { name: string; key: string }[]
  ledger?: { receiptKey: string }
  chain?: { kind: 'evm'; rpc: string[]; contract: string; finality: number; poll: string }
  rules?: Record<string, number>
  retention?: { readings?: string; batches?: string; diskMax?: string }
  backfill?: { enabled?: boolean; days?: number; share?: number }
  clock?: { broadcast?: boolean }
  metrics?: { listen: string }
  log?: { level?: 'debug' | 'info' | 'warn' | 'error' }
}

export interface RawMeter {
  id: string
  bus: string
  protocol: 'dlt645' | 'dlt645-1997' | 'modbus'
  address: string | number
  profile?: string
  customer?: string
  ratedKva?: number
  ct: string | number
  pt: string | number
  ratioVersion: number
  items: string | string[]
  slotValue?: 'live' | 'profile'
  parent?: string
  rules?: Record<string, number>
  location?: { lat: number; lon: number }
}
