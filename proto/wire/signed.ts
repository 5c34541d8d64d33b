import { readObject, writeObject } from './fields.ts'

const SIGNED_MAX_OCTETS = 96 * 1024

/** An encoded object with its signer's key id and SM2 signature. The domain is not in it: it follows from where it stands. */
export interface Signed {
  readonly body: Uint8Array
  /** 8 octets */
  readonly kid: Uint8Array
  /** r || s, 64 octets */
  readonly signature: Uint8Array
}

/** @throws CodecError when a field has another length */
export function encodeSigned(signed: Signed): Uint8Array {
  return writeObject([signed.body, signed.kid, signed.signature], decodeSigned)
}

/** @throws CodecError */
export function decodeSigned(octets: Uint8Array): Signed {
  const fields = readObject('signed', octets, SIGNED_MAX_OCTETS)
  const signed: Signed = {
    body: fields.bytes('body'),
    kid: fields.bytes('kid', 8),
    signature: fields.bytes('signature', 64)
  }
  fields.end()
  return signed
}
