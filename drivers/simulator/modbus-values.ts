import { findItem } from '../../proto/items.ts'
import { itemValue } from './item-values.ts'
import type { Meter } from './meter-model.ts'
import { parseRatio } from './meter-setting.ts'
import type { MappedValue, SimulatedProfile } from './modbus-profile.ts'
import { encodeRegisters } from './modbus-registers.ts'

/** Registers between two mapped ones that read as 0; farther out nothing exists. */
const GAP = 32

/** True when a register exists for the function code. */
export function exists(profile: SimulatedProfile, functionCode: number, register: number): boolean {
  return profile.values.some(
    v =>
      v.function === functionCode && register >= v.address - GAP && register < v.address + v.registers + GAP
  )
}

/** Octets of `count` registers from `start` at an instant; unmapped ones are 0. */
export function readRegisters(
  meter: Meter,
  profile: SimulatedProfile,
  functionCode: number,
  start: number,
  count: number,
  unixS: number
): number[] {
  const image = new Array<number>(2 * count).fill(0)
  for (const value of profile.values) {
    if (value.function !== functionCode) continue
    if (value.address >= start + count || value.address + value.registers <= start) continue
    const octets = octetsOf(meter, profile, value, unixS)
    octets.forEach((octet, n) => {
      const at = 2 * (value.address - start) + n
      if (at >= 0 && at < image.length) image[at] = octet
    })
  }
  return image
}

function octetsOf(
  meter: Meter,
  profile: SimulatedProfile,
  value: MappedValue,
  unixS: number
): readonly number[] {
  const absent = (meter.setting.sentinels ?? []).some(text => Number(text) === value.address)
  const shown = absent ? undefined : shownValue(meter, profile, value, unixS)
  if (shown === undefined) return value.missing
  const raw = typeof shown === 'number' ? shown / value.scale : shown
  return encodeRegisters(raw, value.coding, value.order, value.registers)
}

function shownValue(
  meter: Meter,
  profile: SimulatedProfile,
  { shows }: MappedValue,
  unixS: number
): number | string | undefined {
  switch (shows.kind) {
    case 'fixed':
      return shows.value
    case 'number':
      return meter.seed.toString(36).padStart(8, '0').slice(-4).toUpperCase()
    case 'ratio': {
      const { ct, pt, registerCt, registerPt } = meter.setting
      const { primary, secondary } = parseRatio(shows.of === 'ct' ? (registerCt ?? ct) : (registerPt ?? pt))
      return { quotient: primary / secondary, primary, secondary }[shows.part]
    }
    case 'sign':
      return (sideValue(meter, profile, shows.key, unixS) ?? 0) < 0 ? shows.negative : 0
    case 'item': {
      const value = sideValue(meter, profile, shows.key, unixS)
      return value === undefined ? undefined : value * unitFactor(shows.key, shows.unit)
    }
  }
}

/** The item on the side the profile speaks of, with parts that add up where the meter keeps only parts. */
function sideValue(meter: Meter, profile: SimulatedProfile, key: string, unixS: number): number | undefined {
  const remainder = profile.remainders.get(key)
  const own = remainder
    ? remainder.others.reduce(
        (left, other) => left - (itemValue(meter, other, unixS) ?? 0),
        itemValue(meter, remainder.whole, unixS) ?? 0
      )
    : itemValue(meter, key, unixS)
  if (own === undefined || !profile.primary) return own
  const ct = parseRatio(meter.setting.ct)
  const pt = parseRatio(meter.setting.pt)
  const byCurrent = ct.primary / ct.secondary
  const byVoltage = pt.primary / pt.secondary
  if (key.startsWith('voltage')) return own * byVoltage
  if (key.startsWith('current')) return own * byCurrent
  return /^(power-(active|reactive|apparent)|active|reactive|apparent|present)/.test(key)
    ? own * byCurrent * byVoltage
    : own
}

const PREFIXES: Readonly<Record<string, number>> = { m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9 }

/** Catalogue unit over register unit, e.g. 1000 for a register in W of an item in kW. */
function unitFactor(key: string, unit: string | undefined): number {
  const own = prefixOf(findItem(key)?.unit ?? '')
  return unit === undefined ? 1 : own / prefixOf(unit)
}

function prefixOf(unit: string): number {
  const match = /^([mkMG]?)(W|Wh|var|varh|VA|VAh|V|A|Hz)$/.exec(unit)
  return PREFIXES[match?.[1] ?? ''] ?? 1
}
