import type { GatewayConfig } from '../../config/gateway-config.ts'
import { loadRules } from '../../config/rules.ts'
import { slotStartMs } from '../../proto/slot.ts'
import { type ReplayReport, replayReadings } from '../check/replay.ts'
import { parseReplay } from '../check/replay-input.ts'
import { utcOffsetMinutes } from './zone.ts'

/** Where the readings of a file come from, when no configuration tells. */
export interface ReplayPlace {
  /** found out from the readings where it is left out */
  readonly slotSeconds?: number | undefined
  /** IANA name, for days and tariff hours */
  readonly timezone: string
}

/**
 * Runs the checks over the text (or its octets) of a file of readings.
 * @param place slot length and zone, or the whole configuration, whose meters give capacities, parents and limits
 * @throws CodecError CODEC_SHAPE naming the line that is no reading
 */
export function replayFile(text: string | Uint8Array, place: GatewayConfig | ReplayPlace): ReplayReport {
  const { readings, given, timing } = parseReplay(text, place.slotSeconds)
  const { slotSeconds, originS, zoned } = timing
  const first = readings.reduce((least, reading) => Math.min(least, reading.slot), readings[0]?.slot ?? 0)
  return replayReadings(
    readings,
    {
      rules: loadRules(),
      slotSeconds,
      originS,
      utcOffsetMinutes: zoned
        ? utcOffsetMinutes(place.timezone, slotStartMs(first, slotSeconds) + 1000 * originS)
        : 0,
      ...('meters' in place ? { meters: place.meters } : {})
    },
    given
  )
}
