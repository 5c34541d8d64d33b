import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

/**
 * Makes this process a Node.js whose OpenSSL has none of the algorithms, as distributions for small devices ship it; must run
 * before proto/crypto is loaded. Its self-test then finds the backends in JavaScript: sm-crypto, @noble/hashes, @noble/curves.
 */
export function removeNativeCryptography(): void {
  const refuse = (): never => {
    throw new Error('taken away for the comparison')
  }
  const names = ['hash', 'createHash', 'createCipheriv', 'createSign', 'createVerify'] as const
  for (const name of names) if (name in crypto) Object.assign(crypto, { [name]: refuse })
  syncBuiltinESMExports()
}
