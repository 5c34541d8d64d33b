import { demandOctets, energyOctets, stamp } from './dlt-energy.ts'
import { signedDigits } from './dlt-octets.ts'
import type { Meter } from './meter-model.ts'

const DAY_S = 86_400
const HOUR_S = 3600
const DAILY_DEPTH = 62
const HOURLY_DEPTH = 254
const ALL = 0xff

/** DI3 = 05. @returns undefined when the meter has no such freeze */
export function readFreeze(meter: Meter, di: readonly number[], unixS: number): number[] | undefined {
  const [, kind = 0, part = 0, nth = 0] = di
  const localS = frozenLocal(meter, kind, nth, unixS)
  if (localS === undefined) return undefined
  const at = meter.clock.instantOf(localS, unixS)
  if (kind === 0x04) return hourlyPart(meter, part, localS, at)
  if (part !== ALL) return freezePart(meter, part, localS, at)
  return [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0a, 0x10].flatMap(n => freezePart(meter, n, localS, at) ?? [])
}

/** Local time of the n-th last freeze of a kind. */
function frozenLocal(meter: Meter, kind: number, nth: number, unixS: number): number | undefined {
  const local = meter.clock.localAt(unixS)
  if (nth === 0) return undefined
  switch (kind) {
    case 0x01: {
      const frozen = meter.frozenAt[nth - 1]
      return frozen === undefined ? undefined : meter.clock.localAt(frozen)
    }
    case 0x00:
    case 0x04:
      return nth <= HOURLY_DEPTH ? (Math.floor(local / HOUR_S) - nth + 1) * HOUR_S : undefined
    case 0x06:
      return nth <= DAILY_DEPTH ? (Math.floor(local / DAY_S) - nth + 1) * DAY_S : undefined
    default:
      return undefined
  }
}

function hourlyPart(meter: Meter, part: number, localS: number, at: number): number[] | undefined {
  const time = stamp(localS)
  const forward = energyOctets(meter, 1, 0, at)
  const reverse = energyOctets(meter, 2, 0, at)
  if (part === 0) return time
  if (part === 1) return forward
  if (part === 2) return reverse
  return part === ALL ? [...time, ...forward, ...reverse] : undefined
}

function freezePart(meter: Meter, part: number, localS: number, at: number): number[] | undefined {
  const tariffs = Array.from({ length: (meter.setting.tariffs ?? 4) + 1 }, (_, n) => n)
  if (part === 0) return stamp(localS)
  if (part <= 8) return tariffs.flatMap(n => energyOctets(meter, part, n, at))
  if (part <= 0x0a) return tariffs.flatMap(n => demandOctets(meter, part === 9 ? 1 : 2, n, 0, at))
  if (part !== 0x10) return undefined
  const now = meter.instant(at)
  return [...now.active, ...now.reactive].flatMap(value => signedDigits(value, 3))
}
