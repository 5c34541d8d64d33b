import { fromHex } from '../bytes.ts'
import { keccak256 } from '../crypto/digest.ts'
import { checksumAddress } from '../crypto/secp256k1.ts'
import { CodecError } from '../errors.ts'
import { encodeRlp, rlpInteger } from './rlp.ts'

/**
 * The 20 octets of an address in text. Letters of one case carry no checksum; mixed case must carry the right one.
 * @throws CodecError CODEC_ADDRESS
 */
export function parseAddress(text: string): Uint8Array {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
    throw new CodecError('CODEC_ADDRESS', `not an address: ${JSON.stringify(text)}`, {
      next: 'give 0x and 40 hexadecimal digits'
    })
  }
  const address = fromHex(text)
  const mixed = /[a-f]/.test(text.slice(2)) && /[A-F]/.test(text)
  if (mixed && checksumAddress(address) !== text) {
    throw new CodecError('CODEC_ADDRESS', `the checksum of ${text} does not hold`, {
      next: 'copy the address again, letter for letter'
    })
  }
  return address
}

/** Where a contract comes to stand that this account creates with this nonce (Ethereum yellow paper, section 7). */
export function contractAddress(creator: string, nonce: bigint): string {
  return checksumAddress(keccak256(encodeRlp([parseAddress(creator), rlpInteger(nonce)])).slice(12))
}
