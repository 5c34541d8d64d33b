import { WattproofError } from '../../proto/errors.ts'

export type AnchorCode =
  /** a node does not take the transaction */
  | 'ANCHOR_REFUSED'
  /** the contract reverted it */
  | 'ANCHOR_REVERTED'
  /** no receipt in time; it may still be mined */
  | 'ANCHOR_TIMEOUT'

/** What goes wrong when a registry transaction is sent by hand; the anchor loop itself waits faults out. */
export class AnchorError extends WattproofError<AnchorCode> {}
