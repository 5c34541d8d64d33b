/**
 * One reading: the values of one meter for one slot. The same shape is hashed into a leaf (proto/wire), stored and checked.
 * Values are scaled integers; unit and decimal exponent of an item are fixed by the catalogue (proto/items.ts).
 */
export interface Reading {
  /** Metering point id, e.g. "QY-000123". */
  readonly meter: string
  /** Slot number, floor(unix seconds / slot seconds); register values are those at the slot's end. */
  readonly slot: number
  /** 1 for the first record of (meter, slot); a late or corrected reading is the next version. */
  readonly version: number
  /** See {@link composeQuality}. */
  readonly quality: number
  /** One of {@link SOURCE}. */
  readonly source: number
  /** Milliseconds from the slot's end by the agent's clock; null in a gap record. */
  readonly readAt: number | null
  /** Seconds from the slot's end by the meter's own stamp; null when the meter gave none. */
  readonly meterTime: number | null
  /** The archive's ratio in force; never multiplied into the values. */
  readonly ratio: RatioStamp | null
  /** Sorted by item, each item once; null = asked for, not had. */
  readonly values: readonly ItemValue[]
}

export type ItemValue = readonly [item: number, value: number | null]

/** Current and voltage transformer ratio with the version of the archive entry, e.g. 150/5 and 10000/100. */
export interface RatioStamp {
  readonly version: number
  readonly ctPrimary: number
  readonly ctSecondary: number
  readonly ptPrimary: number
  readonly ptSecondary: number
}

/** How the values of a reading were had. */
export const SOURCE = {
  /** nothing was had: a gap record */
  none: 0,
  /** live registers, read within the slot that follows */
  live: 1,
  /** the meter's hourly freeze */
  hourlyFreeze: 2,
  /** the meter's own load profile */
  loadProfile: 3,
  /** the meter's daily freeze */
  dailyFreeze: 4,
  /** computed, with its method, beside the measured record; never in its place */
  estimate: 5
} as const
export type SourceName = keyof typeof SOURCE

/** Why a gap record has no values (low octet of quality; 0 = not a gap). */
export const GAP_REASON = {
  none: 0,
  /** no octet came back */
  silent: 1,
  /** the meter answered with an error word or exception */
  refused: 2,
  /** octets came back that were not a reply to the request */
  garbage: 3,
  /** the port of the bus could not be used */
  busDown: 4,
  /** left out of the sweep by the breaker after repeated silence */
  skipped: 5,
  /** the agent was not running */
  agentDown: 6,
  /** the sweep ended before the meter's turn */
  noTime: 7,
  /** the load profile has no record for the slot */
  notInProfile: 8,
  /** the agent's clock was not trusted */
  clockUntrusted: 9
} as const
export type GapReason = keyof typeof GAP_REASON

/** Findings about a reading that has values (bits 8 and up of quality). A flagged value is kept, never replaced. */
export const QUALITY_FLAG = {
  /** at least one item is null */
  incomplete: 1 << 8,
  /** a value outside its physical or configured range */
  range: 1 << 9,
  /** an energy register went back */
  negativeIncrement: 1 << 10,
  /** the archive's CT/PT ratio is contradicted */
  ratio: 1 << 11,
  /** load over the limit of rated capacity */
  overload: 1 << 12,
  /** load swing over the limit */
  swing: 1 << 13,
  /** power factor under the limit */
  powerFactor: 1 << 14,
  /** the agent's clock was not trusted when the reading was taken */
  clock: 1 << 15,
  /** the meter's clock is off by more than the limit */
  meterClock: 1 << 16,
  /** sum of slot increments differs from the register difference */
  sumCheck: 1 << 17,
  /** tariff registers do not add up to the total */
  tariffSum: 1 << 18,
  /** load far from the meter's own pattern */
  pattern: 1 << 19,
  /** phase loss or imbalance */
  phase: 1 << 20,
  /** a power failure fell into the slot */
  powerFail: 1 << 21,
  /** a float register lost digits of the value */
  resolution: 1 << 22,
  /** register rollover, meter swap or reset recognised */
  registerReset: 1 << 23,
  /** zero energy although current flows, or the reverse */
  consistency: 1 << 24
} as const
export type QualityFlag = keyof typeof QUALITY_FLAG

const REASON_NAMES = Object.keys(GAP_REASON) as GapReason[]
const FLAG_NAMES = Object.keys(QUALITY_FLAG) as QualityFlag[]
const SOURCE_NAMES = Object.keys(SOURCE) as SourceName[]

/** Quality word: gap reason in the low octet, findings above it. */
export function composeQuality(reason: GapReason, flags: Iterable<QualityFlag> = []): number {
  let quality: number = GAP_REASON[reason]
  for (const flag of flags) quality |= QUALITY_FLAG[flag]
  return quality
}

/** The gap reason of a quality word; undefined for a number this version does not know. */
export function gapReasonOf(quality: number): GapReason | undefined {
  return REASON_NAMES[quality & 0xff]
}

/** The findings of a quality word, in bit order. */
export function flagsOf(quality: number): QualityFlag[] {
  return FLAG_NAMES.filter(name => (quality & QUALITY_FLAG[name]) !== 0)
}

/** The name of a source number; undefined for a number this version does not know. */
export function sourceName(source: number): SourceName | undefined {
  return SOURCE_NAMES[source]
}

/** True for a gap record: a reading without values whose quality names the reason. */
export function isGap(reading: Reading): boolean {
  return (reading.quality & 0xff) !== 0
}

/** The signed record that a reading could not be had. `reason` must not be 'none'. */
export function gapRecord(
  meter: string,
  slot: number,
  version: number,
  reason: GapReason,
  ratio: RatioStamp | null
): Reading {
  return {
    meter,
    slot,
    version,
    quality: composeQuality(reason),
    source: SOURCE.none,
    readAt: null,
    meterTime: null,
    ratio,
    values: []
  }
}
