import type { SubmitOutcome } from '../../agent/ports.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { RpcRefusal } from './errors.ts'

type RefusalKind = Exclude<SubmitOutcome['kind'], 'accepted' | 'suspect'>

/**
 * What nodes say when they do not take a raw transaction. The codes differ by client and mean little, so the text
 * decides; first match wins, letter case is free. Sources: go-ethereum core/txpool/errors.go, Besu
 * TransactionInvalidReason and RpcErrorType, anvil PoolError and InvalidTransactionError.
 */
const TEXTS: readonly (readonly [text: string, kind: RefusalKind])[] = [
  // "unknown transaction" must not be taken for "known transaction"
  ['unknown transaction', 'unknown'],
  ['already known', 'known'],
  ['known transaction', 'known'],
  ['already imported', 'known'],
  ['nonce too low', 'consumed'],
  ['nonce is too low', 'consumed'],
  ['nonce below', 'consumed'],
  ['replacement transaction underpriced', 'occupied'],
  ['replacement not allowed', 'occupied'],
  ['nonce too high', 'gap'],
  ['nonce too far in the future', 'gap'],
  ['too distant', 'gap'],
  ['exceeds next nonce', 'gap'],
  ['pool is full', 'busy'],
  ['pool limit exceeded', 'busy'],
  ['too many requests', 'busy'],
  ['rate limit', 'busy'],
  ['request limit', 'busy'],
  ['invalid sender', 'permanent'],
  ['invalid signature', 'permanent'],
  ['intrinsic gas', 'permanent'],
  ['exceeds block gas limit', 'permanent'],
  ['exceeds transaction gas limit', 'permanent'],
  ['invalid chain id', 'permanent'],
  ['chain id', 'permanent'],
  ['chainid', 'permanent'],
  ['replay-protected', 'permanent'],
  ['replay protected', 'permanent'],
  ['insufficient funds', 'permanent'],
  ['upfront cost exceeds', 'permanent'],
  ['base fee', 'permanent'],
  ['gas price', 'permanent'],
  ['underpriced', 'permanent'],
  ['not authorized', 'permanent'],
  ['not permitted', 'permanent'],
  ['oversized data', 'permanent'],
  ['rlp', 'permanent'],
  ['failed to decode', 'permanent']
]

/** Reads the hash a node answered: another one than ours means it speaks of something else. */
export function classifyAccepted(answer: unknown, txHash: string): SubmitOutcome {
  if (typeof answer === 'string' && answer.toLowerCase() === txHash.toLowerCase()) return { kind: 'accepted' }
  return { kind: 'suspect', detail: `the node answered ${String(answer).slice(0, 80)} for ${txHash}` }
}

/**
 * Reads a failed submission. Silence, a reset and anything that is no clear refusal are 'unknown': it may have landed.
 * @throws what is no error of ours: a defect
 */
export function classifyRefused(error: unknown): SubmitOutcome {
  if (!isWattproofError(error)) throw error
  if (error.code === 'CHAIN_BUSY') return { kind: 'busy', detail: error.message }
  if (!(error instanceof RpcRefusal)) return { kind: 'unknown', detail: error.message }
  const text = error.text.toLowerCase()
  const kind = TEXTS.find(([part]) => text.includes(part))?.[1] ?? 'unknown'
  return kind === 'known' ? { kind } : { kind, detail: error.text }
}
