import { type AlarmRecord, alarmArguments, alarmCode } from '../../proto/chain/alarm-record.ts'
import { alarmHash } from '../../proto/envelope/signed-objects.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { decodeAlarm } from '../../proto/wire/alarm.ts'
import { decodeSigned } from '../../proto/wire/signed.ts'
import type { AlarmAttempt, DueAlarm } from '../ports.ts'
import type { AccountState } from './account.ts'
import type { AnchorContext } from './anchor-context.ts'
import type { AnchorStep } from './anchor-step.ts'
import { adoptedAttempt, builtAttempt } from './attempt.ts'
import type { FoundAlarm } from './contract-reader.ts'

/** Transactions made for one alarm before it is left: each costs a nonce, and what reverted so often will revert again. */
const ATTEMPTS_MAX = 5
/** Refusals of an alarm's octets by a node before the nonce is let go to what comes next. */
const REFUSALS_MAX = 3
/** Alarms filed one after another while an anchor waits: a storm of alarms must not keep the anchors from the chain. */
const IN_A_ROW = 8

/** Files the raises that are due as events, oldest first, each once. The anchor loop sends what is made here. */
export class AlarmFiling {
  readonly #context: AnchorContext
  /** not tried again before the registry changes or the process starts anew */
  readonly #held = new Set<number>()
  readonly #refusals = new Map<number, number>()
  #inARow = 0

  constructor(context: AnchorContext) {
    this.#context = context
  }

  /** The alarm to be filed now. */
  next(anchorWaits: boolean): DueAlarm | undefined {
    if (anchorWaits && this.#inARow >= IN_A_ROW) return undefined
    return this.#find(() => true)
  }

  /** The alarm of a refused transaction, as long as it is still tried. */
  retried(attempt: AlarmAttempt): DueAlarm | undefined {
    return this.#find(due => due.id === attempt.alarm)
  }

  /** The anchors had their turn. */
  yielded(): void {
    this.#inARow = 0
  }

  /** What became of a filing in flight. */
  note(attempt: AlarmAttempt, step: AnchorStep): void {
    if (step.kind === 'moved' && step.to === 'blocked') this.#held.add(attempt.alarm)
    if (step.kind === 'moved' && step.to === 'final') this.#inARow += 1
    if (step.kind !== 'trouble' || step.trouble.kind !== 'refused') return
    const refusals = (this.#refusals.get(attempt.alarm) ?? 0) + 1
    this.#refusals.set(attempt.alarm, refusals)
    if (refusals >= REFUSALS_MAX) this.#held.add(attempt.alarm)
  }

  /** The registry has changed or will: what it refused may pass. */
  release(): void {
    this.#held.clear()
    this.#refusals.clear()
  }

  /** Makes the transaction and has the store keep it, or finds that the event stands on chain already. */
  async file(due: DueAlarm, account: AccountState): Promise<AnchorStep> {
    const { store, codec, clock, log, reader, wallet } = this.#context
    const record = this.#record(due)
    // Filed before by a transaction whose receipt never came, or that a restored store has forgotten.
    const found = await reader.findFiled(record)
    if (found !== undefined) return this.#adopt(due, found, account.chainId)
    const data = codec.encodeCall('fileAlarm', ...alarmArguments(record))
    const signed = wallet.sign(data, account.chainId, account.nonce)
    const { txHash, nonce } = signed
    if (account.blocked?.txHash === txHash) store.updateAttempt(txHash, { state: 'built' })
    else store.saveAttempt({ alarm: due.id, ...builtAttempt(signed, due.attempts + 1, clock.nowMs()) })
    log.info('filing-built', { tx: txHash, alarm: due.id, n: due.attempts + 1, nonce })
    return { kind: 'moved', of: 'filing', to: 'built', txHash }
  }

  async #adopt(due: DueAlarm, { alarm, place }: FoundAlarm, chainId: bigint): Promise<AnchorStep> {
    const { store, chain, clock, confirmations, pace } = this.#context
    if ((await chain.height()) + 1n < place.blockNumber + confirmations) {
      return { kind: 'waiting', waitMs: pace.pollMs }
    }
    const found = { by: alarm.by, place }
    store.saveAttempt({
      alarm: due.id,
      ...adoptedAttempt(found, chainId, due.attempts + 1, clock.nowMs())
    })
    this.#inARow += 1
    return { kind: 'moved', of: 'filing', to: 'final', txHash: place.txHash }
  }

  #find(wanted: (due: DueAlarm) => boolean): DueAlarm | undefined {
    const { store } = this.#context
    for (let due = store.nextDueAlarm(0); due !== undefined; due = store.nextDueAlarm(due.id)) {
      if (due.attempts < ATTEMPTS_MAX && !this.#held.has(due.id) && wanted(due) && this.#isSound(due))
        return due
    }
    return undefined
  }

  /** A damaged one must not stop the others, nor the anchors. */
  #isSound(due: DueAlarm): boolean {
    try {
      this.#record(due)
      return true
    } catch (error) {
      if (!isWattproofError(error)) throw error
      this.#held.add(due.id)
      this.#context.log.error('filing-damaged', { alarm: due.id, error })
      return false
    }
  }

  #record({ signed }: DueAlarm): AlarmRecord {
    const { rule, raised } = decodeAlarm(decodeSigned(signed).body)
    return { gateway: this.#context.gateway, code: alarmCode(rule), raised, evidence: alarmHash(signed) }
  }
}
