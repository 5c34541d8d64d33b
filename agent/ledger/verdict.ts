import type { ReceiptStatus } from '../../proto/wire/receipt.ts'
import type { LedgerAnchor } from '../ports.ts'

/** What the ledger makes of one message; every one but 'wait' is answered with a receipt. */
export type Verdict =
  | {
      readonly kind: 'answer'
      readonly status: ReceiptStatus
      /** hash of the anchor or alarm answered; zeros where the message could not be read */
      readonly hash: Uint8Array
      readonly epoch: Uint8Array
      /** overrides the last sequence had; the id of an alarm */
      readonly number?: number
      readonly detail: string
    }
  /** its other half is still to come */
  | { readonly kind: 'wait' }

export const NO_HASH: Uint8Array = new Uint8Array(32)
export const NO_EPOCH: Uint8Array = new Uint8Array(8)
export const WAIT: Verdict = { kind: 'wait' }

export function answer(
  status: ReceiptStatus,
  about: { readonly anchorHash: Uint8Array; readonly epoch: Uint8Array } | undefined,
  detail: string
): Verdict {
  return {
    kind: 'answer',
    status,
    hash: about?.anchorHash ?? NO_HASH,
    epoch: about?.epoch ?? NO_EPOCH,
    detail
  }
}

/** An anchor that was read and verified, as the store keeps it. */
export type VerifiedAnchor = LedgerAnchor & {
  readonly prev: Uint8Array
  readonly reason: number
  readonly suite: number
  /** unix seconds, the gateway's clock */
  readonly created: number
}
