import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { HostError } from '../../drivers/host/errors.ts'
import { pathExists } from '../../drivers/host/paths.ts'
import { keepSecretFile, promoteSecretFile, writeSecretFile } from '../../drivers/host/secrets.ts'
import { equalBytes, toHex, utf8 } from '../../proto/bytes.ts'
import { ethereumAddress } from '../../proto/crypto/secp256k1.ts'
import { createSigner, encodePrivateKey, type Signer } from '../../proto/envelope/keys.ts'
import { signReplacement } from '../../proto/envelope/registration.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { decodeSigned } from '../../proto/wire/signed.ts'
import type { AgentStore, Log } from '../ports.ts'
import {
  CHAIN_KEY,
  keptKeys,
  keptName,
  keyFolder,
  NEXT,
  newPrivateKey,
  REPLACED,
  readHexSecret,
  readPemSecret,
  removeKeys,
  SIGNING_KEY
} from './key-files.ts'
import { replacementsOf } from './key-replacements.ts'
import { loadIdentity } from './keys.ts'
import { openStoreForReading, storePath } from './stores.ts'

/** Named points of a rotation, for tests that kill the process there. */
export type RotationPoint = 'made' | 'stated' | 'kept' | 'switched'

export interface RotationPlan {
  readonly signing: boolean
  readonly chain: boolean
  readonly nowMs: number
  readonly hit?: (point: RotationPoint, key: 'signing' | 'chain') => void
}

/** 'rotated': a new key is in force; 'waiting': one made before is in force and nothing was done with it yet, so it stays. */
export type RotationOutcome = 'rotated' | 'waiting'

/**
 * Puts new keys in force. The old key is in force until one rename makes the new one so: whatever ends the process, one of the two is
 * there, and called again it finishes what was begun. A key that nothing was signed with yet is not rotated again.
 * @throws HostError, CryptoError, StoreError
 */
export function rotateIdentity(
  config: GatewayConfig,
  plan: RotationPlan
): { readonly signing?: RotationOutcome; readonly chain?: RotationOutcome } {
  const uses = usesOf(config)
  return {
    ...(plan.signing ? { signing: rotateSigningKey(config, plan, uses.signing) } : {}),
    ...(plan.chain ? { chain: rotateChainKey(config, plan, uses.chain) } : {})
  }
}

function rotateSigningKey(
  config: GatewayConfig,
  { nowMs, hit }: RotationPlan,
  isUsed: (kid: Uint8Array) => boolean
): RotationOutcome {
  const folder = keyFolder(config)
  const { signer: before } = loadIdentity(config)
  const past = replacementsOf(folder, config.gateway, before.publicKey)
  const next = join(folder, NEXT[SIGNING_KEY])
  if (past.length > 0 && !pathExists(next) && !isUsed(before.kid)) return 'waiting'
  const after = createSigner(madeKey(next, encodePrivateKey, readPemSecret))
  hit?.('made', 'signing')
  const statement = signReplacement(config.gateway, before, after, Math.floor(nowMs / 1_000))
  writeSecretFile(join(folder, REPLACED), utf8(JSON.stringify([statement, ...past], null, 2)), true)
  hit?.('stated', 'signing')
  const current = join(folder, SIGNING_KEY)
  keepSecretFile(current, join(folder, keptName(SIGNING_KEY, toHex(before.kid))))
  hit?.('kept', 'signing')
  requireSame(equalBytes(loadIdentity(config).signer.kid, before.kid), current)
  promoteSecretFile(next, current)
  hit?.('switched', 'signing')
  return 'rotated'
}

function rotateChainKey(
  config: GatewayConfig,
  { hit }: RotationPlan,
  isUsed: (account: string) => boolean
): RotationOutcome {
  const folder = keyFolder(config)
  const before = ethereumAddress(loadIdentity(config).chainKey)
  const next = join(folder, NEXT[CHAIN_KEY])
  if (keptKeys(folder, CHAIN_KEY).length > 0 && !pathExists(next) && !isUsed(before)) return 'waiting'
  madeKey(next, key => `${toHex(key)}\n`, readHexSecret)
  hit?.('made', 'chain')
  const current = join(folder, CHAIN_KEY)
  keepSecretFile(current, join(folder, keptName(CHAIN_KEY, before)))
  hit?.('kept', 'chain')
  requireSame(ethereumAddress(loadIdentity(config).chainKey) === before, current)
  promoteSecretFile(next, current)
  hit?.('switched', 'chain')
  return 'rotated'
}

/** The key of a rotation that was cut off, or a new one on disk. */
function madeKey(
  path: string,
  write: (key: Uint8Array) => string,
  read: (path: string) => Uint8Array
): Uint8Array {
  if (!pathExists(path)) writeSecretFile(path, utf8(write(newPrivateKey())))
  return read(path)
}

function requireSame(same: boolean, path: string): void {
  if (same) return
  throw new HostError('HOST_SECRET_EXISTS', 'another process has rotated the key in the meantime', {
    at: path,
    next: 'wattproof keys register prints the bundle of the key in force'
  })
}

/** Whether anything was signed with a key yet. A store that cannot be read keeps nobody from a new key. */
function usesOf(config: GatewayConfig): {
  readonly signing: (kid: Uint8Array) => boolean
  readonly chain: (account: string) => boolean
} {
  const ask = (question: (store: AgentStore) => boolean): boolean => {
    if (!pathExists(storePath(config))) return false
    try {
      const store = openStoreForReading(config)
      try {
        return question(store)
      } finally {
        store.close()
      }
    } catch (error) {
      if (isWattproofError(error)) return true
      throw error
    }
  }
  return {
    signing: kid =>
      ask(store => {
        const head = store.head()
        return head !== undefined && equalBytes(decodeSigned(head.anchor).kid, kid)
      }),
    chain: account =>
      ask(store =>
        store.attempts({ newestFirst: true, limit: LOOK_BACK }).some(({ from }) => from === account)
      )
  }
}

const LOOK_BACK = 256

/**
 * Removes replaced keys that nothing needs any more: a signing key when the ledger has acknowledged a batch under the one in force and
 * nothing signed before is still on its way; a chain account when an anchor of the one in force is final. A daemon that still signs with
 * a key that was replaced while it ran removes none.
 */
export function dropSpentKeys(
  config: GatewayConfig,
  identity: { readonly signer: Pick<Signer, 'kid'>; readonly chainKey: Uint8Array },
  store: Pick<AgentStore, 'queryBatches' | 'undelivered' | 'undeliveredAlarms' | 'attempts'>,
  log: Log
): void {
  const folder = keyFolder(config)
  const isOwn = (signed: Uint8Array) => equalBytes(decodeSigned(signed).kid, identity.signer.kid)
  const signing = keptKeys(folder, SIGNING_KEY)
  const ownSigning = keptName(SIGNING_KEY, toHex(identity.signer.kid))
  if (signing.length > 0 && !signing.includes(join(folder, ownSigning))) {
    const [delivered] = store.queryBatches({ state: 'delivered', newestFirst: true, limit: 1 })
    const isSpent =
      delivered !== undefined &&
      isOwn(delivered.anchor) &&
      store.undelivered(1).every(({ anchor }) => isOwn(anchor)) &&
      store.undeliveredAlarms(LOOK_BACK).every(({ signed }) => isOwn(signed))
    if (isSpent) {
      removeKeys(signing, folder)
      log.info('old-keys-removed', { key: 'signing', count: signing.length })
    }
  }
  const chain = keptKeys(folder, CHAIN_KEY)
  const account = ethereumAddress(identity.chainKey)
  if (chain.length === 0 || chain.includes(join(folder, keptName(CHAIN_KEY, account)))) return
  const finals = store.attempts({ state: 'final', newestFirst: true, limit: LOOK_BACK })
  if (!finals.some(({ from }) => from === account)) return
  removeKeys(chain, folder)
  log.info('old-keys-removed', { key: 'chain', count: chain.length })
}
