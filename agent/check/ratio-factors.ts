/** Standard transformer ratios and the factors by which an archive is usually wrong (peers-features.md C). */

const CT_SERIES = [1, 1.25, 1.5, 1.6, 2, 2.5, 3, 3.15, 4, 5, 6, 6.3, 7.5, 8]
const PT_PRIMARIES = [
  380, 400, 660, 690, 1000, 1140, 3000, 3150, 3300, 6000, 6300, 6600, 10000, 10500, 11000, 15000, 20000,
  22000, 33000, 35000, 38500, 66000, 110000, 220000, 330000, 500000
]
/** System voltages between lines, V (GB/T 156). */
const SYSTEMS = [3000, 6000, 10000, 20000, 35000, 66000, 110000]

/** GB/T 20840.2: 10, 12.5, 15, 20, 25, 30, 40, 50, 60, 75 and their decimal multiples, over 5 A or 1 A; 1/1 is no transformer. */
export function isLegalCt(primary: number, secondary: number): boolean {
  if (primary === secondary) return true
  // 12.5/5 comes as 125/50
  if (secondary === 10 || secondary === 50) return isLegalCt(primary / 10, secondary / 10)
  if (secondary !== 1 && secondary !== 5) return false
  // 120/1 may be a 600/5 written as a quotient
  return isStandard(primary) || (secondary === 1 && isStandard(5 * primary))
}

function isStandard(primary: number): boolean {
  if (primary < 5 || primary > 50000) return false
  const decade = primary / 10 ** Math.floor(Math.log10(primary) + 1e-9)
  return CT_SERIES.some(step => Math.abs(step - decade) < 1e-6)
}

/** GB/T 20840.3: a standard primary voltage over 100 V or 110 V, written either way; 1/1 is no transformer. */
export function isLegalPt(primary: number, secondary: number): boolean {
  const k = primary / secondary
  if (Math.abs(k - 1) < 1e-9) return true
  return PT_PRIMARIES.some(u => [100, 110].some(s => Math.abs((k * s) / u - 1) < 0.005))
}

/** Standard CT primaries between bounds, for naming what a measured ratio is likely to be. */
export function nearestCt(ratio: number, secondary: number): { primary: number; off: number } {
  let best = { primary: secondary, off: Math.abs(Math.log(ratio)) }
  for (let decade = 1; decade <= 10000; decade *= 10)
    for (const step of CT_SERIES) {
      const primary = step * decade
      if (!Number.isInteger(primary) || primary < 5) continue
      const off = Math.abs(Math.log(primary / secondary / ratio))
      if (off < best.off - 1e-12) best = { primary, off }
    }
  return best
}

/** Steps of the series that are built in numbers. */
const USUAL_SERIES = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8]

/** The smallest usual CT primary that carries the current, A; what a consumer of it is fitted with. */
export function fittingCt(amps: number): number {
  const decade = 10 ** Math.floor(Math.log10(amps))
  return decade * (USUAL_SERIES.find(step => step * decade >= amps * (1 - 1e-6)) ?? 10)
}

export interface NamedFactor {
  readonly name: string
  readonly value: number
}

/** Factors an archive or register map is off by, nearest to one first. */
export function namedFactors(ct: number, pt: number): NamedFactor[] {
  const out: NamedFactor[] = [
    { name: 'x2', value: 2 },
    { name: 'x1/2', value: 1 / 2 },
    { name: 'root 3', value: Math.sqrt(3) },
    { name: '1/root 3', value: 1 / Math.sqrt(3) },
    { name: 'x3', value: 3 },
    { name: 'x1/3', value: 1 / 3 },
    { name: 'x4', value: 4 },
    { name: 'x1/4', value: 1 / 4 },
    { name: 'x5', value: 5 },
    { name: 'x1/5', value: 1 / 5 },
    { name: 'x20', value: 20 },
    { name: 'x1/20', value: 1 / 20 }
  ]
  for (const n of [1, 2, 3]) {
    out.push({ name: `x${10 ** n}`, value: 10 ** n }, { name: `x1/${10 ** n}`, value: 10 ** -n })
  }
  const own: [string, number][] = [
    ['CT', ct],
    ['PT', pt],
    ['CT x PT', ct === 1 || pt === 1 ? 1 : ct * pt]
  ]
  for (const [name, value] of own)
    if (Math.abs(Math.log(value)) > 0.2) out.push({ name, value }, { name: `1/${name}`, value: 1 / value })
  return out.sort((a, b) => Math.abs(Math.log(a.value)) - Math.abs(Math.log(b.value)))
}

const RARE = ['x3', 'x1/3', 'x4', 'x1/4', 'x5', 'x1/5']

/** Whether a factor is one that a load takes as easily: archives are off by two and its like, by ten, and by their own ratio. */
export const isRare = (name: string) => RARE.includes(name)

const LIKELY = new Map<string, readonly NamedFactor[]>()

/** Factors after which the current or the voltage transformer is a standard one; all of them where none is. */
export function likelyFactors(ct: number, pt: number): readonly NamedFactor[] {
  const key = `${ct} ${pt}`
  const known = LIKELY.get(key)
  if (known) return known
  const all = namedFactors(ct, pt)
  const legal = all.filter(({ value }) => {
    const mended = ct / value
    if (mended > 0.99 && Math.min(nearestCt(mended, 5).off, nearestCt(mended, 1).off) < 0.01) return true
    return pt > 1 && pt / value > 1.01 && isLegalPt(pt / value, 1)
  })
  const likely = legal.length > 0 ? legal : all
  if (LIKELY.size >= MOST_RATIOS) LIKELY.clear()
  LIKELY.set(key, likely)
  return likely
}

/** Ratios whose factors are kept: a gateway has a few dozen. */
const MOST_RATIOS = 500

/** The factor a measured ratio snaps to; the meter's own CT and PT win over bare numbers. */
export function snapFactor(
  ratio: number,
  tolerance: number,
  ct: number,
  pt: number
): NamedFactor | undefined {
  let best: NamedFactor | undefined
  let least = Math.log(1 + tolerance)
  for (const candidate of namedFactors(ct, pt)) {
    const own = candidate.name.includes('T')
    const off = Math.abs(Math.log(ratio / candidate.value)) - (own ? 0.005 : 0)
    if (off <= least) {
      best = candidate
      least = off
    }
  }
  return best
}

export type VoltageKind = 'phase' | 'line' | 'either'

/** Nominal voltages a measured one may be near, V. */
export const nominalVoltages = (kind: VoltageKind): readonly number[] => LADDERS[kind]

const PHASE_VOLTAGES = [220, 230, 240, ...SYSTEMS.map(u => u / Math.sqrt(3))]
const LADDERS: Readonly<Record<VoltageKind, readonly number[]>> = {
  line: [380, 400, 415, ...SYSTEMS],
  phase: PHASE_VOLTAGES,
  either: [...PHASE_VOLTAGES, ...SYSTEMS]
}
