import { sha256 } from '@noble/hashes/sha2.js'
import smCrypto from 'sm-crypto'
import { fromHex } from '../bytes.ts'
import type { SymmetricProvider } from './provider.ts'

const BLOCK = 16

// sm-crypto's `padding: 'none'` silently drops a trailing partial block, and its modes other than CBC silently are ECB
// (0.5.8): so only whole blocks go in, and the counter mode is made here.
const ecb = (key: Uint8Array, blocks: Uint8Array): Uint8Array => {
  if (blocks.length % BLOCK !== 0) throw new RangeError(`${blocks.length} octets are not whole SM4 blocks`)
  return Uint8Array.from(smCrypto.sm4.encrypt(blocks, key, { padding: 'none', output: 'array' }))
}

const increment = (counter: Uint8Array): void => {
  for (let i = BLOCK - 1; i >= 0; i--) {
    const next = ((counter[i] as number) + 1) & 0xff
    counter[i] = next
    if (next !== 0) return
  }
}

const ctr = (key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array => {
  const counter = iv.slice()
  const blocks = new Uint8Array(Math.ceil(data.length / BLOCK) * BLOCK)
  for (let offset = 0; offset < blocks.length; offset += BLOCK) {
    blocks.set(counter, offset)
    increment(counter)
  }
  const stream = ecb(key, blocks)
  return data.map((octet, i) => octet ^ (stream[i] as number))
}

/** sm-crypto and @noble/hashes: JavaScript only, 5 to 17 times slower, for an OpenSSL without SM3 or SM4. */
export const PORTABLE: SymmetricProvider = {
  name: 'sm-crypto',
  sm3: message => fromHex(smCrypto.sm3(message)),
  sha256: message => sha256(message),
  sm4Ecb: ecb,
  sm4Ctr: ctr
}
