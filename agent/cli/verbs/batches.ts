import { loadConfig } from '../../../config/load.ts'
import { toHex } from '../../../proto/bytes.ts'
import { ANCHOR_REASON } from '../../../proto/wire/anchor.ts'
import type { DeliveryState } from '../../ports.ts'
import { EXIT } from '../errors.ts'
import { SPAN_OPTIONS, slotLabel, spanOf } from '../slots.ts'
import { textOption, type Verb } from '../verb.ts'

export const batchesVerb: Verb = {
  name: 'batches',
  summary: ['shows the sealed batches and their delivery', '显示已封装批次及送达状态'],
  options: [
    ...SPAN_OPTIONS.filter(option => !option.flags.startsWith('--meter')),
    {
      flags: '--state <state>',
      about: ['only these', '仅此状态'],
      choices: ['sealed', 'delivered', 'refused']
    }
  ],
  async run({ out, configFile }, options) {
    const { openStoreForReading } = await import('../../compose/stores.ts')
    const config = loadConfig(configFile)
    const store = openStoreForReading(config)
    try {
      const state = textOption(options, 'state') as DeliveryState | undefined
      const span = spanOf(options, config.slotSeconds)
      const rows = store.queryBatches({ ...span, ...(state ? { state } : {}), newestFirst: true })
      out.document(
        rows.map(batch => ({
          epoch: batch.epoch,
          seq: batch.seq,
          slotFrom: batch.slotFrom,
          slotTo: batch.slotTo,
          reason: anchorReasonName(batch.reason),
          count: batch.count,
          root: batch.root,
          anchorHash: batch.anchorHash,
          prev: batch.prev,
          octets: batch.batch.length,
          createdAt: new Date(batch.createdAt).toISOString(),
          state: batch.state,
          attempts: batch.attempts,
          refusal: batch.refusal
        }))
      )
      out.table(
        [
          ['seq', '序号'],
          ['slot', '时段'],
          ['reason', '类别'],
          ['leaves', '叶'],
          ['octets', '字节'],
          ['state', '状态'],
          ['root', '根']
        ],
        rows.map(batch => [
          String(batch.seq),
          slotLabel(batch.slotFrom, config.slotSeconds),
          anchorReasonName(batch.reason),
          String(batch.count),
          String(batch.batch.length),
          batch.refusal ? `${batch.state}: ${batch.refusal}` : batch.state,
          toHex(batch.root).slice(0, 16)
        ])
      )
    } finally {
      store.close()
    }
    return EXIT.done
  }
}

/** The name of an anchor's reason; its number where this version does not know it. */
export function anchorReasonName(reason: number): string {
  return Object.entries(ANCHOR_REASON).find(([, number]) => number === reason)?.[0] ?? String(reason)
}
