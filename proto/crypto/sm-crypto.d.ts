/** What this product and its tests use of sm-crypto 0.5.8; @types/sm-crypto is stale and does not take octets. */
declare module 'sm-crypto' {
  interface SmCrypto {
    readonly sm3: (input: Uint8Array) => string
    readonly sm4: {
      readonly encrypt: (
        input: Uint8Array,
        key: Uint8Array,
        options: { readonly padding: 'none'; readonly output: 'array' }
      ) => number[]
    }
    readonly sm2: {
      readonly doVerifySignature: (
        message: Uint8Array,
        signatureHex: string,
        publicKeyHex: string,
        options: { readonly der: false; readonly hash: true; readonly userId: string }
      ) => boolean
      /** @param mode 1 = C1C3C2 @returns hex without the leading 04 of C1 */
      readonly doEncrypt: (message: Uint8Array, publicKeyHex: string, mode: 1) => string
      readonly doSignature: (
        message: Uint8Array,
        privateKeyHex: string,
        options: { readonly hash: true; readonly publicKey: string; readonly userId: string }
      ) => string
      /** @param mode 1 = C1C3C2; the ciphertext goes without its leading 04 */
      readonly doDecrypt: (
        cipherHex: string,
        privateKeyHex: string,
        mode: 1,
        options: { readonly output: 'array' }
      ) => number[]
    }
  }
  const smCrypto: SmCrypto
  export default smCrypto
}
