import { draw } from './draw.ts'

/** A time in which the load is multiplied. Unix seconds, end exclusive. */
export interface Spike {
  readonly fromS: number
  readonly toS: number
  readonly factor: number
}

/** What flows through one meter: power and its exact integral, both known for any instant without memory. */
export interface LoadCurve {
  /** kW at the unix second */
  powerKw(unixS: number): number
  /** kWh since the curve's origin */
  energyKwh(unixS: number): number
}

/** Waves of a load: a day, half a day, a week, and the unrest of the last hour down to seconds. Shares stay below 1 together. */
const WAVES = [
  { seconds: 86_400, share: 0.28, free: 0.08 },
  { seconds: 43_200, share: 0.1, free: 1 },
  { seconds: 604_800, share: 0.05, free: 1 },
  { seconds: 3_607, share: 0.08, free: 1 },
  { seconds: 311, share: 0.06, free: 1 },
  { seconds: 37, share: 0.04, free: 1 }
] as const
/** Puts the day's peak at 15:00 in UTC+8. */
const DAY_PHASE = -0.0417

/**
 * A load as a sum of sines with a closed integral: registers are a function of (seed, time), so a restarted simulator goes on
 * where it was, and energy always agrees with power.
 */
export function createLoadCurve(options: {
  readonly kw: number
  readonly seed: number
  readonly originS: number
  readonly spikes: readonly Spike[]
}): LoadCurve {
  const { kw, seed, originS, spikes } = options
  const waves = WAVES.map((wave, n) => ({
    ...wave,
    omega: (2 * Math.PI) / wave.seconds,
    phase: 2 * Math.PI * (DAY_PHASE + wave.free * draw(seed, 1, n))
  }))
  const shape = (t: number): number => {
    let sum = 1
    for (const wave of waves) sum += wave.share * Math.sin(wave.omega * t + wave.phase)
    return sum
  }
  const area = (t: number): number => {
    let sum = t - originS
    for (const wave of waves) sum -= (wave.share / wave.omega) * Math.cos(wave.omega * t + wave.phase)
    return sum
  }
  const atOrigin = area(originS)
  return {
    powerKw(t) {
      let factor = 1
      for (const spike of spikes) if (t >= spike.fromS && t < spike.toS) factor *= spike.factor
      return kw * factor * shape(t)
    },
    energyKwh(t) {
      let seconds = area(t) - atOrigin
      for (const spike of spikes) {
        const end = Math.min(t, spike.toS)
        if (end > spike.fromS) seconds += (spike.factor - 1) * (area(end) - area(spike.fromS))
      }
      return (kw * seconds) / 3600
    }
  }
}
