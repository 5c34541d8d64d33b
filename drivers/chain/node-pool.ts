import type { Clock, Log } from '../../agent/ports.ts'
import { ChainError } from './errors.ts'
import type { RpcEndpoint } from './json-rpc.ts'
import { parseQuantity } from './rpc-values.ts'

/** How far behind the best a node may be and still be asked, in blocks. */
const LAG_BLOCKS_MAX = 3n

export type NodeState = 'unproved' | 'good' | 'lagging' | 'wrongChain' | 'down'

export interface NodeStatus {
  readonly name: string
  readonly state: NodeState
  readonly height: bigint | undefined
  readonly primary: boolean
}

interface Node {
  readonly endpoint: RpcEndpoint
  state: NodeState
  height: bigint | undefined
}

/**
 * Several equal nodes of one chain. One is primary and stays so while it is healthy: right chain id, height within
 * three blocks of the best. Health is asked before the first use, after a failure, and every probeEveryMs.
 */
export class NodePool {
  readonly #nodes: readonly Node[]
  readonly #clock: Clock
  readonly #log: Log
  readonly #probeEveryMs: number
  #chainId: bigint | undefined
  #primary = 0
  #probedAtMs: number | undefined

  constructor(
    endpoints: readonly RpcEndpoint[],
    options: { clock: Clock; log: Log; chainId: bigint | undefined; probeEveryMs: number }
  ) {
    this.#nodes = endpoints.map(endpoint => ({ endpoint, state: 'unproved', height: undefined }))
    this.#clock = options.clock
    this.#log = options.log
    this.#chainId = options.chainId
    this.#probeEveryMs = options.probeEveryMs
  }

  status(): NodeStatus[] {
    return this.#nodes.map(({ endpoint, state, height }, i) => ({
      name: endpoint.name,
      state,
      height,
      primary: i === this.#primary
    }))
  }

  /**
   * Nodes worth asking, primary first; those that only lag come last, for a late answer beats none.
   * @throws ChainError CHAIN_WRONG_CHAIN when every node that answers is on another chain, else CHAIN_UNREACHABLE
   */
  async usable(): Promise<RpcEndpoint[]> {
    await this.#probe()
    const primary = this.#nodes[this.#primary]
    const good = this.#nodes.filter(node => node.state === 'good' && node !== primary)
    const lagging = this.#nodes.filter(node => node.state === 'lagging' && node !== primary)
    const first =
      primary !== undefined && (primary.state === 'good' || primary.state === 'lagging') ? [primary] : []
    const nodes = [...first, ...good, ...lagging]
    if (nodes.length > 0) return nodes.map(node => node.endpoint)
    if (this.#nodes.some(node => node.state === 'wrongChain')) {
      throw new ChainError('CHAIN_WRONG_CHAIN', `the nodes are not on chain ${this.#chainId}`, {
        at: this.#names(),
        next: 'give the addresses of nodes of the right chain'
      })
    }
    throw new ChainError('CHAIN_UNREACHABLE', 'no node of the chain answers', {
      at: this.#names(),
      next: 'check that a node runs and that the way to it is open'
    })
  }

  /** The nodes whose word counts as much as the primary's: a lagging one's "not there" is no news. */
  async good(): Promise<RpcEndpoint[]> {
    const usable = await this.usable()
    const good = usable.filter(endpoint =>
      this.#nodes.some(n => n.endpoint === endpoint && n.state === 'good')
    )
    return good.length > 0 ? good : usable
  }

  /** A node did not answer: it is passed over until the next probe finds it well. */
  noteFailure(endpoint: RpcEndpoint, error: ChainError): void {
    const node = this.#nodes.find(candidate => candidate.endpoint === endpoint)
    if (node === undefined) return
    if (node.state !== 'down') {
      this.#log.warn('chain-node-down', { node: endpoint.name, code: error.code, detail: error.message })
    }
    node.state = 'down'
    this.#moveOn()
    // Where no node is left the next caller probes at once; its own back-off keeps that rare.
    if (!this.#nodes.some(candidate => candidate.state === 'good')) this.#probedAtMs = undefined
  }

  async #probe(): Promise<void> {
    const now = this.#clock.monotonicMs()
    if (this.#probedAtMs !== undefined && now - this.#probedAtMs < this.#probeEveryMs) return
    this.#probedAtMs = now
    const answers = await Promise.all(this.#nodes.map(node => this.#examine(node)))
    // With no chain id configured the first node in the list that answers decides, and is held to it.
    this.#chainId ??= answers.find(answer => answer !== undefined)?.chainId
    const heights = answers
      .filter(answer => answer?.chainId === this.#chainId)
      .map(answer => answer?.height ?? 0n)
    const best = heights.reduce((a, b) => (a > b ? a : b), 0n)
    for (const [i, node] of this.#nodes.entries()) this.#judge(node, answers[i], best)
    this.#moveOn()
  }

  async #examine({ endpoint }: Node): Promise<{ chainId: bigint; height: bigint } | undefined> {
    try {
      const [chainId, height] = await Promise.all([
        endpoint.request('eth_chainId', []),
        endpoint.request('eth_blockNumber', [])
      ])
      return { chainId: parseQuantity(chainId, 'chain id'), height: parseQuantity(height, 'height') }
    } catch (error) {
      if (error instanceof ChainError) return undefined
      throw error
    }
  }

  #judge(node: Node, answer: { chainId: bigint; height: bigint } | undefined, best: bigint): void {
    const before = node.state
    node.height = answer?.height
    if (answer === undefined) node.state = 'down'
    else if (answer.chainId !== this.#chainId) node.state = 'wrongChain'
    else node.state = best - answer.height > LAG_BLOCKS_MAX ? 'lagging' : 'good'
    if (node.state === before) return
    const fields = { node: node.endpoint.name, state: node.state, height: answer?.height, best }
    if (node.state === 'good') this.#log.info('chain-node', fields)
    else this.#log.warn('chain-node', { ...fields, chainId: answer?.chainId })
  }

  #moveOn(): void {
    if (this.#nodes[this.#primary]?.state === 'good') return
    const next = this.#nodes.findIndex(node => node.state === 'good')
    if (next < 0) return
    this.#primary = next
    this.#log.info('chain-node-primary', { node: this.#nodes[next]?.endpoint.name })
  }

  #names(): string {
    return this.#nodes.map(node => node.endpoint.name).join(', ')
  }
}
