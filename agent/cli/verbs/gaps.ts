import { loadConfig } from '../../../config/load.ts'
import { gapReasonOf, isGap, type Reading } from '../../../proto/reading.ts'
import { EXIT } from '../errors.ts'
import { configuredMeter } from '../line-options.ts'
import { SPAN_OPTIONS, slotEndLabel, slotLabel, spanOf } from '../slots.ts'
import type { Verb } from '../verb.ts'

/** Consecutive slots of one meter that have no values, for one reason. */
export interface GapSpan {
  readonly meter: string
  readonly reason: string
  readonly fromSlot: number
  readonly toSlot: number
  readonly slots: number
}

/** What becomes of a gap: `waiting` for back-fill, left alone for a while because the meter is `silent` or `unsupported`, or `final`. */
type GapState = 'waiting' | 'silent' | 'unsupported' | 'final' | 'off'

export const gapsVerb: Verb = {
  name: 'gaps',
  summary: ['shows which slots have no values, and why', '显示缺失的时段及原因'],
  options: SPAN_OPTIONS,
  async run({ out, configFile }, options) {
    const [{ openStoreForReading }, { backfillRests }] = await Promise.all([
      import('../../compose/stores.ts'),
      import('../../compose/backfill-now.ts')
    ])
    const config = loadConfig(configFile)
    const store = openStoreForReading(config)
    try {
      const { limit, ...span } = spanOf(options, config.slotSeconds)
      const readings = store.queryReadings(span)
      if (readings.length === 0 && span.meter !== undefined) configuredMeter(config, span.meter)
      const spans = findGaps(readings).slice(-limit)
      const rests = await backfillRests(config, store)
      const stateOf = (gap: GapSpan): { state: GapState; nextTry: string | null } => {
        if (gap.reason === 'notInProfile') return { state: 'final', nextTry: null }
        if (!config.backfill.enabled || config.backfill.share === 0) return { state: 'off', nextTry: null }
        const rest = rests.get(gap.meter)
        if (!rest) return { state: 'waiting', nextTry: null }
        return { state: rest.reason, nextTry: new Date(rest.nextTryAtMs).toISOString() }
      }
      out.document(
        spans.map(gap => ({
          ...gap,
          ...stateOf(gap),
          from: slotLabel(gap.fromSlot, config.slotSeconds),
          to: slotEndLabel(gap.toSlot, config.slotSeconds)
        }))
      )
      if (spans.length === 0) out.tell(['no gaps', '没有缺失时段'])
      else {
        out.table(
          [
            ['meter', '计量点'],
            ['from', '起'],
            ['to', '止'],
            ['slots', '时段数'],
            ['reason', '原因'],
            ['state', '状态'],
            ['next try', '下次尝试']
          ],
          spans.map(gap => [
            gap.meter,
            slotLabel(gap.fromSlot, config.slotSeconds),
            slotEndLabel(gap.toSlot, config.slotSeconds),
            String(gap.slots),
            gap.reason,
            stateOf(gap).state,
            stateOf(gap).nextTry ?? '-'
          ])
        )
      }
    } finally {
      store.close()
    }
    return EXIT.done
  }
}

/** Gaps among readings: slots whose highest version is still a gap record, joined to spans, oldest first. */
export function findGaps(readings: readonly Reading[]): GapSpan[] {
  const latest = new Map<string, Reading>()
  for (const reading of readings) {
    const key = `${reading.meter}\n${reading.slot}`
    const known = latest.get(key)
    if (!known || known.version < reading.version) latest.set(key, reading)
  }
  const gaps = [...latest.values()]
    .filter(isGap)
    .sort((a, b) => (a.meter < b.meter ? -1 : a.meter > b.meter ? 1 : a.slot - b.slot))
  const spans: GapSpan[] = []
  for (const gap of gaps) {
    const reason = gapReasonOf(gap.quality) ?? String(gap.quality & 0xff)
    const last = spans.at(-1)
    if (last && last.meter === gap.meter && last.reason === reason && last.toSlot + 1 === gap.slot) {
      spans[spans.length - 1] = { ...last, toSlot: gap.slot, slots: last.slots + 1 }
    } else spans.push({ meter: gap.meter, reason, fromSlot: gap.slot, toSlot: gap.slot, slots: 1 })
  }
  return spans.sort((a, b) => a.fromSlot - b.fromSlot)
}
