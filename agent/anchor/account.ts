import type { Attempt } from '../ports.ts'
import type { AnchorContext } from './anchor-context.ts'
import { type AnchorStep, trouble } from './anchor-step.ts'
import type { InFlight } from './in-flight.ts'

/** Where the gateway's account stands on its chain. */
export interface AccountState {
  readonly kind: 'account'
  readonly chainId: bigint
  /** to take next */
  readonly nonce: bigint
  /** a transaction with this nonce that nodes refused for good */
  readonly blocked: Attempt | undefined
}

/** Reads the nonce to take next. A chain that has lost transactions gets them again before anything new is made. */
export async function readAccount(
  { chain, store, log, wallet }: AnchorContext,
  inFlight: InFlight,
  chainId: bigint
): Promise<AccountState | AnchorStep> {
  const { account } = wallet
  const nonce = await chain.nonce(account)
  const last = store.lastNonce(chainId, account)
  const blocked = last === nonce ? blockedAt() : undefined
  if (last !== undefined && nonce <= last && blocked === undefined) {
    const count = await inFlight.refill(chainId, account, nonce, last + 1n)
    return trouble('chainBehind', `the chain wants nonce ${nonce}, ${last} was mined; ${count} sent again`)
  }
  if (last !== undefined && nonce > last + 1n) log.warn('anchor-key-used-elsewhere', { nonce, last })
  return { kind: 'account', chainId, nonce, blocked }

  function blockedAt(): Attempt | undefined {
    const newest = { state: 'blocked', newestFirst: true, limit: 16 } as const
    const blockedOnes = [...store.attempts(newest), ...store.alarmAttempts(newest)]
    // one that was mined and reverted has used its nonce up: where the chain has lost it, the same octets go again
    return blockedOnes.find(one => one.nonce === nonce && one.from === account && one.blockNumber === null)
  }
}
