import type { ReadFault, ReadOptions } from '../../agent/ports.ts'
import {
  judgeProfile,
  type ProfileVerdict,
  rankVerdicts,
  spansForJudgement
} from '../../proto/modbus/identify.ts'
import type { MeterProfile } from '../../proto/modbus/profile.ts'
import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'
import type { ModbusReader } from './modbus.ts'

/** What a live meter says to one or more profiles. */
export interface LiveProfileVerdicts {
  /** best first */
  readonly verdicts: readonly ProfileVerdict[]
  readonly faults: readonly ReadFault[]
}

/**
 * Reads what the profiles need to be judged by and judges them: which of the four orders fits and why, and which of several
 * incompatible maps under one name it is. Registers that only one of the profiles has may be refused; that is in `faults`.
 * Rejects only when the signal aborts.
 */
export async function checkProfilesLive(
  reader: ModbusReader,
  unit: number,
  profiles: readonly MeterProfile[],
  options: ReadOptions
): Promise<LiveProfileVerdicts> {
  const spans = new Map<string, RegisterSpan>()
  for (const profile of profiles)
    for (const span of spansForJudgement(profile))
      spans.set(`${span.function}:${span.address}:${span.count}`, span)
  const { image, faults } = await reader.readRegisters(unit, [...spans.values()], options)
  const verdicts = rankVerdicts(profiles.map(profile => judgeProfile(profile, image)))
  return { verdicts, faults }
}
