/**
 * The root of every error this product throws on purpose.
 *
 * `code` is stable and meant for programs (docs/errors.md lists all of them, and a test holds the two together);
 * `at` names the place (file:line:column, configuration key, bus/meter, frame offset); `next` is the mend, one imperative sentence.
 */
export abstract class WattproofError<Code extends string = string> extends Error {
  readonly code: Code
  readonly at: string | undefined
  readonly next: string | undefined

  constructor(code: Code, message: string, options: ErrorPlace = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.at = options.at
    this.next = options.next
  }
}

/** Where an error happened and what mends it. */
export interface ErrorPlace {
  readonly at?: string
  readonly next?: string
  readonly cause?: unknown
}

export type CodecCode =
  | 'CODEC_HEX'
  | 'CODEC_RANGE'
  | 'CODEC_TRUNCATED'
  | 'CODEC_TRAILING'
  | 'CODEC_NOT_CANONICAL'
  | 'CODEC_TOO_LARGE'
  | 'CODEC_TOO_DEEP'
  | 'CODEC_SHAPE'
  | 'CODEC_VERSION'
  | 'CODEC_UNKNOWN_ITEM'
  | 'CODEC_FORBIDDEN_CONTROL'
  | 'CODEC_ADDRESS'
  | 'CODEC_BCD'

/** Octets or values that a codec of `proto/` refuses. */
export class CodecError extends WattproofError<CodecCode> {}

export type CryptoCode =
  | 'CRYPTO_KEY'
  | 'CRYPTO_SIGNATURE'
  | 'CRYPTO_TAG'
  | 'CRYPTO_RECIPIENT'
  | 'CRYPTO_SUITE'
  | 'CRYPTO_ROOT'
  | 'CRYPTO_BACKEND'

/** A key, signature, tag or root that does not hold. */
export class CryptoError extends WattproofError<CryptoCode> {}

/** True for every error this product throws on purpose; anything else is a defect. */
export function isWattproofError(error: unknown): error is WattproofError {
  return error instanceof WattproofError
}
