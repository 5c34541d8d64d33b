import { equalBytes, fromHex } from '../bytes.ts'
import { CryptoError } from '../errors.ts'
import { KNOWN_ANSWERS } from './known-answers.ts'
import type { SymmetricProvider } from './provider.ts'
import { NATIVE } from './provider-native.ts'
import { PORTABLE } from './provider-portable.ts'

/** The verdict on one backend for one primitive. */
export interface BackendTrial {
  readonly primitive: 'sm3' | 'sha256' | 'sm4-ecb' | 'sm4-ctr' | 'sm2-sign' | 'sm2-verify'
  readonly backend: string
  readonly verdict: 'used' | 'right' | 'wrong' | 'avoided'
  readonly detail: string
}

const TESTS: Readonly<Record<'sm3' | 'sha256' | 'sm4Ecb' | 'sm4Ctr', (p: SymmetricProvider) => boolean>> = {
  sm3: p => equalBytes(p.sm3(fromHex(KNOWN_ANSWERS.sm3.message)), fromHex(KNOWN_ANSWERS.sm3.digest)),
  sha256: p =>
    equalBytes(p.sha256(fromHex(KNOWN_ANSWERS.sha256.message)), fromHex(KNOWN_ANSWERS.sha256.digest)),
  sm4Ecb: p =>
    equalBytes(
      p.sm4Ecb(fromHex(KNOWN_ANSWERS.sm4.key), fromHex(KNOWN_ANSWERS.sm4.plain)),
      fromHex(KNOWN_ANSWERS.sm4.cipher)
    ),
  sm4Ctr: p =>
    equalBytes(
      p.sm4Ctr(
        fromHex(KNOWN_ANSWERS.sm4Ctr.key),
        fromHex(KNOWN_ANSWERS.sm4Ctr.iv),
        fromHex(KNOWN_ANSWERS.sm4Ctr.plain)
      ),
      fromHex(KNOWN_ANSWERS.sm4Ctr.cipher)
    )
}
const LABELS = { sm3: 'sm3', sha256: 'sha256', sm4Ecb: 'sm4-ecb', sm4Ctr: 'sm4-ctr' } as const

/**
 * Takes each primitive from the first provider that reproduces its known answer.
 * @throws CryptoError CRYPTO_BACKEND when none does
 */
export function chooseSymmetric(candidates: readonly SymmetricProvider[]): {
  readonly chosen: SymmetricProvider
  readonly trials: readonly BackendTrial[]
} {
  const trials: BackendTrial[] = []
  const pick = (primitive: keyof typeof TESTS): SymmetricProvider => {
    let found: SymmetricProvider | undefined
    for (const candidate of candidates) {
      const outcome = tryBackend(() => TESTS[primitive](candidate))
      const verdict = !outcome.right ? 'wrong' : found ? 'right' : 'used'
      if (verdict === 'used') found = candidate
      trials.push({
        primitive: LABELS[primitive],
        backend: candidate.name,
        verdict,
        detail: outcome.detail
      })
    }
    if (found) return found
    throw new CryptoError('CRYPTO_BACKEND', `no backend computes ${LABELS[primitive]} right`, {
      next: 'use a Node.js whose OpenSSL has SM3 and SM4, or reinstall the dependencies'
    })
  }
  const [sm3, sha256, ecb, ctr] = [pick('sm3'), pick('sha256'), pick('sm4Ecb'), pick('sm4Ctr')]
  const chosen: SymmetricProvider = {
    name: [...new Set([sm3.name, sha256.name, ecb.name, ctr.name])].join('+'),
    sm3: sm3.sm3,
    sha256: sha256.sha256,
    sm4Ecb: ecb.sm4Ecb,
    sm4Ctr: ctr.sm4Ctr
  }
  return { chosen, trials }
}

/** Runs a known-answer test; a throw is a wrong answer. */
export function tryBackend(test: () => boolean): { readonly right: boolean; readonly detail: string } {
  try {
    return test()
      ? { right: true, detail: 'known answer reproduced' }
      : { right: false, detail: 'answers otherwise than the standard' }
  } catch (error) {
    return { right: false, detail: error instanceof Error ? error.message : String(error) }
  }
}

let state: ReturnType<typeof chooseSymmetric> | undefined

/** The tested provider; the tests run at the first use. */
export function symmetric(): SymmetricProvider {
  return symmetricChoice().chosen
}

/** The tested provider with what each candidate did. */
export function symmetricChoice(): ReturnType<typeof chooseSymmetric> {
  state ??= chooseSymmetric([NATIVE, PORTABLE])
  return state
}
