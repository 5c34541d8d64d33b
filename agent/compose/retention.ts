import type { GatewayConfig } from '../../config/gateway-config.ts'
import { slotOf } from '../../proto/slot.ts'
import type { AgentStore, Clock, Log } from '../ports.ts'

/** History is looked through this often; one look removes what one day added many times over. */
const EVERY_MS = 3_600_000
const DAY_SECONDS = 86_400

/**
 * Removes what retention allows, once an hour: only delivered and anchored history, never what is unsent.
 * @param dropKeys removes replaced keys that nothing needs any more
 */
export async function pruneLoop(
  config: GatewayConfig,
  store: AgentStore,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
  dropKeys: () => void
): Promise<void> {
  while (!signal.aborted) {
    try {
      if (clock.trusted()) prune(config, store, clock, log)
      dropKeys()
    } catch (error) {
      log.error('prune-failed', { error })
    }
    await clock.wait(EVERY_MS, signal).catch(() => undefined)
  }
}

function prune(config: GatewayConfig, store: AgentStore, clock: Clock, log: Log): void {
  const now = slotOf(clock.nowMs(), config.slotSeconds)
  const slotsOf = (days: number) => Math.ceil((days * DAY_SECONDS) / config.slotSeconds)
  const removed = store.prune({
    readingsBeforeSlot: now - slotsOf(config.retention.readingsDays),
    batchesBeforeSlot: now - slotsOf(config.retention.batchesDays),
    // without a chain nothing is ever anchored: delivery alone decides
    requireAnchored: config.chain !== undefined
  })
  if (Object.values(removed).some(count => count > 0)) log.info('pruned', removed)
}
