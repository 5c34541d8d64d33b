import { equalBytes, toHex } from '../../proto/bytes.ts'
import type { Signer } from '../../proto/envelope/keys.ts'
import { signReceipt, signRequest } from '../../proto/envelope/signed-objects.ts'
import { RECEIPT_STATUS } from '../../proto/wire/receipt.ts'
import type { Request } from '../../proto/wire/request.ts'
import type { Clock, LedgerUplink, Log, UplinkTopic } from '../ports.ts'
import { Judge, type JudgeOptions } from './judge.ts'
import { type Verdict, WAIT } from './verdict.ts'

export interface LedgerOptions extends JudgeOptions {
  /** the ledger's id; its receipts are signed under it */
  readonly ledger: string
  readonly uplink: LedgerUplink
  readonly signer: Signer
  readonly clock: Pick<Clock, 'nowMs'>
  readonly log: Log
  readonly onVerdict?: (gateway: string, verdict: Verdict) => void
}

/**
 * The reference consumer: hears every gateway, keeps what holds, answers each message with a signed receipt.
 * A message is answered after it is stored, and answered again whenever it comes again.
 */
export class Ledger {
  readonly #options: LedgerOptions
  readonly #judge: Judge

  constructor(options: LedgerOptions) {
    this.#options = options
    this.#judge = new Judge(options)
  }

  /** Begins to listen. */
  async start(): Promise<void> {
    const { uplink } = this.#options
    await uplink.onMessage((gateway, topic, payload) => {
      try {
        this.take(gateway, topic, payload)
      } catch (error) {
        // without a receipt the gateway sends it again
        this.#options.log.error('ledger-failed', { gateway, topic, error })
      }
    })
  }

  /** Judges one message and answers it. @returns the verdict */
  take(gateway: string, topic: UplinkTopic, payload: Uint8Array): Verdict {
    const verdict = this.#judgeOf(topic)(gateway, payload)
    if (verdict.kind === 'wait') return verdict
    const { log } = this.#options
    const known = verdict.status === 'accepted' || verdict.status === 'alarmAccepted'
    const fields = {
      gateway,
      topic,
      status: verdict.status,
      hash: toHex(verdict.hash).slice(0, 16),
      detail: verdict.detail
    }
    if (known) log.debug('accepted', fields)
    else log.warn('refused', fields)
    this.#send(gateway, 'receipt', this.#receiptOf(gateway, verdict))
    this.#options.onVerdict?.(gateway, verdict)
    return verdict
  }

  /** Asks a gateway to send stored batches again, or to read slots again; nothing else can be asked. */
  async request(request: Omit<Request, 'ledger' | 'time'>): Promise<void> {
    const { ledger, signer, uplink, clock } = this.#options
    const time = Math.floor(clock.nowMs() / 1_000)
    await uplink.publish(request.gateway, 'request', signRequest({ ...request, ledger, time }, signer))
  }

  #judgeOf(topic: UplinkTopic): (gateway: string, payload: Uint8Array) => Verdict {
    if (topic === 'anchor') return (gateway, payload) => this.#judge.takeAnchor(gateway, payload)
    if (topic === 'batch') return (gateway, payload) => this.#judge.takeBatch(gateway, payload)
    if (topic === 'alarm') return (gateway, payload) => this.#judge.takeAlarm(gateway, payload)
    return () => WAIT
  }

  #receiptOf(gateway: string, verdict: Verdict & { kind: 'answer' }): Uint8Array {
    const { ledger, signer, store, clock } = this.#options
    const head = store.head(gateway)
    const hadOfEpoch = head && equalBytes(head.epoch, verdict.epoch) ? head.seq : 0
    return signReceipt(
      {
        ledger,
        gateway,
        epoch: verdict.epoch,
        upToSeq: verdict.number ?? hadOfEpoch,
        anchorHash: verdict.hash,
        status: RECEIPT_STATUS[verdict.status],
        ledgerHead: head?.anchorHash ?? null,
        time: Math.floor(clock.nowMs() / 1_000)
      },
      signer
    )
  }

  #send(gateway: string, topic: 'receipt', payload: Uint8Array): void {
    const { uplink, log } = this.#options
    uplink
      .publish(gateway, topic, payload)
      .catch((error: unknown) => log.warn('receipt-not-sent', { gateway, error }))
  }
}
