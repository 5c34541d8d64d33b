import { equalBytes } from '../../proto/bytes.ts'
import { openBatch } from '../../proto/envelope/open.ts'
import { alarmHash, verifyAlarm, verifyAnchor } from '../../proto/envelope/signed-objects.ts'
import { CodecError, CryptoError } from '../../proto/errors.ts'
import { decodeAlarm } from '../../proto/wire/alarm.ts'
import { decodeAnchor } from '../../proto/wire/anchor.ts'
import { decodeBatch } from '../../proto/wire/batch.ts'
import { decodeHeader } from '../../proto/wire/header.ts'
import type { ReceiptStatus } from '../../proto/wire/receipt.ts'
import { decodeSigned } from '../../proto/wire/signed.ts'
import { anchorHash, headerHash, SUITES, sealedHash } from '../../proto/wire/suite.ts'
import type { LedgerGateway, LedgerStore } from '../ports.ts'
import { BatchStash } from './batch-stash.ts'
import { positionOf } from './chain-position.ts'
import { keyFault, replacedSince, signingKeyOf } from './gateway-keys.ts'
import { answer, NO_EPOCH, NO_HASH, type Verdict, type VerifiedAnchor, WAIT } from './verdict.ts'

export interface JudgeOptions {
  readonly store: LedgerStore
  /** SM2 private key of the recipient, 32 octets */
  readonly recipientKey: Uint8Array
  /** suites this ledger takes; there is no negotiation */
  readonly suites: readonly number[]
}

/** Verifies, decrypts, rebuilds and stores. Knows nothing of transport: an auditor can run it over files. */
export class Judge {
  readonly #options: JudgeOptions
  readonly #stash = new BatchStash()

  constructor(options: JudgeOptions) {
    this.#options = options
  }

  /** @param gateway the one the message came from, by its topic */
  takeAnchor(gateway: string, signed: Uint8Array): Verdict {
    const { store } = this.#options
    const enrolled = store.gateway(gateway)
    if (!enrolled) return answer('unknownGateway', undefined, 'the gateway is not enrolled')
    const anchor = this.#readAnchor(enrolled, signed)
    if ('kind' in anchor) return anchor
    const position = positionOf(store, anchor)
    if (position.kind === 'known') {
      // what was refused for its batch is answered when the batch comes again
      return position.anchor.batch === null ? WAIT : answer('accepted', anchor, 'known')
    }
    const fault = this.#refuseKey(enrolled, anchor)
    if (fault) return fault
    if (enrolled.status === 'frozen') return answer('frozen', anchor, 'the gateway is frozen')
    if (position.kind === 'fork') {
      store.saveEvidence(gateway, 'fork', [position.other.signed, signed])
      store.setStatus(gateway, 'frozen')
      return answer('fork', anchor, position.detail)
    }
    if (position.kind !== 'next')
      return answer(position.kind === 'gap' ? 'gap' : 'malformed', anchor, position.detail)
    const batch = this.#stash.take(gateway, anchor.epoch, anchor.seq)
    if (batch && isAnchored(signed, batch)) return this.#complete(enrolled, anchor, batch)
    store.savePending(anchor)
    return WAIT
  }

  /** @param gateway the one the message came from, by its topic */
  takeBatch(gateway: string, octets: Uint8Array): Verdict {
    const { store } = this.#options
    const enrolled = store.gateway(gateway)
    if (!enrolled) return answer('unknownGateway', undefined, 'the gateway is not enrolled')
    let header: ReturnType<typeof decodeHeader>
    try {
      header = decodeHeader(decodeBatch(octets).header)
    } catch (error) {
      return answer('malformed', undefined, messageOf(error))
    }
    const { epoch, seq } = header
    if (header.gateway !== gateway)
      return answer('wrongGateway', undefined, `the batch is of ${header.gateway}`)
    const known = store.anchor(gateway, epoch, seq)
    if (known) {
      if (known.batch !== null) return answer('accepted', known, 'known')
      if (!isAnchored(known.signed, octets)) return WAIT
      const refusal = this.#open(enrolled, known.signed, octets)
      return 'status' in refusal
        ? answer(refusal.status, known, refusal.detail)
        : answer('malformed', known, 'refused before')
    }
    const pending = store.pending(gateway, epoch, seq)
    if (!pending) {
      this.#stash.put(gateway, epoch, seq, octets)
      return WAIT
    }
    // anybody may have sent it: only what the anchor names is answered, the right one is still to come
    if (!isAnchored(pending.signed, octets)) return WAIT
    const anchor = this.#readAnchor(enrolled, pending.signed)
    return 'kind' in anchor ? anchor : this.#complete(enrolled, anchor, octets)
  }

  takeAlarm(gateway: string, signed: Uint8Array): Verdict {
    const { store } = this.#options
    const enrolled = store.gateway(gateway)
    if (!enrolled) return answer('unknownGateway', undefined, 'the gateway is not enrolled')
    try {
      const alarm = decodeAlarm(decodeSigned(signed).body)
      const about = { anchorHash: alarmHash(signed), epoch: NO_EPOCH }
      if (alarm.gateway !== gateway) return answer('wrongGateway', about, `the alarm is of ${alarm.gateway}`)
      const key = signingKeyOf(enrolled, signed)
      verifyAlarm(signed, key.signKey)
      const over = replacedSince(enrolled, key)
      // stored ones may come late, what it signs afterwards is not the gateway's
      if (over !== undefined && (alarm.cleared ?? alarm.raised) > over) {
        throw new CryptoError('CRYPTO_SIGNATURE', 'its key was replaced before')
      }
      store.saveAlarm(gateway, signed, about.anchorHash)
      return {
        kind: 'answer',
        status: 'alarmAccepted',
        hash: about.anchorHash,
        epoch: NO_EPOCH,
        number: alarm.id,
        detail: alarm.rule
      }
    } catch (error) {
      if (error instanceof CryptoError) store.saveEvidence(gateway, 'alarm', [signed])
      return answer(
        error instanceof CryptoError ? 'badSignature' : malformedOnly(error),
        undefined,
        messageOf(error)
      )
    }
  }

  #readAnchor(enrolled: LedgerGateway, signed: Uint8Array): VerifiedAnchor | Verdict {
    const { store, suites } = this.#options
    const { gateway } = enrolled
    try {
      const { body } = decodeSigned(signed)
      const anchor = decodeAnchor(body)
      const { epoch, seq, prev, reason, suite, created } = anchor
      const about = { anchorHash: suite in SUITES ? anchorHash(body, suite) : NO_HASH, epoch }
      if (!suites.includes(suite)) return answer('unknownSuite', about, `suite ${suite} is not taken here`)
      if (anchor.gateway !== gateway) {
        store.saveEvidence(gateway, 'wrong-gateway', [signed])
        return answer('wrongGateway', about, `the anchor is of ${anchor.gateway}`)
      }
      try {
        verifyAnchor(signed, signingKeyOf(enrolled, signed).signKey)
      } catch (error) {
        if (!(error instanceof CryptoError)) throw error
        store.saveEvidence(gateway, 'bad-signature', [signed])
        return answer('badSignature', about, error.message)
      }
      return { gateway, ...about, seq, prev, reason, suite, created, signed, batch: null }
    } catch (error) {
      return answer(malformedOnly(error), undefined, messageOf(error))
    }
  }

  /** A key that is over freezes nothing: whoever stole it could otherwise stop the gateway. */
  #refuseKey(enrolled: LedgerGateway, anchor: VerifiedAnchor): Verdict | undefined {
    const { store } = this.#options
    const fault = keyFault(enrolled, store.head(enrolled.gateway), anchor)
    if (fault === undefined) return undefined
    store.saveEvidence(enrolled.gateway, 'key-over', [anchor.signed])
    return answer('badSignature', anchor, fault)
  }

  /** Both halves are here, and the anchor names the batch octet for octet. */
  #complete(enrolled: LedgerGateway, anchor: VerifiedAnchor, batch: Uint8Array): Verdict {
    const { store } = this.#options
    const position = positionOf(store, anchor)
    // the head may have moved while the anchor waited
    if (position.kind !== 'next') return answer('gap', anchor, 'the anchor waited too long')
    const fault = this.#refuseKey(enrolled, anchor)
    if (fault) return fault
    if (enrolled.status === 'frozen') return answer('frozen', anchor, 'the gateway is frozen')
    const opened = this.#open(enrolled, anchor.signed, batch)
    const key = { kid: decodeSigned(anchor.signed).kid, since: anchor.created }
    if ('readings' in opened) {
      store.accept({ ...anchor, batch }, opened.readings, key)
      return answer('accepted', anchor, `${opened.readings.length} readings`)
    }
    if (opened.lasting) {
      // the gateway signed these very octets: they cannot get better, and what follows must not wait for them
      store.saveEvidence(anchor.gateway, opened.status, [anchor.signed, batch])
      store.accept(anchor, [], key)
    }
    return answer(opened.status, anchor, opened.detail)
  }

  #open(
    enrolled: LedgerGateway,
    signed: Uint8Array,
    octets: Uint8Array
  ):
    | ReturnType<typeof openBatch>
    | { readonly status: ReceiptStatus; readonly lasting: boolean; readonly detail: string } {
    const { recipientKey } = this.#options
    try {
      return openBatch(octets, signed, { recipientKey, gatewayKey: signingKeyOf(enrolled, signed).signKey })
    } catch (error) {
      const detail = messageOf(error)
      if (!(error instanceof CryptoError)) return { status: malformedOnly(error), lasting: true, detail }
      if (error.code === 'CRYPTO_ROOT') return { status: 'rootMismatch', lasting: true, detail }
      // no envelope for this ledger's key: that may be the ledger's own fault, so nothing is given up
      return { status: 'undecryptable', lasting: error.code !== 'CRYPTO_RECIPIENT', detail }
    }
  }
}

/** Octet for octet what the anchor names; damage on the way is told from a gateway that signed nonsense. */
function isAnchored(signed: Uint8Array, octets: Uint8Array): boolean {
  const anchor = decodeAnchor(decodeSigned(signed).body)
  const batch = decodeBatch(octets)
  return (
    equalBytes(headerHash(batch.header, anchor.suite), anchor.headerHash) &&
    equalBytes(sealedHash(batch, anchor.suite), anchor.sealedHash)
  )
}

/** Anything but a refusal of a codec is a defect or the store's failure, and no answer to a gateway. */
function malformedOnly(error: unknown): 'malformed' {
  if (error instanceof CodecError || error instanceof CryptoError) return 'malformed'
  throw error
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
