import smCrypto from 'sm-crypto'
import { concatBytes, fromHex, toHex, u64be } from '../../proto/bytes.ts'
import { deflateRaw } from '../../proto/crypto/deflate.ts'
import { hmacSm3 } from '../../proto/crypto/digest.ts'
import { sm4Ctr } from '../../proto/crypto/sm4.ts'
import { pad } from '../../proto/envelope/cipher.ts'
import { deriveBatchKeys } from '../../proto/envelope/key-schedule.ts'
import { leafHashes } from '../../proto/envelope/leaves.ts'
import { recipientsHash, type SealInput } from '../../proto/envelope/seal.ts'
import { CATALOGUE_VERSION } from '../../proto/items.ts'
import { merkleRootOfHashes } from '../../proto/merkle/tree.ts'
import { encodeAnchor } from '../../proto/wire/anchor.ts'
import { encodeBatch } from '../../proto/wire/batch.ts'
import { COMPRESSION, encodeHeader, LAYOUT } from '../../proto/wire/header.ts'
import { encodePayload } from '../../proto/wire/payload.ts'
import { encodeSigned } from '../../proto/wire/signed.ts'
import { DOMAIN, headerHash, rosterHash, sealedHash } from '../../proto/wire/suite.ts'
import { gatewayKey } from './core-parts.ts'

/**
 * The same batch (suite 1) as a gateway would seal it on sm-crypto alone: its SM2 for envelopes and signature, its SM3 and SM4
 * as the portable provider has them. Encodings are the product's, for the sake of a valid batch; nothing is checked twice.
 */
export function sealWithSmCrypto(input: SealInput): {
  readonly batch: Uint8Array
  readonly anchor: Uint8Array
} {
  const { gateway, epoch, seq, prev, slotFrom, slotTo, reason, created, roster, readings, signer } = input
  const payload = encodePayload({ roster, readings })
  const key = input.random(32)
  const keys = deriveBatchKeys(key, input)
  const root = merkleRootOfHashes('sha256', leafHashes('sha256', keys.salt, readings))
  const shared = { suite: 1, gateway, epoch, seq, slotFrom, slotTo, count: readings.length, root, created }
  const header = encodeHeader({
    ...shared,
    schema: CATALOGUE_VERSION,
    roster: rosterHash(roster, 1),
    layout: LAYOUT.columnar,
    compression: COMPRESSION.deflateRaw,
    plainLen: payload.length,
    recipients: recipientsHash(input.recipients)
  })
  const ciphertext = sm4Ctr(keys.encryption, new Uint8Array(16), pad(deflateRaw(payload)))
  const macInput = [
    header,
    new Uint8Array(16),
    ciphertext,
    u64be(8 * header.length),
    u64be(8 * ciphertext.length)
  ]
  const sealed = {
    ciphertext,
    tag: hmacSm3(keys.mac, concatBytes(...macInput)),
    envelopes: input.recipients
      .map(({ kid, publicKey }) => ({
        kid,
        wrappedKey: fromHex(`04${smCrypto.sm2.doEncrypt(key, toHex(publicKey), 1)}`)
      }))
      .sort((a, b) => (toHex(a.kid) < toHex(b.kid) ? -1 : 1))
  }
  const body = encodeAnchor({
    ...{ ...shared, prev, reason },
    headerHash: headerHash(header, 1),
    sealedHash: sealedHash(sealed, 1)
  })
  const signature = smCrypto.sm2.doSignature(concatBytes(DOMAIN.anchor, body), toHex(gatewayKey), {
    hash: true,
    publicKey: toHex(signer.publicKey),
    userId: gateway
  })
  return {
    batch: encodeBatch({ header, ...sealed }),
    anchor: encodeSigned({ body, kid: signer.kid, signature: fromHex(signature) })
  }
}
