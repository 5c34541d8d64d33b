/**
 * The public surface, `wattproof/proto`: what a ledger, an auditor or another gateway computes with.
 * Pure functions on Uint8Array; wire/wattproof.cddl is the normative text.
 */
export { hkdfSm3, hmacSm3, keccak256, sha256, sm3 } from './crypto/digest.ts'
export { ethereumAddress, secp256k1PublicKey, secp256k1Sign } from './crypto/secp256k1.ts'
export { runSelfTest } from './crypto/self-test.ts'
export { keyId, sm2PublicKey } from './crypto/sm2-curve.ts'
export { sm2Decrypt, sm2Encrypt } from './crypto/sm2-envelope.ts'
export { sm2Sign, sm2SignDeterministic, sm2Verify } from './crypto/sm2-signature.ts'
export { sm4Ctr, sm4GcmOpen, sm4GcmSeal } from './crypto/sm4.ts'
export { deriveBatchKeys, leafSalt } from './envelope/key-schedule.ts'
export {
  createSigner,
  decodePrivateKey,
  decodePublicKey,
  encodePrivateKey,
  encodePublicKey
} from './envelope/keys.ts'
export { openBatch } from './envelope/open.ts'
export { buildProof } from './envelope/prove.ts'
export { openRegistration } from './envelope/registration.ts'
export { sealBatch } from './envelope/seal.ts'
export {
  alarmHash,
  signAlarm,
  signReceipt,
  signRequest,
  verifyAlarm,
  verifyAnchor,
  verifyReceipt,
  verifyRequest
} from './envelope/signed-objects.ts'
export { CodecError, CryptoError, isWattproofError, WattproofError } from './errors.ts'
export { proveConsistency, verifyConsistency } from './merkle/consistency-proof.ts'
export { proveInclusion, verifyInclusion } from './merkle/inclusion-proof.ts'
export { leafHash, merkleRoot, merkleRootOfHashes } from './merkle/tree.ts'
export { openProof, verifyProof } from './verify.ts'
export { decodeAlarm, encodeAlarm } from './wire/alarm.ts'
export { ANCHOR_REASON, decodeAnchor, encodeAnchor } from './wire/anchor.ts'
export { decodeBatch, encodeBatch } from './wire/batch.ts'
export { decodeHeader, encodeHeader } from './wire/header.ts'
export { decodePayload, encodePayload } from './wire/payload.ts'
export { decodeProof, encodeProof } from './wire/proof.ts'
export { decodeReading, encodeReading } from './wire/reading.ts'
export { decodeReceipt, encodeReceipt, RECEIPT_STATUS } from './wire/receipt.ts'
export { decodeRequest, encodeRequest } from './wire/request.ts'
export { decodeSigned, encodeSigned } from './wire/signed.ts'
export { anchorHash, rosterHash } from './wire/suite.ts'
