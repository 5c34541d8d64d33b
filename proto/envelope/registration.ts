import { equalBytes, fromHex, toHex, utf8 } from '../bytes.ts'
import { keyId } from '../crypto/sm2-curve.ts'
import { sm2Verify } from '../crypto/sm2-signature.ts'
import { CryptoError } from '../errors.ts'
import { decodePublicKey, encodePublicKey, type Signer } from './keys.ts'

/** What the utility needs to admit a gateway, or a further key of it, to ledger and chain. Travels as JSON, outside the wire contract. */
export interface RegistrationBundle {
  readonly format: 'wattproof-registration/1'
  readonly gateway: string
  readonly signKeyPem: string
  readonly keyId: string
  readonly chainAccount: string
  readonly chainGatewayId: string
  /** SM2 signature over the bundle's other fields but `replaces`: the sender holds the key */
  readonly proofOfPossession: string
  /** the keys before this one, newest first, back to the first; left out where there was none */
  readonly replaces?: readonly Replacement[]
}

/** A key that was replaced, and what it and the key after it signed about that. All octets are hex. */
export interface Replacement {
  readonly keyId: string
  readonly signKeyPem: string
  /** unix seconds, the gateway's clock */
  readonly time: number
  /** by this key: the one after it speaks for the gateway from now on */
  readonly signature: string
  /** by the key after it, over the same words: it says whose place it takes */
  readonly acceptance: string
}

/** A bundle whose every signature holds. */
export interface Registration {
  readonly gateway: string
  /** 65 octets */
  readonly publicKey: Uint8Array
  /** public keys before it, newest first, each proved to be replaced by the one before it in the list */
  readonly earlier: readonly Uint8Array[]
}

const BUNDLE_DOMAIN = 'wattproof/v1/registration\0'
const REPLACEMENT_DOMAIN = 'wattproof/v1/replacement\0'
/** Rotations a bundle may carry: a yearly one outlives any gateway, and reading one stays cheap. */
const MOST_REPLACEMENTS = 64

const bundleMessage = (bundle: Omit<RegistrationBundle, 'proofOfPossession' | 'replaces'>): Uint8Array => {
  const { format, gateway, signKeyPem, keyId: kid, chainAccount, chainGatewayId } = bundle
  return utf8(
    BUNDLE_DOMAIN + [format, gateway, signKeyPem.trim(), kid, chainAccount, chainGatewayId].join('\n')
  )
}

const replacementMessage = (gateway: string, before: Uint8Array, after: Uint8Array, time: number) =>
  utf8(REPLACEMENT_DOMAIN + [gateway, toHex(before), toHex(after), String(time)].join('\n'))

/** Signs a bundle with the gateway's present key. */
export function signRegistration(
  fields: Pick<RegistrationBundle, 'gateway' | 'chainAccount' | 'chainGatewayId'>,
  signer: Signer,
  replaces: readonly Replacement[]
): RegistrationBundle {
  const bundle = {
    format: 'wattproof-registration/1' as const,
    gateway: fields.gateway,
    signKeyPem: encodePublicKey(signer.publicKey),
    keyId: toHex(signer.kid),
    chainAccount: fields.chainAccount,
    chainGatewayId: fields.chainGatewayId
  }
  const proofOfPossession = toHex(signer.sign(utf8(fields.gateway), bundleMessage(bundle)))
  return { ...bundle, proofOfPossession, ...(replaces.length > 0 ? { replaces } : {}) }
}

/** Both keys sign that the one takes the place of the other. @param time unix seconds */
export function signReplacement(gateway: string, before: Signer, after: Signer, time: number): Replacement {
  const message = replacementMessage(gateway, before.publicKey, after.publicKey, time)
  return {
    keyId: toHex(before.kid),
    signKeyPem: encodePublicKey(before.publicKey),
    time,
    signature: toHex(before.sign(utf8(gateway), message)),
    acceptance: toHex(after.sign(utf8(gateway), message))
  }
}

/**
 * Reads a bundle and checks everything it claims about itself. Whether its key is to be believed is the reader's decision.
 * @throws CryptoError CRYPTO_KEY when it is no bundle, CRYPTO_SIGNATURE when a signature does not hold
 */
export function openRegistration(text: string): Registration {
  const { bundle, publicKey, proof } = asKey('the bundle', () => {
    const read = JSON.parse(text) as RegistrationBundle
    const key = decodePublicKey(String(read.signKeyPem))
    return { bundle: read, publicKey: key, proof: fromHex(String(read.proofOfPossession)) }
  })
  const gateway = String(bundle.gateway)
  const holds =
    toHex(keyId(publicKey)) === bundle.keyId &&
    sm2Verify(publicKey, utf8(gateway), bundleMessage(bundle), proof)
  if (!holds) throw unsigned('the registration bundle was changed or is not signed by its own key')
  return { gateway, publicKey, earlier: openReplacements(gateway, publicKey, bundle.replaces ?? []) }
}

/**
 * The keys before `newest`, newest first, each signed over to the next.
 * @throws CryptoError CRYPTO_KEY, CRYPTO_SIGNATURE
 */
export function openReplacements(
  gateway: string,
  newest: Uint8Array,
  replaces: readonly Replacement[]
): Uint8Array[] {
  if (!Array.isArray(replaces) || replaces.length > MOST_REPLACEMENTS)
    throw new CryptoError('CRYPTO_KEY', 'the list of replaced keys is no list, or too long')
  let after = newest
  return replaces.map((entry: Replacement) => {
    const parts = asKey('a replaced key', () => ({
      before: decodePublicKey(String(entry.signKeyPem)),
      signature: fromHex(String(entry.signature)),
      acceptance: fromHex(String(entry.acceptance))
    }))
    const { before, signature, acceptance } = parts
    const message = replacementMessage(gateway, before, after, Number(entry.time))
    const holds =
      toHex(keyId(before)) === entry.keyId &&
      !equalBytes(before, after) &&
      sm2Verify(before, utf8(gateway), message, signature) &&
      sm2Verify(after, utf8(gateway), message, acceptance)
    if (!holds) throw unsigned(`key ${toHex(keyId(before))} is not signed over to the key that follows it`)
    after = before
    return before
  })
}

const asKey = <Parts>(what: string, read: () => Parts): Parts => {
  try {
    return read()
  } catch (cause) {
    throw new CryptoError('CRYPTO_KEY', `${what} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

const unsigned = (message: string): CryptoError =>
  new CryptoError('CRYPTO_SIGNATURE', message, { next: 'ask for a fresh one: wattproof keys register' })
