/** What this product uses of sm-crypto 0.5.8; @types/sm-crypto is stale and does not take octets. */
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
      readonly getPublicKeyFromPrivateKey: (privateKeyHex: string) => string
    }
  }
  const smCrypto: SmCrypto
  export default smCrypto
}
