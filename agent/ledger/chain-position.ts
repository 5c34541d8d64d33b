import { equalBytes } from '../../proto/bytes.ts'
import { ANCHOR_REASON } from '../../proto/wire/anchor.ts'
import type { LedgerAnchor, LedgerStore } from '../ports.ts'
import type { VerifiedAnchor } from './verdict.ts'

/** Where an anchor stands in its gateway's chain (wire contract, section 5). */
export type Position =
  | { readonly kind: 'next' }
  /** the same octets were accepted before */
  | { readonly kind: 'known'; readonly anchor: LedgerAnchor }
  | { readonly kind: 'gap'; readonly detail: string }
  /** contradicts what was accepted: both are evidence */
  | { readonly kind: 'fork'; readonly other: LedgerAnchor; readonly detail: string }
  | { readonly kind: 'wrong'; readonly detail: string }

const OPENING: readonly number[] = [ANCHOR_REASON.provision, ANCHOR_REASON.restore, ANCHOR_REASON.keyRotation]

/**
 * Within an epoch the sequence is contiguous and each anchor names the one before. A new epoch begins at 0 with its reason and
 * names an anchor known here or none; once it has begun, the old one is over.
 */
export function positionOf(
  store: Pick<LedgerStore, 'head' | 'anchor' | 'anchorByHash'>,
  anchor: VerifiedAnchor
): Position {
  const { gateway, epoch, seq, prev } = anchor
  const same = store.anchor(gateway, epoch, seq)
  if (same) {
    return equalBytes(same.anchorHash, anchor.anchorHash)
      ? { kind: 'known', anchor: same }
      : { kind: 'fork', other: same, detail: `another anchor has the sequence ${seq}` }
  }
  const head = store.head(gateway)
  if (head && equalBytes(head.epoch, epoch)) {
    if (seq !== head.seq + 1) return { kind: 'gap', detail: `sequence ${head.seq + 1} is next, not ${seq}` }
    if (equalBytes(prev, head.anchorHash)) return { kind: 'next' }
    return { kind: 'fork', other: head, detail: 'it names another anchor before it than the one accepted' }
  }
  if (head && store.anchor(gateway, epoch, 0)) {
    return { kind: 'fork', other: head, detail: 'its epoch was ended by a newer one' }
  }
  if (seq !== 0) return { kind: 'gap', detail: `an epoch begins with sequence 0, not ${seq}` }
  if (!OPENING.includes(anchor.reason))
    return { kind: 'wrong', detail: 'a new epoch does not say why it begins' }
  const namesNone = prev.every(octet => octet === 0)
  if (head && !namesNone && !store.anchorByHash(gateway, prev)) {
    return { kind: 'gap', detail: 'the new epoch names an anchor that is not known here' }
  }
  return { kind: 'next' }
}
