import { sm2Choice } from './sm2-signature.ts'
import { type BackendTrial, symmetricChoice } from './symmetric.ts'

/** Which backend serves each primitive, and what every candidate did on the known answers. */
export interface SelfTestReport {
  /** e.g. { sm3: 'node:crypto', ... } */
  readonly used: Readonly<Record<BackendTrial['primitive'], string>>
  readonly trials: readonly BackendTrial[]
}

/**
 * Tests every backend on published examples and settles which serves; to be called at start-up so that a platform without
 * right cryptography stops there and not at the first batch. Without it the same tests run at the first use.
 * @throws CryptoError CRYPTO_BACKEND when a primitive has no right backend
 */
export function runSelfTest(): SelfTestReport {
  const trials = [...symmetricChoice().trials, ...sm2Choice().trials]
  const by = (primitive: BackendTrial['primitive']): string =>
    trials.find(trial => trial.primitive === primitive && trial.verdict === 'used')?.backend ?? 'none'
  return {
    used: {
      sm3: by('sm3'),
      sha256: by('sha256'),
      'sm4-ecb': by('sm4-ecb'),
      'sm4-ctr': by('sm4-ctr'),
      'sm2-sign': by('sm2-sign'),
      'sm2-verify': by('sm2-verify')
    },
    trials
  }
}
