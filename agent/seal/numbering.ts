import { equalBytes, fromHex, toHex } from '../../proto/bytes.ts'
import { ANCHOR_REASON } from '../../proto/wire/anchor.ts'
import { decodeSigned } from '../../proto/wire/signed.ts'
import type { AgentStore } from '../ports.ts'

/** Which link of the chain of anchors comes next. */
export interface NextNumber {
  readonly epoch: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array
  /** undefined: the batch's own reason; else why this anchor opens an epoch */
  readonly opening: number | undefined
}

/** Fact set by the store or an operator: why the past can no longer be continued. Each different text opens one new epoch. */
export const STATE_LOST_META = 'stateLost'
/** Fact: "<epoch hex> <text of stateLost>" of the epoch opened last; written before its first batch, so that a kill opens no second. */
const OPENED_META = 'epochOpened'
/** Fact: hex of the epoch opened last because the signing key changed; written before {@link OPENED_META}. */
const ROTATED_META = 'epochRotated'

type NumberStore = Pick<AgentStore, 'head' | 'queryBatches' | 'getMeta' | 'setMeta'>

/**
 * The next (epoch, seq). The epoch goes on unless there is none yet or its state was lost; then a new one begins that names the
 * last anchor the ledger is known to have: a number once published must never be sealed with other octets.
 * An epoch has one key: under another than its anchors are signed with, a new one begins. Nothing is lost then, so it names the
 * last anchor sealed, and the ledger and the chain see that none was left out.
 * @param kid of the key that will sign
 */
export function nextNumber(
  store: NumberStore,
  kid: Uint8Array,
  random: (octets: number) => Uint8Array
): NextNumber {
  const head = store.head()
  const lost = store.getMeta(STATE_LOST_META) ?? ''
  const opened = store.getMeta(OPENED_META)
  const [openedHex = '', ...openedFor] = (opened ?? '').split(' ')
  const isOpen = opened !== undefined && openedFor.join(' ') === lost
  if (head && (isOpen ? toHex(head.epoch) === openedHex : lost === '')) {
    if (equalBytes(decodeSigned(head.anchor).kid, kid))
      return { epoch: head.epoch, seq: head.seq + 1, prev: head.anchorHash, opening: undefined }
    const rotated = random(8)
    store.setMeta(ROTATED_META, toHex(rotated))
    store.setMeta(OPENED_META, `${toHex(rotated)} ${lost}`)
    return { epoch: rotated, seq: 0, prev: head.anchorHash, opening: ANCHOR_REASON.keyRotation }
  }
  if (head && isOpen && store.getMeta(ROTATED_META) === openedHex) {
    return { epoch: fromHex(openedHex), seq: 0, prev: head.anchorHash, opening: ANCHOR_REASON.keyRotation }
  }
  const epoch = isOpen ? fromHex(openedHex) : random(8)
  if (!isOpen) store.setMeta(OPENED_META, `${toHex(epoch)} ${lost}`)
  const acknowledged = store.queryBatches({ state: 'delivered', newestFirst: true, limit: 1 })[0]
  return {
    epoch,
    seq: 0,
    prev: acknowledged?.anchorHash ?? new Uint8Array(32),
    opening: lost === '' ? ANCHOR_REASON.provision : ANCHOR_REASON.restore
  }
}
