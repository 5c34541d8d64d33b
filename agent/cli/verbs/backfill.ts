import { loadConfig } from '../../../config/load.ts'
import { slotOf } from '../../../proto/slot.ts'
import { EXIT, UsageError } from '../errors.ts'
import { configuredMeter } from '../line-options.ts'
import { parseSlot, slotEndLabel, slotLabel } from '../slots.ts'
import { textOption, type Verb } from '../verb.ts'

export const backfillVerb: Verb = {
  name: 'backfill',
  summary: [
    "reads missing slots again from the meters' own load profile, now",
    '立即从电表负荷曲线或冻结数据补抄缺失时段'
  ],
  options: [
    { flags: '--meter <id>', about: ['one metering point; all when left out', '计量点;省略则为全部'] },
    { flags: '--from <time>', about: ['slot number or ISO time, first', '起始时段号或 ISO 时间'] },
    { flags: '--to <time>', about: ['slot number or ISO time, last', '结束时段号或 ISO 时间'] },
    {
      flags: '--again',
      about: ['slots that have values too: a further version', '已有数值的时段也重新抄读,另存为新版本']
    }
  ],
  examples: ['wattproof backfill --meter QY-000123 --from 2026-11-22T00:00Z --to 2026-11-22T06:00Z'],
  async run({ out, configFile, signal }, options) {
    const config = loadConfig(configFile)
    const { slotSeconds } = config
    const now = slotOf(Date.now(), slotSeconds)
    const [meter, from, to] = ['meter', 'from', 'to'].map(name => textOption(options, name))
    if (meter !== undefined) configuredMeter(config, meter)
    const toSlot = to === undefined ? now - 1 : parseSlot(to, slotSeconds, '--to')
    const fromSlot =
      from === undefined
        ? now - Math.ceil((config.backfill.days * 86_400) / slotSeconds)
        : parseSlot(from, slotSeconds, '--from')
    if (fromSlot > toSlot) {
      throw new UsageError('USAGE_FLAG', 'the span ends before it begins', {
        at: '--from, --to',
        next: 'e.g. --from 2026-11-22T00:00Z --to 2026-11-22T06:00Z'
      })
    }
    const { backfillNow } = await import('../../compose/backfill-now.ts')
    const figures = await backfillNow(
      config,
      { fromSlot, toSlot, again: options['again'] === true, ...(meter === undefined ? {} : { meter }) },
      signal
    )
    const span = { from: slotLabel(fromSlot, slotSeconds), to: slotEndLabel(toSlot, slotSeconds) }
    out.document({ meter: meter ?? null, fromSlot, toSlot, ...span, ...figures })
    const { wanted, filled, holes, damagedBlocks, left } = figures
    out.tell([
      `${wanted} slots wanted from ${span.from} to ${span.to}: ${filled} filled, ${holes} not in the meter's memory, ${left} left`,
      `${span.from} 至 ${span.to} 需补抄 ${wanted} 个时段:补回 ${filled},电表无记录 ${holes},未变 ${left}`
    ])
    if (damagedBlocks > 0)
      out.tell([`${damagedBlocks} damaged blocks thrown away`, `丢弃损坏数据块 ${damagedBlocks} 个`])
    for (const id of figures.unsupported)
      out.complain(`${id}: the meter has neither load profile nor freezes`)
    for (const id of figures.silent) out.complain(`${id}: no answer`)
    if (left === 0) return EXIT.done
    return filled + holes === 0 && figures.silent.length > 0 ? EXIT.unreachable : EXIT.doesNotHold
  }
}
