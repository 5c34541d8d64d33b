/**
 * One source of the symmetric primitives. Several exist because OpenSSL may be built without SM3 and SM4;
 * which one serves is decided by known answers (self-test.ts), never by its mere presence.
 */
export interface SymmetricProvider {
  readonly name: string
  sm3(message: Uint8Array): Uint8Array
  sha256(message: Uint8Array): Uint8Array
  /** Whole blocks, no padding. */
  sm4Ecb(key: Uint8Array, blocks: Uint8Array): Uint8Array
  /** 128-bit big-endian counter starting at the IV. */
  sm4Ctr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array
}

/** One source of SM2 signatures with SM3. Keys and signatures arrive already checked for shape and range. */
export interface Sm2SignatureProvider {
  readonly name: string
  /** @param digestInput ZA || message @returns r || s */
  sign(privateKey: Uint8Array, publicKey: Uint8Array, digestInput: Sm2DigestInput): Uint8Array
  verify(publicKey: Uint8Array, digestInput: Sm2DigestInput, signature: Uint8Array): boolean
}

/** What SM2 hashes: e = SM3(za || message), GB/T 32918.2-2016 6.1. */
export interface Sm2DigestInput {
  readonly za: Uint8Array
  readonly message: Uint8Array
}
