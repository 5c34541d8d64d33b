import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import smCrypto from 'sm-crypto'
import t from 'tap'
import { concatBytes, equalBytes, fromHex, toHex, utf8 } from '../../proto/bytes.ts'
import { deflateRaw, inflateRaw } from '../../proto/crypto/deflate.ts'
import { hkdfSm3, hmacSm3, keccak256, sha256, sm3 } from '../../proto/crypto/digest.ts'
import { NATIVE } from '../../proto/crypto/provider-native.ts'
import { PORTABLE } from '../../proto/crypto/provider-portable.ts'
import { ethereumAddress, secp256k1PublicKey, secp256k1Sign } from '../../proto/crypto/secp256k1.ts'
import { runSelfTest } from '../../proto/crypto/self-test.ts'
import {
  bytesToInteger,
  identityHash,
  isSm2PublicKey,
  keyId,
  sm2PublicKey,
  sm2Spki
} from '../../proto/crypto/sm2-curve.ts'
import { rawToDer } from '../../proto/crypto/sm2-der.ts'
import { sm2Decrypt, sm2Encrypt, sm2EncryptWithScalar } from '../../proto/crypto/sm2-envelope.ts'
import { SM2_NATIVE } from '../../proto/crypto/sm2-native.ts'
import { SM2_NOBLE, signWithNonce } from '../../proto/crypto/sm2-noble.ts'
import {
  chooseSm2,
  leaksSigningTime,
  sm2Sign,
  sm2SignDeterministic,
  sm2Verify
} from '../../proto/crypto/sm2-signature.ts'
import { sm4Ctr, sm4GcmOpen, sm4GcmSeal } from '../../proto/crypto/sm4.ts'
import { chooseSymmetric } from '../../proto/crypto/symmetric.ts'
import { CodecError, CryptoError } from '../../proto/errors.ts'
import { seededOctets, seededRandom } from '../fixtures/random.ts'

type Vector = Readonly<Record<string, string>> & { readonly size?: number; readonly tagBits?: number }
const FILE = new URL('../vectors/crypto.json', import.meta.url)
const GROUPS: readonly { readonly id: string; readonly vectors: readonly Vector[] }[] = JSON.parse(
  readFileSync(FILE, 'utf8')
).groups
const vectorsOf = (id: string): readonly Vector[] => {
  const found = GROUPS.find(group => group.id === id)
  if (!found) throw new Error(`no vectors ${id}`)
  return found.vectors
}
const octets = (vector: Vector, field: string): Uint8Array => fromHex(vector[field] ?? '')
const is = (a: Uint8Array, vector: Vector, field: string): boolean => toHex(a) === vector[field]
const refusesWith = (code: string, call: () => unknown): boolean => {
  try {
    call()
    return false
  } catch (error) {
    return (error instanceof CryptoError || error instanceof CodecError) && error.code === code
  }
}
const wrongOnes = (id: string, right: (vector: Vector) => boolean): string[] =>
  vectorsOf(id).flatMap(vector => (right(vector) ? [] : [vector['id'] ?? '?']))

t.test('published vectors: digests, MAC, KDF, SM4', async t => {
  for (const id of ['sm3', 'sm3-length-edges']) {
    t.same(
      wrongOnes(id, v => is(sm3(octets(v, 'msg')), v, 'digest')),
      [],
      id
    )
    t.same(
      wrongOnes(id, v => is(PORTABLE.sm3(octets(v, 'msg')), v, 'digest')),
      [],
      `${id}, portable`
    )
  }
  t.same(
    wrongOnes('hmac-sm3', v => {
      const tag = toHex(hmacSm3(octets(v, 'key'), octets(v, 'msg'))).slice(0, (v.tagBits ?? 256) / 4)
      return (tag === v['tag']) === (v['result'] !== 'invalid')
    }),
    [],
    'HMAC-SM3'
  )
  t.same(
    wrongOnes('hkdf-sm3', v =>
      is(hkdfSm3(octets(v, 'ikm'), octets(v, 'salt'), octets(v, 'info'), v.size ?? 0), v, 'okm')
    ),
    [],
    'HKDF-SM3'
  )
  for (const provider of [NATIVE, PORTABLE]) {
    const { sm4Ctr, sm4Ecb, name } = provider
    t.same(
      wrongOnes('sm4-ecb', v => is(sm4Ecb(octets(v, 'key'), octets(v, 'pt')), v, 'ct')),
      [],
      `ECB ${name}`
    )
    t.same(
      wrongOnes('sm4-ctr', v => is(sm4Ctr(octets(v, 'key'), octets(v, 'iv'), octets(v, 'pt')), v, 'ct')),
      [],
      `CTR ${name}`
    )
  }
  const gcm = wrongOnes('sm4-gcm', v => {
    const [key, iv, aad, ct, tag] = ['key', 'iv', 'aad', 'ct', 'tag'].map(field => octets(v, field)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array
    ]
    const open = (): Uint8Array => sm4GcmOpen(key, iv, aad, ct, tag)
    if (iv.length !== 12) return refusesWith('CRYPTO_KEY', open)
    // a shortened tag is as good as half a lock: refused, however right its octets are
    if (v['result'] === 'invalid' || tag.length !== 16) return refusesWith('CRYPTO_TAG', open)
    const sealed = sm4GcmSeal(key, iv, aad, octets(v, 'msg'))
    return is(open(), v, 'msg') && is(sealed.ciphertext, v, 'ct') && is(sealed.tag, v, 'tag')
  })
  t.same(gcm, [], 'GCM')
})

t.test('published vectors: SM2', async t => {
  t.same(
    wrongOnes('sm2-verify-edge', v => {
      if (v['sigRaw'] === undefined) return true
      // one of them has an odd count of digits: cut off as hexadecimal parsers do
      const sigRaw = new Uint8Array(Buffer.from(v['sigRaw'], 'hex'))
      const verdict = sm2Verify(octets(v, 'pub'), octets(v, 'userId'), octets(v, 'msg'), sigRaw)
      return verdict === (v['result'] !== 'invalid')
    }),
    [],
    'verification edges'
  )
  t.same(
    wrongOnes('sm2-sign', v => {
      const [d, pub, userId, msg] = ['d', 'pub', 'userId', 'msg'].map(field => octets(v, field)) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
        Uint8Array
      ]
      const za = identityHash(pub, userId)
      const signature = fromHex(`${v['r']}${v['s']}`)
      const input = { za, message: msg }
      const e = bytesToInteger(sm3(concatBytes(za, msg)))
      // given as the digest of an unknown message: nothing to hash
      if (v['userId'] === undefined)
        return equalBytes(sm2PublicKey(d), pub) && is(rawToDer(signature), v, 'der')
      const again = v['k'] && signWithNonce(d, e, bytesToInteger(octets(v, 'k')), 0x1234_5678_9abc_def0n)
      return (
        equalBytes(sm2PublicKey(d), pub) &&
        (v['za'] === undefined || is(za, v, 'za')) &&
        (!again || equalBytes(again, signature)) &&
        (v['der'] === undefined || is(rawToDer(signature), v, 'der')) &&
        [SM2_NATIVE, SM2_NOBLE].every(provider => provider.verify(pub, input, signature)) &&
        sm2Verify(pub, userId, msg, signature)
      )
    }),
    [],
    'signatures'
  )
  t.same(
    wrongOnes('sm2-encrypt', v => {
      const made = sm2EncryptWithScalar(octets(v, 'pub'), octets(v, 'msg'), bytesToInteger(octets(v, 'k')))
      const published = fromHex(`${v['c1']}${v['c3']}${v['c2']}`)
      return (
        equalBytes(made ?? sm3(published), published) && is(sm2Decrypt(octets(v, 'd'), published), v, 'msg')
      )
    }),
    [],
    'encryption'
  )
  t.same(
    wrongOnes('sm2-decrypt-edge', v => {
      if (v['c1'] === undefined) return true
      const whole = fromHex(`${v['c1']}${v['c3']}${v['c2']}`)
      const open = (): Uint8Array => sm2Decrypt(octets(v, 'd'), whole)
      return v['result'] === 'invalid' ? refusesWith('CRYPTO_TAG', open) : is(open(), v, 'msg')
    }),
    [],
    'decryption edges'
  )
})

t.test('published vectors: secp256k1', async t => {
  t.same(
    wrongOnes('secp256k1-ecdsa-sign', v => {
      const { r, s } = secp256k1Sign(octets(v, 'd'), octets(v, 'm'))
      const pad = (n: bigint): string => n.toString(16).padStart(64, '0')
      return `${pad(r)}${pad(s)}` === v['signature']
    }),
    [],
    'RFC 6979, low s'
  )
  t.same(
    wrongOnes('secp256k1-ecdsa-invalid', v =>
      v['op'] === 'sign' && v['d']
        ? refusesWith('CRYPTO_KEY', () => secp256k1Sign(octets(v, 'd'), octets(v, 'm')))
        : true
    ),
    [],
    'unusable keys'
  )
  const key = fromHex('4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318')
  // web3.js documentation, eth.accounts.privateKeyToAccount
  t.equal(ethereumAddress(key), '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23')
  t.equal(ethereumAddress(secp256k1PublicKey(key)), ethereumAddress(key))
  const digest = keccak256(utf8('reading'))
  const { r, s, recovery } = secp256k1Sign(key, digest)
  const recovered = new secp256k1.Signature(r, s, recovery).recoverPublicKey(digest)
  t.same(new Uint8Array(recovered.toBytes(false)), secp256k1PublicKey(key))
  t.not(secp256k1Sign(key, digest, sm3(digest)).r, r, 'entropy moves the nonce')
  t.equal(toHex(keccak256(new Uint8Array(0))).slice(0, 16), 'c5d2460186f7233c', 'Keccak, not SHA-3')
  for (const wrong of [
    new Uint8Array(31),
    new Uint8Array(32),
    new Uint8Array(65),
    new Uint8Array(65).fill(4)
  ])
    t.ok(refusesWith('CRYPTO_KEY', () => ethereumAddress(wrong)))
})

t.test('against other implementations, with random arguments', async t => {
  const random = seededRandom(20240601)
  for (let i = 0; i < 40; i++) {
    const size = Math.floor(random() * 300)
    const [key, message] = [seededOctets(random, Math.floor(random() * 150)), seededOctets(random, size)]
    t.same(hmacSm3(key, message), new Uint8Array(createHmac('sm3', key).update(message).digest()))
    t.same(sha256(message), new Uint8Array(createHash('sha256').update(message).digest()))
    const [k, iv] = [seededOctets(random, 16), seededOctets(random, 16)]
    t.same(NATIVE.sm4Ctr(k, iv, message), PORTABLE.sm4Ctr(k, iv, message))
    t.same(sm4Ctr(k, iv, sm4Ctr(k, iv, message)), message)
  }
  const privateKey = seededOctets(random, 32)
  privateKey[0] = 1
  const publicKey = sm2PublicKey(privateKey)
  const [pub, priv] = [toHex(publicKey), toHex(privateKey)]
  for (let i = 0; i < 6; i++) {
    const message = seededOctets(random, 100 * i)
    const userId = utf8(`gateway-${i}`)
    const options = { der: false, hash: true, userId: `gateway-${i}` } as const
    const input = { za: identityHash(publicKey, userId), message }
    for (const provider of [SM2_NATIVE, SM2_NOBLE]) {
      const signature = provider.sign(privateKey, publicKey, input)
      t.ok(smCrypto.sm2.doVerifySignature(message, toHex(signature), pub, options), `${provider.name} signs`)
      t.ok(SM2_NATIVE.verify(publicKey, input, signature) && SM2_NOBLE.verify(publicKey, input, signature))
      t.notOk(sm2Verify(publicKey, utf8('gateway'), message, signature), 'another user id')
      const flipped = signature.slice()
      flipped[i] = (flipped[i] as number) ^ 1
      t.notOk(sm2Verify(publicKey, userId, message, flipped))
    }
    const theirs = fromHex(smCrypto.sm2.doSignature(message, priv, { ...options, publicKey: pub }))
    t.ok(sm2Verify(publicKey, userId, message, theirs), 'sm-crypto signs')
    const wrapped = sm2Encrypt(publicKey, utf8('content key'), seededOctets(random, 32))
    const unwrapped = smCrypto.sm2.doDecrypt(toHex(wrapped.subarray(1)), priv, 1, { output: 'array' })
    t.same(Uint8Array.from(unwrapped), utf8('content key'))
    t.same(sm2Decrypt(privateKey, wrapped), utf8('content key'))
  }
})

t.test('nonces and ephemeral scalars are hedged', async t => {
  const privateKey = new Uint8Array(32).fill(7)
  const [id, entropy] = [utf8('g'), new Uint8Array(32)]
  const sign = (message: string, with_: Uint8Array = entropy): string =>
    toHex(sm2SignDeterministic(privateKey, id, utf8(message), with_))
  t.equal(sign('a'), sign('a'), 'nothing but the arguments')
  t.not(sign('a').slice(0, 64), sign('b').slice(0, 64), 'dead randomness, another message: another nonce')
  t.not(sign('a'), sign('a', sm3(entropy)))
  t.ok(sm2Verify(sm2PublicKey(privateKey), id, utf8('a'), fromHex(sign('a'))))
  t.not(toHex(sm2Sign(privateKey, id, utf8('a'))), toHex(sm2Sign(privateKey, id, utf8('a'))))
  const publicKey = sm2PublicKey(privateKey)
  const wrap = (seed: number): string => toHex(sm2Encrypt(publicKey, id, new Uint8Array(32).fill(seed)))
  t.equal(wrap(1), wrap(1))
  t.not(wrap(1), wrap(2))
  t.same(sm2Decrypt(privateKey, fromHex(wrap(2))), id, 'one octet, where an all-zero key stream is likely')
})

t.test('backends are chosen by what they get right', async t => {
  const report = runSelfTest()
  t.equal(Object.values(report.used).includes('none'), false)
  t.same(
    report.trials.filter(trial => trial.verdict === 'wrong'),
    []
  )
  const broken = { ...NATIVE, name: 'broken', sm3: () => new Uint8Array(32) }
  const throwing = {
    ...NATIVE,
    name: 'no SM4',
    sm4Ctr: () => {
      throw new Error('unknown cipher')
    }
  }
  const choice = chooseSymmetric([broken, throwing, PORTABLE])
  t.equal(choice.chosen.name, 'no SM4+broken')
  t.same(
    choice.trials.filter(trial => trial.verdict === 'wrong').map(trial => [trial.primitive, trial.backend]),
    [
      ['sm3', 'broken'],
      ['sm4-ctr', 'no SM4']
    ]
  )
  t.throws(() => chooseSymmetric([broken]), { code: 'CRYPTO_BACKEND' })

  const emptyId = { ...SM2_NATIVE, name: 'fixed', verify: () => true }
  const repeats = { ...SM2_NOBLE, name: 'repeats', sign: () => new Uint8Array(64) }
  const sm2 = chooseSm2([emptyId, repeats, SM2_NATIVE, SM2_NOBLE], provider => provider === SM2_NATIVE)
  t.equal(sm2.signer.name, 'fixed')
  t.equal(sm2.verifier.name, 'repeats')
  t.same(
    sm2.trials.map(trial => `${trial.primitive} ${trial.backend} ${trial.verdict}`),
    [
      'sm2-verify fixed wrong',
      'sm2-verify repeats used',
      'sm2-verify node:crypto right',
      'sm2-verify @noble/curves right',
      'sm2-sign fixed used',
      'sm2-sign repeats wrong',
      'sm2-sign node:crypto avoided',
      'sm2-sign @noble/curves right'
    ]
  )
  t.throws(() => chooseSm2([SM2_NATIVE], () => true), { code: 'CRYPTO_BACKEND' })
  t.same(
    [
      ['arm64', 20],
      ['arm64', 22],
      ['riscv64', 24],
      ['x64', 26]
    ].map(([architecture, nodeMajor]) =>
      leaksSigningTime({ architecture: architecture as string, nodeMajor: nodeMajor as number })
    ),
    [false, true, true, false]
  )
})

t.test('hostile arguments', async t => {
  const good = sm2PublicKey(new Uint8Array(32).fill(3))
  const changed = (at: number, octet: number): Uint8Array => {
    const key = good.slice()
    key[at] = octet
    return key
  }
  const p = fromHex('fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff')
  const badKeys: unknown[] = [
    undefined,
    'hex',
    new Uint8Array(0),
    good.subarray(1),
    concatBytes(good, good),
    changed(0, 6),
    changed(0, 2),
    changed(64, (good[64] as number) ^ 1),
    concatBytes(Uint8Array.of(4), p, good.subarray(33)),
    new Uint8Array(65)
  ]
  const [id, message] = [utf8('g'), utf8('m')]
  const signature = sm2Sign(new Uint8Array(32).fill(3), id, message)
  t.ok(sm2Verify(good, id, message, signature) && isSm2PublicKey(good))
  for (const key of badKeys) {
    t.notOk(sm2Verify(key as Uint8Array, id, message, signature))
    t.ok(refusesWith('CRYPTO_KEY', () => keyId(key as Uint8Array)))
    t.ok(refusesWith('CRYPTO_KEY', () => sm2Encrypt(key as Uint8Array, message, new Uint8Array(32))))
  }
  const n = fromHex('fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123')
  const less = (by: number): Uint8Array => {
    const out = n.slice()
    out[31] = (out[31] as number) - by
    return out
  }
  t.ok(sm2PublicKey(less(2)))
  for (const key of [
    new Uint8Array(32),
    less(1),
    n,
    new Uint8Array(32).fill(255),
    new Uint8Array(31),
    null
  ]) {
    // d = n - 1 sends sm-crypto into an endless loop
    t.ok(refusesWith('CRYPTO_KEY', () => sm2Sign(key as Uint8Array, id, message)))
    t.ok(refusesWith('CRYPTO_KEY', () => sm2Decrypt(key as Uint8Array, new Uint8Array(129))))
  }
  for (const wrong of [signature.subarray(1), concatBytes(signature, id), rawToDer(signature), 'text', null])
    t.notOk(sm2Verify(good, id, message, wrong as Uint8Array))
  t.notOk(sm2Verify(good, new Uint8Array(8192), message, signature))
  t.ok(refusesWith('CRYPTO_KEY', () => sm2Sign(less(2), new Uint8Array(8192), message)))
  t.ok(refusesWith('CRYPTO_KEY', () => sm2Encrypt(good, new Uint8Array(0), new Uint8Array(32))))
  t.ok(refusesWith('CRYPTO_KEY', () => sm2Encrypt(good, message, new Uint8Array(31))))
  const wrapped = sm2Encrypt(good, message, new Uint8Array(32))
  for (let at = 0; at < wrapped.length; at++) {
    const other = wrapped.slice()
    other[at] = (other[at] as number) ^ 0x40
    if (!refusesWith('CRYPTO_TAG', () => sm2Decrypt(new Uint8Array(32).fill(3), other))) t.fail(`octet ${at}`)
  }
  for (const wrong of [wrapped.subarray(0, 97), wrapped.subarray(1), new Uint8Array(0), 'x'])
    t.ok(refusesWith('CRYPTO_TAG', () => sm2Decrypt(new Uint8Array(32).fill(3), wrong as Uint8Array)))

  t.ok(refusesWith('CRYPTO_KEY', () => sm3('text' as unknown as Uint8Array)))
  t.ok(refusesWith('CRYPTO_KEY', () => sm4Ctr(new Uint8Array(8), new Uint8Array(16), message)))
  t.ok(refusesWith('CRYPTO_KEY', () => sm4Ctr(new Uint8Array(16), new Uint8Array(12), message)))
  t.ok(
    refusesWith('CRYPTO_TAG', () =>
      sm4GcmOpen(n.subarray(16), n.subarray(20), id, id, null as unknown as Uint8Array)
    )
  )
  for (const size of [-1, 0.5, 8161]) t.ok(refusesWith('CRYPTO_KEY', () => hkdfSm3(id, id, id, size)))
  t.equal(sm2Spki(good).length, 91)

  const squeezed = deflateRaw(new Uint8Array(10_000))
  t.same(inflateRaw(squeezed, 10_000), new Uint8Array(10_000))
  t.ok(refusesWith('CODEC_TOO_LARGE', () => inflateRaw(squeezed, 9_999)))
  t.ok(refusesWith('CODEC_TRUNCATED', () => inflateRaw(squeezed, 10_001)))
  t.ok(refusesWith('CODEC_TRAILING', () => inflateRaw(concatBytes(squeezed, id), 10_000)))
  t.ok(refusesWith('CODEC_TRUNCATED', () => inflateRaw(squeezed.subarray(0, 5), 10_000)))
})
