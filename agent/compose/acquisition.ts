import type { GatewayConfig } from '../../config/gateway-config.ts'
import { createSlotSchedule } from '../../drivers/schedule/cron.ts'
import { AcquireLoop } from '../acquire/acquire-loop.ts'
import { Backfill } from '../acquire/backfill.ts'
import { ClockKeeper } from '../acquire/clock-keeper.ts'
import { ClockTable } from '../acquire/clock-table.ts'
import type { CheckStage } from '../check/check-stage.ts'
import type { AgentStore, Clock, Log } from '../ports.ts'
import type { AlarmDesk } from './alarm-desk.ts'
import { readingChecker } from './checks.ts'
import type { OpenedLine } from './lines.ts'

/** What reading the meters is made of. */
export interface AcquisitionParts {
  readonly config: GatewayConfig
  readonly clock: Clock
  readonly log: Log
  readonly store: AgentStore
  readonly buses: readonly OpenedLine[]
  readonly stage: CheckStage
  readonly desk: AlarmDesk
  /** after each slot's sweep */
  readonly onSwept: () => void
}

/** Back-fill over the lines of a configuration. */
export function createBackfill(
  parts: Pick<AcquisitionParts, 'config' | 'clock' | 'log' | 'store' | 'stage'> & {
    readonly buses: readonly OpenedLine[]
  }
): Backfill {
  const { config, stage, ...host } = parts
  return new Backfill({
    ...host,
    meters: config.meters,
    slotSeconds: config.slotSeconds,
    days: config.backfill.days,
    share: config.backfill.enabled ? config.backfill.share : 0,
    check: readings => stage.onBackfill(readings)
  })
}

/**
 * Starts the slot sweeps, back-fill and, where it is switched on, the keeping of the meters' clocks.
 * @returns tasks that end when the signal aborts; the closers resolve when nothing more is written to the store
 */
export function startAcquisition(
  parts: AcquisitionParts,
  signal: AbortSignal
): { readonly backfill: Backfill; readonly tasks: Promise<void>[]; readonly closers: (() => unknown)[] } {
  const { config, clock, log, store, buses, stage, desk } = parts
  const acquire = new AcquireLoop({
    buses,
    meters: config.meters,
    slotSeconds: config.slotSeconds,
    store,
    check: readingChecker(stage, desk, log),
    clock,
    log,
    onSwept: () => {
      desk.file(stage.endSlot().alarmEvents)
      parts.onSwept()
    }
  })
  const backfill = createBackfill(parts)
  const stopSchedule = createSlotSchedule({ clock, log }).start(config.slotSeconds, slot => {
    acquire.sweepSlot(slot, signal).catch(error => {
      if (!signal.aborted) log.error('acquire-failed', { slot, error })
    })
  })
  const filling = backfill.run(signal)
  const tasks = [filling]
  if (config.broadcastTime) tasks.push(keepClocks(parts, signal))
  return { backfill, tasks, closers: [stopSchedule, () => acquire.settled(), () => filling] }
}

function keepClocks(
  { config, buses, store, clock, log }: AcquisitionParts,
  signal: AbortSignal
): Promise<void> {
  const keeper = new ClockKeeper({
    meters: config.meters,
    buses: buses.map(({ name }) => name),
    table: new ClockTable(store),
    broadcast: async (name, meters) => {
      const bus = buses.find(other => other.name === name) as OpenedLine
      const options = { priority: 'diagnostics', signal, slotSeconds: config.slotSeconds } as const
      return bus.dlt645.broadcastTime(meters, options)
    },
    clock,
    log
  })
  return keeper.run(signal)
}
