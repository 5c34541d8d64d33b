import { equalBytes, toHex } from '../../proto/bytes.ts'
import { CryptoError } from '../../proto/errors.ts'
import { decodeSigned } from '../../proto/wire/signed.ts'
import type { EnrolledKey, LedgerAnchor, LedgerGateway } from '../ports.ts'

/**
 * The gateway's key that a signed object names.
 * @throws CodecError; CryptoError CRYPTO_SIGNATURE when the gateway has no such key here
 */
export function signingKeyOf(gateway: LedgerGateway, signed: Uint8Array): EnrolledKey {
  const { kid } = decodeSigned(signed)
  const key = gateway.keys.find(entry => equalBytes(entry.kid, kid))
  if (key) return key
  throw new CryptoError(
    'CRYPTO_SIGNATURE',
    `signed with another key than those of ${gateway.gateway}: ${toHex(kid)}`
  )
}

/** The unix second from which a newer key of the gateway counts; undefined while none has signed an accepted anchor. */
export function replacedSince(gateway: LedgerGateway, key: LedgerKeyId): number | undefined {
  const at = gateway.keys.findIndex(entry => equalBytes(entry.kid, key.kid))
  return gateway.keys.slice(at + 1).find(entry => entry.since !== null)?.since ?? undefined
}
type LedgerKeyId = Pick<EnrolledKey, 'kid'>

/**
 * Why a new anchor may not be signed with this key: an epoch has one key, and a key is over once a newer one has opened an epoch.
 * What was accepted before is not asked: its octets come again as they were.
 * @param head the gateway's last accepted anchor @returns undefined when it may
 */
export function keyFault(
  gateway: LedgerGateway,
  head: LedgerAnchor | undefined,
  anchor: Pick<LedgerAnchor, 'epoch' | 'signed'>
): string | undefined {
  const key = signingKeyOf(gateway, anchor.signed)
  if (replacedSince(gateway, key) !== undefined) return `its key ${toHex(key.kid)} was replaced`
  if (!head || !equalBytes(head.epoch, anchor.epoch)) return undefined
  return equalBytes(decodeSigned(head.signed).kid, key.kid)
    ? undefined
    : 'its epoch was begun under another key'
}
