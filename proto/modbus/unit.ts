import { CodecError } from '../errors.ts'

/** Units a register may be in: the catalogue's unit and the power of ten that leads to it. */
const UNITS: Readonly<Record<string, readonly [catalogue: string, power: number]>> = {
  '': ['', 0],
  '%': ['', -2],
  Wh: ['kWh', -3],
  kWh: ['kWh', 0],
  MWh: ['kWh', 3],
  varh: ['kvarh', -3],
  kvarh: ['kvarh', 0],
  Mvarh: ['kvarh', 3],
  VAh: ['kVAh', -3],
  kVAh: ['kVAh', 0],
  MVAh: ['kVAh', 3],
  W: ['kW', -3],
  kW: ['kW', 0],
  MW: ['kW', 3],
  var: ['kvar', -3],
  kvar: ['kvar', 0],
  Mvar: ['kvar', 3],
  VA: ['kVA', -3],
  kVA: ['kVA', 0],
  MVA: ['kVA', 3],
  mV: ['V', -3],
  V: ['V', 0],
  kV: ['V', 3],
  mA: ['A', -3],
  A: ['A', 0],
  kA: ['A', 3],
  mHz: ['Hz', -3],
  Hz: ['Hz', 0],
  deg: ['deg', 0],
  '°C': ['°C', 0],
  s: ['s', 0],
  'imp/kWh': ['imp/kWh', 0],
  'imp/kvarh': ['imp/kvarh', 0]
}

export const REGISTER_UNITS: readonly string[] = Object.keys(UNITS)

/**
 * Power of ten that turns a value in `unit` into the catalogue's unit: ("Wh", "kWh") -> -3.
 * @throws CodecError CODEC_SHAPE when the unit is unknown or of another quantity
 */
export function powerToCatalogue(unit: string, catalogueUnit: string, at: string): number {
  const known = UNITS[unit]
  if (!known || known[0] !== catalogueUnit)
    throw new CodecError(
      'CODEC_SHAPE',
      `unit ${JSON.stringify(unit)} cannot become ${JSON.stringify(catalogueUnit)}`,
      {
        at,
        next: `give one of ${REGISTER_UNITS.filter(name => UNITS[name]?.[0] === catalogueUnit).join(', ')}`
      }
    )
  return known[1]
}
