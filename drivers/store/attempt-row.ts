import type { Attempt } from '../../agent/ports.ts'

/** Columns that every transaction's row has, whatever it is for. */
export interface ProgressRow {
  readonly n: bigint
  readonly tx_hash: string
  readonly chain_id: string
  readonly sender: string
  readonly nonce: bigint
  readonly raw: Uint8Array
  readonly created_at: bigint
  readonly state: Attempt['state']
  readonly block_number: bigint | null
  readonly block_hash: string | null
  readonly final_at: bigint | null
  readonly detail: string | null
}

/** What may change of a transaction after it was made. */
export type AttemptChange = Partial<
  Pick<Attempt, 'state' | 'blockNumber' | 'blockHash' | 'finalAt' | 'detail'>
>

/** States of a transaction whose end is not known. */
export const LIVE = `('built', 'sent', 'mined')`

export function toProgress(row: ProgressRow): Pick<Attempt, keyof Attempt> {
  return {
    n: Number(row.n),
    chainId: BigInt(row.chain_id),
    from: row.sender,
    nonce: row.nonce,
    raw: new Uint8Array(row.raw),
    txHash: row.tx_hash,
    state: row.state,
    createdAt: Number(row.created_at),
    blockNumber: row.block_number,
    blockHash: row.block_hash,
    finalAt: row.final_at === null ? null : Number(row.final_at),
    detail: row.detail
  }
}
