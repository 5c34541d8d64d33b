import { equalBytes } from '../bytes.ts'
import { isSm2PublicKey, keyId, requirePrivateKey, sm2PublicKey, sm2Spki } from '../crypto/sm2-curve.ts'
import { sm2Pkcs8 } from '../crypto/sm2-native.ts'
import { sm2SignAs } from '../crypto/sm2-signature.ts'
import { CryptoError } from '../errors.ts'

/** Who signs: a key in memory, or a secure element behind the same two calls. */
export interface Signer {
  /** first 8 octets of SM3(SubjectPublicKeyInfo) */
  readonly kid: Uint8Array
  /** 65 octets */
  readonly publicKey: Uint8Array
  /** SM2 with SM3. @param userId identity in ZA @returns r || s, 64 octets */
  sign(userId: Uint8Array, message: Uint8Array): Uint8Array
}

/** A signer over a private key in memory. @throws CryptoError CRYPTO_KEY */
export function createSigner(privateKey: Uint8Array): Signer {
  const key = requirePrivateKey(privateKey).slice()
  const publicKey = sm2PublicKey(key)
  return {
    kid: keyId(publicKey),
    publicKey,
    sign: (userId, message) => sm2SignAs(key, publicKey, userId, message)
  }
}

/** PEM of a public key: SubjectPublicKeyInfo, curve sm2p256v1. @throws CryptoError CRYPTO_KEY */
export function encodePublicKey(publicKey: Uint8Array): string {
  if (!isSm2PublicKey(publicKey)) throw new CryptoError('CRYPTO_KEY', 'not an SM2 public key')
  return encodePem('PUBLIC KEY', sm2Spki(publicKey))
}

/**
 * Public key of a PEM, 65 octets.
 * @throws CryptoError CRYPTO_KEY when it is no SubjectPublicKeyInfo of an uncompressed point of sm2p256v1
 */
export function decodePublicKey(pem: string): Uint8Array {
  const der = decodePem('PUBLIC KEY', pem)
  const publicKey = der.slice(-65)
  if (!isSm2PublicKey(publicKey) || !equalBytes(der, sm2Spki(publicKey)))
    throw new CryptoError('CRYPTO_KEY', 'the PEM holds no SM2 public key', {
      next: 'give a SubjectPublicKeyInfo on the curve sm2p256v1, the point uncompressed'
    })
  return publicKey
}

/** PEM of a private key: PKCS#8 with the public key inside, as OpenSSL, GmSSL and BouncyCastle read it. @throws CryptoError CRYPTO_KEY */
export function encodePrivateKey(privateKey: Uint8Array): string {
  return encodePem('PRIVATE KEY', sm2Pkcs8(privateKey, sm2PublicKey(privateKey)))
}

/**
 * Private key of a PKCS#8 PEM, 32 octets.
 * @throws CryptoError CRYPTO_KEY when it is encrypted, of another curve, or contradicts the public key beside it
 */
export function decodePrivateKey(pem: string): Uint8Array {
  const der = decodePem('PRIVATE KEY', pem)
  // PrivateKeyInfo { version, { id-ecPublicKey, sm2p256v1 }, OCTET STRING { ECPrivateKey { 1, OCTET STRING key, ... } } }
  const info = readSequence(der)
  const [version, algorithm, wrapped] = [info.next(0x02), info.next(0x30), info.next(0x04)]
  const inner = readSequence(wrapped)
  const [innerVersion, key] = [inner.next(0x02), inner.next(0x04)]
  const holds =
    equalBytes(version, Uint8Array.of(0)) &&
    equalBytes(algorithm, ALGORITHM) &&
    equalBytes(innerVersion, Uint8Array.of(1)) &&
    key.length === 32
  if (!holds) throw notPrivate()
  const privateKey = requirePrivateKey(key.slice())
  for (let part = inner.any(); part; part = inner.any()) {
    // [1] publicKey: a BIT STRING; [0] parameters repeat the curve and say nothing new
    if (part.tag === 0xa1 && !equalBytes(part.body.subarray(3), sm2PublicKey(privateKey)))
      throw new CryptoError('CRYPTO_KEY', 'the private key is not that of the public key beside it')
  }
  return privateKey
}

/** OIDs id-ecPublicKey and sm2p256v1, as they stand inside the AlgorithmIdentifier. */
const ALGORITHM = Uint8Array.of(
  ...[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
  ...[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d]
)

const notPrivate = (): CryptoError =>
  new CryptoError('CRYPTO_KEY', 'the PEM holds no SM2 private key', {
    next: 'give an unencrypted PKCS#8 key on the curve sm2p256v1'
  })

interface DerReader {
  next(tag: number): Uint8Array
  any(): { readonly tag: number; readonly body: Uint8Array } | undefined
}

/** Parts of a DER SEQUENCE; lengths below 64 KiB are enough for a key. */
const readSequence = (der: Uint8Array): DerReader => {
  const part = (octets: Uint8Array, offset: number): { tag: number; body: Uint8Array; end: number } => {
    const first = octets[offset + 1] ?? 0xff
    const longer = first === 0x81 ? 1 : first === 0x82 ? 2 : 0
    let size = longer === 0 ? first : 0
    for (let i = 0; i < longer; i++) size = size * 256 + (octets[offset + 2 + i] ?? 0)
    const start = offset + 2 + longer
    if ((longer === 0 && first >= 0x80) || start + size > octets.length) throw notPrivate()
    return { tag: octets[offset] as number, body: octets.subarray(start, start + size), end: start + size }
  }
  const whole = part(der, 0)
  if (whole.tag !== 0x30 || whole.end !== der.length) throw notPrivate()
  let offset = 0
  const any = (): { tag: number; body: Uint8Array } | undefined => {
    if (offset >= whole.body.length) return undefined
    const found = part(whole.body, offset)
    offset = found.end
    return found
  }
  return {
    any,
    next: tag => {
      const found = any()
      if (found?.tag !== tag) throw notPrivate()
      return found.body
    }
  }
}

const encodePem = (label: string, der: Uint8Array): string => {
  const base64 = btoa(String.fromCharCode(...der))
  const lines = base64.match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

const decodePem = (label: string, pem: string): Uint8Array => {
  const match = new RegExp(`^-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----\\s*$`).exec(
    typeof pem === 'string' ? pem.trimStart() : ''
  )
  try {
    if (match) return Uint8Array.from(atob((match[1] as string).replace(/\s+/g, '')), c => c.charCodeAt(0))
  } catch {
    // broken base64 is refused as any other text is
  }
  throw new CryptoError('CRYPTO_KEY', `not a PEM of a ${label}`, {
    next: `give one block -----BEGIN ${label}-----, unencrypted`
  })
}
