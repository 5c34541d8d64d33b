import { toHex } from '../../proto/bytes.ts'
import { decodeLegacyTransaction } from '../../proto/chain/transaction.ts'
import type { AnchorState, Attempt, ChainReceipt, SubmitOutcome } from '../ports.ts'
import type { AnchorContext } from './anchor-context.ts'
import { type AnchorStep, backoffMs, type MovedStep, trouble } from './anchor-step.ts'
import { type Subject, subjectOf } from './subject.ts'

/** Looks without a receipt after the nonce was taken, before another transaction is believed to have taken it. */
const DOUBTS_MAX = 3
/** Transactions handed in again at a time after the chain lost blocks. */
const REFILL_MAX = 64

/** What is known of the attempt in flight since this process started; nothing here has to survive. */
interface Watch {
  readonly txHash: string
  /** monotonic; undefined: not handed in by this process yet */
  sentAtMs: number | undefined
  heightWhenSent: bigint
  /** monotonic; not before this is it handed in again */
  notBeforeMs: number
  refusals: number
  doubts: number
  minedSeenAtMs: number | undefined
}

/** Brings the one attempt in flight to its end: the same octets until the chain has them, whatever it takes. */
export class InFlight {
  readonly #context: AnchorContext
  #watch: Watch | undefined
  #height = 0n
  #heightMovedAtMs = 0

  constructor(context: AnchorContext) {
    this.#context = context
  }

  /** Height last seen. */
  get height(): bigint {
    return this.#height
  }

  /** One unit of progress. */
  follow(attempt: Attempt): Promise<AnchorStep> {
    return this.#follow(attempt, subjectOf(this.#context, attempt))
  }

  async #follow(attempt: Attempt, subject: Subject): Promise<AnchorStep> {
    if (this.#watch?.txHash !== attempt.txHash) this.#watch = newWatch(attempt.txHash)
    const receipt = await this.#context.chain.receipt(attempt.txHash)
    if (attempt.state === 'mined') return this.#confirm(attempt, subject, receipt, this.#watch)
    if (receipt === undefined) return this.#press(attempt, subject, this.#watch)
    return this.#judge(attempt, subject, receipt)
  }

  /**
   * Hands in again, in their order, the mined transactions the chain has lost since: it wants `from` next.
   * @returns how many there were
   */
  async refill(chainId: bigint, account: string, from: bigint, below: bigint): Promise<number> {
    const { store, chain, log } = this.#context
    const lost = store.transactions({ chainId, from: account }, from, below, REFILL_MAX)
    for (const attempt of lost) {
      const outcome = await chain.submit(attempt.raw, attempt.txHash)
      log.warn('anchor-handed-in-again', { tx: attempt.txHash, nonce: attempt.nonce, outcome: outcome.kind })
    }
    return lost.length
  }

  /** No receipt anywhere: send, wait, or find out who took the nonce. */
  async #press(attempt: Attempt, subject: Subject, watch: Watch): Promise<AnchorStep> {
    const { chain, clock, pace } = this.#context
    const nonce = await chain.nonce(attempt.from)
    if (nonce > attempt.nonce) return this.#doubt(attempt, subject, watch)
    if (nonce < attempt.nonce) {
      const count = await this.refill(attempt.chainId, attempt.from, nonce, attempt.nonce)
      return trouble(
        'chainBehind',
        `the chain wants nonce ${nonce}, ${attempt.nonce} is in flight; ${count} sent again`
      )
    }
    const now = clock.monotonicMs()
    await this.#seeHeight(now)
    if (watch.sentAtMs === undefined) return this.#send(attempt, subject, watch, now)
    const stillSinceMs = now - Math.max(watch.sentAtMs, this.#heightMovedAtMs)
    if (stillSinceMs >= pace.haltAfterMs) {
      return trouble('halted', `no block after ${this.#height} for ${Math.round(stillSinceMs / 1000)} s`)
    }
    if (now < watch.notBeforeMs) return { kind: 'waiting', waitMs: pace.pollMs }
    // Accepted and the chain stands still: sending again would only fill a pool that nobody empties.
    if (attempt.state === 'sent' && watch.refusals === 0 && this.#height === watch.heightWhenSent) {
      return { kind: 'waiting', waitMs: pace.pollMs }
    }
    return this.#send(attempt, subject, watch, now)
  }

  async #send(attempt: Attempt, subject: Subject, watch: Watch, now: number): Promise<AnchorStep> {
    const { chain, store, log, pace, random } = this.#context
    const outcome = await chain.submit(attempt.raw, attempt.txHash)
    const taken = outcome.kind === 'accepted' || outcome.kind === 'known'
    const fields = { tx: attempt.txHash, ...subject.fields, nonce: attempt.nonce, outcome: outcome.kind }
    log[taken ? 'info' : 'warn'](`${subject.kind}-sent`, { ...fields, detail: detailOf(outcome) })
    if (outcome.kind === 'permanent') {
      store.updateAttempt(attempt.txHash, { state: 'blocked', detail: outcome.detail })
      return trouble('refused', outcome.detail)
    }
    watch.sentAtMs ??= now
    watch.heightWhenSent = this.#height
    watch.refusals = taken ? 0 : watch.refusals + 1
    watch.notBeforeMs = now + (taken ? pace.resendAfterMs : backoffMs(pace, watch.refusals, random))
    // Whatever the answer but 'busy' and 'gap', it may have landed.
    const mayHaveLanded = outcome.kind !== 'busy' && outcome.kind !== 'gap'
    if (attempt.state === 'sent' || !mayHaveLanded) return { kind: 'waiting', waitMs: pace.pollMs }
    store.updateAttempt(attempt.txHash, { state: 'sent', detail: detailOf(outcome) })
    return movedTo('sent', attempt, subject)
  }

  async #seeHeight(now: number): Promise<void> {
    const height = await this.#context.chain.height()
    if (height !== this.#height) this.#heightMovedAtMs = now
    this.#height = height
  }

  /** The nonce is gone and there is no receipt: what stands on chain decides. */
  async #doubt(attempt: Attempt, subject: Subject, watch: Watch): Promise<AnchorStep> {
    const { store, pace } = this.#context
    watch.doubts += 1
    if (watch.doubts <= DOUBTS_MAX) return { kind: 'waiting', waitMs: pace.pollMs }
    const detail = `nonce ${attempt.nonce} was taken by another transaction`
    const word = await subject.askChain()
    if (word === 'other') return this.#conflict(attempt, subject, null)
    // Recorded through another transaction: left to the loop, which finds it on chain and makes it final.
    store.updateAttempt(attempt.txHash, { state: 'blocked', detail })
    return trouble('keyUsedElsewhere', detail)
  }

  /** First sight of a receipt. */
  async #judge(attempt: Attempt, subject: Subject, receipt: ChainReceipt): Promise<AnchorStep> {
    const { store, log } = this.#context
    if (receipt.status === 'reverted') return this.#reverted(attempt, subject, receipt)
    const word = subject.isProvedBy(receipt) ? 'ours' : await subject.askChain()
    if (word === 'other') return this.#conflict(attempt, subject, receipt)
    if (word === 'missing') return { kind: 'waiting', waitMs: this.#context.pace.pollMs }
    const { blockNumber, blockHash } = receipt
    store.updateAttempt(attempt.txHash, { state: 'mined', blockNumber, blockHash })
    log.info(`${subject.kind}-mined`, { tx: attempt.txHash, ...subject.fields, block: blockNumber })
    return movedTo('mined', attempt, subject)
  }

  /** Mined: final when deep enough and still in the same block at a second look. */
  async #confirm(
    attempt: Attempt,
    subject: Subject,
    receipt: ChainReceipt | undefined,
    watch: Watch
  ): Promise<AnchorStep> {
    const { store, log, clock, pace, confirmations } = this.#context
    if (receipt === undefined) {
      store.updateAttempt(attempt.txHash, { state: 'sent', blockNumber: null, blockHash: null })
      this.#watch = newWatch(attempt.txHash)
      return trouble(
        'reorganised',
        `block ${attempt.blockNumber} with ${attempt.txHash} is no longer in the chain`
      )
    }
    if (receipt.blockHash !== attempt.blockHash) {
      log.warn(`${subject.kind}-block-changed`, {
        tx: attempt.txHash,
        from: attempt.blockNumber,
        to: receipt.blockNumber
      })
      watch.minedSeenAtMs = undefined
      return this.#judge(attempt, subject, receipt)
    }
    const now = clock.monotonicMs()
    watch.minedSeenAtMs ??= now
    await this.#seeHeight(now)
    const deep = this.#height + 1n >= receipt.blockNumber + confirmations
    const leftMs = watch.minedSeenAtMs + pace.settleMs - now
    if (!deep || leftMs > 0) return { kind: 'waiting', waitMs: deep ? leftMs : pace.pollMs }
    store.updateAttempt(attempt.txHash, { state: 'final', finalAt: clock.nowMs() })
    log.info(`${subject.kind}-final`, { tx: attempt.txHash, ...subject.fields, block: receipt.blockNumber })
    return movedTo('final', attempt, subject)
  }

  async #reverted(attempt: Attempt, subject: Subject, receipt: ChainReceipt): Promise<AnchorStep> {
    const { chain, codec, store, contract, log } = this.#context
    const { data } = decodeLegacyTransaction(attempt.raw)
    const again = await chain.simulate(attempt.from, contract, data)
    const revert = again.kind === 'reverted' ? codec.decodeRevert(again.data) : undefined
    const fields = Object.entries(revert?.fields ?? {}).map(([name, v]) => `${name} ${formatField(v)}`)
    const detail =
      revert === undefined ? 'reverted; it would succeed now' : `${revert.name} ${fields.join(', ')}`.trim()
    // The nonce is burned; the loop reads the chain and decides anew.
    const { blockNumber, blockHash } = receipt
    store.updateAttempt(attempt.txHash, { state: 'blocked', detail, blockNumber, blockHash })
    if (subject.kind === 'anchor') return trouble('reverted', detail)
    // An alarm that cannot be filed is no trouble of the anchors.
    log.error('filing-reverted', { tx: attempt.txHash, ...subject.fields, detail })
    return movedTo('blocked', attempt, subject)
  }

  #conflict(attempt: Attempt, { conflict: detail }: Subject, receipt: ChainReceipt | null): AnchorStep {
    this.#context.store.updateAttempt(attempt.txHash, {
      state: 'conflict',
      detail,
      blockNumber: receipt?.blockNumber ?? null,
      blockHash: receipt?.blockHash ?? null
    })
    return trouble('conflict', detail)
  }
}

function newWatch(txHash: string): Watch {
  return {
    txHash,
    sentAtMs: undefined,
    heightWhenSent: 0n,
    notBeforeMs: 0,
    refusals: 0,
    doubts: 0,
    minedSeenAtMs: undefined
  }
}

function movedTo(to: AnchorState, { txHash }: Attempt, { kind }: Subject): MovedStep {
  return { kind: 'moved', of: kind, to, txHash }
}

function detailOf(outcome: SubmitOutcome): string | null {
  return 'detail' in outcome ? outcome.detail : null
}

function formatField(value: unknown): string {
  return value instanceof Uint8Array ? toHex(value) : String(value)
}
