import { equalBytes, toHex } from '../../proto/bytes.ts'
import { verifyReceipt } from '../../proto/envelope/signed-objects.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { RECEIPT_STATUS, type Receipt } from '../../proto/wire/receipt.ts'
import type { Request } from '../../proto/wire/request.ts'
import type { AgentStore, Clock, Log, StoredBatch, Uplink } from '../ports.ts'
import { AlarmCourier } from './alarm-courier.ts'
import { Flight, PATIENCE, type Patience } from './flight.ts'
import { policyOf, statusName } from './receipt-policy.ts'
import { MOST_BATCHES, RequestDesk } from './request-desk.ts'
import { Resend } from './resend.ts'
import { stateDocument } from './state-document.ts'

export interface DeliverOptions {
  readonly store: Pick<
    AgentStore,
    | 'undelivered'
    | 'batch'
    | 'batchByAnchorHash'
    | 'notePublished'
    | 'acknowledge'
    | 'refuse'
    | 'undeliveredAlarms'
    | 'acknowledgeAlarmDelivery'
  >
  readonly uplink: Uplink
  readonly clock: Clock
  readonly log: Log
  readonly gateway: string
  /** whose receipts and requests count, 65 octets */
  readonly ledgerKey: Uint8Array
  /** 0 <= x < 1, for jitter */
  readonly random: () => number
  /** batches under way at a time */
  readonly window?: number
  readonly patience?: Patience
  readonly idleMs?: number
  /** something wants a person, changed, or is over (undefined) */
  readonly onTrouble?: (trouble: DeliverTrouble | undefined) => void
  /** the ledger asks for slots to be read again */
  readonly onReread?: (request: Request) => void
  /** named points, for tests that kill the process there */
  readonly hit?: (point: DeliverPoint) => void
}

export type DeliverPoint = 'publishing' | 'published' | 'receipt' | 'delivered'

/** Why the ledger does not have everything although the broker may be there. */
export interface DeliverTrouble {
  readonly kind: 'refused' | 'held' | 'fork' | 'ledgerAhead' | 'silent'
  readonly detail: string
}

export interface DeliverStatus {
  readonly connected: boolean
  readonly inFlight: number
  readonly trouble: DeliverTrouble | undefined
  /** wall clock; null before the first */
  readonly lastReceiptAt: number | null
}

/** So many batches may be sent in vain before silence is called trouble. */
const SILENT_SENDS = 3

/**
 * Brings the store's batches and alarms to the ledger. The store is the only queue: a batch is sent until the ledger's signed
 * receipt for that very anchor is in the store, whatever the broker acknowledges. Each batch is at least sent once, kept once.
 */
export class DeliverLoop {
  readonly #options: DeliverOptions
  readonly #flight: Flight
  readonly #alarms: AlarmCourier
  readonly #desk: RequestDesk
  readonly #resend = new Resend()
  #holdUntilMs = 0
  #stopped = false
  #sentSinceReceipt = 0
  #trouble: DeliverTrouble | undefined
  #lastReceiptAt: number | null = null

  constructor(options: DeliverOptions) {
    const { store, uplink, gateway, ledgerKey, clock, log, random } = options
    this.#options = options
    this.#flight = new Flight(options.patience ?? PATIENCE, random)
    this.#alarms = new AlarmCourier(store, uplink, new Flight(options.patience ?? PATIENCE, random))
    this.#desk = new RequestDesk({ gateway, ledgerKey, clock, log })
  }

  status(): DeliverStatus {
    return {
      connected: this.#options.uplink.connected,
      inFlight: this.#flight.size,
      trouble: this.#trouble,
      lastReceiptAt: this.#lastReceiptAt
    }
  }

  /** Works until the signal aborts. Rejects only on a damaged store or a defect. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, uplink, idleMs = 500 } = this.#options
    await this.start()
    while (!signal.aborted) {
      try {
        if (uplink.connected) this.pump()
      } catch (error) {
        if (!isWattproofError(error) || error.code === 'STORE_CORRUPT') throw error
        log.error('deliver-failed', { error })
      }
      await clock.wait(idleMs, signal).catch(() => undefined)
    }
  }

  /** Subscribes; what arrives is handled from now on. */
  async start(): Promise<void> {
    const { uplink, log, gateway } = this.#options
    const guarded = (what: string, handle: (payload: Uint8Array) => void) => (payload: Uint8Array) => {
      try {
        handle(payload)
      } catch (error) {
        // not acknowledged in the store, so it is sent and answered again
        log.error(what, { error })
      }
    }
    try {
      await uplink.subscribe(
        'receipt',
        guarded('receipt-failed', payload => this.#takeReceipt(payload))
      )
      await uplink.subscribe(
        'request',
        guarded('request-failed', payload => this.#takeRequest(payload))
      )
    } catch (error) {
      // the connection broke; the uplink subscribes again with the next one
      if (!isWattproofError(error)) throw error
      log.warn('subscribe-failed', { error })
    }
    uplink.onConnect(() => {
      this.#flight.clear()
      this.#alarms.renew()
      uplink.publish('state', stateDocument(gateway, 'online'), { retain: true }).catch(() => undefined)
      guarded('deliver-failed', () => this.pump())(new Uint8Array(0))
    })
  }

  /** Sends what is due now. */
  pump(): void {
    const { store, clock, window = 10 } = this.#options
    const nowMs = clock.monotonicMs()
    this.#alarms.pump(nowMs, error => this.#noteFailure(error))
    if (this.#stopped || nowMs < this.#holdUntilMs) return
    this.#pumpResend(window)
    const batches = store.undelivered(window, 'sealed')
    const oldest = batches[0]
    for (const batch of batches) {
      // the ledger ends an epoch when the next begins: nothing of the new one before all of the old
      if (!oldest || !equalBytes(batch.epoch, oldest.epoch)) break
      const key = keyOf(batch)
      if (this.#flight.isWaiting(key, nowMs)) continue
      this.#publish(batch)
    }
    if (this.#sentSinceReceipt >= SILENT_SENDS * window && this.#trouble === undefined) {
      this.#setTrouble({ kind: 'silent', detail: 'the broker takes batches, the ledger answers none' })
    }
  }

  #pumpResend(window: number): void {
    for (let sent = 0; sent < window; sent++) {
      const next = this.#resend.next()
      if (!next) return
      const batch = this.#options.store.batch(next.epoch, next.seq)
      if (batch) this.#publish(batch)
    }
  }

  /** The anchor first: it is small, and it fixes the time of commitment even where the batch does not get through. */
  #publish(batch: StoredBatch): void {
    const { store, uplink, clock, hit } = this.#options
    const key = keyOf(batch)
    hit?.('publishing')
    this.#flight.note(key, clock.monotonicMs())
    this.#sentSinceReceipt++
    const both = [uplink.publish('anchor', batch.anchor), uplink.publish('batch', batch.batch)]
    store.notePublished(batch.epoch, batch.seq, clock.nowMs())
    hit?.('published')
    // what the broker did not take is due again at its deadline, or at once with the next connection
    Promise.all(both).catch((error: unknown) => this.#noteFailure(error))
  }

  #noteFailure(error: unknown): void {
    this.#options.log.debug('publish-failed', { error })
  }

  #takeReceipt(payload: Uint8Array): void {
    const { clock, gateway, ledgerKey, log, hit } = this.#options
    hit?.('receipt')
    let receipt: Receipt
    try {
      receipt = verifyReceipt(payload, ledgerKey)
    } catch (error) {
      if (!isWattproofError(error)) throw error
      log.warn('receipt-refused', { error })
      return
    }
    if (receipt.gateway !== gateway) {
      log.warn('receipt-refused', { reason: `it is for ${receipt.gateway}` })
      return
    }
    this.#lastReceiptAt = clock.nowMs()
    this.#sentSinceReceipt = 0
    this.#flight.hasten(clock.monotonicMs())
    if (this.#trouble?.kind === 'silent') this.#setTrouble(undefined)
    if (receipt.status === RECEIPT_STATUS.alarmAccepted) this.#alarms.acknowledge(receipt.anchorHash, payload)
    else this.#judge(receipt, payload)
    this.pump()
  }

  #judge(receipt: Receipt, payload: Uint8Array): void {
    const { store, log, hit, patience = PATIENCE } = this.#options
    const name = statusName(receipt.status)
    const policy = policyOf(receipt.status)
    const batch = store.batchByAnchorHash(receipt.anchorHash)
    if (!batch || !equalBytes(batch.epoch, receipt.epoch)) {
      log.warn('receipt-unmatched', { status: name, anchorHash: toHex(receipt.anchorHash) })
      // other refusals of things that are not ours may be anybody's doing
      if (receipt.status === RECEIPT_STATUS.unknownGateway) this.#hold(name, patience)
      return
    }
    const fields = { seq: batch.seq, slot: batch.slotTo, status: name }
    if (policy === 'delivered') {
      if (store.acknowledge(batch.epoch, batch.seq, payload)) log.info('delivered', fields)
      hit?.('delivered')
      this.#flight.done(keyOf(batch))
      if (
        this.#trouble &&
        (this.#trouble.kind !== 'refused' || store.undelivered(1, 'refused').length === 0)
      ) {
        this.#setTrouble(undefined)
      }
      return
    }
    if (batch.state === 'delivered' && policy !== 'rewind') {
      log.warn('receipt-contradicts', fields)
      return
    }
    log.warn('batch-refused', fields)
    if (policy === 'rewind') this.#rewind(receipt, batch)
    else if (policy === 'isolate') {
      store.refuse(batch.epoch, batch.seq, name)
      this.#flight.done(keyOf(batch))
      this.#setTrouble({ kind: 'refused', detail: `batch ${batch.seq}: ${name}` })
    } else if (policy === 'stop') {
      this.#stopped = true
      store.refuse(batch.epoch, batch.seq, name)
      this.#setTrouble({
        kind: 'fork',
        detail: `the ledger has another chain under this identity (batch ${batch.seq})`
      })
    } else this.#hold(name, patience)
  }

  #hold(name: string, patience: Patience): void {
    this.#holdUntilMs = this.#options.clock.monotonicMs() + patience.receiptMs
    this.#setTrouble({ kind: 'held', detail: `the ledger does not take this gateway: ${name}` })
  }

  /** Something before the batch is missing at the ledger: goes on from behind the ledger's head. */
  #rewind(receipt: Receipt, batch: StoredBatch): void {
    const { store, clock } = this.#options
    const had = receipt.ledgerHead === null ? undefined : store.batchByAnchorHash(receipt.ledgerHead)
    if (receipt.ledgerHead !== null && !had) {
      this.#setTrouble({
        kind: 'ledgerAhead',
        detail: 'the ledger has an anchor that this store does not know'
      })
      return
    }
    const before = store.batchByAnchorHash(batch.prev)
    if (had && before && equalBytes(before.epoch, had.epoch) && before.seq > had.seq) {
      // the epoch before is not all there, one set aside perhaps: its rest first, up to what the new epoch names
      this.#resend.rewind(had.epoch, had.seq + 1, before.seq + 1, clock.monotonicMs())
      return
    }
    const from = had && equalBytes(had.epoch, batch.epoch) ? had.seq + 1 : 0
    this.#resend.rewind(batch.epoch, from, batch.seq, clock.monotonicMs())
  }

  #takeRequest(payload: Uint8Array): void {
    const request = this.#desk.open(payload)
    if (!request) return
    const { kind, epoch, from, to } = request
    this.#options.log.info('request', { kind, from, to })
    if (kind === 'reread') this.#options.onReread?.(request)
    else {
      this.#resend.ask(epoch, from, Math.min(to, from + MOST_BATCHES - 1))
      this.pump()
    }
  }

  #setTrouble(trouble: DeliverTrouble | undefined): void {
    if (this.#trouble?.kind === trouble?.kind && this.#trouble?.detail === trouble?.detail) return
    this.#trouble = trouble
    if (trouble) this.#options.log.error('delivery-trouble', { ...trouble })
    else this.#options.log.info('delivery-recovered')
    this.#options.onTrouble?.(trouble)
  }
}

function keyOf(batch: { readonly epoch: Uint8Array; readonly seq: number }): string {
  return `${toHex(batch.epoch)}/${batch.seq}`
}
