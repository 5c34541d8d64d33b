import { createTask, type ScheduledTask } from 'node-cron'
import type { Clock, Log, SlotSchedule } from '../../agent/ports.ts'
import { slotOf } from '../../proto/slot.ts'

/** Looks at the clock between the edges too: a stepped clock is noticed within this time. */
const GUARD_MS = 1_000
/** Wall clock against monotonic clock; more than this is a step, not drift. */
const STEP_MS = 2_000
/** After a long sleep or a jump no more edges than a day of 15-minute slots are called; sealing fills the rest with gap records. */
const MOST_CAUGHT_UP = 96

/** Calls `onTick` about when the wall clock reaches an edge. @returns stops it */
export type Ticker = (slotSeconds: number, onTick: () => void) => () => void

/**
 * Cron expression (with seconds) whose matches include every edge of the slots: quarter hours and the like directly,
 * lengths that do not divide an hour or a minute by looking every second.
 */
export function cronExpression(slotSeconds: number): string {
  if (slotSeconds % 3_600 === 0) return '0 0 * * * *'
  if (slotSeconds % 60 === 0 && 3_600 % slotSeconds === 0) return `0 */${slotSeconds / 60} * * * *`
  if (slotSeconds < 60 && 60 % slotSeconds === 0) return `*/${slotSeconds} * * * * *`
  return '* * * * * *'
}

const QUIET = { info() {}, warn() {}, error() {}, debug() {} }

/** node-cron, in UTC: slots are counted from 1970 UTC, whatever zone the site is in. */
export const cronTicker: Ticker = (slotSeconds, onTick) => {
  const task: ScheduledTask = createTask(cronExpression(slotSeconds), onTick, {
    timezone: 'UTC',
    logger: QUIET,
    suppressMissedWarning: true
  })
  task.on('execution:missed', onTick)
  void task.start()
  return () => void task.destroy()
}

const guardTicker: Ticker = (_slotSeconds, onTick) => {
  const timer = setInterval(onTick, GUARD_MS)
  return () => clearInterval(timer)
}

export interface ScheduleOptions {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>
  readonly log: Log
  /** Replaces node-cron; tests drive time by hand. */
  readonly ticker?: Ticker
  readonly guard?: Ticker
}

/**
 * The slot clock. Each edge is called once: a late timer makes up for the edges it missed, a clock that steps back calls none
 * again, and one that steps forward restarts node-cron, which would otherwise sleep or count through the missing time.
 */
export function createSlotSchedule(options: ScheduleOptions): SlotSchedule {
  const { clock, log } = options
  const ticker = options.ticker ?? cronTicker
  const guard = options.guard ?? guardTicker
  return {
    start(slotSeconds, onSlot) {
      let last = slotOf(clock.nowMs(), slotSeconds) - 1
      let offsetMs = clock.nowMs() - clock.monotonicMs()

      const callEdges = (): void => {
        const ended = slotOf(clock.nowMs(), slotSeconds) - 1
        if (ended <= last) return
        const missed = ended - last
        if (missed > MOST_CAUGHT_UP) log.warn('slot-edges-skipped', { count: missed - MOST_CAUGHT_UP })
        const from = Math.max(last + 1, ended - MOST_CAUGHT_UP + 1)
        last = ended
        for (let slot = from; slot <= ended; slot++) onSlot(slot)
      }

      let stopTicker = ticker(slotSeconds, callEdges)
      const stopGuard = guard(slotSeconds, () => {
        const nowOffsetMs = clock.nowMs() - clock.monotonicMs()
        const stepMs = nowOffsetMs - offsetMs
        offsetMs = nowOffsetMs
        if (Math.abs(stepMs) > STEP_MS) {
          log.warn('clock-stepped', { stepMs: Math.round(stepMs) })
          stopTicker()
          stopTicker = ticker(slotSeconds, callEdges)
        }
        callEdges()
      })
      return () => {
        stopTicker()
        stopGuard()
      }
    }
  }
}
