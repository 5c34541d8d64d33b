import { loadConfig } from '../../../config/load.ts'
import type { AnchorState } from '../../ports.ts'
import { EXIT } from '../errors.ts'
import { parseCount } from '../slots.ts'
import { textOption, type Verb } from '../verb.ts'

export const anchorsVerb: Verb = {
  name: 'anchors',
  summary: ['shows the anchors on their way to the chain', '显示锚定上链进度'],
  options: [
    {
      flags: '--state <state>',
      about: ['only these', '仅此状态'],
      choices: ['built', 'sent', 'mined', 'final', 'blocked', 'conflict']
    },
    { flags: '--limit <n>', about: ['newest n only', '最多 n 条(最新)'], fallback: '1000' }
  ],
  async run({ out, configFile }, options) {
    const { openStoreForReading } = await import('../../compose/stores.ts')
    const store = openStoreForReading(loadConfig(configFile))
    try {
      const state = textOption(options, 'state') as AnchorState | undefined
      const limit = parseCount(textOption(options, 'limit') ?? '1000', '--limit')
      const rows = store.attempts({ ...(state ? { state } : {}), limit, newestFirst: true }).map(attempt => {
        const batch = store.batch(attempt.epoch, attempt.seq)
        return { attempt, anchorHash: batch?.anchorHash ?? null, root: batch?.root ?? null }
      })
      out.document(
        rows.map(({ attempt, anchorHash, root }) => ({
          epoch: attempt.epoch,
          seq: attempt.seq,
          anchorHash,
          root,
          state: attempt.state,
          txHash: attempt.txHash,
          nonce: attempt.nonce,
          chainId: attempt.chainId,
          from: attempt.from,
          blockNumber: attempt.blockNumber,
          blockHash: attempt.blockHash,
          finalAt: attempt.finalAt === null ? null : new Date(attempt.finalAt).toISOString(),
          detail: attempt.detail
        }))
      )
      out.table(
        [
          ['seq', '序号'],
          ['state', '状态'],
          ['block', '区块'],
          ['transaction', '交易'],
          ['detail', '说明']
        ],
        rows.map(({ attempt }) => [
          String(attempt.seq),
          attempt.state,
          attempt.blockNumber === null ? '-' : String(attempt.blockNumber),
          attempt.txHash.slice(0, 18),
          attempt.detail ?? ''
        ])
      )
    } finally {
      store.close()
    }
    return EXIT.done
  }
}
