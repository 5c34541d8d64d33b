/**
 * Increments that are alike for hours while the power of the moment tells of another energy: what was counted was not measured.
 * The power is a sample, the increment a sum: so it is the running sum of their differences that must stay small, not the single slot.
 */
import type { MeterContext } from './context.ts'
import type { LevelState } from './history.ts'
import { totalPower } from './item-values.ts'
import { powerIntegral } from './load.ts'

/** Energy and power of one meter differ by its class and by the way it averages; 5 % is neither. */
const CLASS = 0.05
const SIGMAS = 6
/** slots of a run from which on nothing is learned */
const SUSPECT = 8
const TAUGHT = 48

/** Takes one slot. Called before the history's power is replaced by that of the reading. */
export function noteLevel(c: MeterContext): void {
  const level = c.history.level
  const { step } = c
  const now = c.live ? totalPower(c.values) : undefined
  const before = c.history.power
  const isPlain = step.kind === 'step' && step.slots === 1 && !step.event && (step.export ?? 0) === 0
  if (!isPlain || step.import === undefined || now === undefined || now < 0 || before === null) {
    stop(level)
    return
  }
  const { resolution } = c.history
  const increment = step.import
  const integral = powerIntegral(c, before, now)
  // the register cuts off: one count more or less is no other increment
  const alike = increment > 0 && Math.abs(increment - level.size) <= resolution
  const gain = level.integral > 0 ? level.energy / level.integral : 1
  const off = offFrom(increment, gain * integral, now, before)
  // a register that stands still under load is stopped, and teaches nothing of the one that runs
  const isStopped = increment === 0 && integral > 2 * resolution
  if (level.run < SUSPECT && !isStopped)
    learn(level, increment, integral, Math.abs(increment - gain * integral))
  if (!alike) {
    // in the first slot of a run the load has just come or gone: the ends of the slot tell little of what was between
    stop(level)
    level.size = increment
    return
  }
  level.run++
  level.lead += off
  level.variance += Math.max(0.6 * resolution, 1.25 * level.miss * Math.max(increment, gain * integral)) ** 2
  const explained = 3 * resolution + CLASS * level.run * increment + SIGMAS * Math.sqrt(level.variance)
  level.excess = Math.max(level.excess, Math.abs(level.lead) - explained)
}

/** Powers at the ends of a slot that differ by more tell little of what was between. */
const MOVED = 1.5

/** By how much an increment is off the integral of the power; of a load that came or went within the slot, off all that it may have been. */
function offFrom(increment: number, integral: number, now: number, before: number): number {
  const [least, most] = now < before ? [now, before] : [before, now]
  if (most <= MOVED * least) return increment - integral
  const middle = (least + most) / 2
  return increment - Math.max((integral * least) / middle, Math.min((integral * most) / middle, increment))
}

/** Whether the run that is on cannot be what the load drew. */
export function isDrawn(level: LevelState, slots: number): boolean {
  return level.run >= slots && level.excess > 0 && level.seen >= TAUGHT
}

function stop(level: LevelState): void {
  level.run = 0
  level.size = -1
  level.lead = 0
  level.variance = 0
  level.excess = 0
}

function learn(level: LevelState, increment: number, integral: number, off: number): void {
  const larger = Math.max(increment, integral)
  if (larger <= 0) return
  const gain = Math.max(1 / (level.seen + 1), 1 / 32)
  level.miss += gain * (off / larger - level.miss)
  level.energy += increment - level.energy / 96
  level.integral += integral - level.integral / 96
  level.seen = Math.min(96, level.seen + 1)
}
