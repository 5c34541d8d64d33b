import { join } from 'node:path'
import { pathExists } from '../../drivers/host/paths.ts'
import { readSecretFile } from '../../drivers/host/secrets.ts'
import { fromUtf8, toHex } from '../../proto/bytes.ts'
import { keyId } from '../../proto/crypto/sm2-curve.ts'
import { openReplacements, type Replacement } from '../../proto/envelope/registration.ts'
import { fromFile, REPLACED } from './key-files.ts'

/**
 * What the keys before the one in force signed, newest first; every signature is checked.
 * @throws HostError, CryptoError CRYPTO_KEY with the file
 */
export function replacementsOf(folder: string, gateway: string, present: Uint8Array): Replacement[] {
  const path = join(folder, REPLACED)
  const next = `restore the file; if the key beside it was exchanged by hand, move ${REPLACED} away`
  return fromFile(path, next, () => {
    const list = pathExists(path) ? (JSON.parse(fromUtf8(readSecretFile(path))) as Replacement[]) : []
    // a rotation that was cut off has its statement already, and the key it speaks of is still in force
    const past = list[0]?.keyId === toHex(keyId(present)) ? list.slice(1) : list
    openReplacements(gateway, present, past)
    return past
  })
}
