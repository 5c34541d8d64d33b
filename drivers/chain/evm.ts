import type { ChainNode, ChainReceipt, Clock, Log, SimulatedCall, SubmitOutcome } from '../../agent/ports.ts'
import { ChainError, RpcRefusal } from './errors.ts'
import { createEndpoint, type RpcEndpoint } from './json-rpc.ts'
import { NodePool, type NodeStatus } from './node-pool.ts'
import {
  formatData,
  formatQuantity,
  parseData,
  parseLogs,
  parseQuantity,
  parseReceipt
} from './rpc-values.ts'
import { classifyAccepted, classifyRefused } from './submit-outcome.ts'

export interface EvmOptions {
  /** equal nodes, the preferred one first */
  readonly rpc: readonly string[]
  /** nodes on another chain are never used; undefined: the first node that answers decides */
  readonly chainId?: bigint
  /** for one exchange with one node */
  readonly timeoutMs?: number
  readonly probeEveryMs?: number
  readonly clock: Clock
  readonly log: Log
}

/** Opens an EVM chain (Besu, geth, FISCO BCOS web3 endpoint, anvil). Nothing is asked before the first call. */
export function openEvmChain(options: EvmOptions): EvmChain {
  const endpoints = options.rpc.map(url => createEndpoint(url, options.timeoutMs ?? 5000))
  const { clock, log, chainId, probeEveryMs } = options
  return new EvmChain(new NodePool(endpoints, { clock, log, chainId, probeEveryMs: probeEveryMs ?? 15000 }))
}

/** The ChainNode port over JSON-RPC. */
export class EvmChain implements ChainNode {
  readonly #pool: NodePool
  #lastSubmitted = ''

  constructor(pool: NodePool) {
    this.#pool = pool
  }

  /** Health of each node as last seen. */
  nodes(): NodeStatus[] {
    return this.#pool.status()
  }

  async chainId(): Promise<bigint> {
    return parseQuantity(await this.#ask('eth_chainId', []), 'chain id')
  }

  async height(): Promise<bigint> {
    return parseQuantity(await this.#ask('eth_blockNumber', []), 'height')
  }

  /**
   * Hands the raw octets to the primary, and to the next node while the answer leaves doubt. The same transaction
   * handed in again goes to every node: one node's pool may never have told the others.
   */
  async submit(raw: Uint8Array, txHash: string): Promise<SubmitOutcome> {
    const everywhere = this.#lastSubmitted === txHash
    this.#lastSubmitted = txHash
    let best: SubmitOutcome = { kind: 'unknown', detail: 'no node asked' }
    for (const endpoint of await this.#pool.usable()) {
      const outcome = await this.#submitTo(endpoint, raw, txHash)
      if (RANK[outcome.kind] >= RANK[best.kind]) best = outcome
      if (RANK[outcome.kind] >= RANK.consumed && !everywhere) break
    }
    return best
  }

  /** Asks every healthy node before saying there is none. */
  async receipt(txHash: string): Promise<ChainReceipt | undefined> {
    const answers = await this.#askAll('eth_getTransactionReceipt', [txHash], answer => {
      const receipt = parseReceipt(answer, txHash)
      return { receipt, done: receipt !== undefined }
    })
    return answers.find(answer => answer.receipt !== undefined)?.receipt
  }

  /** The account's next nonce by mined transactions, the highest any healthy node knows. */
  async nonce(address: string): Promise<bigint> {
    const answers = await this.#askAll('eth_getTransactionCount', [address, 'latest'], answer => ({
      nonce: parseQuantity(answer, 'nonce'),
      done: false
    }))
    return answers.reduce((most, { nonce }) => (nonce > most ? nonce : most), 0n)
  }

  async call(to: string, data: Uint8Array): Promise<Uint8Array> {
    const { kind, data: octets } = await this.#call({ to, data: formatData(data) })
    if (kind === 'returned') return octets
    throw new ChainError('CHAIN_REVERTED', `the contract reverted a call (${formatData(octets)})`, { at: to })
  }

  simulate(from: string, to: string, data: Uint8Array): Promise<SimulatedCall> {
    return this.#call({ from, to, data: formatData(data) })
  }

  async logs(filter: Parameters<ChainNode['logs']>[0]): ReturnType<ChainNode['logs']> {
    const toBlock = filter.toBlock === 'latest' ? 'latest' : formatQuantity(filter.toBlock)
    const { address, topics } = filter
    const fromBlock = formatQuantity(filter.fromBlock)
    return parseLogs(await this.#ask('eth_getLogs', [{ address, topics, fromBlock, toBlock }]))
  }

  async #call(call: { from?: string; to: string; data: string }): Promise<SimulatedCall> {
    try {
      return {
        kind: 'returned',
        data: parseData(await this.#ask('eth_call', [call, 'latest']), 'call result')
      }
    } catch (error) {
      if (!(error instanceof RpcRefusal)) throw error
      // Code 3 is geth's, Besu's and anvil's for a revert; the text is there on nodes that give another code.
      const reverted = error.rpcCode === 3 || error.text.toLowerCase().includes('revert')
      if (!reverted) throw error
      return { kind: 'reverted', data: parseData(error.data ?? '0x', 'revert') }
    }
  }

  async #submitTo(endpoint: RpcEndpoint, raw: Uint8Array, txHash: string): Promise<SubmitOutcome> {
    try {
      return classifyAccepted(await endpoint.request('eth_sendRawTransaction', [formatData(raw)]), txHash)
    } catch (error) {
      if (isNodeFault(error)) this.#pool.noteFailure(endpoint, error)
      return classifyRefused(error)
    }
  }

  /** One answer, from the first node that gives one. */
  async #ask(method: string, params: readonly unknown[]): Promise<unknown> {
    const faults: ChainError[] = []
    for (const endpoint of await this.#pool.usable()) {
      try {
        return await endpoint.request(method, params)
      } catch (error) {
        if (!isNodeFault(error)) throw error
        this.#pool.noteFailure(endpoint, error)
        faults.push(error)
      }
    }
    throw faults[0] ?? new ChainError('CHAIN_UNREACHABLE', 'no node of the chain answers')
  }

  /** The answers of the healthy nodes, until one of them settles the question. */
  async #askAll<T extends { done: boolean }>(
    method: string,
    params: readonly unknown[],
    read: (answer: unknown) => T
  ): Promise<T[]> {
    const answers: T[] = []
    let fault: ChainError | undefined
    for (const endpoint of await this.#pool.good()) {
      try {
        const answer = read(await endpoint.request(method, params))
        answers.push(answer)
        if (answer.done) break
      } catch (error) {
        if (!isNodeFault(error)) throw error
        this.#pool.noteFailure(endpoint, error)
        fault = error
      }
    }
    if (answers.length === 0)
      throw fault ?? new ChainError('CHAIN_UNREACHABLE', 'no node of the chain answers')
    return answers
  }
}

/** The clearer the word, the higher: what one node took, another's silence does not undo. */
const RANK: Readonly<Record<SubmitOutcome['kind'], number>> = {
  unknown: 0,
  busy: 1,
  suspect: 2,
  permanent: 3,
  gap: 4,
  occupied: 5,
  consumed: 6,
  known: 7,
  accepted: 8
}

/** True when another node may do better: everything but a refusal of the request itself. */
function isNodeFault(error: unknown): error is ChainError {
  return error instanceof ChainError && !(error instanceof RpcRefusal) && error.code !== 'CHAIN_WRONG_CHAIN'
}
