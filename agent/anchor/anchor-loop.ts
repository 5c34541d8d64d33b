import { equalBytes, toHex } from '../../proto/bytes.ts'
import { parseAddress } from '../../proto/chain/address.ts'
import { type ContractCodec, gatewayKey } from '../../proto/chain/contract-codec.ts'
import { ethereumAddress } from '../../proto/crypto/secp256k1.ts'
import { isWattproofError } from '../../proto/errors.ts'
import type { AnchorAttempt, AnchorStore, ChainNode, Clock, Log, StoredBatch } from '../ports.ts'
import type { AnchorContext } from './anchor-context.ts'
import {
  ANCHOR_PACE,
  type AnchorPace,
  type AnchorStep,
  type AnchorTrouble,
  backoffMs,
  trouble
} from './anchor-step.ts'
import { adoptAttempt, signAttempt } from './attempt.ts'
import { createContractReader, type FoundAnchor } from './contract-reader.ts'
import { InFlight } from './in-flight.ts'
import { isStuck, type Position, readPosition } from './position.ts'

/** Looks at a gap before it is believed. */
const GAP_LOOKS = 3

export interface AnchorLoopOptions {
  readonly store: AnchorStore
  readonly chain: ChainNode
  readonly clock: Clock
  readonly log: Log
  /** for the chain's kind: createContractCodec(keccak256) on EVM */
  readonly codec: ContractCodec
  readonly contract: string
  /** the gateway's id as configured */
  readonly gateway: string
  /** secp256k1, 32 octets: the gateway's signer in the registry */
  readonly privateKey: Uint8Array
  /** accounts before it: used as long as the registry names one of them */
  readonly earlierKeys?: readonly Uint8Array[]
  /** undefined: the chain of the attempts in the store, else whatever chain answers first */
  readonly chainId?: bigint
  /** blocks that make an anchor final, its own counted; 1 on PBFT-family chains */
  readonly confirmations?: number
  /** a first anchor with its epoch costs 160 000, a later one 55 000; no estimate is asked for, it fails on doubt */
  readonly gasLimit?: bigint
  readonly gasPrice?: bigint
  readonly pace?: Partial<AnchorPace>
  /** 0 <= x < 1 */
  readonly random: () => number
  /** a trouble began, changed (its kind), or is over (undefined) */
  readonly onTrouble?: (trouble: AnchorTrouble | undefined) => void
}

export interface AnchorStatus {
  readonly account: string
  readonly contract: string
  /** height last seen; 0n before the first look */
  readonly height: bigint
  readonly trouble: AnchorTrouble | undefined
}

/**
 * Brings the store's batches on chain, one transaction in flight, in the order they were sealed.
 * Everything it must not forget is in the store before it is sent, so a kill at any point resumes.
 */
export class AnchorLoop {
  readonly #options: AnchorLoopOptions
  readonly #context: AnchorContext
  readonly #inFlight: InFlight
  /** the registry's signer among our accounts; the newest until it was asked */
  #account: string
  #privateKey: Uint8Array
  #chainId: bigint | undefined
  #proved = false
  #trouble: AnchorTrouble | undefined
  #failures = 0
  #givenUp: string | undefined
  #gapLooks = 0

  constructor(options: AnchorLoopOptions) {
    const { store, chain, clock, log, codec, contract, random } = options
    this.#options = options
    this.#context = {
      ...{ store, chain, clock, log, codec, contract, random },
      reader: createContractReader(chain, contract, codec),
      gateway: gatewayKey(options.gateway),
      confirmations: BigInt(options.confirmations ?? 1),
      pace: { ...ANCHOR_PACE, ...options.pace }
    }
    this.#inFlight = new InFlight(this.#context)
    this.#privateKey = options.privateKey
    this.#account = ethereumAddress(options.privateKey)
    this.#chainId = options.chainId
  }

  status(): AnchorStatus {
    const { contract } = this.#context
    return { account: this.#account, contract, height: this.#inFlight.height, trouble: this.#trouble }
  }

  /** Works until the signal aborts. Rejects only on a damaged store or a defect. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pace, random } = this.#context
    while (!signal.aborted) {
      const step = await this.#stepOrFail()
      if (step.kind === 'moved') continue
      const troubled = step.kind === 'trouble' ? backoffMs(pace, this.#failures, random) : pace.idleMs
      const waitMs = step.kind === 'waiting' ? step.waitMs : troubled
      try {
        await clock.wait(waitMs, signal)
      } catch (error) {
        if (!signal.aborted) throw error
      }
    }
  }

  /** A disk that is full or busy is no end: what was sent is found again on chain. */
  async #stepOrFail(): Promise<AnchorStep | { readonly kind: 'trouble' }> {
    try {
      return await this.step()
    } catch (error) {
      if (!isWattproofError(error) || error.code === 'STORE_CORRUPT') throw error
      this.#failures += 1
      this.#proved = false
      this.#context.log.error('anchor-failed', { error })
      return { kind: 'trouble' }
    }
  }

  /** One unit of progress: what the chain does wrong is in the answer, never thrown. */
  async step(): Promise<AnchorStep> {
    const step = await this.#advance().catch(chainTrouble)
    if (step.kind === 'trouble') {
      this.#failures += 1
      // Whatever it was, the chain is proved again before anything else is believed.
      this.#proved = false
      this.#note(step.trouble)
    } else if (step.kind !== 'waiting') {
      this.#failures = 0
      this.#note(undefined)
    }
    return step
  }

  async #advance(): Promise<AnchorStep> {
    const { store } = this.#context
    const chainId = await this.#prove()
    if (typeof chainId !== 'bigint') return chainId
    const attempt = store.inFlight()
    if (attempt !== undefined) return this.#inFlight.follow(attempt)
    const batch = store.nextUnanchored()
    return batch === undefined ? { kind: 'idle' } : this.#begin(batch, chainId)
  }

  /** The right chain, our contract on it, and this account admitted: asked at start and after every trouble. */
  async #prove(): Promise<bigint | AnchorStep> {
    const { chain, reader, store, gateway, contract, log } = this.#context
    if (this.#proved && this.#chainId !== undefined) return this.#chainId
    const chainId = await chain.chainId()
    const known = this.#chainId ?? store.attempts({ newestFirst: true, limit: 1 })[0]?.chainId
    if (known !== undefined && known !== chainId) {
      return trouble('wrongChain', `the nodes are on chain ${chainId}, this gateway anchors on ${known}`)
    }
    const version = await reader.version().catch((error: unknown) => {
      if (isForeignAnswer(error)) return undefined
      throw error
    })
    if (version === undefined) return trouble('noContract', `no MeterAnchor contract at ${contract}`)
    const entry = await reader.gateway(gateway)
    if (entry.status !== 'active' || !this.#takeAccount(entry.signer)) {
      const detail = `gateway ${this.#options.gateway} (${toHex(gateway)}) is ${entry.status}`
      return trouble(
        'notAdmitted',
        `${detail}, its signer 0x${toHex(entry.signer)}, this account ${this.#account}`
      )
    }
    this.#chainId = chainId
    this.#proved = true
    log.info('anchor-chain', { chainId, contract, account: this.#account, version })
    return chainId
  }

  /** Goes on with the account the registry names, so that anchoring never waits for a rotation. @returns whether it is one of ours */
  #takeAccount(signer: Uint8Array): boolean {
    const { privateKey, earlierKeys = [] } = this.#options
    const key = [privateKey, ...earlierKeys].find(own =>
      equalBytes(signer, parseAddress(ethereumAddress(own)))
    )
    this.#privateKey = key ?? privateKey
    this.#account = ethereumAddress(this.#privateKey)
    return key !== undefined
  }

  /** Builds the next attempt, or finds that none is needed. */
  async #begin(oldest: StoredBatch, chainId: bigint): Promise<AnchorStep> {
    const { pace } = this.#context
    const waitMs = this.#spreadMs(oldest)
    if (waitMs > 0) return { kind: 'waiting', waitMs: Math.min(waitMs, pace.pollMs) }
    const account = await this.#readAccount(chainId)
    if (account.kind !== 'account') return account
    const { batch, position } = await this.#choose(oldest)
    // A node a few blocks behind shows an older head: a gap counts when it stays.
    this.#gapLooks = position.kind === 'gap' ? this.#gapLooks + 1 : 0
    if (position.kind === 'gap' && this.#gapLooks <= GAP_LOOKS)
      return { kind: 'waiting', waitMs: pace.pollMs }
    // Refused content is offered once all the same: the contract's event is the evidence.
    const offered = position.kind !== 'conflict' || this.#wasOffered(batch)
    if (position.kind === 'gap' || (isStuck(position) && offered))
      return trouble(position.kind, position.detail)
    if (position.kind === 'recorded' && position.found !== undefined) {
      return this.#adopt(batch, position.found, chainId)
    }
    // A node without old logs: a repeat of the head is a no-op that says as much.
    return this.#build(batch, position.kind === 'newEpoch', account)
  }

  /** Where the account stands: the nonce to take next. */
  async #readAccount(chainId: bigint): Promise<AccountState | AnchorStep> {
    const { chain, store, log } = this.#context
    const nonce = await chain.nonce(this.#account)
    const last = store.lastNonce(chainId, this.#account)
    const blocked = last === nonce ? this.#blockedAt(nonce) : undefined
    if (last !== undefined && nonce <= last && blocked === undefined) {
      const count = await this.#inFlight.refill(chainId, this.#account, nonce, last + 1n)
      return trouble('chainBehind', `the chain wants nonce ${nonce}, ${last} was mined; ${count} sent again`)
    }
    if (last !== undefined && nonce > last + 1n) log.warn('anchor-key-used-elsewhere', { nonce, last })
    return { kind: 'account', chainId, nonce, blocked }
  }

  /** The oldest batch, or, where its epoch can never go on, the oldest of a later one. */
  async #choose(oldest: StoredBatch): Promise<{ batch: StoredBatch; position: Position }> {
    const { reader, store, gateway, log } = this.#context
    const position = await readPosition(reader, gateway, oldest)
    if (!isStuck(position) || (position.kind === 'conflict' && !this.#wasOffered(oldest))) {
      return { batch: oldest, position }
    }
    const later = store.nextUnanchored(oldest.epoch)
    if (later === undefined || equalBytes(later.epoch, oldest.epoch)) return { batch: oldest, position }
    const epoch = toHex(oldest.epoch)
    if (this.#givenUp !== epoch) log.error('anchor-epoch-given-up', { epoch, seq: oldest.seq, ...position })
    this.#givenUp = epoch
    return { batch: later, position: await readPosition(reader, gateway, later) }
  }

  /** On chain already, by an aggregator or by a transaction this store has lost: final by its event. */
  async #adopt(batch: StoredBatch, found: FoundAnchor, chainId: bigint): Promise<AnchorStep> {
    const { store, chain, confirmations, pace } = this.#context
    if ((await chain.height()) + 1n < found.place.blockNumber + confirmations) {
      return { kind: 'waiting', waitMs: pace.pollMs }
    }
    store.saveAttempt(adoptAttempt(batch, chainId, found, this.#number(batch)))
    return { kind: 'moved', to: 'final', txHash: found.place.txHash }
  }

  /** Signs the transaction and has the store keep it before anyone sees it. */
  #build(batch: StoredBatch, opensEpoch: boolean, account: AccountState): AnchorStep {
    const { codec, contract, gateway, store, log } = this.#context
    const { gasLimit = 400000n, gasPrice = 0n } = this.#options
    const { chainId, nonce, blocked } = account
    const plan = { batch, gateway, opensEpoch, contract, chainId, nonce, gasLimit, gasPrice }
    const attempt = signAttempt(plan, codec, this.#privateKey, this.#number(batch))
    const { txHash } = attempt
    // Refused for good before, and nothing has changed here: the mend was on the node's side.
    if (blocked?.txHash === txHash) store.updateAttempt(txHash, { state: 'built' })
    else store.saveAttempt(attempt)
    log.info('anchor-built', { tx: txHash, epoch: toHex(batch.epoch), seq: batch.seq, n: attempt.n, nonce })
    return { kind: 'moved', to: 'built', txHash }
  }

  #number(batch: StoredBatch): { n: number; createdAt: number } {
    const { store, clock } = this.#context
    const recent = store.attempts({ newestFirst: true, limit: 64 })
    return { n: recent.filter(attempt => isOf(attempt, batch)).length + 1, createdAt: clock.nowMs() }
  }

  /** How long this batch has to wait for the gateway's own place in the slot. */
  #spreadMs(batch: StoredBatch): number {
    const { pace, gateway, clock } = this.#context
    if (pace.spreadMs <= 0) return 0
    const place = new DataView(gateway.buffer, gateway.byteOffset).getUint32(0) % pace.spreadMs
    const leftMs = batch.createdAt + place - clock.nowMs()
    // A wall clock set back must not hold anchors up.
    return leftMs > pace.spreadMs ? 0 : leftMs
  }

  #wasOffered(batch: StoredBatch): boolean {
    const conflicts = this.#context.store.attempts({ state: 'conflict', newestFirst: true, limit: 64 })
    return conflicts.some(attempt => isOf(attempt, batch))
  }

  #blockedAt(nonce: bigint): AnchorAttempt | undefined {
    const blocked = this.#context.store.attempts({ state: 'blocked', newestFirst: true, limit: 16 })
    return blocked.find(attempt => attempt.nonce === nonce && attempt.from === this.#account)
  }

  #note(now: AnchorTrouble | undefined): void {
    const before = this.#trouble
    this.#trouble = now
    if (before?.kind === now?.kind) return
    const { log } = this.#context
    if (now === undefined) log.info('anchor-trouble-over', { was: before?.kind })
    else log.error('anchor-trouble', { kind: now.kind, detail: now.detail })
    this.#options.onTrouble?.(now)
  }
}

interface AccountState {
  readonly kind: 'account'
  readonly chainId: bigint
  readonly nonce: bigint
  /** a transaction with this nonce that nodes refused for good */
  readonly blocked: AnchorAttempt | undefined
}

function isOf(attempt: AnchorAttempt, { epoch, seq }: StoredBatch): boolean {
  return attempt.seq === seq && equalBytes(attempt.epoch, epoch)
}

/** No contract of ours there: an empty answer, another contract's answer, or its revert. */
function isForeignAnswer(error: unknown): boolean {
  return isWattproofError(error) && (error.code.startsWith('CODEC_') || error.code === 'CHAIN_REVERTED')
}

/** Faults of the chain are waited out; anything else is a defect or the store's. */
function chainTrouble(error: unknown): AnchorStep {
  if (!isWattproofError(error)) throw error
  if (error.code === 'CHAIN_WRONG_CHAIN') return trouble('wrongChain', error.message)
  if (error.code.startsWith('CHAIN_') || error.code.startsWith('CODEC_')) {
    return trouble('unreachable', `${error.message} (${error.code})`)
  }
  throw error
}
