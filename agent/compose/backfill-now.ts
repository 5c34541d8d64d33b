import type { GatewayConfig } from '../../config/gateway-config.ts'
import type { BackfillState } from '../acquire/backfill.ts'
import type { BackfillAsk, BackfillFigures } from '../acquire/backfill-ask.ts'
import { type MeterRest, unsupportedUntil } from '../acquire/backfill-rest.ts'
import type { LearnedStore } from '../ports.ts'
import { createBackfill } from './acquisition.ts'
import { createCheckStage } from './checks.ts'
import { askIfRunning } from './control.ts'
import { quietHost } from './line.ts'
import { openMeterBuses, requireOpen } from './lines.ts'
import { openStore } from './stores.ts'

/** A month of one meter over a slow line, behind sweeps. */
const PATIENCE_MS = 3_600_000

/**
 * Re-reads what is asked for: by the daemon where one runs, else over the ports and into the store directly.
 * @throws BusError, StoreError, ControlError
 */
export async function backfillNow(
  config: GatewayConfig,
  ask: BackfillAsk,
  signal: AbortSignal
): Promise<BackfillFigures> {
  const answer = await askIfRunning(
    config,
    'admin',
    'backfill',
    { ...ask },
    { timeoutMs: PATIENCE_MS, signal }
  )
  if (answer !== undefined) return answer as BackfillFigures
  const { clock, log } = quietHost()
  const store = openStore(config)
  const wanted = config.meters.filter(({ id }) => ask.meter === undefined || id === ask.meter)
  const buses = openMeterBuses(
    { ...config, buses: config.buses.filter(({ name }) => wanted.some(({ bus }) => bus === name)) },
    { clock, log, learned: store }
  )
  try {
    await Promise.all(buses.map(bus => requireOpen(bus, clock)))
    const stage = createCheckStage(config, store)
    return await createBackfill({ config, clock, log, store, buses, stage }).ask(ask, signal)
  } finally {
    await Promise.all(buses.map(bus => bus.close()))
    store.close()
  }
}

/** Why each meter is left alone by back-fill, by id: the daemon's own account, or what the store remembers of it. */
export async function backfillRests(
  config: GatewayConfig,
  learned: Pick<LearnedStore, 'get'>
): Promise<ReadonlyMap<string, MeterRest>> {
  const state = (await askIfRunning(config, 'view', 'backfill-state')) as BackfillState | undefined
  if (state) return new Map(state.meters.flatMap(({ meter, rest }) => (rest ? [[meter, rest] as const] : [])))
  const nowMs = Date.now()
  return new Map(
    config.meters.flatMap(({ id }) => {
      const nextTryAtMs = unsupportedUntil(learned, id, nowMs)
      return nextTryAtMs === undefined ? [] : [[id, { reason: 'unsupported', nextTryAtMs }] as const]
    })
  )
}
