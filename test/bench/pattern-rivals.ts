/** Other ways to judge a meter's days, to hold the shipped one against (docs/checks.md has the figures). */
import type { DayFeatures } from '../../agent/check/pattern-days.ts'

export interface PatternRival {
  readonly name: string
  /** @returns true while the day stands out */
  note(day: DayFeatures): boolean
}

const totalOf = (day: DayFeatures) => Math.log(day.bands.reduce((sum, x) => sum + x, 0) + 1e-6)
const kindOf = (day: number) => {
  const weekday = (((day + 4) % 7) + 7) % 7
  return weekday === 0 ? 2 : weekday === 6 ? 1 : 0
}

/** Running mean and deviation by kind of day; a clipped learner, as the shipped profile is. */
class Usual {
  readonly #mean = [0, 0, 0]
  readonly #count = [0, 0, 0]
  #spread = 0
  #seen = 0

  /** Deviation of the day in standard deviations; undefined while untaught. */
  score(day: DayFeatures): number | undefined {
    const kind = kindOf(day.day)
    const off = totalOf(day) - (this.#mean[kind] as number)
    return this.#seen >= 10 && (this.#count[kind] as number) >= 2
      ? off / Math.max(0.08, this.#spread)
      : undefined
  }

  learn(day: DayFeatures): void {
    const kind = kindOf(day.day)
    const n = this.#count[kind] as number
    const off = totalOf(day) - (this.#mean[kind] as number)
    const clipped =
      n < 2
        ? off
        : Math.max(-3 * Math.max(0.08, this.#spread), Math.min(3 * Math.max(0.08, this.#spread), off))
    this.#mean[kind] = (this.#mean[kind] as number) + clipped * Math.max(1 / (n + 1), 0.08)
    this.#count[kind] = n + 1
    if (n >= 1) {
      this.#spread += (1.25 * Math.abs(clipped) - this.#spread) * Math.max(1 / (this.#seen + 1), 0.06)
      this.#seen++
    }
  }
}

/** Page's cumulative sum on the standardised logarithm of the day's energy: k = 0.5, h = 8. */
export function cusum(): PatternRival {
  const usual = new Usual()
  let sum = 0
  return {
    name: 'CUSUM',
    note(day) {
      const z = usual.score(day)
      if (z !== undefined) sum = Math.max(0, sum - Math.max(-4, Math.min(4, z)) - 0.5)
      usual.learn(day)
      return sum > 8
    }
  }
}

/** Shewhart's chart: three days in a row more than three deviations low. */
export function threeSigma(): PatternRival {
  const usual = new Usual()
  let run = 0
  return {
    name: '3 sigma x 3 days',
    note(day) {
      const z = usual.score(day)
      run = z !== undefined && z < -3 ? run + 1 : 0
      usual.learn(day)
      return run >= 3
    }
  }
}
