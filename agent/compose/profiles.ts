import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../config/locate.ts'
import {
  listProfiles,
  loadProfile,
  type ProfileSummary,
  summariseProfile
} from '../../drivers/meters/modbus-profiles.ts'
import { fromHex } from '../../proto/bytes.ts'
import { formatScaled } from '../../proto/decimal.ts'
import { itemByKey } from '../../proto/items.ts'
import { BYTE_ORDERS, type ByteOrder } from '../../proto/modbus/byte-order.ts'
import { replayGolden } from '../../proto/modbus/golden.ts'
import { readItem, spansOf } from '../../proto/modbus/item-value.ts'
import type { MeterProfile, ProfileRegister } from '../../proto/modbus/profile.ts'
import { RegisterImage } from '../../proto/modbus/register-image.ts'
import type { MeterPoint, ReadFault } from '../ports.ts'
import { type AdhocLine, readOnce } from './line.ts'

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

/** Values that tell a right word order from a wrong one, with the bounds a living line keeps. */
const PLAUSIBLE: readonly (readonly [item: string, low: number, high: number])[] = [
  ['voltage-a', 40, 500],
  ['voltage-b', 40, 500],
  ['voltage-c', 40, 500],
  ['frequency', 45, 65],
  ['power-factor-total', -1.001, 1.001]
]

export interface OrderTrial {
  readonly order: ByteOrder
  /** values inside their bounds, of those judged */
  readonly plausible: number
  readonly judged: number
  readonly values: readonly {
    readonly item: string
    readonly value: string | null
    readonly plausible: boolean
  }[]
}

export interface LiveProfileCheck {
  readonly profile: string
  /** the profile's own order */
  readonly order: ByteOrder
  /** the one order whose values are all plausible; null when none or several are */
  readonly fits: ByteOrder | null
  readonly holds: boolean
  readonly trials: readonly OrderTrial[]
  readonly errors: readonly ReadFault[]
}

/** Reads voltages, frequency and power factor of a live meter and tries the four word orders on them. */
export async function checkProfileLive(
  nameOrFile: string,
  line: AdhocLine,
  address: string,
  signal: AbortSignal
): Promise<LiveProfileCheck> {
  const profile = loadProfile(nameOrFile)
  const judged = profile.registers.filter(register => PLAUSIBLE.some(([key]) => key === register.item.key))
  const spans = judged.flatMap(spansOf)
  const names = spans.map(span => `reg:${span.function}:0x${span.address.toString(16)}:${span.count}`)
  const answer = await readOnce(line, registerReader(address, [...new Set(names)]), signal)
  const image = new RegisterImage()
  for (const value of answer.values) {
    const n = names.indexOf(value.key)
    const span = spans[n]
    if (span) image.put(span.function, span.address, fromHex(value.raw))
  }
  const trials = BYTE_ORDERS.map(order => tryOrder(profile, judged, image, order))
  return {
    profile: profile.name,
    order: profile.order,
    ...verdict(profile, trials),
    trials,
    errors: answer.faults
  }
}

function registerReader(address: string, rawItems: readonly string[]): MeterPoint {
  return {
    id: address,
    bus: 'line',
    protocol: 'modbus',
    address,
    profile: undefined,
    items: [],
    rawItems,
    ratedKva: undefined,
    ct: { primary: 1, secondary: 1 },
    pt: { primary: 1, secondary: 1 },
    ratioVersion: 1,
    parent: undefined,
    rules: {},
    location: undefined
  }
}

function tryOrder(
  profile: MeterProfile,
  registers: readonly ProfileRegister[],
  image: RegisterImage,
  order: ByteOrder
): OrderTrial {
  const values = registers.map(register => {
    const ordered = order === profile.order ? register : reordered(register, order)
    const read = readItem(ordered, image)
    const [, low, high] = PLAUSIBLE.find(([key]) => key === register.item.key) as (typeof PLAUSIBLE)[number]
    const number = read.kind === 'value' ? read.value * 10 ** register.item.exponent : undefined
    // a dead phase says 0 V, and so does every order of it
    const idle = number === 0 && register.item.key.startsWith('voltage')
    return {
      item: register.item.key,
      value: read.kind === 'value' ? formatScaled(read.value, register.item.exponent) : null,
      read: read.kind !== 'unread' && !idle,
      plausible: number !== undefined && number >= low && number <= high
    }
  })
  const seen = values.filter(value => value.read)
  return {
    order,
    plausible: seen.filter(value => value.plausible).length,
    judged: seen.length,
    values: values.map(({ item, value, plausible }) => ({ item, value, plausible }))
  }
}

function reordered(register: ProfileRegister, order: ByteOrder): ProfileRegister {
  return { ...register, spec: { ...register.spec, order } }
}

function verdict(
  profile: MeterProfile,
  trials: readonly OrderTrial[]
): Pick<LiveProfileCheck, 'fits' | 'holds'> {
  const fitting = trials.filter(trial => trial.judged > 0 && trial.plausible === trial.judged)
  const own = fitting.some(trial => trial.order === profile.order)
  const only = fitting.length === 1 ? (fitting[0] as OrderTrial).order : null
  return { fits: own && fitting.length > 1 ? profile.order : only, holds: own }
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
