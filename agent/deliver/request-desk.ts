import { toHex } from '../../proto/bytes.ts'
import { verifyRequest } from '../../proto/envelope/signed-objects.ts'
import { isWattproofError } from '../../proto/errors.ts'
import type { Request } from '../../proto/wire/request.ts'
import { decodeSigned } from '../../proto/wire/signed.ts'
import type { Clock, Log } from '../ports.ts'

/** Older than this a request is not taken: a recorded one must not be played again for ever. */
const FRESH_SECONDS = 3_600
const REMEMBERED = 256
/** Of one request; more is asked for in several. */
export const MOST_BATCHES = 1_000

export interface RequestDeskOptions {
  readonly gateway: string
  readonly ledgerKey: Uint8Array
  readonly clock: Pick<Clock, 'nowMs'>
  readonly log: Log
}

/** Lets in what the pinned ledger signed for this gateway, fresh and for the first time. */
export class RequestDesk {
  readonly #options: RequestDeskOptions
  readonly #seen = new Set<string>()

  constructor(options: RequestDeskOptions) {
    this.#options = options
  }

  /** @returns undefined for what is not taken; that is logged, never answered */
  open(payload: Uint8Array): Request | undefined {
    const { gateway, ledgerKey, clock, log } = this.#options
    try {
      const request = verifyRequest(payload, ledgerKey)
      const signature = toHex(decodeSigned(payload).signature)
      const ageSeconds = Math.abs(clock.nowMs() / 1_000 - request.time)
      const reason =
        request.gateway !== gateway
          ? 'it is for another gateway'
          : this.#seen.has(signature)
            ? 'it was taken before'
            : ageSeconds > FRESH_SECONDS
              ? 'it is not fresh'
              : undefined
      if (reason !== undefined) {
        log.warn('request-refused', { reason })
        return undefined
      }
      this.#seen.add(signature)
      const oldest = this.#seen.values().next()
      if (this.#seen.size > REMEMBERED && !oldest.done) this.#seen.delete(oldest.value)
      return request
    } catch (error) {
      if (!isWattproofError(error)) throw error
      log.warn('request-refused', { error })
      return undefined
    }
  }
}
