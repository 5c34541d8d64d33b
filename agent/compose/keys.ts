import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { HostError } from '../../drivers/host/errors.ts'
import { makePrivateFolder, pathExists } from '../../drivers/host/paths.ts'
import { randomOctets } from '../../drivers/host/random.ts'
import { readSecretFile, writeSecretFile } from '../../drivers/host/secrets.ts'
import { fromUtf8, toHex, utf8 } from '../../proto/bytes.ts'
import { gatewayKey } from '../../proto/chain/contract-codec.ts'
import { ethereumAddress } from '../../proto/crypto/secp256k1.ts'
import { keyId } from '../../proto/crypto/sm2-curve.ts'
import {
  createSigner,
  decodePrivateKey,
  decodePublicKey,
  encodePrivateKey,
  encodePublicKey,
  type Signer
} from '../../proto/envelope/keys.ts'
import {
  openRegistration,
  type Registration,
  type RegistrationBundle,
  signRegistration
} from '../../proto/envelope/registration.ts'
import type { Recipient } from '../../proto/envelope/seal.ts'
import { CryptoError } from '../../proto/errors.ts'
import {
  CHAIN_KEY,
  DEVICE_SECRET,
  fromFile,
  keptKeys,
  keyFolder,
  newPrivateKey,
  readHexSecret,
  readPemSecret,
  SIGNING_KEY
} from './key-files.ts'
import { replacementsOf } from './key-replacements.ts'

/** The private side of a gateway: made on the device, never leaves it. */
export interface Identity {
  readonly signer: Signer
  /** secp256k1, 32 octets: the account that submits anchors */
  readonly chainKey: Uint8Array
  /** accounts before it, as long as the registry may still name one of them */
  readonly earlierChainKeys: readonly Uint8Array[]
  /** 32 octets that keep batch keys fresh should the random generator repeat itself */
  readonly deviceSecret: Uint8Array
}

/**
 * Makes the device's keys, each file 0600.
 * @throws HostError HOST_SECRET_EXISTS when there are keys already: an overwritten identity is gone for good
 */
export function initIdentity(config: GatewayConfig): Record<string, string> {
  const folder = keyFolder(config)
  makePrivateFolder(folder)
  if (pathExists(join(folder, SIGNING_KEY))) {
    throw new HostError('HOST_SECRET_EXISTS', 'this gateway has keys already', {
      at: join(folder, SIGNING_KEY),
      next: 'wattproof keys show prints their public side; move the folder away to begin a new identity'
    })
  }
  writeSecretFile(join(folder, CHAIN_KEY), utf8(`${toHex(newPrivateKey())}\n`))
  writeSecretFile(join(folder, DEVICE_SECRET), utf8(`${toHex(randomOctets(32))}\n`))
  // last: its presence says that the identity is complete
  writeSecretFile(join(folder, SIGNING_KEY), utf8(encodePrivateKey(newPrivateKey())))
  return showIdentity(config)
}

/** Loads the device's keys. @throws HostError HOST_SECRET_MISSING with the mend */
export function loadIdentity(config: GatewayConfig): Identity {
  const folder = keyFolder(config)
  const file = join(folder, SIGNING_KEY)
  if (!pathExists(file)) {
    throw new HostError('HOST_SECRET_MISSING', 'this gateway has no keys yet', {
      at: file,
      next: 'make them on the device: wattproof keys init'
    })
  }
  return {
    signer: createSigner(readPemSecret(file)),
    chainKey: readHexSecret(join(folder, CHAIN_KEY)),
    earlierChainKeys: keptKeys(folder, CHAIN_KEY).map(readHexSecret),
    deviceSecret: readHexSecret(join(folder, DEVICE_SECRET))
  }
}

/** The public side of the keys, for people. */
export function showIdentity(config: GatewayConfig): Record<string, string> {
  const { signer, chainKey, earlierChainKeys } = loadIdentity(config)
  const folder = keyFolder(config)
  const [before] = replacementsOf(folder, config.gateway, signer.publicKey)
  return {
    gateway: config.gateway,
    keyId: toHex(signer.kid),
    publicKey: toHex(signer.publicKey),
    chainAccount: ethereumAddress(chainKey),
    chainGatewayId: `0x${toHex(gatewayKey(config.gateway))}`,
    folder,
    ...(before ? { replaces: before.keyId, replacedAt: new Date(before.time * 1_000).toISOString() } : {}),
    ...(earlierChainKeys.length > 0
      ? { chainAccountsBefore: earlierChainKeys.map(ethereumAddress).join(' ') }
      : {})
  }
}

/** The registration bundle of this device, with the keys it had before. @throws HostError, CryptoError */
export function registrationBundle(config: GatewayConfig): RegistrationBundle {
  const { signer, chainKey } = loadIdentity(config)
  const fields = {
    gateway: config.gateway,
    chainAccount: ethereumAddress(chainKey),
    chainGatewayId: `0x${toHex(gatewayKey(config.gateway))}`
  }
  return signRegistration(fields, signer, replacementsOf(keyFolder(config), config.gateway, signer.publicKey))
}

/** The gateway's public keys from a bundle of `keys register` (its signatures are checked) or from a PEM. */
export interface GatewayKeys {
  /** undefined: a PEM names no gateway */
  readonly gateway: string | undefined
  readonly publicKey: Uint8Array
  /** keys before it that it vouches for, newest first */
  readonly earlier: readonly Uint8Array[]
}

/** @throws HostError HOST_IO, CryptoError CRYPTO_KEY or CRYPTO_SIGNATURE */
export function readGatewayKeys(file: string): GatewayKeys {
  const text = readTextFile(file)
  if (text.trimStart().startsWith('{')) return readRegistration(file)
  const publicKey = fromFile(file, PUBLIC_PEM, () => decodePublicKey(text))
  return { gateway: undefined, publicKey, earlier: [] }
}

/** A bundle of `keys register` or `keys rotate`, every signature checked. @throws HostError HOST_IO, CryptoError with the file */
export function readRegistration(file: string): Registration {
  const text = readTextFile(file)
  if (!text.trimStart().startsWith('{')) {
    throw new CryptoError('CRYPTO_KEY', 'a bare key names no gateway', {
      at: file,
      next: 'give the bundle that keys register prints'
    })
  }
  try {
    return openRegistration(text)
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
    throw new CryptoError(cause.code, cause.message, { at: file, next: FRESH_BUNDLE, cause })
  }
}

const FRESH_BUNDLE = 'ask for a fresh one: wattproof keys register'

const PUBLIC_PEM = 'give a PEM with BEGIN PUBLIC KEY, curve sm2p256v1, as keys init --ledger writes it'

/** Public key of a PEM file. @throws HostError HOST_IO, CryptoError CRYPTO_KEY naming the file */
export function readPublicKeyFile(file: string): Uint8Array {
  const text = readTextFile(file)
  return fromFile(file, PUBLIC_PEM, () => decodePublicKey(text))
}

function readTextFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new HostError('HOST_IO', `cannot read a key: ${(cause as NodeJS.ErrnoException).code}`, {
      at: file,
      next: 'name an existing file',
      cause
    })
  }
}

/** Recipients of the batches, from their key files. */
export function loadRecipients(config: GatewayConfig): Recipient[] {
  return config.recipients.map(({ keyFile }) => {
    const publicKey = readPublicKeyFile(keyFile)
    return { kid: keyId(publicKey), publicKey }
  })
}

/** A ledger's private side: one key signs receipts, the other opens batches. */
export interface LedgerKeys {
  readonly signer: Signer
  readonly encryptionKey: Uint8Array
}

/** Makes ledger.key (0600) with the two public keys a gateway's configuration names. */
export function initLedgerKey(folder: string): Record<string, string> {
  makePrivateFolder(folder)
  const signKey = newPrivateKey()
  const openKey = newPrivateKey()
  const files = {
    key: join(folder, 'ledger.key'),
    signPublic: join(folder, 'ledger.sign.pub'),
    encPublic: join(folder, 'ledger.enc.pub')
  }
  writeSecretFile(
    files.key,
    utf8(`${encodePrivateKey(signKey).trim()}\n${encodePrivateKey(openKey).trim()}\n`)
  )
  writeFileSync(files.signPublic, encodePublicKey(createSigner(signKey).publicKey))
  writeFileSync(files.encPublic, encodePublicKey(createSigner(openKey).publicKey))
  return files
}

/**
 * Loads a ledger's key file: the first PEM signs receipts, the second opens batches (one PEM does both).
 * @throws HostError, CryptoError CRYPTO_KEY
 */
export function loadLedgerKeys(file: string): LedgerKeys {
  const pems =
    fromUtf8(readSecretFile(file)).match(/-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/g) ??
    []
  const first = pems[0]
  if (first === undefined) {
    throw new CryptoError('CRYPTO_KEY', 'no private key in the file', {
      at: file,
      next: 'make one: wattproof keys init --ledger DIR'
    })
  }
  const next = 'make one: wattproof keys init --ledger DIR'
  return fromFile(file, next, () => ({
    signer: createSigner(decodePrivateKey(first)),
    encryptionKey: decodePrivateKey(pems[1] ?? first)
  }))
}
