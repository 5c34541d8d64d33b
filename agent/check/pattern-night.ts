/** Energy missing at night only. */
import {
  ALL_BANDS,
  BANDS,
  DARK_BANDS,
  type DayFeatures,
  type PatternVerdict,
  type Peers,
  type Residual,
  variationOf
} from './pattern-days.ts'
import { baseOf, corrected, fellItself, isNew, mostly } from './pattern-windows.ts'
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
        fellItself(band.own, middle) &&
        mostly(band.recent, r => r < -0.3 * limits.nightMin) &&
        // few nights prove something only where the weeks before had none like them
        (window > 5 || middle < Math.min(...band.before)) &&
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

/** Days in which low nights are counted, and before them those that tell what the meter draws at least. */
const NIGHTS_WINDOW = 12
const NIGHTS_BASE = 14
/** low nights from which on it is no chance */
const NIGHTS_MIN = 4
/** and standard errors by which they must be more than chance has it */
const BEYOND_CHANCE = 2.8
/** share of the least ever drawn under which a night is low */
const LOW = 0.6
/** share of the usual variation over a day under which nobody is there */
const EMPTY = 0.25
/** where generation is read only net: hours without sun at any season */
const SUNLESS_BANDS = [0, 7]
/** and those by day in which the sun leaves some of the load to see */
const SHADE_BANDS = [2, 5, 6]
const LIGHT_BANDS = ALL_BANDS.filter(b => !DARK_BANDS.includes(b))

/**
 * Nights here and there, on which less was counted than this meter ever drew, by night or at any hour, while its days go on as ever.
 * Averages over the nights cannot see them; the least of the weeks before is steady even where the load is not.
 */
export function judgeSomeNights(
  days: readonly DayFeatures[],
  peers: Peers | undefined,
  exports: boolean,
  since: number
): PatternVerdict | undefined {
  const window = Math.min(NIGHTS_WINDOW, days.length - NIGHTS_BASE)
  if (window < NIGHTS_MIN) return undefined
  const split = days.length - window
  const base = baseOf(days, split, since)
  if (base.length < NIGHTS_BASE) return undefined
  const recent = days.slice(split)
  const dark = (exports ? SUNLESS_BANDS : DARK_BANDS).map(b => floorOf(base, b))
  const light = (exports ? SHADE_BANDS : LIGHT_BANDS).map(b => floorOf(base, b))
  const least = Math.min(...[...dark, ...(exports ? [] : light)].map(one => one.least))
  const missing: number[] = []
  let byDay = 0
  const varied = median(base.map(one => variationOf(one.bands)))
  for (const one of recent) {
    // a day without its hours is that of an empty house
    if (!exports && variationOf(one.bands) < EMPTY * varied) continue
    const low = dark.filter(({ band, least: own, usual }) => {
      const value = one.bands[band] as number
      // a night load that comes and goes, or whose days the sun hides, is only low when it is under all that was ever drawn
      const under = value < LOW * (own >= LOW * usual && !exports ? own : least)
      return under && (peers?.days.get(one.day)?.bands[band] ?? 0) > -0.3
    })
    if (low.length === 0) continue
    missing.push(Math.max(...low.map(({ band, usual }) => 1 - (one.bands[band] as number) / usual)))
    if (light.some(({ band, least: own }) => (one.bands[band] as number) < 0.8 * own)) byDay++
  }
  const nights = missing.length
  // by day too: nobody is there
  if (nights < NIGHTS_MIN || byDay > nights / 4) return undefined
  const chance = 2 / (base.length + 1)
  const sigmas = (nights - window * chance) / Math.sqrt(window * chance * (1 - chance))
  if (sigmas < BEYOND_CHANCE) return undefined
  return { cause: 'night-bypass', missing: median(missing), sigmas, days: window, nights }
}

/** The second least of a band over the days (a single bad day is no floor), and its middle. */
function floorOf(base: readonly DayFeatures[], band: number) {
  const values = base.map(one => one.bands[band] as number).sort((a, b) => a - b)
  return { band, least: values[1] as number, usual: values[values.length >> 1] as number }
}
