import { equalBytes, toHex } from '../../proto/bytes.ts'
import { type ContractCodec, gatewayKey } from '../../proto/chain/contract-codec.ts'
import { isWattproofError } from '../../proto/errors.ts'
import type { AnchorAttempt, AnchorStore, Attempt, ChainNode, Clock, Log, StoredBatch } from '../ports.ts'
import { type AccountState, readAccount } from './account.ts'
import { AlarmFiling } from './alarm-filing.ts'
import type { AnchorContext } from './anchor-context.ts'
import {
  ANCHOR_PACE,
  type AnchorPace,
  type AnchorStep,
  type AnchorTrouble,
  backoffMs,
  chainTrouble,
  trouble
} from './anchor-step.ts'
import { adoptedAttempt, anchorCall, builtAttempt } from './attempt.ts'
import { createContractReader, type FoundAnchor, isForeignAnswer } from './contract-reader.ts'
import { InFlight } from './in-flight.ts'
import { isStuck, type Position, readPosition } from './position.ts'
import { Wallet, type WalletOptions } from './wallet.ts'

/** Looks at a gap before it is believed. */
const GAP_LOOKS = 3

export interface AnchorLoopOptions extends WalletOptions {
  readonly store: AnchorStore
  readonly chain: ChainNode
  readonly clock: Clock
  readonly log: Log
  /** for the chain's kind: createContractCodec(keccak256) on EVM */
  readonly codec: ContractCodec
  /** the gateway's id as configured; privateKey is its signer in the registry */
  readonly gateway: string
  /** undefined: the chain of the attempts in the store, else whatever chain answers first */
  readonly chainId?: bigint
  /** blocks that make an anchor final, its own counted; 1 on PBFT-family chains */
  readonly confirmations?: number
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
 * Brings the store's batches on chain, one transaction in flight, in the order they were sealed; alarms that are due are filed in between.
 * Everything it must not forget is in the store before it is sent, so a kill at any point resumes.
 */
export class AnchorLoop {
  readonly #options: AnchorLoopOptions
  readonly #context: AnchorContext
  readonly #inFlight: InFlight
  readonly #filing: AlarmFiling
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
      wallet: new Wallet(options),
      confirmations: BigInt(options.confirmations ?? 1),
      pace: { ...ANCHOR_PACE, ...options.pace }
    }
    this.#inFlight = new InFlight(this.#context)
    this.#filing = new AlarmFiling(this.#context)
    this.#chainId = options.chainId
  }

  status(): AnchorStatus {
    const { wallet, contract } = this.#context
    return { account: wallet.account, contract, height: this.#inFlight.height, trouble: this.#trouble }
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
    } else if (step.kind === 'idle' || (step.kind === 'moved' && step.of === 'anchor')) {
      // A filed alarm says nothing about what keeps the anchors.
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
    if (attempt !== undefined) return this.#follow(attempt)
    const batch = store.nextUnanchored()
    const alarm = this.#filing.next(batch !== undefined)
    if (alarm !== undefined) {
      // Asked again for each of the few: a revert costs a nonce, and on some nodes a place in the pool.
      this.#proved = false
      const proved = await this.#prove()
      const account =
        typeof proved === 'bigint' ? await readAccount(this.#context, this.#inFlight, proved) : proved
      if (account.kind !== 'account') return account
      // A nonce whose octets a node refused goes to those octets first, an alarm's or an anchor's.
      const { blocked } = account
      const owner = blocked !== undefined && 'alarm' in blocked ? this.#filing.retried(blocked) : undefined
      const isAnchors = blocked !== undefined && !('alarm' in blocked) && batch !== undefined
      if (!isAnchors) return this.#filing.file(owner ?? alarm, account)
    }
    this.#filing.yielded()
    return batch === undefined ? { kind: 'idle' } : this.#begin(batch, chainId)
  }

  async #follow(attempt: Attempt): Promise<AnchorStep> {
    const step = await this.#inFlight.follow(attempt)
    if ('alarm' in attempt) this.#filing.note(attempt, step)
    // The registry may have changed since it was asked: the anchors must not run into the same.
    if (step.kind === 'moved' && step.to === 'blocked') this.#proved = false
    return step
  }

  /** The right chain, our contract on it, and this account admitted: asked at start and after every trouble. */
  async #prove(): Promise<bigint | AnchorStep> {
    const { chain, reader, store, gateway, wallet, contract, log } = this.#context
    if (this.#proved && this.#chainId !== undefined) return this.#chainId
    const chainId = await chain.chainId()
    const newest = { newestFirst: true, limit: 1 }
    const known = this.#chainId ?? (store.attempts(newest)[0] ?? store.alarmAttempts(newest)[0])?.chainId
    if (known !== undefined && known !== chainId) {
      return trouble('wrongChain', `the nodes are on chain ${chainId}, this gateway anchors on ${known}`)
    }
    const version = await reader.version().catch((error: unknown) => {
      if (isForeignAnswer(error)) return undefined
      throw error
    })
    if (version === undefined) return trouble('noContract', `no MeterAnchor contract at ${contract}`)
    const entry = await reader.gateway(gateway)
    if (entry.status !== 'active' || !wallet.take(entry.signer)) {
      this.#filing.release()
      const detail = `gateway ${this.#options.gateway} (${toHex(gateway)}) is ${entry.status}`
      return trouble(
        'notAdmitted',
        `${detail}, its signer 0x${toHex(entry.signer)}, this account ${wallet.account}`
      )
    }
    this.#chainId = chainId
    this.#proved = true
    log.info('anchor-chain', { chainId, contract, account: wallet.account, version })
    return chainId
  }

  /** Builds the next attempt, or finds that none is needed. */
  async #begin(oldest: StoredBatch, chainId: bigint): Promise<AnchorStep> {
    const { pace } = this.#context
    const waitMs = this.#spreadMs(oldest)
    if (waitMs > 0) return { kind: 'waiting', waitMs: Math.min(waitMs, pace.pollMs) }
    const account = await readAccount(this.#context, this.#inFlight, chainId)
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
  async #adopt(batch: StoredBatch, { anchor, place }: FoundAnchor, chainId: bigint): Promise<AnchorStep> {
    const { store, chain, clock, confirmations, pace } = this.#context
    if ((await chain.height()) + 1n < place.blockNumber + confirmations) {
      return { kind: 'waiting', waitMs: pace.pollMs }
    }
    const { epoch, seq } = batch
    const found = { by: anchor.by, place }
    store.saveAttempt({ epoch, seq, ...adoptedAttempt(found, chainId, this.#number(batch), clock.nowMs()) })
    return { kind: 'moved', of: 'anchor', to: 'final', txHash: place.txHash }
  }

  /** Signs the transaction and has the store keep it before anyone sees it. */
  #build(batch: StoredBatch, opensEpoch: boolean, account: AccountState): AnchorStep {
    const { codec, gateway, store, clock, log, wallet } = this.#context
    const { chainId, nonce, blocked } = account
    const { epoch, seq } = batch
    const n = this.#number(batch)
    const signed = wallet.sign(anchorCall(codec, gateway, batch, opensEpoch), chainId, nonce)
    const { txHash } = signed
    // Refused for good before, and nothing has changed here: the mend was on the node's side.
    if (blocked?.txHash === txHash) store.updateAttempt(txHash, { state: 'built' })
    else store.saveAttempt({ epoch, seq, ...builtAttempt(signed, n, clock.nowMs()) })
    log.info('anchor-built', { tx: txHash, epoch: toHex(epoch), seq, n, nonce })
    return { kind: 'moved', of: 'anchor', to: 'built', txHash }
  }

  #number(batch: StoredBatch): number {
    const recent = this.#context.store.attempts({ newestFirst: true, limit: 64 })
    return recent.filter(attempt => isOf(attempt, batch)).length + 1
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

function isOf(attempt: AnchorAttempt, { epoch, seq }: StoredBatch): boolean {
  return attempt.seq === seq && equalBytes(attempt.epoch, epoch)
}
