/** What a file of readings says about its slots: how long they are, and when they were where it counts them from another start. */
import { parseInstant } from '../../proto/instant.ts'

export interface SlotTiming {
  readonly slotSeconds: number
  /** seconds to add to slot x slotSeconds for the instant it began; 0 where slots count from 1970 */
  readonly originS: number
  /** minutes east of UTC that the times themselves give; undefined where they are in UTC, which says nothing of the place */
  readonly utcOffsetMinutes: number | undefined
  /** slots count from a midnight of the file's own: no zone has a say in its days */
  readonly isOwnCount: boolean
}

/** The length of a slot in the field, and of a file that does not say. */
export const USUAL_SLOT_SECONDS = 900

/** a slot that began in 1970 was counted by somebody from a start of their own */
const OWN_COUNT_S = 366 * 86400
/** 1970-01-05, the first Monday */
const FIRST_MONDAY_S = 4 * 86400

interface Sample {
  readonly meter: unknown
  readonly slot: number | undefined
  readonly startS: number | undefined
  /** minutes east of UTC in the text of the time, where it is not given in UTC */
  readonly offset: number | undefined
}

/**
 * Finds the length of the slots from the first readings of a file: from slot numbers beside their times, else from the step between the
 * times of one meter. Slots without times that count from about 0 are taken as from the midnight of a Monday.
 * @param entries readings as parsed; anything without a slot or a time is passed over
 * @param given the length where the caller knows it
 */
export function slotTiming(
  entries: Iterable<Readonly<Record<string, unknown>>>,
  given: number | undefined
): SlotTiming {
  const samples = [...entries].map(sampleOf)
  const slotSeconds = given ?? lengthByNumbers(samples) ?? lengthByTimes(samples) ?? USUAL_SLOT_SECONDS
  const timed = samples.find(one => one.slot !== undefined && one.startS !== undefined)
  const utcOffsetMinutes = samples.find(one => one.offset !== undefined)?.offset
  if (timed)
    return {
      slotSeconds,
      originS: (timed.startS as number) - (timed.slot as number) * slotSeconds,
      utcOffsetMinutes,
      isOwnCount: false
    }
  const isOwnCount =
    samples.length > 0 &&
    samples.every(
      ({ slot, startS }) => startS === undefined && (slot === undefined || slot * slotSeconds < OWN_COUNT_S)
    )
  return isOwnCount
    ? { slotSeconds, originS: FIRST_MONDAY_S, utcOffsetMinutes: 0, isOwnCount }
    : { slotSeconds, originS: 0, utcOffsetMinutes, isOwnCount }
}

function sampleOf(raw: Readonly<Record<string, unknown>>): Sample {
  const slot = typeof raw['slot'] === 'string' && raw['slot'] !== '' ? Number(raw['slot']) : raw['slot']
  const text = typeof raw['slotStart'] === 'string' ? raw['slotStart'].trim() : ''
  const start = parseInstant(text)
  const [, sign, hours, minutes] = (start !== undefined && /([+-])(\d\d):?(\d\d)$/.exec(text)) || []
  return {
    meter: raw['meter'],
    slot: typeof slot === 'number' && Number.isInteger(slot) ? slot : undefined,
    startS: start === undefined ? undefined : start / 1000,
    offset: sign === undefined ? undefined : Number(`${sign}1`) * (60 * Number(hours) + Number(minutes))
  }
}

const isLength = (seconds: number) => Number.isInteger(seconds) && seconds >= 1 && seconds <= 86400

function lengthByNumbers(samples: readonly Sample[]): number | undefined {
  const both = samples.filter(one => one.slot !== undefined && one.startS !== undefined)
  const first = both[0]
  const other = both.find(one => one.slot !== first?.slot)
  if (!first || !other) return undefined
  const length =
    ((other.startS as number) - (first.startS as number)) / ((other.slot as number) - (first.slot as number))
  return isLength(length) ? length : undefined
}

/** The step met most often between the times of a meter; readings alone, with gaps, may have longer ones. */
function lengthByTimes(samples: readonly Sample[]): number | undefined {
  const times = new Map<unknown, Set<number>>()
  for (const { meter, startS } of samples) {
    if (startS === undefined) continue
    const known = times.get(meter)
    if (known) known.add(startS)
    else times.set(meter, new Set([startS]))
  }
  const counts = new Map<number, number>()
  for (const known of times.values()) {
    const rising = [...known].sort((a, b) => a - b)
    rising.slice(1).forEach((time, n) => {
      const step = time - (rising[n] as number)
      counts.set(step, (counts.get(step) ?? 0) + 1)
    })
  }
  const [step] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? []
  return step !== undefined && isLength(step) ? step : undefined
}
