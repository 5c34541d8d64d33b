import { fullStamp } from './dlt-energy.ts'
import { digits } from './dlt-octets.ts'
import type { Meter } from './meter-model.ts'

const DAY_S = 86_400

/** Octets of the n-th last record, by the counter's identifier without its last octet. */
const RECORD_SIZES: Readonly<Record<string, number>> = {
  '031100': 12,
  '030500': 15,
  '033000': 50,
  '033001': 106,
  '033002': 202,
  '033003': 14,
  '033004': 16,
  '033005': 682,
  '03300D': 60,
  '03300E': 60,
  '033500': 28
}
/** Counters kept by phase: count and minutes of A, B and C. */
const BY_PHASE = ['0301', '0302', '0303', '0304', '030B', '030C', '030D']
/** Counters kept once: count and minutes. */
const WITH_MINUTES = ['0305', '0306', '0307', '0308', '0309', '030A']
const PHASE_RECORD_SIZE = 131

/** DI3 = 03 (and the trip counters of 1D and 1E). @returns undefined when the meter has no such item */
export function readEvent(meter: Meter, name: string, unixS: number): number[] | undefined {
  const count = (di: string): number => meter.eventCount(di)
  if (name === '1D000001' || name === '1E000001') return digits(count(name), 3)
  const group = name.slice(0, 4)
  const phase = Number.parseInt(name.slice(4, 6), 16)
  const nth = Number.parseInt(name.slice(6), 16)
  if (BY_PHASE.includes(group)) {
    if (phase === 0 && nth === 0)
      return [1, 2, 3].flatMap(p => {
        const times = count(`${group}0${p}00`)
        return [...digits(times, 3), ...digits(7 * times, 3)]
      })
    return phase <= 3 && nth >= 1 && nth <= 10
      ? record(meter, PHASE_RECORD_SIZE, nth, count(`${group}0${phase}00`), unixS)
      : undefined
  }
  if (WITH_MINUTES.includes(group) && phase === 0 && nth === 0)
    return [...digits(count(name), 3), ...digits(7 * count(name), 3)]
  if (name === '03120000') return new Array<number>(18).fill(0)
  const size = RECORD_SIZES[name.slice(0, 6)]
  const counter = `${name.slice(0, 6)}00`
  if (nth === 0)
    return size !== undefined || /^03300[6-9]$/.test(name.slice(0, 6)) ? digits(count(counter), 3) : undefined
  return size !== undefined && nth <= 10 ? record(meter, size, nth, count(counter), unixS) : undefined
}

/** A record that starts with its time; the rest is a pattern by which cut and joined frames can be told. */
function record(meter: Meter, size: number, nth: number, count: number, unixS: number): number[] {
  if (nth > count) return new Array<number>(size).fill(0)
  const midnight = Math.floor(meter.clock.localAt(unixS) / DAY_S) * DAY_S
  const start = midnight - nth * 9 * DAY_S + 10 * 3600 + 17 * 60
  const out = [...fullStamp(start), ...(size >= 12 ? fullStamp(start + 420) : [])]
  while (out.length < size) out.push(...digits(out.length % 100, 1))
  return out.slice(0, size)
}
