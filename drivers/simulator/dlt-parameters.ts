import { toCivil } from './civil-time.ts'
import { addressOctets, digits, text } from './dlt-octets.ts'
import type { Meter } from './meter-model.ts'
import { parseRatio } from './meter-setting.ts'
import { TARIFF_SWITCHES } from './tariff-table.ts'

type Parameter = (meter: Meter, unixS: number) => number[]

const clock = (meter: Meter, unixS: number): ReturnType<typeof toCivil> => toCivil(meter.clock.localAt(unixS))
const date: Parameter = (meter, unixS) => {
  const t = clock(meter, unixS)
  return [t.weekday, t.day, t.month, t.year % 100].flatMap(n => digits(n, 1))
}
const time: Parameter = (meter, unixS) => {
  const t = clock(meter, unixS)
  return [t.second, t.minute, t.hour].flatMap(n => digits(n, 1))
}
const ratio = (value: string | number | undefined): number[] => {
  const { primary, secondary } = parseRatio(value)
  return digits(primary / secondary, 3)
}
const fixed =
  (...octets: number[]): Parameter =>
  () =>
    octets
const word = (value: number): number[] => [value & 0xff, value >> 8]

/** Bit of a class in the mode word. */
const modeWord: Parameter = meter =>
  meter.faults.noLoadProfile === true
    ? [0]
    : [
        (meter.setting.loadProfile?.classes ?? [1, 2, 3, 4, 5, 6]).reduce(
          (bits, n) => bits | (1 << (n - 1)),
          0
        )
      ]

/** A day table: fourteen entries, the last one repeated. */
const dayTable: Parameter = () =>
  Array.from({ length: 14 }, (_, n) => TARIFF_SWITCHES[Math.min(n, TARIFF_SWITCHES.length - 1)]).flatMap(
    entry => [...digits(entry?.[1] ?? 0, 1), 0, ...digits(entry?.[0] ?? 0, 1)]
  )

/** One zone from New Year on, fourteen times. */
const zoneTable: Parameter = () => Array.from({ length: 14 }, () => [0x01, 0x01, 0x01]).flat()

const minutes: Parameter = meter => digits(Math.max(1, Math.round(meter.surroundings.slotSeconds / 60)), 2)

const PARAMETERS: Readonly<Record<string, Parameter>> = {
  '04000101': date,
  '04000102': time,
  '0400010C': (meter, unixS) => [...time(meter, unixS), ...date(meter, unixS)],
  '04000103': fixed(0x15),
  '04000104': fixed(0x01),
  '04000106': fixed(0, 0, 0, 0, 0),
  '04000107': fixed(0, 0, 0, 0, 0),
  '04000201': fixed(0x01),
  '04000202': fixed(0x01),
  '04000203': () => digits(TARIFF_SWITCHES.length, 1),
  '04000204': meter => digits(meter.setting.tariffs ?? 4, 1),
  '04000205': fixed(0, 0),
  '04000306': meter => ratio(meter.setting.registerCt ?? meter.setting.ct),
  '04000307': meter => ratio(meter.setting.registerPt ?? meter.setting.pt),
  '04000401': meter => addressOctets(meter.setting.address),
  '04000402': meter => addressOctets(meter.setting.address),
  '04000403': meter => text(`SIM${meter.setting.address}`, 32),
  '04000404': meter => text(`${meter.nominalVoltage}V`, 6),
  '04000405': () => text('1.5A', 6),
  '04000406': () => text('6A', 6),
  '04000407': () => text('0.5S', 4),
  '04000408': () => text('2.0', 4),
  '04000409': () => digits(6400, 3),
  '0400040A': () => digits(6400, 3),
  '0400040B': () => text('SIMULATED', 10),
  '0400040C': () => text('2025.01.01', 10),
  '0400040D': () => text('DL/T 645-2007', 16),
  '04000601': fixed(0x05),
  '04000602': fixed(0x05),
  '04000603': fixed(0x50),
  '04000701': fixed(0x04),
  '04000702': fixed(0x04),
  '04000703': fixed(0x08),
  '04000801': fixed(0x7f),
  '04000802': fixed(0x01),
  '04000901': modeWord,
  '04000902': fixed(0xff),
  '04000903': fixed(0xff),
  '04000905': fixed(0x03),
  '04000906': fixed(0xff),
  '04000A01': fixed(0, 0, 0x01, 0x01),
  '04000B01': fixed(0, 0x01),
  '04000B02': fixed(0x99, 0x99),
  '04000B03': fixed(0x99, 0x99),
  '04010000': zoneTable,
  '04020000': zoneTable,
  '04800001': () => text('SIM-SW 1.0', 32),
  '04800002': () => text('SIM-HW 1.0', 32),
  '04800003': () => text('SIMULATOR', 32)
}

/** DI3 = 04. @returns undefined when the meter has no such item */
export function readParameter(meter: Meter, name: string, unixS: number): number[] | undefined {
  const known = PARAMETERS[name]
  if (known) return known(meter, unixS)
  const last = Number.parseInt(name.slice(6), 16)
  if (name.startsWith('040005')) {
    if (last === 0xff) return [1, 2, 3, 4, 5, 6, 7].flatMap(n => word(meter.statusWord(n)))
    return last >= 1 && last <= 7 ? word(meter.statusWord(last)) : undefined
  }
  if (name.startsWith('04000A') && last >= 2 && last <= 7) return minutes(meter, unixS)
  if (/^040[12]00/.test(name) && last >= 1 && last <= 8) return dayTable(meter, unixS)
  return undefined
}
