import { concatBytes, equalBytes, utf8 } from '../bytes.ts'
import { sm3 } from '../crypto/digest.ts'
import { keyId } from '../crypto/sm2-curve.ts'
import { sm2Verify } from '../crypto/sm2-signature.ts'
import { CryptoError } from '../errors.ts'
import { type Alarm, decodeAlarm, encodeAlarm } from '../wire/alarm.ts'
import { type Anchor, decodeAnchor, encodeAnchor } from '../wire/anchor.ts'
import { decodeReceipt, encodeReceipt, type Receipt } from '../wire/receipt.ts'
import { decodeRequest, encodeRequest, type Request } from '../wire/request.ts'
import { decodeSigned, encodeSigned } from '../wire/signed.ts'
import { anchorHash, DOMAIN } from '../wire/suite.ts'
import type { Signer } from './keys.ts'

type SignedKind = 'anchor' | 'receipt' | 'alarm' | 'request'

/** Signs an anchor as its gateway. @returns `signed` and the anchor's hash */
export function signAnchor(anchor: Anchor, signer: Signer): { signed: Uint8Array; anchorHash: Uint8Array } {
  const body = encodeAnchor(anchor)
  return {
    anchorHash: anchorHash(body, anchor.suite),
    signed: sign('anchor', body, anchor.gateway, signer)
  }
}

/**
 * Checks the gateway's signature on an anchor.
 * @throws CodecError, CryptoError CRYPTO_SIGNATURE, CRYPTO_SUITE
 */
export function verifyAnchor(
  signed: Uint8Array,
  gatewayKey: Uint8Array
): { readonly anchor: Anchor; readonly anchorHash: Uint8Array } {
  const { body } = decodeSigned(signed)
  const anchor = decodeAnchor(body)
  const hash = anchorHash(body, anchor.suite)
  verify('anchor', signed, anchor.gateway, gatewayKey)
  return { anchor, anchorHash: hash }
}

/** Signs a receipt as its ledger. */
export function signReceipt(receipt: Receipt, signer: Signer): Uint8Array {
  return sign('receipt', encodeReceipt(receipt), receipt.ledger, signer)
}

/** Checks the ledger's signature on a receipt. @throws CodecError, CryptoError CRYPTO_SIGNATURE */
export function verifyReceipt(signed: Uint8Array, ledgerKey: Uint8Array): Receipt {
  const receipt = decodeReceipt(decodeSigned(signed).body)
  verify('receipt', signed, receipt.ledger, ledgerKey)
  return receipt
}

/** Signs an alarm as its gateway. */
export function signAlarm(alarm: Alarm, signer: Signer): Uint8Array {
  return sign('alarm', encodeAlarm(alarm), alarm.gateway, signer)
}

/** Checks the gateway's signature on an alarm. @throws CodecError, CryptoError CRYPTO_SIGNATURE */
export function verifyAlarm(signed: Uint8Array, gatewayKey: Uint8Array): Alarm {
  const alarm = decodeAlarm(decodeSigned(signed).body)
  verify('alarm', signed, alarm.gateway, gatewayKey)
  return alarm
}

/** SM3("wattproof/v1/alarm" 00 || alarm): what the receipt of an alarm names. @throws CodecError */
export function alarmHash(signed: Uint8Array): Uint8Array {
  return sm3(concatBytes(DOMAIN.alarm, decodeSigned(signed).body))
}

/** Signs a request as its ledger. */
export function signRequest(request: Request, signer: Signer): Uint8Array {
  return sign('request', encodeRequest(request), request.ledger, signer)
}

/** Checks the ledger's signature on a request. @throws CodecError, CryptoError CRYPTO_SIGNATURE */
export function verifyRequest(signed: Uint8Array, ledgerKey: Uint8Array): Request {
  const request = decodeRequest(decodeSigned(signed).body)
  verify('request', signed, request.ledger, ledgerKey)
  return request
}

/** The signer's name is the user id of ZA. Its own signature is verified: a flipped bit must not leave as evidence. */
const sign = (kind: SignedKind, body: Uint8Array, name: string, signer: Signer): Uint8Array => {
  const signature = signer.sign(utf8(name), concatBytes(DOMAIN[kind], body))
  const signed = encodeSigned({ body, kid: signer.kid, signature })
  verify(kind, signed, name, signer.publicKey)
  return signed
}

const verify = (kind: SignedKind, octets: Uint8Array, name: string, publicKey: Uint8Array): void => {
  const { body, kid, signature } = decodeSigned(octets)
  if (!equalBytes(kid, keyId(publicKey)))
    throw new CryptoError('CRYPTO_SIGNATURE', `the ${kind} of ${name} is signed with another key`)
  if (!sm2Verify(publicKey, utf8(name), concatBytes(DOMAIN[kind], body), signature))
    throw new CryptoError('CRYPTO_SIGNATURE', `the signature on the ${kind} of ${name} does not hold`)
}
