/** A share of exchanges, 0..1; true is every one. */
export type Share = number | boolean

/** What is wrong with a meter, by name. Draws depend on (seed, meter, k-th reply), so every reader meets the same faults. */
export interface FaultSetting {
  /** no reply */
  readonly mute?: Share
  /** the reply comes so much later */
  readonly late?: { readonly ms: number; readonly share?: Share }
  /** the reply ends early */
  readonly truncated?: Share
  readonly badChecksum?: Share
  /** random octets before or after the reply */
  readonly noiseBefore?: Share
  readonly noiseAfter?: Share
  /** another meter's reply in place of ours */
  readonly foreignReply?: Share
  /** the reply comes twice */
  readonly duplicate?: Share
  /** another address in our reply */
  readonly wrongAddress?: Share
  /** random octets in place of the reply */
  readonly garbage?: Share
  /** the first 68 comes twice */
  readonly doubled68?: Share
  /** five stray octets after the end */
  readonly trailingJunk?: Share
  /** bits that flip, by octet */
  readonly bitErrors?: number
  /** data identifiers or registers that are refused; * stands for any digit */
  readonly refuse?: readonly string[]
  /** error word (DL/T 645) or exception code (Modbus) of a refusal */
  readonly refusal?: number
  readonly noLoadProfile?: boolean
  /** share of slots without a record */
  readonly profileHoles?: Share
  /** share of blocks that come damaged; asking again brings a new draw */
  readonly damagedBlocks?: Share
  /** an empty place in the profile is refused in place of an empty reply */
  readonly emptyRefused?: boolean
  /** separators before the asked class are left out */
  readonly noLeadingSeparators?: boolean
  /** AA AA AA AA AA AA as its own address */
  readonly answersAsAA?: boolean
  /** FFFF for phases B and C */
  readonly phasesFfff?: boolean
  /** a single voltage has a third octet of padding */
  readonly longVoltage?: boolean
  /** AA after the last value of a block */
  readonly blockTail?: boolean
  /** seconds the clock is ahead */
  readonly clockOffS?: number
  /** random octets without being asked, every so many ms */
  readonly babbleMs?: number
}

export const FAULT_NAMES = [
  'mute',
  'late',
  'truncated',
  'badChecksum',
  'noiseBefore',
  'noiseAfter',
  'foreignReply',
  'duplicate',
  'wrongAddress',
  'garbage',
  'doubled68',
  'trailingJunk',
  'bitErrors',
  'refuse',
  'refusal',
  'noLoadProfile',
  'profileHoles',
  'damagedBlocks',
  'emptyRefused',
  'noLeadingSeparators',
  'answersAsAA',
  'phasesFfff',
  'longVoltage',
  'blockTail',
  'clockOffS',
  'babbleMs'
] as const satisfies readonly (keyof FaultSetting)[]

/** Share as a number. */
export function shareOf(share: Share | undefined): number {
  return share === true ? 1 : share === false || share === undefined ? 0 : share
}
