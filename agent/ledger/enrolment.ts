import { equalBytes, toHex } from '../../proto/bytes.ts'
import { keyId } from '../../proto/crypto/sm2-curve.ts'
import type { Registration } from '../../proto/envelope/registration.ts'
import { CryptoError } from '../../proto/errors.ts'
import type { LedgerStore } from '../ports.ts'

/** What a bundle changed: a gateway more, a key more, or nothing. */
export type Enrolment = 'enrolled' | 'keyReplaced' | 'known'

/**
 * Admits a gateway by its bundle, or a further key of it. A further key needs the signature of the newest one had: whoever could bring
 * a bundle could otherwise take the gateway over, and whoever has an old key could branch off.
 * @param trusted key ids (hex) that a person has compared with the device, for a gateway whose key is lost
 * @throws CryptoError CRYPTO_SIGNATURE when nothing vouches for the key
 */
export function enrolGateway(
  store: Pick<LedgerStore, 'gateway' | 'enrol'>,
  { gateway, publicKey, earlier }: Registration,
  trusted: readonly string[]
): Enrolment {
  const known = store.gateway(gateway)
  const admit = (signKey: Uint8Array): void =>
    store.enrol({ gateway, signKey, kid: keyId(signKey), status: known?.status ?? 'active' })
  const kid = toHex(keyId(publicKey))
  if (!known) {
    // the earlier ones too: stored batches that they signed may still be on their way
    for (const key of [...earlier].reverse()) admit(key)
    admit(publicKey)
    return 'enrolled'
  }
  if (known.keys.some(({ signKey }) => equalBytes(signKey, publicKey))) return 'known'
  const newest = known.keys.at(-1)
  const proved = earlier.findIndex(key => newest !== undefined && equalBytes(key, newest.signKey))
  if (proved < 0 && !trusted.includes(kid))
    throw unproved(gateway, kid, toHex(newest?.kid ?? new Uint8Array(0)))
  for (const key of earlier.slice(0, Math.max(proved, 0)).reverse()) admit(key)
  admit(publicKey)
  return 'keyReplaced'
}

function unproved(gateway: string, kid: string, newest: string): CryptoError {
  return new CryptoError(
    'CRYPTO_SIGNATURE',
    `the bundle brings key ${kid} for ${gateway}, and the key had, ${newest}, has not signed for it`,
    {
      next: `ask for the bundle of keys rotate; if the key before is lost, compare ${kid} with keys show on the device and give --trust-key ${kid}`
    }
  )
}
