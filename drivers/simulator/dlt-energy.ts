import { monthStart, toCivil } from './civil-time.ts'
import { absent, digits, signedDigits } from './dlt-octets.ts'
import type { EnergyKind, Phase } from './energy-registers.ts'
import type { Meter } from './meter-model.ts'

/** Sums of registers behind DI2 00..0A; combined ones carry a sign. */
const ITEMS: readonly { readonly kinds: readonly EnergyKind[]; readonly signed: boolean }[] = [
  { kinds: ['active-import', 'active-export'], signed: true },
  { kinds: ['active-import'], signed: false },
  { kinds: ['active-export'], signed: false },
  { kinds: ['q1', 'q2'], signed: true },
  { kinds: ['q3', 'q4'], signed: true },
  { kinds: ['q1'], signed: false },
  { kinds: ['q2'], signed: false },
  { kinds: ['q3'], signed: false },
  { kinds: ['q4'], signed: false },
  { kinds: ['apparent-import'], signed: false },
  { kinds: ['apparent-export'], signed: false }
]
const PHASE_BASES = [0x15, 0x29, 0x3d] as const
const ALL = 0xff
const SETTLEMENTS = 12

/** Hundredths in a register. @param item DI2 00..0A @param tariff 0..63 */
export function energyCounts(meter: Meter, item: number, tariff: number, unixS: number): number {
  return (ITEMS[item]?.kinds ?? []).reduce((sum, kind) => sum + meter.energy.count(kind, tariff, unixS), 0)
}

/** Energy as four octets. */
export function energyOctets(meter: Meter, item: number, tariff: number, unixS: number): number[] {
  const counts = energyCounts(meter, item, tariff, unixS)
  return ITEMS[item]?.signed ? signedDigits(counts, 4) : digits(counts, 4)
}

/** Instant at which settlement `n` back (0: now) was taken: the first of a month, 00:00. */
export function settlementInstant(meter: Meter, n: number, unixS: number): number {
  return n === 0 ? unixS : monthStart(meter.clock.localAt(unixS), n) - meter.surroundings.utcOffsetS
}

/** DI3 = 00. @returns undefined when the meter has no such item */
export function readEnergy(meter: Meter, di: readonly number[], unixS: number): number[] | undefined {
  const [, di2 = 0, di1 = 0, di0 = 0] = di
  if (di2 === 0x0b && di1 === 0)
    return digits(
      energyCounts(meter, 0, 0, unixS) - energyCounts(meter, 0, 0, settlementInstant(meter, 1, unixS)),
      4
    )
  const items = di2 === ALL ? ITEMS.map((_, n) => n) : di2 < ITEMS.length ? [di2] : undefined
  const back = settlements(di0)
  if (!back) return undefined
  if (!items) return readPhase(meter, di2, di1, back, unixS)
  const tariffs = tariffList(meter, di1)
  if (!tariffs) return undefined
  return items.flatMap(item =>
    back.flatMap(n =>
      tariffs.flatMap(tariff => energyOctets(meter, item, tariff, settlementInstant(meter, n, unixS)))
    )
  )
}

function readPhase(
  meter: Meter,
  di2: number,
  di1: number,
  back: readonly number[],
  unixS: number
): number[] | undefined {
  const phase = PHASE_BASES.findIndex(base => di2 >= base && di2 < base + ITEMS.length - 1)
  const item = ITEMS[di2 - (PHASE_BASES[phase] ?? 0) + 1]
  if (phase < 0 || !item || di1 !== 0) return undefined
  if (meter.isAbsent(phase)) return back.flatMap(() => absent(4))
  return back.flatMap(n => {
    const at = settlementInstant(meter, n, unixS)
    const counts = item.kinds.reduce(
      (sum, kind) => sum + meter.energy.phaseCount(kind, phase as Phase, at),
      0
    )
    return item.signed ? signedDigits(counts, 4) : digits(counts, 4)
  })
}

/** DI3 = 01: three octets of kW, then mm hh DD MM YY. */
export function readDemand(meter: Meter, di: readonly number[], unixS: number): number[] | undefined {
  const [, di2 = 0, di1 = 0, di0 = 0] = di
  if (di2 === 0 || di2 >= ITEMS.length) return undefined
  const tariffs = tariffList(meter, di1)
  const back = settlements(di0)
  if (!tariffs || !back) return undefined
  return back.flatMap(n => tariffs.flatMap(tariff => demandOctets(meter, di2, tariff, n, unixS)))
}

/** Maximum demand with its time, eight octets; zeros when there was none. */
export function demandOctets(
  meter: Meter,
  item: number,
  tariff: number,
  back: number,
  unixS: number
): number[] {
  // no flow in that direction, no demand; otherwise in the ratio of the register to active energy
  const grown = energyCounts(meter, item, 0, unixS)
  const active = energyCounts(meter, 1, 0, unixS) + energyCounts(meter, 2, 0, unixS)
  if (grown === 0 || active === 0) return new Array<number>(8).fill(0)
  const found = meter.demand.maximum(unixS, tariff, back)
  if (found.localS === 0) return new Array<number>(8).fill(0)
  const tangent = Math.sqrt(1 - meter.powerFactor ** 2) / meter.powerFactor
  const factor = item <= 2 ? 1 : item <= 8 ? tangent : 1 / meter.powerFactor
  return [...digits(found.kw * factor * 10_000, 3), ...stamp(found.localS)]
}

/** mm hh DD MM YY */
export function stamp(localS: number): number[] {
  const t = toCivil(localS)
  return [t.minute, t.hour, t.day, t.month, t.year % 100].flatMap(n => digits(n, 1))
}

/** ss mm hh DD MM YY */
export function fullStamp(localS: number): number[] {
  return [...digits(toCivil(localS).second, 1), ...stamp(localS)]
}

function tariffList(meter: Meter, di1: number): number[] | undefined {
  const programmed = meter.setting.tariffs ?? 4
  if (di1 === ALL) return Array.from({ length: programmed + 1 }, (_, n) => n)
  return di1 <= programmed ? [di1] : undefined
}

function settlements(di0: number): number[] | undefined {
  if (di0 === ALL) return Array.from({ length: SETTLEMENTS + 1 }, (_, n) => n)
  return di0 <= SETTLEMENTS ? [di0] : undefined
}
