import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../config/locate.ts'
import { openBus } from '../../drivers/bus/open-bus.ts'
import { createModbusReader } from '../../drivers/meters/modbus.ts'
import { checkProfilesLive, type LiveProfileVerdicts } from '../../drivers/meters/modbus-check.ts'
import {
  listProfiles,
  loadProfile,
  type ProfileSummary,
  summariseProfile
} from '../../drivers/meters/modbus-profiles.ts'
import { formatScaled } from '../../proto/decimal.ts'
import { itemByKey } from '../../proto/items.ts'
import { replayGolden } from '../../proto/modbus/golden.ts'
import { type AdhocLine, quietHost } from './line.ts'

/** All shipped profiles with the state of their golden exchanges. */
export function shippedProfiles(): ProfileSummary[] {
  return listProfiles()
}

export interface ProfileCheck extends ProfileSummary {
  readonly holds: boolean
  readonly failures: readonly {
    readonly exchange: number
    readonly item: string
    readonly expected: string | null
    readonly got: string | null
  }[]
}

/** Makes sure that a profile can be had before a port is opened. @throws ProfileError */
export function requireProfile(nameOrFile: string): void {
  loadProfile(nameOrFile)
}

/** Replays the golden exchanges of a profile. @throws ProfileError when it cannot be read or meant */
export function checkProfile(nameOrFile: string): ProfileCheck {
  const profile = loadProfile(nameOrFile)
  const wrong = replayGolden(profile).filter(finding => !finding.holds)
  return {
    ...summariseProfile(profile),
    holds: wrong.length === 0,
    failures: wrong.map(({ exchange, item, expected, got }) => ({
      exchange,
      item,
      expected,
      got: typeof got === 'number' ? formatScaled(got, itemByKey(item).exponent) : got
    }))
  }
}

/**
 * Reads a live meter and judges it by each profile: which of the four orders fits and why, best profile first.
 * @throws ProfileError when a profile cannot be read or meant
 */
export async function checkProfilesOnLine(
  names: readonly string[],
  settings: AdhocLine,
  unit: number,
  signal: AbortSignal
): Promise<LiveProfileVerdicts> {
  const profiles = names.map(loadProfile)
  const host = quietHost()
  const line = openBus({ name: 'line', ...settings }, host)
  try {
    return await checkProfilesLive(createModbusReader(line, host), unit, profiles, {
      priority: 'technician',
      signal
    })
  } finally {
    await line.close()
  }
}

/** The text of a new profile: a commented skeleton, or a copy of a shipped one under a new name. */
export function newProfile(name: string, from: string | undefined): string {
  if (from === undefined) return skeleton(name)
  // loading first gives the right error for a name that is not there
  loadProfile(from)
  const shipped = join(packageRoot(), 'config/meters/modbus', `${from}.yaml`)
  const text = readFileSync(existsSync(shipped) ? shipped : from, 'utf8')
  return text.replace(/^name: .*$/m, `name: ${name}`)
}

function skeleton(name: string): string {
  return `# Register profile of a Modbus meter; wattproof profile check FILE tells what is wrong with it.
name: ${name}
maker: who makes it
models: [as on the label]
source: "manual and page, or where the map was had"
confidence: C # A manual or live meter, B code in use, C one secondary source
side: secondary # of the transformers the registers speak of
function: 3 # 3 holding registers, 4 input registers
order: ABCD # ABCD, CDAB, BADC or DCBA; profile check --port P --address N tries all four
line: { baud: 9600, parity: none, stopBits: 1, address: 1 }
# item: a key of wattproof items; address: as on the wire, from 0; type: u16 i16 u32 i32 u64 i64 f32 f64 bcd ...
# unit and scale: the register times scale is in unit
registers:
  - { item: voltage-a, address: 0x0000, type: u16, unit: V, scale: 0.1 }
  - { item: active-import-total, address: 0x0010, type: u32, unit: kWh, scale: 0.01 }
# exchanges captured on a line (wattproof read --json shows raw octets), replayed by profile check
golden:
  - source: made from the map above; replace it by a capture
    request: "010300000001840A"
    reply: "0103020898BE2E"
    values: { voltage-a: "220.0" }
`
}
