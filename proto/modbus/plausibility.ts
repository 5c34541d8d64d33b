/** Bounds a value keeps on any living low-voltage line, to tell a right register map from a wrong one. */
interface Bounds {
  readonly items: readonly string[]
  readonly low: number
  readonly high: number
  readonly unit: string
  /** zero says nothing: a dead phase, no load */
  readonly idleZero: boolean
}

const BOUNDS: readonly Bounds[] = [
  { items: ['voltage-a', 'voltage-b', 'voltage-c'], low: 80, high: 500, unit: 'V', idleZero: true },
  { items: ['voltage-ab', 'voltage-bc', 'voltage-ca'], low: 130, high: 900, unit: 'V', idleZero: true },
  { items: ['frequency'], low: 45, high: 65, unit: 'Hz', idleZero: false },
  {
    items: ['power-factor-total', 'power-factor-a', 'power-factor-b', 'power-factor-c'],
    low: -1.0005,
    high: 1.0005,
    unit: '',
    idleZero: true
  },
  { items: ['current-a', 'current-b', 'current-c'], low: -100_000, high: 100_000, unit: 'A', idleZero: true },
  { items: ['active-import-total'], low: 0, high: 1e9, unit: 'kWh', idleZero: true }
]

/** Below this a non-zero value comes from octets in the wrong order: a float of 1e-40 would pass any bound around zero. */
const LEAST = 1e-4
const PHASES = ['a', 'b', 'c'] as const
/** Apparent power under this says nothing of the active power. */
const LEAST_LOAD_VA = 20
const POWER_TOLERANCE = 0.2

/** One value held against what a line can be. `plausible` is null when the value says nothing either way. */
export interface PlausibilityCheck {
  readonly item: string
  readonly plausible: boolean | null
  readonly why: string
}

/** Items that a plausibility check can use. */
export const CHECKED_ITEMS: readonly string[] = [
  ...BOUNDS.flatMap(bound => bound.items),
  'power-active-total',
  ...PHASES.map(phase => `power-active-${phase}`)
]

/**
 * Holds values (key -> number in the catalogue's unit) against the bounds of a living line, and active power against
 * voltage times current times power factor, which catches a kW taken for a W.
 */
export function checkPlausibility(values: ReadonlyMap<string, number>): PlausibilityCheck[] {
  const checks: PlausibilityCheck[] = []
  for (const bound of BOUNDS) {
    for (const item of bound.items) {
      const value = values.get(item)
      if (value !== undefined) checks.push(checkBounds(item, value, bound))
    }
  }
  for (const phase of PHASES) {
    const load = loadOf(values, phase)
    const power = values.get(`power-active-${phase}`)
    if (power === undefined || load === undefined) continue
    checks.push(checkPower(`power-active-${phase}`, power, load, values.get(`power-factor-${phase}`)))
  }
  const total = values.get('power-active-total')
  const loads = PHASES.flatMap(phase => loadOf(values, phase) ?? [])
  if (total !== undefined && loads.length > 0) {
    const load = loads.reduce((sum, part) => sum + part, 0)
    checks.push(checkPower('power-active-total', total, load, values.get('power-factor-total')))
  }
  return checks
}

function checkBounds(item: string, value: number, bound: Bounds): PlausibilityCheck {
  const shown = `${item} ${formatNumber(value)}${bound.unit === '' ? '' : ` ${bound.unit}`}`
  if (value === 0 && bound.idleZero) return { item, plausible: null, why: `${shown} says nothing` }
  const tiny = Math.abs(value) < LEAST
  if (value >= bound.low && value <= bound.high && !tiny) return { item, plausible: true, why: shown }
  return { item, plausible: false, why: `${shown} is not in ${bound.low}..${bound.high}` }
}

/** Apparent power of a phase in VA; undefined when it is not known. */
function loadOf(values: ReadonlyMap<string, number>, phase: string): number | undefined {
  const voltage = values.get(`voltage-${phase}`)
  const current = values.get(`current-${phase}`)
  return voltage === undefined || current === undefined ? undefined : voltage * Math.abs(current)
}

function checkPower(
  item: string,
  powerKw: number,
  loadVa: number,
  factor: number | undefined
): PlausibilityCheck {
  const power = Math.abs(powerKw) * 1000
  const shown = `${item} ${formatNumber(powerKw)} kW`
  if (!(loadVa >= LEAST_LOAD_VA)) return { item, plausible: null, why: `${shown} at no load says nothing` }
  const load = `${formatNumber(loadVa)} VA`
  if (power > loadVa * (1 + POWER_TOLERANCE))
    return { item, plausible: false, why: `${shown} is more than the ${load} of voltage times current` }
  if (factor === undefined || factor === 0 || Math.abs(factor) > 1.0005)
    return { item, plausible: null, why: `${shown} of ${load}` }
  const expected = loadVa * Math.abs(factor)
  const plausible = Math.abs(power - expected) <= loadVa * POWER_TOLERANCE
  const verb = plausible ? 'agrees with' : 'does not agree with'
  return { item, plausible, why: `${shown} ${verb} ${load} at power factor ${formatNumber(factor)}` }
}

function formatNumber(value: number): string {
  return String(Number(value.toPrecision(5)))
}
