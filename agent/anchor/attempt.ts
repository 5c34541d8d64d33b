import { toHex } from '../../proto/bytes.ts'
import { anchorTuple } from '../../proto/chain/anchor-record.ts'
import type { ContractCodec } from '../../proto/chain/contract-codec.ts'
import { signLegacyTransaction } from '../../proto/chain/transaction.ts'
import type { AnchorAttempt, StoredBatch } from '../ports.ts'
import type { FoundAnchor } from './contract-reader.ts'

/** All that decides the octets of an anchor's transaction. */
export interface AttemptPlan {
  readonly batch: StoredBatch
  /** 32 octets: see gatewayKey */
  readonly gateway: Uint8Array
  /** the anchor opens its epoch too */
  readonly opensEpoch: boolean
  readonly contract: string
  readonly chainId: bigint
  readonly nonce: bigint
  readonly gasLimit: bigint
  readonly gasPrice: bigint
}

/** Signs the transaction of an anchor: same plan, same octets. */
export function signAttempt(
  plan: AttemptPlan,
  codec: ContractCodec,
  privateKey: Uint8Array,
  numbering: { readonly n: number; readonly createdAt: number }
): AnchorAttempt {
  const { batch, gateway, opensEpoch, contract, chainId, nonce, gasLimit, gasPrice } = plan
  const tuple = anchorTuple({ ...batch, gateway })
  const data = opensEpoch
    ? codec.encodeCall('openAndAnchor', tuple, BigInt(batch.reason))
    : codec.encodeCall('anchor', tuple)
  const tx = { nonce, gasPrice, gasLimit, to: contract, value: 0n, data, chainId }
  const { raw, txHash, from } = signLegacyTransaction(tx, privateKey)
  return {
    epoch: batch.epoch,
    seq: batch.seq,
    n: numbering.n,
    chainId,
    from,
    nonce,
    raw,
    txHash,
    state: 'built',
    createdAt: numbering.createdAt,
    blockNumber: null,
    blockHash: null,
    finalAt: null,
    detail: null
  }
}

/** The record of an anchor that another's transaction brought on chain: nothing to send, final at once. */
export function adoptAttempt(
  batch: StoredBatch,
  chainId: bigint,
  found: FoundAnchor,
  numbering: { readonly n: number; readonly createdAt: number }
): AnchorAttempt {
  const from = `0x${toHex(found.anchor.by)}`
  return {
    epoch: batch.epoch,
    seq: batch.seq,
    n: numbering.n,
    chainId,
    from,
    nonce: 0n,
    raw: new Uint8Array(0),
    txHash: found.place.txHash,
    state: 'final',
    createdAt: numbering.createdAt,
    blockNumber: found.place.blockNumber,
    blockHash: null,
    finalAt: numbering.createdAt,
    detail: `recorded by ${from}`
  }
}
