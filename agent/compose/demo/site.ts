import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'

/** How long a demo is and where it works. */
export interface DemoPlan {
  readonly folder: string
  readonly slots: number
  readonly slotSeconds: number
  /** number of the first slot that is read */
  readonly firstSlot: number
}

/** What the site's configuration needs to know of the parties around it. */
export interface DemoParties {
  readonly brokerUrl: string
  readonly rpcUrl: string
  readonly contract: string
  readonly recipients: readonly { readonly name: string; readonly key: string }[]
  readonly receiptKey: string
  readonly ports: ReadonlyMap<string, string>
}

export const DEMO_GATEWAY = 'DEMO-0001'
/** Its archive says 150/5, its register and its transformers 200/5. */
export const WRONG_RATIO_METER = 'DEMO-M2'
/** Its load is five times the usual for two slots. */
export const SPIKE_METER = 'DEMO-M3'
/** Nobody answers at its address: it shows as gap records. */
export const MUTE_METER = 'DEMO-M7'
/** Proved at the end. */
export const PROVED_METER = 'DEMO-M1'

/** Slots after the start before the spike begins, and how long it lasts. */
const SPIKE_AFTER = 4
const SPIKE_SLOTS = 2

interface DemoMeter {
  readonly id: string
  readonly bus: string
  readonly address: string
  readonly profile?: string
  readonly ratedKva: number
  readonly loadKw: number
  /** the archive's ratio */
  readonly ct?: string
  /** the transformers' ratio, where it is not the archive's */
  readonly trueCt?: string
  readonly mute?: boolean
}

/** Both protocols on one line, and a second line beside it. */
const METERS: readonly DemoMeter[] = [
  { id: PROVED_METER, bus: 'rs485-1', address: '000012345678', ratedKva: 80, loadKw: 36, ct: '150/5' },
  {
    id: WRONG_RATIO_METER,
    bus: 'rs485-1',
    address: '000012345679',
    ratedKva: 100,
    loadKw: 45,
    ct: '150/5',
    trueCt: '200/5'
  },
  { id: SPIKE_METER, bus: 'rs485-1', address: '000012345680', ratedKva: 50, loadKw: 26, ct: '100/5' },
  { id: 'DEMO-M4', bus: 'rs485-1', address: '7', profile: 'eastron-sdm630', ratedKva: 30, loadKw: 12 },
  { id: 'DEMO-M5', bus: 'rs485-2', address: '1', profile: 'eastron-sdm630', ratedKva: 20, loadKw: 8 },
  {
    id: 'DEMO-M6',
    bus: 'rs485-2',
    address: '2',
    profile: 'chint-dtsu666-b',
    ratedKva: 60,
    loadKw: 25,
    ct: '100/5'
  },
  { id: MUTE_METER, bus: 'rs485-2', address: '000098765432', ratedKva: 40, loadKw: 10, mute: true }
]

const BUSES = [
  { name: 'rs485-1', baud: 9600, parity: 'even' },
  { name: 'rs485-2', baud: 9600, parity: 'none' }
] as const

/** Meters of the demo in roster order. */
export const DEMO_METERS: readonly string[] = METERS.map(meter => meter.id)

/** Writes the simulation and gives its path. */
export function writeSimulation(plan: DemoPlan): string {
  const buses = BUSES.map(bus => ({
    name: bus.name,
    baud: bus.baud,
    parity: bus.parity,
    meters: METERS.filter(meter => meter.bus === bus.name).map(meter => ({
      address: meter.address,
      protocol: meter.profile ? 'modbus' : 'dlt645',
      ...(meter.profile ? { profile: meter.profile } : {}),
      ratedKva: meter.ratedKva,
      loadKw: meter.loadKw,
      ...(meter.ct ? { ct: meter.trueCt ?? meter.ct } : {}),
      turnaroundMs: 20,
      ...(meter.id === SPIKE_METER
        ? { spike: [{ fromSlot: plan.firstSlot + SPIKE_AFTER, slots: SPIKE_SLOTS, factor: 5 }] }
        : {}),
      ...(meter.mute ? { faults: { mute: true } } : {})
    }))
  }))
  return write(plan.folder, 'simulation.yaml', { slotSeconds: plan.slotSeconds, seed: 20260101, buses })
}

/** Writes the gateway's configuration and gives its path. */
export function writeGatewayConfig(plan: DemoPlan, parties: DemoParties): string {
  return write(plan.folder, 'gateway.yaml', {
    gateway: { id: DEMO_GATEWAY, timezone: 'Asia/Shanghai', location: { lat: 38.7651, lon: 115.4903 } },
    state: 'gateway',
    slot: `${plan.slotSeconds}s`,
    buses: BUSES.map(bus => ({ ...bus, port: `serial:${parties.ports.get(bus.name)}` })),
    meters: METERS.map(meter => ({
      id: meter.id,
      bus: meter.bus,
      protocol: meter.profile ? 'modbus' : 'dlt645',
      address: meter.address,
      ...(meter.profile ? { profile: meter.profile } : {}),
      ratedKva: meter.ratedKva,
      ...(meter.ct ? { ct: meter.ct } : {})
    })),
    broker: { url: parties.brokerUrl },
    recipients: parties.recipients,
    ledger: { receiptKey: parties.receiptKey },
    chain: { kind: 'evm', rpc: [parties.rpcUrl], contract: parties.contract, finality: 1, poll: '200ms' }
  })
}

/** A configuration with keys but without parties yet: enough for `keys init` and `keys register`. */
export function writeProvisionalConfig(plan: DemoPlan): string {
  return write(plan.folder, 'provisional.yaml', {
    gateway: { id: DEMO_GATEWAY },
    state: 'gateway',
    buses: [{ name: 'none', port: 'serial:/dev/null' }],
    meters: [{ id: 'none', bus: 'none', protocol: 'dlt645', address: '1' }]
  })
}

function write(folder: string, name: string, value: unknown): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, stringify(value))
  return path
}
