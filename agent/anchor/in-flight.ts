import { equalBytes, toHex } from '../../proto/bytes.ts'
import { type AnchorRecord, decodeAnchorCall, decodeAnchored } from '../../proto/chain/anchor-record.ts'
import { decodeLegacyTransaction } from '../../proto/chain/transaction.ts'
import { CodecError } from '../../proto/errors.ts'
import type { AnchorAttempt, ChainReceipt, SubmitOutcome } from '../ports.ts'
import type { AnchorContext } from './anchor-context.ts'
import { type AnchorStep, backoffMs, trouble } from './anchor-step.ts'

/** Looks without a receipt after the nonce was taken, before another transaction is believed to have taken it. */
const DOUBTS_MAX = 3
/** Lower attempts handed in again at a time after the chain lost blocks. */
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
  async follow(attempt: AnchorAttempt): Promise<AnchorStep> {
    if (this.#watch?.txHash !== attempt.txHash) this.#watch = newWatch(attempt.txHash)
    const receipt = await this.#context.chain.receipt(attempt.txHash)
    if (attempt.state === 'mined') return this.#confirm(attempt, receipt, this.#watch)
    return receipt === undefined ? this.#press(attempt, this.#watch) : this.#judge(attempt, receipt)
  }

  /**
   * Hands in again, in their order, the mined transactions the chain has lost since: it wants `from` next.
   * @returns how many there were
   */
  async refill(chainId: bigint, account: string, from: bigint, below: bigint): Promise<number> {
    const { store, chain, log } = this.#context
    const lost = store
      .attempts({ newestFirst: true, limit: 4 * REFILL_MAX })
      .filter(a => a.chainId === chainId && a.from === account && a.raw.length > 0)
      .filter(a => a.nonce >= from && a.nonce < below)
      .sort((a, b) => (a.nonce < b.nonce ? -1 : 1))
      .slice(0, REFILL_MAX)
    for (const attempt of lost) {
      const outcome = await chain.submit(attempt.raw, attempt.txHash)
      log.warn('anchor-handed-in-again', { tx: attempt.txHash, nonce: attempt.nonce, outcome: outcome.kind })
    }
    return lost.length
  }

  /** No receipt anywhere: send, wait, or find out who took the nonce. */
  async #press(attempt: AnchorAttempt, watch: Watch): Promise<AnchorStep> {
    const { chain, clock, pace } = this.#context
    const nonce = await chain.nonce(attempt.from)
    if (nonce > attempt.nonce) return this.#doubt(attempt, watch)
    if (nonce < attempt.nonce) {
      const count = await this.refill(attempt.chainId, attempt.from, nonce, attempt.nonce)
      return trouble(
        'chainBehind',
        `the chain wants nonce ${nonce}, ${attempt.nonce} is in flight; ${count} sent again`
      )
    }
    const now = clock.monotonicMs()
    await this.#seeHeight(now)
    if (watch.sentAtMs === undefined) return this.#send(attempt, watch, now)
    const stillSinceMs = now - Math.max(watch.sentAtMs, this.#heightMovedAtMs)
    if (stillSinceMs >= pace.haltAfterMs) {
      return trouble('halted', `no block after ${this.#height} for ${Math.round(stillSinceMs / 1000)} s`)
    }
    if (now < watch.notBeforeMs) return { kind: 'waiting', waitMs: pace.pollMs }
    // Accepted and the chain stands still: sending again would only fill a pool that nobody empties.
    if (attempt.state === 'sent' && watch.refusals === 0 && this.#height === watch.heightWhenSent) {
      return { kind: 'waiting', waitMs: pace.pollMs }
    }
    return this.#send(attempt, watch, now)
  }

  async #send(attempt: AnchorAttempt, watch: Watch, now: number): Promise<AnchorStep> {
    const { chain, store, log, pace, random } = this.#context
    const outcome = await chain.submit(attempt.raw, attempt.txHash)
    const taken = outcome.kind === 'accepted' || outcome.kind === 'known'
    const fields = { tx: attempt.txHash, seq: attempt.seq, nonce: attempt.nonce, outcome: outcome.kind }
    log[taken ? 'info' : 'warn']('anchor-sent', { ...fields, detail: detailOf(outcome) })
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
    return { kind: 'moved', to: 'sent', txHash: attempt.txHash }
  }

  async #seeHeight(now: number): Promise<void> {
    const height = await this.#context.chain.height()
    if (height !== this.#height) this.#heightMovedAtMs = now
    this.#height = height
  }

  /** The nonce is gone and there is no receipt: the contract's head decides. */
  async #doubt(attempt: AnchorAttempt, watch: Watch): Promise<AnchorStep> {
    const { store, pace } = this.#context
    watch.doubts += 1
    if (watch.doubts <= DOUBTS_MAX) return { kind: 'waiting', waitMs: pace.pollMs }
    const anchor = this.#anchorOf(attempt)
    const detail = `nonce ${attempt.nonce} was taken by another transaction`
    const word = await this.#askChain(anchor)
    if (word === 'other') return this.#conflict(attempt, anchor, null)
    // Recorded through another transaction: left to the loop, which finds it on chain and makes it final.
    store.updateAttempt(attempt.txHash, { state: 'blocked', detail })
    return trouble('keyUsedElsewhere', detail)
  }

  /** First sight of a receipt. */
  async #judge(attempt: AnchorAttempt, receipt: ChainReceipt): Promise<AnchorStep> {
    const { store, log } = this.#context
    if (receipt.status === 'reverted') return this.#reverted(attempt)
    const anchor = this.#anchorOf(attempt)
    // Without our event it was a repeat, a conflict or a stale offer: the chain's own state says which.
    const word = this.#hasOwnEvent(receipt, anchor) ? 'ours' : await this.#askChain(anchor)
    if (word === 'other') return this.#conflict(attempt, anchor, receipt)
    if (word === 'missing') return { kind: 'waiting', waitMs: this.#context.pace.pollMs }
    const { blockNumber, blockHash } = receipt
    store.updateAttempt(attempt.txHash, { state: 'mined', blockNumber, blockHash })
    log.info('anchor-mined', { tx: attempt.txHash, seq: attempt.seq, block: blockNumber })
    return { kind: 'moved', to: 'mined', txHash: attempt.txHash }
  }

  /** Mined: final when deep enough and still in the same block at a second look. */
  async #confirm(
    attempt: AnchorAttempt,
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
      log.warn('anchor-block-changed', {
        tx: attempt.txHash,
        from: attempt.blockNumber,
        to: receipt.blockNumber
      })
      watch.minedSeenAtMs = undefined
      return this.#judge(attempt, receipt)
    }
    const now = clock.monotonicMs()
    watch.minedSeenAtMs ??= now
    await this.#seeHeight(now)
    const deep = this.#height + 1n >= receipt.blockNumber + confirmations
    const leftMs = watch.minedSeenAtMs + pace.settleMs - now
    if (!deep || leftMs > 0) return { kind: 'waiting', waitMs: deep ? leftMs : pace.pollMs }
    store.updateAttempt(attempt.txHash, { state: 'final', finalAt: clock.nowMs() })
    log.info('anchor-final', { tx: attempt.txHash, seq: attempt.seq, block: receipt.blockNumber })
    return { kind: 'moved', to: 'final', txHash: attempt.txHash }
  }

  async #reverted(attempt: AnchorAttempt): Promise<AnchorStep> {
    const { chain, codec, store, contract } = this.#context
    const { data } = decodeLegacyTransaction(attempt.raw)
    const again = await chain.simulate(attempt.from, contract, data)
    const revert = again.kind === 'reverted' ? codec.decodeRevert(again.data) : undefined
    const fields = Object.entries(revert?.fields ?? {}).map(([name, v]) => `${name} ${formatField(v)}`)
    const detail =
      revert === undefined ? 'reverted; it would succeed now' : `${revert.name} ${fields.join(', ')}`.trim()
    // The nonce is burned; the loop reads the head and decides anew.
    store.updateAttempt(attempt.txHash, { state: 'blocked', detail })
    return trouble('reverted', detail)
  }

  #conflict(attempt: AnchorAttempt, anchor: AnchorRecord, receipt: ChainReceipt | null): AnchorStep {
    const detail = `the chain holds another anchor under number ${anchor.seq} of epoch ${toHex(anchor.epoch)}`
    this.#context.store.updateAttempt(attempt.txHash, {
      state: 'conflict',
      detail,
      blockNumber: receipt?.blockNumber ?? null,
      blockHash: receipt?.blockHash ?? null
    })
    return trouble('conflict', detail)
  }

  #hasOwnEvent(receipt: ChainReceipt, anchor: AnchorRecord): boolean {
    const { codec, contract } = this.#context
    return receipt.logs.some(log => {
      if (log.address.toLowerCase() !== contract.toLowerCase()) return false
      const event = decodeAnchored(codec, log)
      return event !== undefined && isSame(event, anchor)
    })
  }

  /** What the chain holds under the anchor's number: this one, another one, or nothing yet. */
  async #askChain(anchor: AnchorRecord): Promise<'ours' | 'other' | 'missing'> {
    const { reader } = this.#context
    const head = await reader.epoch(anchor.gateway, anchor.epoch)
    if (!head.opened || head.next <= anchor.seq) return 'missing'
    if (head.next === anchor.seq + 1) return equalBytes(head.head, anchor.anchorHash) ? 'ours' : 'other'
    const found = await reader.findAnchored(anchor.gateway, anchor.epoch, anchor.seq)
    if (found === undefined) return 'missing'
    return equalBytes(found.anchor.anchorHash, anchor.anchorHash) ? 'ours' : 'other'
  }

  #anchorOf(attempt: AnchorAttempt): AnchorRecord {
    const anchor = decodeAnchorCall(this.#context.codec, decodeLegacyTransaction(attempt.raw).data)
    if (anchor !== undefined) return anchor
    throw new CodecError('CODEC_SHAPE', 'an attempt in the store carries no anchor', { at: attempt.txHash })
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

function isSame(event: AnchorRecord, anchor: AnchorRecord): boolean {
  return (
    equalBytes(event.gateway, anchor.gateway) &&
    equalBytes(event.epoch, anchor.epoch) &&
    event.seq === anchor.seq &&
    equalBytes(event.anchorHash, anchor.anchorHash)
  )
}

function detailOf(outcome: SubmitOutcome): string | null {
  return 'detail' in outcome ? outcome.detail : null
}

function formatField(value: unknown): string {
  return value instanceof Uint8Array ? toHex(value) : String(value)
}
