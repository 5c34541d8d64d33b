/** Windows of days against the weeks before: which days are compared, what the peers explain, what counts as news. */
import type { DayFeatures, Peers, Residual } from './pattern-days.ts'
import { median, spread } from './statistics.ts'

/** Days judged at once: a steady meter is judged soon, an unsteady one late. */
export const WINDOWS = [3, 5, 7, 12]
export const BASE_MIN = 7

/** Four weeks before the split, without the days of a verdict that stands. */
export function baseOf(days: readonly DayFeatures[], split: number, since: number): DayFeatures[] {
  return days
    .slice(0, split)
    .filter(one => one.day < since)
    .slice(-28)
}

/**
 * Whether such a low was (nearly) never there before: pumps and holidays come back.
 * A low that lasts longer than any before it is new all the same.
 */
export function isNew(before: readonly number[], recent: readonly number[], middle: number): boolean {
  const low = (r: number) => r < 0.7 * middle && r > 1.7 * middle
  const all = [...before, ...recent]
  let run = 0
  let longest = 0
  let alike = 0
  all.forEach((r, n) => {
    const is = n >= before.length ? r < 0.6 * middle : low(r)
    if (!is && run > 0) {
      longest = Math.max(longest, run)
      run = 0
    }
    if (!is) return
    run++
    if (n < before.length) alike++
  })
  if (alike > Math.max(1, 0.08 * before.length) && run < longest + 3) return false
  return (
    alike === 0 ||
    chanceOf(recent.filter(r => r < 0.6 * middle).length, recent.length, alike, before.length) < CHANCE
  )
}

/** probability under which low days are no chance any more, where there were such days before */
const CHANCE = 1e-4

/** Probability of at least so many low days of a window, where the days before had `alike`. */
function chanceOf(low: number, window: number, alike: number, before: number): number {
  const p = (alike + 1) / (before + 2)
  let sum = 0
  let ways = 1
  for (let k = 0; k <= window; k++) {
    if (k >= low) sum += ways * p ** k * (1 - p) ** (window - k)
    ways *= (window - k) / (k + 1)
  }
  return sum
}

/** Own residuals less what the peers explain. The share they explain is learned from the days before. */
export function corrected(
  recent: readonly Residual[],
  before: readonly Residual[],
  peers: Peers | undefined,
  pick: (residual: Residual) => number
): { recent: number[]; own: number[]; before: number[]; sigma: number } {
  let cross = 0
  let square = 0
  if (peers)
    for (const one of before) {
      const peer = peers.days.get(one.day)
      if (!peer) continue
      cross += clip(pick(one)) * clip(pick(peer))
      square += clip(pick(peer)) ** 2
    }
  const share = Math.max(0, Math.min(1.3, (cross + 0.02) / (square + 0.02)))
  const less = (one: Residual) => {
    const peer = peers?.days.get(one.day)
    return pick(one) - (peer ? share * pick(peer) : 0)
  }
  const rest = before.map(less)
  // the middle of the spread and its shoulders; single days off (absences, holidays) are not the noise
  const sizes = rest.map(Math.abs).sort((x, y) => x - y)
  const shoulder = (sizes[Math.floor(0.65 * (sizes.length - 1))] ?? 0) / 0.935
  return {
    recent: recent.map(less),
    own: recent.map(pick),
    before: rest,
    sigma: Math.max(spread(rest, 0), shoulder)
  }
}

/** Whether the meter itself fell: where only the others rose, a holiday or the weather passed it by. */
export const fellItself = (own: readonly number[], middle: number) => median(own) <= 0.5 * middle

/** All of a short window, all but one or two of a long one. */
export const mostly = (list: readonly number[], is: (x: number) => boolean) =>
  list.filter(is).length >= Math.ceil(0.85 * list.length)

const clip = (x: number) => Math.max(-1, Math.min(1, x))
