/** V5: the sum of the slots' increments must be the register difference of the day, to the last count. */
import type { CheckOptions, MeterContext } from './context.ts'
import { type Finding, judge, noEvidence } from './finding.ts'
import { ID } from './item-values.ts'

/** Local day number of the slot's end. */
export function dayOf(slot: number, options: Pick<CheckOptions, 'slotSeconds' | 'utcOffsetMinutes'>): number {
  return Math.floor((slot * options.slotSeconds + options.utcOffsetMinutes * 60) / 86400)
}

/** Spoken once a day, when the first reading of the next day arrives. */
export function checkSum(c: MeterContext, options: CheckOptions): Finding {
  const { day } = c.history
  const last = c.history.registers[ID.importTotal]
  if (dayOf(c.reading.slot, options) === day.number || day.number < 0 || last === undefined)
    return noEvidence('sum-check', 'day not over')
  if (day.broken) return noEvidence('sum-check', 'register was reset or swapped in the day')
  const off = last - day.start - day.sum
  return judge(
    'sum-check',
    off === 0 ? 0 : 2,
    () => ({ day: day.number, differenceKwh: off / 1000, sumKwh: day.sum / 1000 }),
    {
      flag: 'sumCheck'
    }
  )
}

export function noteSum(c: MeterContext, options: CheckOptions): void {
  const { history, step } = c
  const number = dayOf(c.reading.slot, options)
  const now = c.values.get(ID.importTotal)
  if (now === undefined) return
  if (number !== history.day.number)
    history.day = { number, start: history.registers[ID.importTotal] ?? now, sum: 0, broken: false }
  if (step.kind === 'step' && step.import !== undefined) history.day.sum += step.import
  if (step.event === 'rollover' || step.event === 'swap' || step.event === 'reset') history.day.broken = true
}
