import type { EnergyKind, Phase } from './energy-registers.ts'
import type { Meter } from './meter-model.ts'

const ENERGY: Readonly<Record<string, readonly EnergyKind[]>> = {
  'active-import': ['active-import'],
  'active-export': ['active-export'],
  'active-combined': ['active-import', 'active-export'],
  'reactive-combined-1': ['q1', 'q2'],
  'reactive-combined-2': ['q3', 'q4'],
  'reactive-q1': ['q1'],
  'reactive-q2': ['q2'],
  'reactive-q3': ['q3'],
  'reactive-q4': ['q4'],
  'apparent-import': ['apparent-import'],
  'apparent-export': ['apparent-export']
}
const PARTS = ['total', 'a', 'b', 'c']
const PHASES = ['a', 'b', 'c']
const LINES = ['ab', 'bc', 'ca']

/**
 * Value of a catalogue item at an instant, in the catalogue's unit, on the meter's own side.
 * @returns undefined when the simulated meter does not measure it
 */
export function itemValue(meter: Meter, key: string, unixS: number): number | undefined {
  const cut = key.lastIndexOf('-')
  const stem = key.slice(0, cut)
  const part = key.slice(cut + 1)
  const kinds = ENERGY[stem]
  if (kinds) return energyValue(meter, kinds, part, unixS)
  const now = meter.instant(unixS)
  const index = PARTS.indexOf(part)
  const phase = PHASES.indexOf(part)
  const at = (list: readonly number[], n: number, unit: number): number | undefined =>
    list[n] === undefined ? undefined : list[n] / unit
  switch (stem) {
    case 'voltage':
      if (LINES.includes(part)) return Math.sqrt(3) * ((now.voltage[0] ?? 0) / 10)
      return at(now.voltage, phase, 10)
    case 'current':
      return part === 'n' ? 0 : at(now.current, phase, 1000)
    case 'power-active':
      return at(now.active, index, 10_000)
    case 'power-reactive':
      return at(now.reactive, index, 10_000)
    case 'power-apparent':
      return at(now.apparent, index, 10_000)
    case 'power-factor':
      return at(now.factor, index, 1000)
    case 'phase-angle':
      return at(now.angle, phase, 10)
    case 'present-demand':
      return part === 'active' ? meter.demand.present(unixS) : undefined
    default:
      return key === 'frequency' ? now.frequency / 100 : key === 'temperature' ? 23.1 : undefined
  }
}

function energyValue(
  meter: Meter,
  kinds: readonly EnergyKind[],
  part: string,
  unixS: number
): number | undefined {
  const phase = PHASES.indexOf(part)
  const tariff = part === 'total' ? 0 : /^t[1-4]$/.test(part) ? Number(part.slice(1)) : undefined
  let counts = 0
  for (const kind of kinds) {
    if (phase >= 0) counts += meter.energy.phaseCount(kind, phase as Phase, unixS, 1000)
    else if (tariff !== undefined) counts += meter.energy.count(kind, tariff, unixS, 1000)
    else return undefined
  }
  return counts / 1000
}
