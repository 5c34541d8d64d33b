import type { GatewayConfig } from '../../../config/gateway-config.ts'
import { flagsOf, isGap } from '../../../proto/reading.ts'
import { ANCHOR_REASON } from '../../../proto/wire/anchor.ts'
import type { AgentStore, Clock, StoredBatch } from '../../ports.ts'
import { openStoreForReading } from '../stores.ts'

/** What the demo counts while the agent works. */
export interface DemoProgress {
  readonly sealed: number
  readonly delivered: number
  readonly final: number
  /** alarms on their way to the chain */
  readonly due: number
  readonly alarms: readonly string[]
}

/** One line about something that has just happened. */
export type DemoTeller = (what: string, detail: string) => void

const POLL_MS = 250

/**
 * Watches the agent's store, telling each batch as it is sealed, delivered and final on chain, until `slots` slot batches are all three
 * and no alarm waits for the chain.
 * @returns false when `timeoutMs` passed before that
 */
export async function watchSlots(
  config: GatewayConfig,
  clock: Clock,
  goal: { readonly slots: number; readonly timeoutMs: number },
  tell: DemoTeller,
  signal: AbortSignal,
  isAlive: () => boolean
): Promise<boolean> {
  const store = openStoreForReading(config)
  const told = new Set<string>()
  const untilMs = clock.monotonicMs() + goal.timeoutMs
  try {
    for (;;) {
      signal.throwIfAborted()
      const progress = look(store, config, told, tell)
      const { sealed, delivered, final, due } = progress
      if (Math.min(sealed, delivered, final) >= goal.slots && due === 0) return true
      if (clock.monotonicMs() >= untilMs || !isAlive()) return false
      await clock.wait(POLL_MS, signal)
    }
  } finally {
    store.close()
  }
}

function look(store: AgentStore, config: GatewayConfig, told: Set<string>, tell: DemoTeller): DemoProgress {
  const once = (key: string, what: string, detail: () => string) => {
    if (told.has(key)) return
    told.add(key)
    tell(what, detail())
  }
  const batches = store.queryBatches({ limit: 1000 }).sort((a, b) => a.seq - b.seq)
  const anchors = store.attempts({ limit: 1000 })
  const finalSeqs = new Set(anchors.filter(anchor => anchor.state === 'final').map(anchor => anchor.seq))
  for (const batch of batches) {
    once(`sealed ${batch.seq}`, 'sealed', () => describeBatch(store, batch))
    if (batch.state === 'delivered')
      once(`delivered ${batch.seq}`, 'receipt', () => `#${batch.seq} accepted by the ledger`)
    if (batch.state === 'refused')
      once(`refused ${batch.seq}`, 'REFUSED', () => `#${batch.seq}: ${batch.refusal}`)
  }
  for (const anchor of anchors) {
    if (anchor.state === 'final')
      once(`final ${anchor.seq}`, 'final', () => `#${anchor.seq} in block ${anchor.blockNumber}`)
  }
  const alarms = store.alarms({ limit: 1000 })
  for (const alarm of alarms) {
    once(
      `alarm ${alarm.id} ${alarm.state}`,
      'alarm',
      () => `${alarm.state}: ${alarm.rule} of ${alarm.meter ?? alarm.bus ?? config.gateway} (${alarm.class})`
    )
  }
  for (const { id, rule } of alarms) {
    const filing = store.alarmFiling(id)
    if (filing?.state === 'final')
      once(`filed ${id}`, 'filed', () => `${rule} alarm in block ${filing.blockNumber}`)
  }
  const slots = batches.filter(isSlotBatch)
  return {
    sealed: slots.length,
    delivered: slots.filter(batch => batch.state === 'delivered').length,
    final: slots.filter(batch => finalSeqs.has(batch.seq)).length,
    due: store.nextDueAlarm(0) === undefined ? 0 : 1,
    alarms: alarms.map(alarm => `${alarm.rule} ${alarm.meter}`)
  }
}

/** A batch that covers a slot of its own; the first of an epoch says why it opens it and covers one too. */
function isSlotBatch(batch: StoredBatch): boolean {
  return batch.reason !== ANCHOR_REASON.supplementary
}

function describeBatch(store: AgentStore, batch: StoredBatch): string {
  const readings = store.queryReadings({ fromSlot: batch.slotFrom, toSlot: batch.slotTo })
  const names = new Set(batch.leaves.map(leaf => `${leaf.meter} ${leaf.slot} ${leaf.version}`))
  const own = readings.filter(reading => names.has(`${reading.meter} ${reading.slot} ${reading.version}`))
  const gaps = own.filter(isGap).length
  const flagged = own.filter(
    reading => !isGap(reading) && flagsOf(reading.quality).some(flag => flag !== 'incomplete')
  ).length
  const late = batch.reason === ANCHOR_REASON.supplementary ? ', late readings' : ''
  return `#${batch.seq} slot ${batch.slotFrom}: ${own.length - gaps} readings, ${gaps} gap(s), ${flagged} flagged, ${batch.batch.length} B${late}`
}
