import type { GatewayConfig } from '../../config/gateway-config.ts'
import { loadRules } from '../../config/rules.ts'
import type { Reading } from '../../proto/reading.ts'
import { type ReplayReport, replayReadings } from '../check/replay.ts'
import { parseReplay } from '../check/replay-input.ts'
import type { SlotTiming } from '../check/replay-slots.ts'
import { firstSlot, sleepsByUtc } from '../check/replay-zone.ts'
import { utcOffsetMinutes } from './zone.ts'

/** Where the readings of a file come from, when no configuration tells. */
export interface ReplayPlace {
  /** found out from the readings where it is left out */
  readonly slotSeconds?: number | undefined
  /** IANA name, for days and tariff hours; found out from times and loads where it is left out */
  readonly timezone?: string | undefined
}

/** Where the product is at home. */
const HOME_ZONE = 'Asia/Shanghai'

/**
 * Runs the checks over the text (or its octets) of a file of readings.
 * @param place slot length and zone, or the whole configuration, whose meters give capacities, parents and limits
 * @throws CodecError CODEC_SHAPE naming the line that is no reading
 */
export function replayFile(text: string | Uint8Array, place: GatewayConfig | ReplayPlace): ReplayReport {
  const { readings, given, timing } = parseReplay(text, place.slotSeconds)
  const { slotSeconds, originS } = timing
  return replayReadings(
    readings,
    {
      rules: loadRules(),
      slotSeconds,
      originS,
      utcOffsetMinutes: zoneOf(readings, timing, place.timezone),
      ...('meters' in place ? { meters: place.meters } : {})
    },
    given
  )
}

/** Minutes east of UTC: of the zone named, else what the file tells, else of the home zone. */
function zoneOf(readings: readonly Reading[], timing: SlotTiming, timezone: string | undefined): number {
  const { slotSeconds, originS } = timing
  const secondsOf = (slot: number) => slot * slotSeconds + originS
  const offsetOf = (zone: string) => utcOffsetMinutes(zone, 1000 * secondsOf(firstSlot(readings)))
  if (timing.isOwnCount) return 0
  if (timezone !== undefined) return offsetOf(timezone)
  if (timing.utcOffsetMinutes !== undefined) return timing.utcOffsetMinutes
  return sleepsByUtc(readings, secondsOf, offsetOf(HOME_ZONE)) ? 0 : offsetOf(HOME_ZONE)
}
