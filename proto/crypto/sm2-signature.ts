import { equalBytes, fromHex } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import { requireBytes, requireOctets } from './arguments.ts'
import { KNOWN_ANSWERS } from './known-answers.ts'
import type { Sm2DigestInput, Sm2SignatureProvider } from './provider.ts'
import {
  bytesToInteger,
  identityHash,
  isSm2PublicKey,
  requirePrivateKey,
  SM2_ORDER,
  sm2PublicKey
} from './sm2-curve.ts'
import { SM2_NATIVE } from './sm2-native.ts'
import { SM2_NOBLE, signHedged } from './sm2-noble.ts'
import { type BackendTrial, tryBackend } from './symmetric.ts'

/**
 * Signs with SM2 and SM3 (GB/T 32918.2-2016), ZA over `userId`. No low-s form: (r, n-s) is no SM2 signature.
 * @param privateKey 32 octets, 1..n-2
 * @returns r || s, 64 octets
 * @throws CryptoError CRYPTO_KEY
 */
export function sm2Sign(privateKey: Uint8Array, userId: Uint8Array, message: Uint8Array): Uint8Array {
  return sm2SignAs(privateKey, sm2PublicKey(privateKey), userId, message)
}

/** As {@link sm2Sign} for a caller that has the public key at hand, which saves most of the time. */
export function sm2SignAs(
  privateKey: Uint8Array,
  publicKey: Uint8Array,
  userId: Uint8Array,
  message: Uint8Array
): Uint8Array {
  requirePrivateKey(privateKey)
  const input = digestInput(requireOctets(publicKey, 65, 'SM2 public key'), userId, message)
  return sm2Choice().signer.sign(privateKey, publicKey, input)
}

/**
 * As {@link sm2Sign} with a nonce from key, message and `entropy` alone: the same arguments give the same signature.
 * For published vectors, and where the platform's random generator is not to be relied upon.
 */
export function sm2SignDeterministic(
  privateKey: Uint8Array,
  userId: Uint8Array,
  message: Uint8Array,
  entropy: Uint8Array
): Uint8Array {
  const publicKey = sm2PublicKey(privateKey)
  return signHedged(privateKey, digestInput(publicKey, userId, message), requireBytes(entropy, 'entropy'))
}

/**
 * Verifies an SM2 signature. False, never a throw, for anything that is not right: a key off the curve or in another
 * form than 04 || x || y, a signature that is not 64 octets, r or s outside 1..n-1, r + s = n.
 */
export function sm2Verify(
  publicKey: Uint8Array,
  userId: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array
): boolean {
  if (!(signature instanceof Uint8Array) || signature.length !== 64) return false
  if (!(userId instanceof Uint8Array) || userId.length > 8191 || !(message instanceof Uint8Array))
    return false
  const r = bytesToInteger(signature.subarray(0, 32))
  const s = bytesToInteger(signature.subarray(32))
  if (r < 1n || r >= SM2_ORDER || s < 1n || s >= SM2_ORDER || r + s === SM2_ORDER) return false
  if (!isSm2PublicKey(publicKey)) return false
  return sm2Choice().verifier.verify(publicKey, digestInput(publicKey, userId, message), signature)
}

const digestInput = (publicKey: Uint8Array, userId: Uint8Array, message: Uint8Array): Sm2DigestInput => ({
  za: identityHash(publicKey, userId),
  message: requireBytes(message, 'message')
})

/** What the choice depends on beside the known answers. */
export interface SigningHost {
  readonly architecture: string
  readonly nodeMajor: number
}

/**
 * OpenSSL 3.2 and later skip zero windows of the nonce in ecp_sm2p256.c on ARM64 and RISC-V (oss-security msg02778, declined
 * upstream): time tells of the private key there. Node 22 is the first with such an OpenSSL.
 */
export function leaksSigningTime(host: SigningHost): boolean {
  return host.nodeMajor >= 22 && ['arm64', 'riscv64'].includes(host.architecture)
}

/**
 * Chooses who signs and who verifies: the first candidate right on the example of GB/T 32918.5 and on its forgery.
 * @throws CryptoError CRYPTO_BACKEND when none is
 */
export function chooseSm2(
  candidates: readonly Sm2SignatureProvider[],
  avoidToSign: (provider: Sm2SignatureProvider) => boolean
): {
  readonly signer: Sm2SignatureProvider
  readonly verifier: Sm2SignatureProvider
  readonly trials: readonly BackendTrial[]
} {
  const trials: BackendTrial[] = []
  const pick = (
    primitive: 'sm2-sign' | 'sm2-verify',
    test: (p: Sm2SignatureProvider) => boolean
  ): Sm2SignatureProvider => {
    let found: Sm2SignatureProvider | undefined
    for (const candidate of candidates) {
      const avoided = primitive === 'sm2-sign' && avoidToSign(candidate)
      const outcome = avoided
        ? { right: true, detail: 'not constant-time on this machine' }
        : tryBackend(() => test(candidate))
      const verdict = avoided ? 'avoided' : !outcome.right ? 'wrong' : found ? 'right' : 'used'
      if (verdict === 'used') found = candidate
      trials.push({ primitive, backend: candidate.name, verdict, detail: outcome.detail })
    }
    if (found) return found
    throw new CryptoError('CRYPTO_BACKEND', `no backend computes ${primitive} right`)
  }
  const verifier = pick('sm2-verify', verifiesRight)
  const signer = pick('sm2-sign', candidate => signsRight(candidate))
  return { signer, verifier, trials }
}

const example = () => {
  const publicKey = fromHex(KNOWN_ANSWERS.sm2.publicKey)
  return {
    privateKey: fromHex(KNOWN_ANSWERS.sm2.privateKey),
    publicKey,
    input: digestInput(publicKey, fromHex(KNOWN_ANSWERS.sm2.userId), fromHex(KNOWN_ANSWERS.sm2.message)),
    signature: fromHex(KNOWN_ANSWERS.sm2.signature)
  }
}

const verifiesRight = (provider: Sm2SignatureProvider): boolean => {
  const { publicKey, input, signature } = example()
  const forged = signature.slice()
  forged[63] = (forged[63] as number) ^ 1
  return provider.verify(publicKey, input, signature) && !provider.verify(publicKey, input, forged)
}

/** Signs twice: both verify by the independent arithmetic of @noble/curves, and the nonces differ. */
const signsRight = (provider: Sm2SignatureProvider): boolean => {
  const { privateKey, publicKey, input } = example()
  const first = provider.sign(privateKey, publicKey, input)
  const second = provider.sign(privateKey, publicKey, input)
  const holds = (s: Uint8Array): boolean => s.length === 64 && SM2_NOBLE.verify(publicKey, input, s)
  return holds(first) && holds(second) && !equalBytes(first, second)
}

let state: ReturnType<typeof chooseSm2> | undefined

/** The tested providers of this process; the tests run at the first use. */
export function sm2Choice(): ReturnType<typeof chooseSm2> {
  state ??= chooseSm2([SM2_NATIVE, SM2_NOBLE], provider => {
    const nodeMajor = Number(process.versions.node.split('.')[0])
    return provider === SM2_NATIVE && leaksSigningTime({ architecture: process.arch, nodeMajor })
  })
  return state
}
