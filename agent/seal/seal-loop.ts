import { setImmediate } from 'node:timers/promises'
import { prepareRecipient } from '../../proto/crypto/sm2-envelope.ts'
import type { Signer } from '../../proto/envelope/keys.ts'
import { type Recipient, sealInPieces } from '../../proto/envelope/seal.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { finish } from '../../proto/pieces.ts'
import type { Reading } from '../../proto/reading.ts'
import { slotEndMs, slotOf } from '../../proto/slot.ts'
import { ANCHOR_REASON } from '../../proto/wire/anchor.ts'
import type { AgentStore, Clock, Log, SealedBatch } from '../ports.ts'
import { type NextNumber, nextNumber } from './numbering.ts'
import { completeSlot, missingMeters, type RosterEntry, supplementaryRoster } from './slot-leaves.ts'

export interface SealOptions {
  readonly store: Pick<
    AgentStore,
    | 'appendReadings'
    | 'highestVersion'
    | 'unsealed'
    | 'head'
    | 'lastSealedSlot'
    | 'commitBatch'
    | 'queryBatches'
    | 'get'
    | 'getMeta'
    | 'setMeta'
  >
  readonly clock: Clock
  readonly log: Log
  readonly gateway: string
  readonly slotSeconds: number
  readonly suite: number
  /** in the order of the leaves; asked at every slot */
  readonly roster: () => readonly RosterEntry[]
  readonly recipients: readonly Recipient[]
  readonly signer: Signer
  /** 32 octets */
  readonly deviceSecret: Uint8Array
  readonly random: (octets: number) => Uint8Array
  /** after a slot's end; then what is not recorded becomes a gap; a whole slot when left out */
  readonly deadlineMs?: number
  readonly idleMs?: number
  readonly onSealed?: (batch: SealedBatch) => void
  /** named points of a seal, for tests that kill the process there */
  readonly hit?: (point: SealPoint) => void
}

export type SealPoint = 'completed' | 'sealed' | 'committed'

/** Fact: the first slot this gateway answers for. */
export const FIRST_SLOT_META = 'firstSlot'
/** Learned by acquisition: the last slot whose sweep is over. */
const SWEPT_KEY = 'sweptSlot'

/** Leaves of one supplementary batch; a payload's bound is far above. */
const SUPPLEMENTARY_LEAVES = 2_000
/** A clock that leaps so far ahead is wrong: nothing is signed for the years between. */
const FARTHEST_MS = 400 * 86_400_000

/**
 * Seals every slot once, in order, from the first slot this gateway answers for: a leaf for each rostered meter, a reading or a
 * gap record with its reason. Late versions follow in supplementary batches. Everything is derived from the store,
 * so a kill at any point resumes; the store refuses a second batch under one number.
 */
export class SealLoop {
  readonly #options: SealOptions
  readonly #startedAtMs: number
  #lastSupplementMs = Number.NEGATIVE_INFINITY

  constructor(options: SealOptions) {
    this.#options = options
    this.#startedAtMs = options.clock.nowMs()
  }

  /** Works until the signal aborts. Rejects only on a damaged store or a defect. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, slotSeconds, idleMs = Math.min(1_000, slotSeconds * 100) } = this.#options
    for (const { publicKey } of this.#options.recipients) {
      prepareRecipient(publicKey)
      await setImmediate()
    }
    while (!signal.aborted) {
      let waitMs = idleMs
      try {
        if (await this.#stepInPieces(signal)) waitMs = 0
      } catch (error) {
        if (!isWattproofError(error) || error.code === 'STORE_CORRUPT') throw error
        log.error('seal-failed', { error })
        waitMs = 10 * idleMs
      }
      await clock.wait(waitMs, signal).catch(() => undefined)
    }
  }

  /** Seals at most one batch. @returns whether it did */
  step(): boolean {
    return finish(this.#pieces())
  }

  /** {@link step} with the event loop turning between its pieces; nothing is kept of a batch that an abort cut off. */
  async #stepInPieces(signal: AbortSignal): Promise<boolean> {
    const pieces = this.#pieces()
    while (!signal.aborted) {
      const piece = pieces.next()
      if (piece.done) return piece.value
      await setImmediate()
    }
    return false
  }

  *#pieces(): Generator<undefined, boolean> {
    const { clock, log, slotSeconds, store } = this.#options
    // a time that is not believed is not signed; the readings wait in the store
    if (!clock.trusted()) return false
    const nowMs = clock.nowMs()
    const next = this.#nextSlot(slotOf(nowMs, slotSeconds))
    if (nowMs - slotEndMs(next, slotSeconds) > FARTHEST_MS) {
      log.error('seal-clock-too-far', { next, nowMs })
      return false
    }
    if (next < slotOf(nowMs, slotSeconds) && this.#isReady(next, nowMs)) {
      yield* this.#sealSlot(next)
      return true
    }
    const late = next > 0 ? store.unsealed(0, next - 1) : []
    // an epoch opens with a slot, never with late readings: only a slot accounts for the whole roster
    if (late.length === 0 || this.#nextNumber().opening !== undefined) return false
    const sinceMs = clock.monotonicMs() - this.#lastSupplementMs
    // one supplementary batch a slot is enough, unless there is a full one
    if (sinceMs < slotSeconds * 1_000 && late.length < SUPPLEMENTARY_LEAVES) return false
    this.#lastSupplementMs = clock.monotonicMs()
    yield* this.#sealLate(late.slice(0, SUPPLEMENTARY_LEAVES))
    return true
  }

  #nextSlot(current: number): number {
    const { store } = this.#options
    const sealed = store.lastSealedSlot()
    if (sealed !== undefined) return sealed + 1
    const first = store.getMeta(FIRST_SLOT_META)
    if (first !== undefined) return Number(first)
    store.setMeta(FIRST_SLOT_META, String(current))
    return current
  }

  #nextNumber(): NextNumber {
    const { store, signer, random } = this.#options
    return nextNumber(store, signer.kid, random)
  }

  #isReady(slot: number, nowMs: number): boolean {
    const { store, roster, slotSeconds, deadlineMs = slotSeconds * 1_000 } = this.#options
    const endMs = slotEndMs(slot, slotSeconds)
    if (endMs <= this.#startedAtMs || nowMs >= endMs + deadlineMs) return true
    if (Number(store.get(SWEPT_KEY) ?? -1) >= slot) return true
    return missingMeters(roster(), store.unsealed(slot, slot)).length === 0
  }

  *#sealSlot(slot: number): Generator<undefined, void> {
    const { store, roster, slotSeconds, hit } = this.#options
    const entries = roster()
    yield
    const wasDown = slotEndMs(slot, slotSeconds) <= this.#startedAtMs
    const readings = completeSlot(store, entries, slot, wasDown ? 'agentDown' : 'noTime')
    hit?.('completed')
    yield* this.#seal(
      readings,
      entries.map(({ meter }) => meter),
      { slotFrom: slot, slotTo: slot, reason: ANCHOR_REASON.slot }
    )
  }

  *#sealLate(readings: readonly Reading[]): Generator<undefined, void> {
    const slots = readings.map(({ slot }) => slot)
    yield* this.#seal(readings, supplementaryRoster(this.#options.roster(), readings), {
      slotFrom: Math.min(...slots),
      slotTo: Math.max(...slots),
      reason: ANCHOR_REASON.supplementary
    })
  }

  *#seal(
    readings: readonly Reading[],
    roster: readonly string[],
    claim: { readonly slotFrom: number; readonly slotTo: number; readonly reason: number }
  ): Generator<undefined, void> {
    const { store, clock, log, gateway, suite, recipients, signer, deviceSecret, random, hit } = this.#options
    const { opening, ...number } = this.#nextNumber()
    yield
    const batch = yield* sealInPieces({
      ...{ suite, gateway, roster, readings, recipients, signer, deviceSecret, random },
      ...number,
      ...claim,
      reason: opening ?? claim.reason,
      created: Math.floor(clock.nowMs() / 1_000)
    })
    hit?.('sealed')
    yield
    store.commitBatch(batch)
    hit?.('committed')
    log.info('sealed', {
      seq: batch.seq,
      slot: batch.slotTo,
      leaves: batch.count,
      reason: batch.reason,
      octets: batch.batch.length
    })
    this.#options.onSealed?.(batch)
  }
}
