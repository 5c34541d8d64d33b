import { existsSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { HostError } from '../../drivers/host/errors.ts'
import { randomOctets } from '../../drivers/host/random.ts'
import { readSecretFile, syncDirectory } from '../../drivers/host/secrets.ts'
import { fromHex, fromUtf8 } from '../../proto/bytes.ts'
import { decodePrivateKey } from '../../proto/envelope/keys.ts'
import { CryptoError } from '../../proto/errors.ts'

/** The signing key in force; its presence says that the identity is complete. */
export const SIGNING_KEY = 'gateway.key.pem'
/** The chain account in force. */
export const CHAIN_KEY = 'chain.key'
export const DEVICE_SECRET = 'device.secret'
/** What the keys before signed over to the ones after them: public, and kept for ever. */
export const REPLACED = 'replaced.json'
/** Keys of the next rotation step, before they are in force. */
export const NEXT = { [SIGNING_KEY]: 'gateway.next.pem', [CHAIN_KEY]: 'chain.next.key' } as const

export const keyFolder = (config: GatewayConfig): string => join(config.stateDir, 'keys')

/** Name under which a key that was replaced is kept: `gateway.<key id>.old.pem`, `chain.<account>.old.key`. */
export function keptName(kind: keyof typeof NEXT, id: string): string {
  return kind === SIGNING_KEY ? `gateway.${id}.old.pem` : `chain.${id.toLowerCase()}.old.key`
}

/** Files of replaced keys that are still kept. */
export function keptKeys(folder: string, kind: keyof typeof NEXT): string[] {
  const form =
    kind === SIGNING_KEY ? /^gateway\.[0-9a-f]{16}\.old\.pem$/ : /^chain\.0x[0-9a-f]{40}\.old\.key$/
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(name => form.test(name))
    .sort()
    .map(name => join(folder, name))
}

/** Removes replaced keys that nothing needs any more. */
export function removeKeys(files: readonly string[], folder: string): void {
  for (const file of files) unlinkSync(file)
  if (files.length > 0) syncDirectory(folder)
}

/** A private key in [1, n-2] of SM2 and below n of secp256k1: the top octet kept under FF leaves both ranges safe. */
export function newPrivateKey(): Uint8Array {
  for (;;) {
    const key = randomOctets(32)
    if ((key[0] as number) < 0xff && key.some(octet => octet !== 0)) return key
  }
}

const RESTORE = 'restore the file from its backup; a lost identity is made anew by wattproof keys init'

/** Reads a key; what is wrong with it is told with the name of its file. */
export function fromFile<Key>(file: string, next: string, read: () => Key): Key {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof HostError) throw cause
    throw new CryptoError('CRYPTO_KEY', `not the key that belongs here: ${(cause as Error).message}`, {
      at: file,
      next,
      cause
    })
  }
}

/** 32 octets of a PEM. @throws HostError, CryptoError CRYPTO_KEY */
export function readPemSecret(path: string): Uint8Array {
  return fromFile(path, RESTORE, () => decodePrivateKey(fromUtf8(readSecretFile(path))))
}

/** 32 octets written as hex. @throws HostError, CryptoError CRYPTO_KEY */
export function readHexSecret(path: string): Uint8Array {
  const key = fromFile(path, RESTORE, () => fromHex(fromUtf8(readSecretFile(path)).trim()))
  if (key.length !== 32)
    throw new CryptoError('CRYPTO_KEY', `a secret of 32 octets was expected, not ${key.length}`, {
      at: path,
      next: 'restore the file'
    })
  return key
}
