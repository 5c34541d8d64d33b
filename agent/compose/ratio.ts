import type { BusConfig, GatewayConfig } from '../../config/gateway-config.ts'
import { loadRules } from '../../config/rules.ts'
import { ControlError } from '../../drivers/control/errors.ts'
import { StoreError } from '../../drivers/store/errors.ts'
import { itemByKey } from '../../proto/items.ts'
import { type ClampResult, judgeClamp } from '../check/clamp-test.ts'
import { explainRatio, type RatioExplanation } from '../check/explain-ratio.ts'
import type { MeterAnswer, MeterPoint, ReadFault } from '../ports.ts'
import { askIfRunning } from './control.ts'
import { quietHost } from './line.ts'
import { openMeterBus } from './lines.ts'
import { openStoreForReading } from './stores.ts'
import { utcOffsetMinutes } from './zone.ts'

/** Newest readings run through the checks again: two days beyond what the saved memory can lag behind. */
const LOOK_BACK = 288

export interface ShownRatio extends RatioExplanation {
  /** the alarm that stands, raised at this time; null when none does */
  readonly alarmSince: string | null
}

/**
 * What is known of the CT/PT ratio of the meters, from the store.
 * @throws StoreError STORE_MISSING; STORE_NOT_FOUND for a meter that is not configured
 */
export function showRatios(config: GatewayConfig, meter: string | undefined): ShownRatio[] {
  const meters = meter === undefined ? config.meters : [configuredMeter(config, meter)]
  const rules = loadRules()
  const options = {
    slotSeconds: config.slotSeconds,
    utcOffsetMinutes: utcOffsetMinutes(config.timezone, Date.now())
  }
  const store = openStoreForReading(config)
  try {
    return meters.map(point => {
      const readings = store.queryReadings({ meter: point.id, limit: LOOK_BACK, newestFirst: true })
      const alarm = store.alarms({ meter: point.id, rule: 'ratio', state: 'raised', limit: 1 })[0]
      return {
        ...explainRatio(point, readings, store, rules, options),
        alarmSince: alarm ? new Date(alarm.raisedAt).toISOString() : null
      }
    })
  } finally {
    store.close()
  }
}

export type Phase = 'A' | 'B' | 'C'

/** Looks at the meter while the technician holds the clamp. */
const SAMPLES = 5
const SAMPLE_GAP_MS = 1_000

export interface ClampTest extends ClampResult {
  readonly meter: string
  readonly phase: Phase
  readonly errors: readonly ReadFault[]
}

/**
 * Reads the current of one phase a few times and judges it against the clamped one.
 * @throws ControlError CONTROL_IN_USE while the daemon has the line; StoreError STORE_NOT_FOUND for an unknown meter
 */
export async function clampTest(
  config: GatewayConfig,
  meterId: string,
  phase: Phase,
  primaryAmps: number,
  signal: AbortSignal
): Promise<ClampTest> {
  const meter = configuredMeter(config, meterId)
  if ((await askIfRunning(config, 'view', 'live')) !== undefined) {
    throw new ControlError('CONTROL_IN_USE', 'the daemon has the line', {
      at: meter.bus,
      next: 'stop it for the test (systemctl stop wattproof); missed slots are filled from the load profile'
    })
  }
  const bus = config.buses.find(({ name }) => name === meter.bus) as BusConfig
  const { samples, errors } = await sampleCurrent(config, bus, meter, phase, signal)
  return { meter: meter.id, phase, ...judgeClamp(meter, primaryAmps, samples), errors }
}

async function sampleCurrent(
  config: GatewayConfig,
  bus: BusConfig,
  meter: MeterPoint,
  phase: Phase,
  signal: AbortSignal
): Promise<{ samples: number[]; errors: readonly ReadFault[] }> {
  const item = itemByKey(`current-${phase.toLowerCase()}`)
  const asked = { ...meter, items: [item.id], rawItems: [] }
  const host = quietHost()
  const line = openMeterBus(bus, config.timezone, host)
  const samples: number[] = []
  let errors: readonly ReadFault[] = []
  try {
    for (let n = 0; n < SAMPLES; n++) {
      if (n > 0) await host.clock.wait(SAMPLE_GAP_MS, signal)
      const answer: MeterAnswer = await line.readMeter(asked, { priority: 'technician', signal })
      const value = answer.values.find(one => one.item === item.id)?.value
      if (value !== undefined && value !== null) samples.push(value * 10 ** item.exponent)
      errors = answer.faults
      // a line that is down, or a meter silent twice, will not speak the third time
      if (samples.length === 0 && (n > 0 || errors.some(fault => fault.kind === 'busDown'))) break
    }
  } finally {
    await line.close()
  }
  return { samples, errors: samples.length > 0 ? [] : errors }
}

function configuredMeter(config: GatewayConfig, id: string): MeterPoint {
  const meter = config.meters.find(point => point.id === id)
  if (meter) return meter
  throw new StoreError('STORE_NOT_FOUND', `no meter is called ${JSON.stringify(id)}`, {
    at: '--meter',
    next: 'wattproof status lists the configured meters'
  })
}
