import type { ContractCodec } from '../../proto/chain/contract-codec.ts'
import type { AnchorStore, ChainNode, Clock, Log } from '../ports.ts'
import type { AnchorPace } from './anchor-step.ts'
import type { ContractReader } from './contract-reader.ts'
import type { Wallet } from './wallet.ts'

/** What the parts of the anchor loop share. */
export interface AnchorContext {
  readonly store: AnchorStore
  readonly chain: ChainNode
  readonly clock: Clock
  readonly log: Log
  readonly codec: ContractCodec
  readonly reader: ContractReader
  /** address of the contract, checksummed */
  readonly contract: string
  /** the gateway's account on chain */
  readonly wallet: Wallet
  /** the gateway's number on chain, 32 octets */
  readonly gateway: Uint8Array
  /** blocks that hold an anchor before it is final, its own counted: 1 where a block is final at once (PBFT family) */
  readonly confirmations: bigint
  readonly pace: AnchorPace
  readonly random: () => number
}
