/** Meters and readings for the tests of the checks. Values are given in units (V, A, kW, kWh) on the meter's side. */
import type { MeterPoint } from '../../agent/ports.ts'
import { itemById } from '../../proto/items.ts'
import { composeQuality, type GapReason, gapRecord, type Reading } from '../../proto/reading.ts'

export const SLOT = 1_900_000

export function meterPoint(change: Partial<MeterPoint> = {}): MeterPoint {
  return {
    id: 'M1',
    bus: 'b1',
    protocol: 'dlt645',
    address: '000000000001',
    profile: undefined,
    items: [],
    rawItems: [],
    ratedKva: 100,
    ct: { primary: 150, secondary: 5 },
    pt: { primary: 1, secondary: 1 },
    ratioVersion: 1,
    parent: undefined,
    rules: {},
    location: undefined,
    ...change
  }
}

export function gapReading(meter: MeterPoint, slot: number, reason: GapReason): Reading {
  return gapRecord(meter.id, slot, 1, reason, null)
}

export function reading(
  meter: MeterPoint,
  slot: number,
  items: Readonly<Record<number, number | null>>,
  change: Partial<Reading> = {}
): Reading {
  return {
    meter: meter.id,
    slot,
    version: 1,
    quality: composeQuality('none'),
    source: 1,
    readAt: 1000,
    meterTime: 1,
    ratio: {
      version: meter.ratioVersion,
      ctPrimary: meter.ct.primary,
      ctSecondary: meter.ct.secondary,
      ptPrimary: meter.pt.primary,
      ptSecondary: meter.pt.secondary
    },
    values: Object.entries(items)
      .map(
        ([id, value]) =>
          [
            Number(id),
            value === null ? null : Math.round(value * 10 ** -itemById(Number(id)).exponent)
          ] as const
      )
      .sort((a, b) => a[0] - b[0]),
    ...change
  }
}

/** A balanced three-phase load: kW on the meter's side at a power factor; digits jitter by slot so that nothing stands still. */
export function threePhase(kw: number, energy: number, slot: number, pf = 0.95): Record<number, number> {
  const u = 225 + (slot % 7) * 0.1
  const i = (kw * 1000) / (3 * u * pf)
  return {
    100: energy,
    301: u,
    302: u,
    303: u,
    311: i,
    312: i,
    313: i,
    320: kw,
    321: kw / 3,
    322: kw / 3,
    323: kw / 3,
    350: pf,
    360: 50
  }
}
