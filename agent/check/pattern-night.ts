/** Energy missing at night only. */
import { BANDS, DARK_BANDS, type PatternVerdict, type Peers, type Residual } from './pattern-days.ts'
import { corrected, isNew, mostly } from './pattern-windows.ts'
import { median } from './statistics.ts'

/** Bands of the night fall, those of the day stay: something is bypassed at those hours. */
export function judgeNights(
  recent: readonly Residual[],
  before: readonly Residual[],
  peers: Peers | undefined,
  limits: { readonly nightMin: number; readonly sigmas: number },
  window: number
): PatternVerdict | undefined {
  const fallen: boolean[] = []
  const middles: number[] = []
  const sigmas: number[] = []
  for (let b = 0; b < BANDS; b++) {
    const band = corrected(recent, before, peers, r => r.bands[b] as number)
    const se = (1.25 * Math.max(0.1, band.sigma)) / Math.sqrt(window)
    const middle = median(band.recent)
    middles.push(middle)
    sigmas.push(-middle / se)
    fallen.push(
      -middle >= 0.6 * limits.nightMin &&
        -middle / se >= limits.sigmas &&
        mostly(band.recent, r => r < -0.3 * limits.nightMin) &&
        isNew(band.before, band.recent, middle)
    )
  }
  let run = 0
  let longest = 0
  for (let n = 0; n < 2 * BANDS; n++) {
    run = fallen[n % BANDS] ? run + 1 : 0
    longest = Math.max(longest, Math.min(run, BANDS))
  }
  const count = fallen.filter(Boolean).length
  // by day it would be a closed shop or a broken pump
  if (fallen.some((fell, b) => fell && !DARK_BANDS.includes(b))) return undefined
  if (count === 0 || count !== longest) return undefined
  // one band says enough where it is far down; neighbours are touched in part
  const lowest = -Math.min(...middles.filter((_, b) => fallen[b]))
  if (lowest < limits.nightMin * (count >= 2 ? 1 : 1.5)) return undefined
  const others = middles.filter((_, b) => !fallen[b])
  if (median(others) < -0.15 || others.filter(m => m < -0.3).length > 1) return undefined
  const inside = middles.filter((_, b) => fallen[b])
  return {
    cause: 'night-bypass',
    missing: 1 - Math.exp(median(inside)),
    sigmas: Math.min(...sigmas.filter((_, b) => fallen[b])),
    days: window
  }
}
