import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { HostError } from '../../drivers/host/errors.ts'
import { makePrivateFolder, pathExists } from '../../drivers/host/paths.ts'
import { randomOctets } from '../../drivers/host/random.ts'
import { readSecretFile, writeSecretFile } from '../../drivers/host/secrets.ts'
import { fromHex, fromUtf8, toHex, utf8 } from '../../proto/bytes.ts'
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
import type { Recipient } from '../../proto/envelope/seal.ts'
import { CryptoError } from '../../proto/errors.ts'

const SIGNING_KEY = 'gateway.key.pem'
const CHAIN_KEY = 'chain.key'
const DEVICE_SECRET = 'device.secret'

/** The private side of a gateway: made on the device, never leaves it. */
export interface Identity {
  readonly signer: Signer
  /** secp256k1, 32 octets: the account that submits anchors */
  readonly chainKey: Uint8Array
  /** 32 octets that keep batch keys fresh should the random generator repeat itself */
  readonly deviceSecret: Uint8Array
}

const keyFolder = (config: GatewayConfig) => join(config.stateDir, 'keys')

/** A private key in [1, n-2] of SM2 and below n of secp256k1: the top octet kept under FF leaves both ranges safe. */
function newPrivateKey(): Uint8Array {
  for (;;) {
    const key = randomOctets(32)
    if ((key[0] as number) < 0xff && key.some(octet => octet !== 0)) return key
  }
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
    signer: createSigner(fromFile(file, RESTORE, () => decodePrivateKey(fromUtf8(readSecretFile(file))))),
    chainKey: readHexSecret(join(folder, CHAIN_KEY)),
    deviceSecret: readHexSecret(join(folder, DEVICE_SECRET))
  }
}

const RESTORE = 'restore the file from its backup; a lost identity is made anew by wattproof keys init'

/** Reads a key; what is wrong with it is told with the name of its file. */
function fromFile<Key>(file: string, next: string, read: () => Key): Key {
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

function readHexSecret(path: string): Uint8Array {
  const key = fromFile(path, RESTORE, () => fromHex(fromUtf8(readSecretFile(path)).trim()))
  if (key.length !== 32)
    throw new CryptoError('CRYPTO_KEY', `a secret of 32 octets was expected, not ${key.length}`, {
      at: path,
      next: 'restore the file'
    })
  return key
}

/** The public side of the keys, for people. */
export function showIdentity(config: GatewayConfig): Record<string, string> {
  const { signer, chainKey } = loadIdentity(config)
  return {
    gateway: config.gateway,
    keyId: toHex(signer.kid),
    publicKey: toHex(signer.publicKey),
    chainAccount: ethereumAddress(chainKey),
    chainGatewayId: `0x${toHex(gatewayKey(config.gateway))}`,
    folder: keyFolder(config)
  }
}

/** What the utility needs to admit a gateway to ledger and chain. */
export interface RegistrationBundle {
  readonly format: 'wattproof-registration/1'
  readonly gateway: string
  readonly signKeyPem: string
  readonly keyId: string
  readonly chainAccount: string
  readonly chainGatewayId: string
  /** SM2 signature over the bundle's other fields: the sender holds the key */
  readonly proofOfPossession: string
}

const BUNDLE_DOMAIN = 'wattproof/v1/registration\0'

function bundleMessage(bundle: Omit<RegistrationBundle, 'proofOfPossession'>): Uint8Array {
  const { format, gateway, signKeyPem, keyId: kid, chainAccount, chainGatewayId } = bundle
  return utf8(
    BUNDLE_DOMAIN + [format, gateway, signKeyPem.trim(), kid, chainAccount, chainGatewayId].join('\n')
  )
}

/** The registration bundle of this device. */
export function registrationBundle(config: GatewayConfig): RegistrationBundle {
  const { signer, chainKey } = loadIdentity(config)
  const bundle = {
    format: 'wattproof-registration/1' as const,
    gateway: config.gateway,
    signKeyPem: encodePublicKey(signer.publicKey),
    keyId: toHex(signer.kid),
    chainAccount: ethereumAddress(chainKey),
    chainGatewayId: `0x${toHex(gatewayKey(config.gateway))}`
  }
  const signature = signer.sign(utf8(config.gateway), bundleMessage(bundle))
  return { ...bundle, proofOfPossession: toHex(signature) }
}

const FRESH_BUNDLE = 'ask for a fresh one: wattproof keys register'

/**
 * The gateway's public key from a bundle of `keys register` (its signature is checked) or from a PEM.
 * @throws HostError HOST_IO, CryptoError CRYPTO_KEY or CRYPTO_SIGNATURE
 */
export function readGatewayKey(
  file: string,
  verify: (key: Uint8Array, userId: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
): {
  readonly gateway: string | undefined
  readonly publicKey: Uint8Array
} {
  const text = readTextFile(file)
  if (!text.trimStart().startsWith('{')) return { gateway: undefined, publicKey: decodePublicKey(text) }
  const { bundle, publicKey, signature } = fromFile(file, FRESH_BUNDLE, () => {
    const bundle = JSON.parse(text) as RegistrationBundle
    return {
      bundle,
      publicKey: decodePublicKey(String(bundle.signKeyPem)),
      signature: fromHex(String(bundle.proofOfPossession))
    }
  })
  const holds =
    toHex(keyId(publicKey)) === bundle.keyId &&
    verify(publicKey, utf8(String(bundle.gateway)), bundleMessage(bundle), signature)
  if (!holds) {
    throw new CryptoError(
      'CRYPTO_SIGNATURE',
      'the registration bundle was changed or is not signed by its own key',
      {
        at: file,
        next: FRESH_BUNDLE
      }
    )
  }
  return { gateway: bundle.gateway, publicKey }
}

/** Public key of a PEM file. @throws HostError HOST_IO, CryptoError CRYPTO_KEY naming the file */
export function readPublicKeyFile(file: string): Uint8Array {
  const text = readTextFile(file)
  const next = 'a PEM with BEGIN PUBLIC KEY, curve sm2p256v1, as keys init --ledger writes it'
  return fromFile(file, next, () => decodePublicKey(text))
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
