/** Findings about energy registers: V3 movement, V5 sum check, V9 physical limit, V11 tariff sum, V14 demand. */
import type { MeterContext } from './context.ts'
import { type Finding, holds, judge, noEvidence, round, violated } from './finding.ts'
import { ID, kilo } from './item-values.ts'
import { MODULI } from './register-step.ts'

const CLEAN = [holds('register'), holds('physical')]

/** V3 and V9: what happened to the registers. A rollover or a reset is told, not alarmed; the rest is. */
export function checkRegisters(c: MeterContext): Finding[] {
  const { step } = c
  if (step.kind === 'none' || step.kind === 'first')
    return [noEvidence('register', step.kind === 'none' ? 'no register' : 'no base')]
  if (step.event === undefined) return CLEAN
  const numbers = { movedKwh: round(step.moved / 1000, 9), slots: step.slots, event: step.event }
  switch (step.event) {
    case 'leap':
      return [violated('physical', numbers, { flag: 'range', cause: 'leap' })]
    case 'negative':
      return [violated('register', numbers, { flag: 'negativeIncrement', cause: 'negative' })]
    case 'glitch':
      return [holds('register', numbers), holds('physical')]
    case 'rollover':
      return [{ ...holds('register', numbers), flag: 'registerReset', cause: 'rollover' }]
    case 'reset':
    case 'swap':
      return [violated('register', numbers, { flag: 'registerReset', cause: step.event })]
  }
}

/** V11: tariff registers against the total. Each is cut off on its own, so a few counts may be missing. */
export function checkTariffSum(c: MeterContext): Finding {
  const total = c.values.get(ID.importTotal)
  let sum = 0
  let count = 0
  for (const item of ID.importTariff) {
    const value = c.values.get(item)
    if (value === undefined) continue
    sum += value
    count++
  }
  if (total === undefined || count < 2 || sum === 0) return noEvidence('tariff-sum', 'no tariff registers')
  // registers of the same visit are read seconds apart: what flows meanwhile is no mistake
  const moving = Math.abs(c.step.import ?? 0) / Math.max(1, c.step.slots) / 8
  // the total rolls over years before its tariffs do, and a tariff before the total when the meter is set so
  const counts = offTurns(total - sum) / c.history.resolution
  const limit = c.limits.get('tariff-sum', 'counts') + moving / c.history.resolution
  const numbers = () => ({
    totalKwh: total / 1000,
    sumKwh: sum / 1000,
    counts: round(counts),
    registers: count
  })
  return judge('tariff-sum', counts / limit, numbers, { flag: 'tariffSum' })
}

/** Difference to the nearest whole turn of a register, 0.001 kWh: registers of one meter do not roll over together. */
function offTurns(difference: number): number {
  let least = Math.abs(difference)
  for (const modulus of MODULI) least = Math.min(least, Math.abs(Math.abs(difference) - modulus))
  return least
}

/** V14: mean demand of the slot against the maximum demand register of the running period. */
export function checkDemand(c: MeterContext): Finding {
  const most = kilo(c.values, ID.demandImport)
  if (most === undefined || most <= 0) return noEvidence('demand', 'no maximum demand')
  const cleared = c.values.get(ID.demandClearedCount)
  const before = c.history.counters[ID.demandClearedCount]
  if (cleared !== undefined && before !== undefined && cleared !== before)
    return noEvidence('demand', 'demand was cleared')
  const tolerance = c.limits.get('demand', 'tolerance')
  const present = kilo(c.values, ID.demandPresent)
  const presentLevel = present === undefined ? 0 : present / (most * (1 + tolerance))
  if (presentLevel > 1)
    return judge(
      'demand',
      presentLevel,
      () => ({ presentKw: round(present as number), maxDemandKw: round(most) }),
      { flag: 'consistency' }
    )
  if (c.step.kind !== 'step' || c.step.import === undefined || c.step.slots !== 1 || c.step.event)
    return noEvidence('demand', 'not one slot')
  const mean = c.step.import / 1000 / c.slotHours
  const count = c.history.resolution / 1000 / c.slotHours
  // cut-off of the register: two counts at worst
  const level = (mean - 2 * count) / (most * (1 + tolerance))
  return judge('demand', level, () => ({ slotKw: round(mean), maxDemandKw: round(most) }), {
    flag: 'consistency'
  })
}
