/** Memory of the pattern model and its text form. */
import { round } from './finding.ts'
import {
  BANDS,
  type DayFeatures,
  FEATURES,
  type OpenDay,
  openDay,
  type PatternVerdict
} from './pattern-days.ts'
import { emptyProfile, type Profile, packNumbers, unpackNumbers } from './pattern-profile.ts'

export interface PatternState {
  profile: Profile
  open: OpenDay
  days: DayFeatures[]
  /** the verdict of the last full day; it stands until the next */
  verdict: PatternVerdict | null
  /** first day of the verdict that stands */
  since: number | null
  /** set when a day was closed and not yet judged */
  unjudged: boolean
}

export function emptyPattern(): PatternState {
  return { profile: emptyProfile(), open: openDay(-1), days: [], verdict: null, since: null, unjudged: false }
}

/** As text: about 2 KiB. */
export function encodePattern(state: PatternState): unknown {
  const { profile, open, days, verdict } = state
  const flat: number[] = []
  for (const one of days) flat.push(...one.bands, ...one.phases)
  const short = (x: number) => round(x, 5)
  return [
    packNumbers(profile.level),
    packNumbers(profile.spread),
    btoa(String.fromCharCode(...profile.count)),
    [profile.record, profile.habit, profile.away, profile.pending].map(short),
    profile.seen,
    [open.day, open.sum.map(short), open.slots, open.amps.map(short), open.ampSlots],
    days.map(one => one.day - (days[0]?.day ?? 0)),
    days[0]?.day ?? 0,
    packNumbers(flat),
    verdict,
    state.since
  ]
}

/** @throws when the form is not that of {@link encodePattern} */
export function decodePattern(form: unknown): PatternState {
  const [level, spread, count, stray, seen, open, offsets, first, flat, verdict, since] = form as [
    string,
    string,
    string,
    number | [number, number, number, number],
    number,
    [number, number[], number[], number[], number],
    number[],
    number,
    string,
    PatternVerdict | null,
    number | null
  ]
  const numbers = unpackNumbers(flat)
  const counts = atob(count)
  // what an older version wrote is the record alone
  const [record, habit, away, pending] = typeof stray === 'number' ? [stray, 0, 0, 0] : stray
  return {
    profile: {
      level: unpackNumbers(level),
      spread: unpackNumbers(spread),
      count: Uint8Array.from(counts, char => char.charCodeAt(0)),
      record,
      habit,
      streak: 0,
      away,
      pending,
      seen
    },
    open: { day: open[0], sum: open[1], slots: open[2], amps: open[3], ampSlots: open[4] },
    days: offsets.map((offset, n) => {
      const part = Array.from(numbers.subarray(n * FEATURES, (n + 1) * FEATURES))
      return { day: first + offset, bands: part.slice(0, BANDS), phases: part.slice(BANDS) }
    }),
    verdict,
    since: since ?? null,
    unjudged: false
  }
}
