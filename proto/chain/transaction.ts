import { toHex } from '../bytes.ts'
import { keccak256 } from '../crypto/digest.ts'
import { ethereumAddress, secp256k1Sign } from '../crypto/secp256k1.ts'
import { CodecError } from '../errors.ts'
import { parseAddress } from './address.ts'
import { decodeRlp, encodeRlp, parseRlpInteger, type RlpItem, rlpInteger } from './rlp.ts'

/** A legacy transaction (EIP-155): the one form every EVM consortium chain takes. */
export interface LegacyTransaction {
  readonly nonce: bigint
  /** wei; 0 on a gas-free chain */
  readonly gasPrice: bigint
  readonly gasLimit: bigint
  /** checksummed or plain address; null creates a contract */
  readonly to: string | null
  readonly value: bigint
  readonly data: Uint8Array
  readonly chainId: bigint
}

export interface SignedTransaction {
  /** the octets to send, the same for ever */
  readonly raw: Uint8Array
  /** 0x and 64 digits: known before any node has seen it */
  readonly txHash: string
  /** EIP-55 address of the signer */
  readonly from: string
}

export interface DecodedTransaction extends Omit<LegacyTransaction, 'chainId' | 'to'> {
  readonly to: Uint8Array | null
  /** undefined: signed without EIP-155 */
  readonly chainId: bigint | undefined
  readonly recovery: 0 | 1
  readonly r: bigint
  readonly s: bigint
}

/** Order of secp256k1 (SEC 2, 2.4.1). */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** What the signature covers (EIP-155): the six fields, the chain id and two empty strings. */
export function signingDigest(tx: LegacyTransaction): Uint8Array {
  const empty = new Uint8Array(0)
  return keccak256(encodeRlp([...fields(tx), rlpInteger(tx.chainId), empty, empty]))
}

/**
 * Signs a transaction (RFC 6979: the same input always gives the same octets).
 * @param privateKey 32 octets
 * @throws CodecError CODEC_RANGE when a field does not fit, or the gas limit is under the intrinsic cost
 */
export function signLegacyTransaction(tx: LegacyTransaction, privateKey: Uint8Array): SignedTransaction {
  if (tx.chainId < 1n) throw new CodecError('CODEC_RANGE', 'a chain id is at least 1')
  checkLimits(tx)
  const { r, s, recovery } = secp256k1Sign(privateKey, signingDigest(tx))
  const v = 35n + 2n * tx.chainId + BigInt(recovery)
  const raw = encodeRlp([...fields(tx), rlpInteger(v), rlpInteger(r), rlpInteger(s)])
  return { raw, txHash: transactionHash(raw), from: ethereumAddress(privateKey) }
}

/** Hash by which nodes know a raw transaction of any type. */
export function transactionHash(raw: Uint8Array): string {
  return `0x${toHex(keccak256(raw))}`
}

/**
 * Decodes a raw legacy transaction, strictly: RLP in its shortest form, fields in range, low s (EIP-2), v of EIP-155.
 * @param chainId when given, a transaction for another chain is refused
 * @throws CodecError naming the field
 */
export function decodeLegacyTransaction(raw: Uint8Array, chainId?: bigint): DecodedTransaction {
  if (raw[0] !== undefined && raw[0] < 0xc0) {
    throw new CodecError('CODEC_VERSION', `a typed transaction (EIP-2718, type ${raw[0]}), not a legacy one`)
  }
  const list = decodeRlp(raw)
  if (list instanceof Uint8Array || list.length !== 9)
    throw wrong('CODEC_SHAPE', 'nine fields are wanted', 'transaction')
  const [nonce, gasPrice, gasLimit, to, value, data, v, r, s] = list as readonly RlpItem[]
  if (!(data instanceof Uint8Array)) throw wrong('CODEC_SHAPE', 'octets are wanted', 'data')
  if (!(to instanceof Uint8Array) || (to.length !== 0 && to.length !== 20)) {
    throw wrong('CODEC_SHAPE', 'an address has 20 octets', 'to')
  }
  const tx = {
    nonce: parseRlpInteger(nonce, 8, 'nonce'),
    gasPrice: parseRlpInteger(gasPrice, 32, 'gasPrice'),
    gasLimit: parseRlpInteger(gasLimit, 8, 'gasLimit'),
    to: to.length === 0 ? null : to,
    value: parseRlpInteger(value, 32, 'value'),
    data,
    ...splitV(parseRlpInteger(v, 32, 'v'), chainId),
    r: parseRlpInteger(r, 32, 'r'),
    s: parseRlpInteger(s, 32, 's')
  }
  if (tx.r === 0n || tx.r >= ORDER) throw wrong('CODEC_RANGE', 'outside 1 to the order of the curve', 'r')
  // EIP-2: the upper half would let anyone make a second valid transaction, with another hash, of the same content.
  if (tx.s === 0n || tx.s > ORDER / 2n)
    throw wrong('CODEC_RANGE', 'outside 1 to half the order of the curve', 's')
  checkLimits(tx)
  return tx
}

/** Gas a transaction costs before any code runs (Istanbul rules): what a node refuses to go under. */
export function intrinsicGas(data: Uint8Array, creates: boolean): bigint {
  let gas = creates ? 53000 : 21000
  for (const octet of data) gas += octet === 0 ? 4 : 16
  return BigInt(gas)
}

function fields(tx: LegacyTransaction): RlpItem[] {
  return [
    rlpInteger(tx.nonce),
    rlpInteger(tx.gasPrice),
    rlpInteger(tx.gasLimit),
    tx.to === null ? new Uint8Array(0) : parseAddress(tx.to),
    rlpInteger(tx.value),
    tx.data
  ]
}

interface Limits {
  readonly nonce: bigint
  readonly gasLimit: bigint
  readonly to: unknown
  readonly data: Uint8Array
}

function checkLimits(tx: Limits): void {
  // EIP-2681: the last nonce is never used.
  if (tx.nonce < 0n || tx.nonce >= 2n ** 64n - 1n)
    throw wrong('CODEC_RANGE', `${tx.nonce} is out of range`, 'nonce')
  const floor = intrinsicGas(tx.data, tx.to === null)
  if (tx.gasLimit < floor)
    throw wrong('CODEC_RANGE', `${tx.gasLimit} is under the intrinsic ${floor}`, 'gasLimit')
}

function splitV(v: bigint, wanted: bigint | undefined): { chainId: bigint | undefined; recovery: 0 | 1 } {
  if (v === 27n || v === 28n) return { chainId: undefined, recovery: v === 27n ? 0 : 1 }
  if (v < 37n) throw wrong('CODEC_RANGE', `${v} is no value of EIP-155`, 'v')
  const chainId = (v - 35n) / 2n
  if (wanted !== undefined && chainId !== wanted) {
    throw wrong('CODEC_RANGE', `signed for chain ${chainId}, not ${wanted}`, 'v')
  }
  return { chainId, recovery: (v - 35n) % 2n === 0n ? 0 : 1 }
}

function wrong(code: 'CODEC_SHAPE' | 'CODEC_RANGE', what: string, at: string): CodecError {
  return new CodecError(code, `transaction: ${what}`, { at })
}
