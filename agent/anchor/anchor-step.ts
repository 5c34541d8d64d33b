import { isWattproofError } from '../../proto/errors.ts'
import type { AnchorState } from '../ports.ts'

/** What keeps anchors from the chain. Each is reported once when it begins and once when it is over. */
export type TroubleKind =
  /** no node answers, or none sensibly */
  | 'unreachable'
  /** nodes are on another chain than before */
  | 'wrongChain'
  /** no contract of ours at the address */
  | 'noContract'
  /** the registry does not list this account as the gateway's active signer */
  | 'notAdmitted'
  /** no new block for long while a transaction waits */
  | 'halted'
  /** the chain has lost transactions that were final */
  | 'chainBehind'
  /** a node refuses the transaction for good: a matter of configuration */
  | 'refused'
  /** a mined transaction was reverted */
  | 'reverted'
  /** a mined transaction vanished in a reorganisation */
  | 'reorganised'
  /** the account was used by someone else */
  | 'keyUsedElsewhere'
  /** the chain holds other content under the same number */
  | 'conflict'
  /** the chain holds another history before this anchor */
  | 'fork'
  /** the chain wants an anchor that is not here */
  | 'gap'
  /** the chain has gone on to a later epoch */
  | 'closed'

export interface AnchorTrouble {
  readonly kind: TroubleKind
  readonly detail: string
}

export interface MovedStep {
  readonly kind: 'moved'
  readonly of: 'anchor' | 'filing'
  readonly to: AnchorState
  readonly txHash: string
}

/** What one unit of work came to. */
export type AnchorStep =
  /** nothing to anchor */
  | { readonly kind: 'idle' }
  /** a transaction moved on; step again at once */
  | MovedStep
  /** nothing to do but wait */
  | { readonly kind: 'waiting'; readonly waitMs: number }
  | { readonly kind: 'trouble'; readonly trouble: AnchorTrouble }

/** Times of the loop, all in milliseconds. */
export interface AnchorPace {
  /** between looks for a new batch */
  readonly idleMs: number
  /** between looks for a receipt */
  readonly pollMs: number
  /** between the first receipt and the second look that makes it final */
  readonly settleMs: number
  /** without a receipt for so long while blocks go on, the same octets are sent again */
  readonly resendAfterMs: number
  /** without a new block for so long, the chain counts as halted */
  readonly haltAfterMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  /** anchors of a slot are spread over this, each gateway at its own place; 0: at once */
  readonly spreadMs: number
}

/** For blocks of a second to fifteen. */
export const ANCHOR_PACE: AnchorPace = {
  idleMs: 1000,
  pollMs: 1000,
  settleMs: 1000,
  resendAfterMs: 30000,
  haltAfterMs: 150000,
  backoffMinMs: 2000,
  backoffMaxMs: 60000,
  spreadMs: 0
}

export function trouble(kind: TroubleKind, detail: string): AnchorStep {
  return { kind: 'trouble', trouble: { kind, detail } }
}

/** Full jitter (2 s doubled with every failure, capped): a thousand gateways must not come back together. */
export function backoffMs(pace: AnchorPace, failures: number, random: () => number): number {
  const ceiling = Math.min(pace.backoffMaxMs, pace.backoffMinMs * 2 ** Math.min(failures, 16))
  return Math.max(1, Math.round(ceiling * random()))
}

/** Faults of the chain are waited out; anything else is a defect or the store's. */
export function chainTrouble(error: unknown): AnchorStep {
  if (!isWattproofError(error)) throw error
  if (error.code === 'CHAIN_WRONG_CHAIN') return trouble('wrongChain', error.message)
  if (error.code.startsWith('CHAIN_') || error.code.startsWith('CODEC_')) {
    return trouble('unreachable', `${error.message} (${error.code})`)
  }
  throw error
}
