import { concatBytes, equalBytes, toHex } from './bytes.ts'
import { verifyAnchor, verifyReceipt } from './envelope/signed-objects.ts'
import { isWattproofError } from './errors.ts'
import { verifyInclusion } from './merkle/inclusion-proof.ts'
import { leafHash } from './merkle/tree.ts'
import type { Reading } from './reading.ts'
import { type Anchor, decodeAnchor } from './wire/anchor.ts'
import { decodeProof, type Proof } from './wire/proof.ts'
import { decodeReading } from './wire/reading.ts'
import { decodeReceipt, RECEIPT_STATUS, type Receipt } from './wire/receipt.ts'
import { decodeSigned } from './wire/signed.ts'
import { anchorHash, suiteOf } from './wire/suite.ts'

/** One step of a verification: what was looked at, whether it holds, and why or why not. */
export interface Finding {
  readonly check: 'form' | 'reading' | 'inclusion' | 'anchor-signature' | 'receipt' | 'chain'
  readonly verdict: 'holds' | 'fails' | 'not-checked'
  readonly detail: string
}

/** The anchor as a chain has it, read by whoever can ask a node; null = asked, and the chain has none. */
export interface ChainAnchor {
  readonly anchorHash: Uint8Array
  readonly root?: Uint8Array
  readonly count?: number
  readonly seq?: number
}

/** What the verifier trusts; a check whose trust is missing is reported as not made. */
export interface VerifyTrust {
  /** SM2 signing key of the gateway, 65 octets */
  readonly gatewayKey?: Uint8Array
  /** SM2 signing key of the ledger, 65 octets */
  readonly ledgerKey?: Uint8Array
  readonly chainAnchor?: ChainAnchor | null
}

/**
 * Verifies a proof, from its form to the chain. Never throws for what the proof holds: every way to be wrong is a finding.
 * The reading is proved when nothing fails and 'inclusion' and one of 'anchor-signature' and 'chain' hold.
 */
export function verifyProof(octets: Uint8Array, trust: VerifyTrust): Finding[] {
  const opened = attempt(() => openProof(octets))
  if (!opened.ok) return [{ check: 'form', verdict: 'fails', detail: opened.detail }]
  const parts = opened.value
  return [
    { check: 'form', verdict: 'holds', detail: `a proof of ${octets.length} octets, version 1` },
    checkReading(parts),
    checkInclusion(parts),
    checkSignature(parts, trust.gatewayKey),
    checkReceipt(parts, trust.ledgerKey),
    checkChain(parts, trust.chainAnchor)
  ]
}

/** The decoded parts of a proof; nothing is verified. */
export interface OpenedProof {
  readonly proof: Proof
  readonly anchor: Anchor
  readonly anchorHash: Uint8Array
  readonly reading: Reading
  readonly receipt: Receipt | null
}

/** Decodes a proof and all that stands in it. @throws CodecError; CryptoError CRYPTO_SUITE */
export function openProof(octets: Uint8Array): OpenedProof {
  const proof = decodeProof(octets)
  const { body } = decodeSigned(proof.signed)
  const anchor = decodeAnchor(body)
  return {
    proof,
    anchor,
    anchorHash: anchorHash(body, anchor.suite),
    reading: decodeReading(proof.reading),
    receipt: proof.receipt && decodeReceipt(decodeSigned(proof.receipt).body)
  }
}

const checkReading = ({ reading, anchor }: OpenedProof): Finding => {
  const { meter, slot, version } = reading
  const detail = `meter ${meter}, slot ${slot}, version ${version}`
  return slot >= anchor.slotFrom && slot <= anchor.slotTo
    ? { check: 'reading', verdict: 'holds', detail }
    : {
        check: 'reading',
        verdict: 'fails',
        detail: `${detail}: the anchor covers slots ${anchor.slotFrom} to ${anchor.slotTo}`
      }
}

const checkInclusion = ({ proof, anchor }: OpenedProof): Finding => {
  const { hash } = suiteOf(anchor.suite)
  const holds = verifyInclusion(hash, {
    leafHash: leafHash(hash, concatBytes(proof.salt, proof.reading)),
    index: proof.leafIndex,
    size: anchor.count,
    path: proof.path,
    root: anchor.root
  })
  const detail = `leaf ${proof.leafIndex} of ${anchor.count} under the root ${toHex(anchor.root)}`
  return holds
    ? { check: 'inclusion', verdict: 'holds', detail }
    : { check: 'inclusion', verdict: 'fails', detail: `not ${detail}` }
}

const checkSignature = ({ proof, anchor }: OpenedProof, gatewayKey: Uint8Array | undefined): Finding => {
  const check = 'anchor-signature'
  if (!gatewayKey) return { check, verdict: 'not-checked', detail: 'no key of the gateway given' }
  const verified = attempt(() => verifyAnchor(proof.signed, gatewayKey))
  return verified.ok
    ? { check, verdict: 'holds', detail: `gateway ${anchor.gateway} signed sequence ${anchor.seq}` }
    : { check, verdict: 'fails', detail: verified.detail }
}

const checkReceipt = (parts: OpenedProof, ledgerKey: Uint8Array | undefined): Finding => {
  const { proof, anchor, receipt } = parts
  const check = 'receipt'
  if (!proof.receipt || !receipt)
    return { check, verdict: 'not-checked', detail: 'the proof carries no receipt' }
  const about = contradiction(parts, receipt)
  if (about) return { check, verdict: 'fails', detail: about }
  if (!ledgerKey) return { check, verdict: 'not-checked', detail: 'no key of the ledger given' }
  const signed = proof.receipt
  const verified = attempt(() => verifyReceipt(signed, ledgerKey))
  return verified.ok
    ? {
        check,
        verdict: 'holds',
        detail: `ledger ${receipt.ledger} accepted up to ${receipt.upToSeq} (this is ${anchor.seq})`
      }
    : { check, verdict: 'fails', detail: verified.detail }
}

/** What a receipt must say to speak for this anchor; undefined when it does. */
const contradiction = ({ anchor, anchorHash: hash }: OpenedProof, receipt: Receipt): string | undefined => {
  if (receipt.status !== RECEIPT_STATUS.accepted)
    return `the receipt says status ${receipt.status}, not accepted`
  if (receipt.gateway !== anchor.gateway) return `the receipt is for gateway ${receipt.gateway}`
  if (!equalBytes(receipt.epoch, anchor.epoch)) return 'the receipt is for another epoch'
  // a receipt acknowledges all up to a sequence; where it names this very one, the hash must be the same
  if (receipt.upToSeq < anchor.seq) return `the receipt reaches sequence ${receipt.upToSeq} only`
  if (receipt.upToSeq === anchor.seq && !equalBytes(receipt.anchorHash, hash))
    return 'the receipt names another anchor of this sequence'
  return undefined
}

const checkChain = (
  { anchor, anchorHash: hash }: OpenedProof,
  onChain: ChainAnchor | null | undefined
): Finding => {
  const check = 'chain'
  if (onChain === undefined) return { check, verdict: 'not-checked', detail: 'no chain was asked' }
  if (onChain === null)
    return { check, verdict: 'fails', detail: `the chain has no anchor of sequence ${anchor.seq}` }
  const same =
    equalBytes(onChain.anchorHash, hash) &&
    (onChain.root === undefined || equalBytes(onChain.root, anchor.root)) &&
    (onChain.count === undefined || onChain.count === anchor.count) &&
    (onChain.seq === undefined || onChain.seq === anchor.seq)
  return same
    ? { check, verdict: 'holds', detail: `the chain has the anchor ${toHex(hash)}` }
    : { check, verdict: 'fails', detail: `the chain has ${toHex(onChain.anchorHash)}, not ${toHex(hash)}` }
}

const attempt = <T>(
  work: () => T
): { readonly ok: true; readonly value: T } | { readonly ok: false; readonly detail: string } => {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    if (!isWattproofError(error)) throw error
    return { ok: false, detail: error.at ? `${error.message} (${error.at})` : error.message }
  }
}
