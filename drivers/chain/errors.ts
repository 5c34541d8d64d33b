import { type ErrorPlace, WattproofError } from '../../proto/errors.ts'

export type ChainCode =
  /** no node answered in time, or not in JSON: what was sent may still have landed */
  | 'CHAIN_UNREACHABLE'
  /** a node answered that it has no room now */
  | 'CHAIN_BUSY'
  /** a node answered something its interface does not allow */
  | 'CHAIN_ANSWER'
  /** a node refused the request itself (a JSON-RPC error) */
  | 'CHAIN_REFUSED'
  /** the contract reverted a call */
  | 'CHAIN_REVERTED'
  /** every node that answers is on another chain than the one configured */
  | 'CHAIN_WRONG_CHAIN'
  /** a local node cannot be found or does not start */
  | 'CHAIN_NO_NODE'
  /** the contract's artefact is missing or damaged */
  | 'CHAIN_ARTEFACT'

/** What goes wrong between this host and the chain's nodes. `at` names the node by host and port only. */
export class ChainError extends WattproofError<ChainCode> {}

/** The error object of a JSON-RPC answer: the node understood and said no. */
export class RpcRefusal extends ChainError {
  readonly rpcCode: number
  readonly text: string
  /** octets of a revert, hex, where the node gives them */
  readonly data: string | undefined

  constructor(rpc: { code: number; text: string; data: string | undefined }, place: ErrorPlace) {
    super('CHAIN_REFUSED', `the node refused: ${rpc.text} (${rpc.code})`, place)
    this.rpcCode = rpc.code
    this.text = rpc.text
    this.data = rpc.data
  }
}
