import type { MeterPoint, ReadValue } from '../../agent/ports.ts'
import { itemById } from '../../proto/items.ts'

/** Energy registers as they were last had from a meter. */
export interface EnergyRecord {
  /** wall clock, unix ms */
  readonly atMs: number
  /** integers by item, in the catalogue's exponent */
  readonly values: ReadonlyMap<number, number>
}

/**
 * How a meter's energy registers stand to what was last had from it: 'fits' only where an unrelated register would hardly
 * have fitted by accident, 'broken' where they cannot be the same register, 'open' where nothing can be said.
 */
export type Continuity = 'fits' | 'broken' | 'open'

/** Only these never go back; combined ones may be a difference. */
const CUMULATIVE = /^(active|apparent)-(import|export)-/
/** Where nothing is known of a metering point: 100 A at 230 V in three phases, and some. In kVA, times its ratios. */
const UNKNOWN_KVA = 100
/** Nobody draws more than this many times what a metering point is rated for. */
const OVERLOAD = 2
/** Counted on top: registers of some meters move in steps of a whole unit. kWh. */
const STEP_KWH = 1
/** A float register shows this share of its value at best; below it "back" is only rounding. */
const FLOAT_STEP = 1e-6
/** The window has to be this small a part of the value before lying in it says anything. */
const TELLING_SHARE = 0.1
const HOUR_MS = 3_600_000

/** Judges what came against what was last had. Without a common register nothing can be said. */
export function judgeContinuity(
  meter: Pick<MeterPoint, 'ratedKva' | 'ct' | 'pt'>,
  last: EnergyRecord,
  now: EnergyRecord
): Continuity {
  const mostKwh = STEP_KWH + (mostKva(meter) * Math.max(0, now.atMs - last.atMs)) / HOUR_MS
  let fits = false
  for (const [item, value] of now.values) {
    const before = last.values.get(item)
    if (before === undefined) continue
    const unit = 10 ** itemById(item).exponent
    const grownKwh = (value - before) * unit
    if (grownKwh < -Math.max(2 * unit, before * unit * FLOAT_STEP) || grownKwh > mostKwh) return 'broken'
    fits ||= mostKwh <= value * unit * TELLING_SHARE
  }
  return fits ? 'fits' : 'open'
}

/** The registers of an answer that can be compared; undefined when there are none. */
export function energyOf(values: readonly ReadValue[], atMs: number): EnergyRecord | undefined {
  const had = values.flatMap(({ item, value }) =>
    item !== null && value !== null && isCumulative(item) ? [[item, value] as const] : []
  )
  return had.length === 0 ? undefined : { atMs, values: new Map(had) }
}

/** True for registers that only ever grow. */
export function isCumulative(item: number): boolean {
  const { kind, key } = itemById(item)
  return kind === 'energy' && CUMULATIVE.test(key)
}

/** On the primary side: a register on the secondary one moves less. */
function mostKva({ ratedKva, ct, pt }: Pick<MeterPoint, 'ratedKva' | 'ct' | 'pt'>): number {
  if (ratedKva !== undefined) return OVERLOAD * ratedKva
  return UNKNOWN_KVA * Math.max(1, (ct.primary / ct.secondary) * (pt.primary / pt.secondary))
}
