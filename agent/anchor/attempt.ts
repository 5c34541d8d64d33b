import { toHex } from '../../proto/bytes.ts'
import { anchorTuple } from '../../proto/chain/anchor-record.ts'
import type { ContractCodec } from '../../proto/chain/contract-codec.ts'
import type { Attempt, StoredBatch } from '../ports.ts'
import type { EventPlace } from './contract-reader.ts'
import type { SignedCall } from './wallet.ts'

/** Fields of an attempt that do not say what it is for. */
export type AttemptCore = Pick<Attempt, keyof Attempt>

/** The call that records a batch's anchor, opening its epoch where that is new. */
export function anchorCall(
  codec: ContractCodec,
  gateway: Uint8Array,
  batch: StoredBatch,
  opensEpoch: boolean
): Uint8Array {
  const tuple = anchorTuple({ ...batch, gateway })
  return opensEpoch
    ? codec.encodeCall('openAndAnchor', tuple, BigInt(batch.reason))
    : codec.encodeCall('anchor', tuple)
}

/** An attempt that nobody has seen yet. */
export function builtAttempt(signed: SignedCall, n: number, createdAt: number): AttemptCore {
  return {
    ...signed,
    n,
    state: 'built',
    createdAt,
    blockNumber: null,
    blockHash: null,
    finalAt: null,
    detail: null
  }
}

/** The record of what a transaction not known here brought on chain: nothing to send, final at once. */
export function adoptedAttempt(
  found: { readonly by: Uint8Array; readonly place: EventPlace },
  chainId: bigint,
  n: number,
  createdAt: number
): AttemptCore {
  const from = `0x${toHex(found.by)}`
  return {
    n,
    chainId,
    from,
    nonce: 0n,
    raw: new Uint8Array(0),
    txHash: found.place.txHash,
    state: 'final',
    createdAt,
    blockNumber: found.place.blockNumber,
    blockHash: null,
    finalAt: createdAt,
    detail: `recorded by ${from}`
  }
}
