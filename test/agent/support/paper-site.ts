import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AcquireLoop } from '../../../agent/acquire/acquire-loop.ts'
import { Backfill } from '../../../agent/acquire/backfill.ts'
import { ratioStampOf } from '../../../agent/acquire/to-reading.ts'
import type { Log, MeterPoint, Protocol } from '../../../agent/ports.ts'
import { SealLoop } from '../../../agent/seal/seal-loop.ts'
import { createDlt645Reader, type Dlt645Reader } from '../../../drivers/meters/dlt645.ts'
import { createMeterZone } from '../../../drivers/meters/dlt645-zone.ts'
import { createMeterBus } from '../../../drivers/meters/meter-bus.ts'
import { createModbusReader } from '../../../drivers/meters/modbus.ts'
import type { MeterSetting } from '../../../drivers/simulator/meter-setting.ts'
import { openAgentStore } from '../../../drivers/store/agent-store.ts'
import { ITEM_SETS, itemByKey } from '../../../proto/items.ts'
import { isGap, type Reading } from '../../../proto/reading.ts'
import { PaperBus } from './paper-bus.ts'
import { countingRandom, deviceSecret, GATEWAY, gatewaySigner, recipients } from './parties.ts'
import { VirtualClock } from './virtual-clock.ts'

export const SLOT_SECONDS = 900
export const SLOT_MS = SLOT_SECONDS * 1000
/** a slot of a November afternoon of 2026 */
export const FIRST_SLOT = 1_994_000
const ZONE = createMeterZone('Asia/Shanghai')
const ITEMS = (ITEM_SETS['standard'] ?? []).map(key => itemByKey(key).id)

/** A meter of the site: as simulated, and as configured. */
export interface SiteMeter {
  readonly id: string
  readonly bus: string
  readonly setting: MeterSetting
  readonly point?: Partial<MeterPoint>
}

export interface SiteOptions {
  readonly meters: readonly SiteMeter[]
  readonly baud?: number
  readonly share?: number
  readonly days?: number
  /** what the check stage would add to fresh readings */
  readonly check?: (readings: readonly Reading[]) => Reading[]
}

/** A gateway with its real loops and its real store over simulated lines, all in virtual time. It can be killed and started again. */
export class PaperSite {
  readonly clock = new VirtualClock(FIRST_SLOT * SLOT_MS + 1_000)
  readonly buses: readonly PaperBus[]
  readonly points: readonly MeterPoint[]
  readonly events: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[] = []
  readonly #options: SiteOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'wattproof-site-'))
  readonly #random = countingRandom('site')
  #store = this.#open()
  #stop = new AbortController()
  backfill: Backfill | undefined
  readonly readers = new Map<string, Dlt645Reader>()

  constructor(options: SiteOptions) {
    this.#options = options
    this.points = options.meters.map(toPoint)
    const around = {
      seed: 1,
      slotSeconds: SLOT_SECONDS,
      utcOffsetS: 28_800,
      startedS: this.clock.nowMs() / 1000
    }
    this.buses = [...new Set(options.meters.map(({ bus }) => bus))].map(name => {
      const settings = options.meters.filter(({ bus }) => bus === name).map(({ setting }) => setting)
      return new PaperBus(name, options.baud ?? 9_600, settings, around, this.clock)
    })
  }

  get store() {
    return this.#store
  }

  /** Starts the agent. */
  start(): void {
    const { clock, store } = this
    const log = this.#log()
    const stop = new AbortController()
    this.#stop = stop
    const host = { clock, log, learned: store }
    const buses = this.buses.map(bus => {
      const dlt645 = createDlt645Reader(bus, { ...host, zone: ZONE })
      this.readers.set(bus.name, dlt645)
      return createMeterBus(bus, { dlt645, modbus: createModbusReader(bus, host) })
    })
    const shared = { buses, meters: this.points, slotSeconds: SLOT_SECONDS, store, clock, log }
    const acquire = new AcquireLoop({ ...shared, check: (_slot, readings) => [...readings] })
    const { share = 0.3, days = 30 } = this.#options
    this.backfill = new Backfill({ ...shared, days, share, check: readings => [...readings] })
    const seal = new SealLoop({
      ...{ store, clock, log, gateway: GATEWAY, slotSeconds: SLOT_SECONDS, suite: 1, recipients },
      roster: () => this.points.map(meter => ({ meter: meter.id, ratio: ratioStampOf(meter) })),
      ...{ signer: gatewaySigner, deviceSecret, random: this.#random, idleMs: 20_000 }
    })
    void this.#schedule(acquire, stop.signal)
    void this.backfill.run(stop.signal)
    void seal.run(stop.signal)
  }

  /** Ends the agent where it stands; nothing of it is run to its end. */
  kill(): void {
    this.#store.close()
    this.#stop.abort(new Error('killed'))
    this.#store = this.#open()
  }

  /** Latest version of each slot of a meter, by slot. */
  latest(meter: string): Map<number, Reading> {
    const latest = new Map<number, Reading>()
    for (const reading of this.#store.queryReadings({ meter })) {
      const known = latest.get(reading.slot)
      if (!known || known.version < reading.version) latest.set(reading.slot, reading)
    }
    return latest
  }

  /** What was logged under a name. */
  logged(event: string): Readonly<Record<string, unknown>>[] {
    return this.events.filter(one => one.event === event).map(({ fields }) => fields)
  }

  /** Slots of a meter whose latest version has no values. */
  gaps(meter: string): number[] {
    return [...this.latest(meter).values()].filter(isGap).map(({ slot }) => slot)
  }

  bus(name: string): PaperBus {
    return this.buses.find(bus => bus.name === name) as PaperBus
  }

  end(): void {
    this.#stop.abort(new Error('the test is over'))
    this.#store.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #schedule(acquire: AcquireLoop, signal: AbortSignal): Promise<void> {
    let last = Math.floor(this.clock.nowMs() / SLOT_MS) - 1
    while (!signal.aborted) {
      const now = Math.floor(this.clock.nowMs() / SLOT_MS) - 1
      for (; last < now; last++) void acquire.sweepSlot(last + 1, signal).catch(() => undefined)
      await this.clock.wait(SLOT_MS - (this.clock.nowMs() % SLOT_MS), signal).catch(() => undefined)
    }
  }

  #open() {
    return openAgentStore(join(this.#folder, 'store.db'), { nowMs: () => this.clock.nowMs() })
  }

  #log(): Log {
    const note = (event: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void this.events.push({ event, fields })
    return { debug() {}, info: note, warn: note, error: note }
  }
}

function toPoint({ id, bus, setting, point }: SiteMeter): MeterPoint {
  return {
    id,
    bus,
    protocol: setting.protocol as Protocol,
    address: setting.address,
    profile: setting.protocol === 'modbus' ? (setting.profile ?? 'eastron-sdm630') : undefined,
    items: ITEMS,
    rawItems: [],
    ratedKva: 50,
    ct: { primary: 1, secondary: 1 },
    pt: { primary: 1, secondary: 1 },
    ratioVersion: 1,
    parent: undefined,
    rules: {},
    location: undefined,
    ...point
  }
}
