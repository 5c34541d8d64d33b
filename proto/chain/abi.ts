import { concatBytes, equalBytes, toHex, utf8 } from '../bytes.ts'
import { CodecError } from '../errors.ts'

/** Values of the contract ABI. Addresses and fixed or free octets are octets; tuples and arrays are lists. */
export type AbiValue = bigint | boolean | Uint8Array | readonly AbiValue[]

/** A type of the contract ABI (Solidity's "Contract ABI Specification"), as far as the contract uses it. */
export type AbiType =
  | { readonly kind: 'uint'; readonly bits: number }
  | { readonly kind: 'bool' }
  | { readonly kind: 'address' }
  | { readonly kind: 'fixed'; readonly octets: number }
  | { readonly kind: 'octets' }
  | { readonly kind: 'array'; readonly of: AbiType }
  | { readonly kind: 'tuple'; readonly of: readonly AbiType[] }

/** Keccak-256 on Ethereum, SM3 on a FISCO BCOS guomi chain. */
export type ChainHash = (octets: Uint8Array) => Uint8Array

const WORD = 32
/** A decoder refuses longer arrays before it allocates: far above what one transaction can carry. */
const ARRAY_MAX = 65536

/** First four octets of the hash of a signature such as `admit(bytes32,address)`. */
export function selector(signature: string, hash: ChainHash): Uint8Array {
  return hash(utf8(signature)).slice(0, 4)
}

/** Types of a list such as `bytes32,(uint64,address)[]`. */
export function parseTypes(list: string): AbiType[] {
  const types: AbiType[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i <= list.length; i++) {
    const c = list[i]
    if (c === '(') depth++
    else if (c === ')') depth--
    else if ((c === ',' && depth === 0) || c === undefined) {
      if (i > start) types.push(parseType(list.slice(start, i)))
      start = i + 1
    }
  }
  return types
}

/** Encodes values in the order of their types: words, then the tails of dynamic ones. */
export function encodeAbi(types: readonly AbiType[], values: readonly AbiValue[]): Uint8Array {
  if (types.length !== values.length) throw shape(`${types.length} values wanted, ${values.length} given`)
  const headSize = types.reduce((sum, type) => sum + headOctets(type), 0)
  const heads: Uint8Array[] = []
  const tails: Uint8Array[] = []
  let tailAt = headSize
  for (const [i, type] of types.entries()) {
    const encoded = encodeValue(type, values[i] as AbiValue)
    if (isDynamic(type)) {
      heads.push(uintWord(BigInt(tailAt), 256))
      tails.push(encoded)
      tailAt += encoded.length
    } else heads.push(encoded)
  }
  return concatBytes(...heads, ...tails)
}

/**
 * Decodes values, strictly: the octets must be exactly what {@link encodeAbi} makes of the values.
 * @throws CodecError CODEC_TRUNCATED, CODEC_RANGE or CODEC_NOT_CANONICAL
 */
export function decodeAbi(types: readonly AbiType[], octets: Uint8Array): AbiValue[] {
  const values = decodeSequence(types, octets, 0)
  if (!equalBytes(encodeAbi(types, values), octets)) {
    throw new CodecError('CODEC_NOT_CANONICAL', 'ABI: octets are not what their values encode to')
  }
  return values
}

function parseType(text: string): AbiType {
  if (text.endsWith('[]')) return { kind: 'array', of: parseType(text.slice(0, -2)) }
  if (text.startsWith('(') && text.endsWith(')')) return { kind: 'tuple', of: parseTypes(text.slice(1, -1)) }
  if (text === 'address' || text === 'bool') return { kind: text }
  if (text === 'bytes') return { kind: 'octets' }
  const sized = /^(uint|bytes)(\d+)$/.exec(text)
  if (sized === null) throw shape(`no such type: ${text}`)
  const size = Number(sized[2])
  return sized[1] === 'uint' ? { kind: 'uint', bits: size } : { kind: 'fixed', octets: size }
}

function isDynamic(type: AbiType): boolean {
  if (type.kind === 'tuple') return type.of.some(isDynamic)
  return type.kind === 'octets' || type.kind === 'array'
}

function headOctets(type: AbiType): number {
  if (isDynamic(type) || type.kind !== 'tuple') return WORD
  return type.of.reduce((sum, of) => sum + headOctets(of), 0)
}

function encodeValue(type: AbiType, value: AbiValue): Uint8Array {
  switch (type.kind) {
    case 'uint':
      if (typeof value !== 'bigint') throw shape('an integer is wanted')
      return uintWord(value, type.bits)
    case 'bool':
      if (typeof value !== 'boolean') throw shape('true or false is wanted')
      return uintWord(value ? 1n : 0n, 8)
    case 'address':
      return concatBytes(new Uint8Array(12), octetsOf(value, 20))
    case 'fixed':
      return concatBytes(octetsOf(value, type.octets), new Uint8Array(WORD - type.octets))
    case 'octets': {
      const octets = octetsOf(value, undefined)
      const padding = (WORD - (octets.length % WORD)) % WORD
      return concatBytes(uintWord(BigInt(octets.length), 256), octets, new Uint8Array(padding))
    }
    case 'array': {
      const items = listOf(value)
      const types = items.map(() => type.of)
      return concatBytes(uintWord(BigInt(items.length), 256), encodeAbi(types, items))
    }
    case 'tuple':
      return encodeAbi(type.of, listOf(value))
  }
}

function decodeSequence(types: readonly AbiType[], octets: Uint8Array, base: number): AbiValue[] {
  let head = base
  return types.map(type => {
    const at = isDynamic(type) ? base + readLength(octets, head) : head
    head += headOctets(type)
    return decodeValue(type, octets, at)
  })
}

function decodeValue(type: AbiType, octets: Uint8Array, at: number): AbiValue {
  switch (type.kind) {
    case 'uint':
    case 'bool': {
      const value = readWord(octets, at)
      if (type.kind === 'uint') return value
      return value !== 0n
    }
    case 'address':
      return slice(octets, at, WORD).slice(12)
    case 'fixed':
      return slice(octets, at, WORD).slice(0, type.octets)
    case 'octets':
      return slice(octets, at + WORD, readLength(octets, at))
    case 'array': {
      const count = readLength(octets, at)
      if (count > ARRAY_MAX || count * WORD > octets.length) throw range(`an array of ${count}`, at)
      return decodeSequence(
        Array.from({ length: count }, () => type.of),
        octets,
        at + WORD
      )
    }
    case 'tuple':
      return decodeSequence(type.of, octets, at)
  }
}

function uintWord(value: bigint, bits: number): Uint8Array {
  if (value < 0n || value >> BigInt(bits) !== 0n) {
    throw new CodecError('CODEC_RANGE', `ABI: ${value} does not fit uint${bits}`)
  }
  const word = new Uint8Array(WORD)
  let rest = value
  for (let i = WORD - 1; rest > 0n; i--, rest >>= 8n) word[i] = Number(rest & 0xffn)
  return word
}

function readWord(octets: Uint8Array, at: number): bigint {
  return BigInt(`0x${toHex(slice(octets, at, WORD))}`)
}

function readLength(octets: Uint8Array, at: number): number {
  const value = readWord(octets, at)
  if (value > BigInt(octets.length)) throw range(`a length or offset of ${value}`, at)
  return Number(value)
}

function slice(octets: Uint8Array, at: number, size: number): Uint8Array {
  if (at + size > octets.length) {
    throw new CodecError(
      'CODEC_TRUNCATED',
      `ABI: ${size} octets wanted, ${Math.max(0, octets.length - at)} there`,
      {
        at: `offset ${at}`
      }
    )
  }
  return octets.slice(at, at + size)
}

function octetsOf(value: AbiValue, size: number | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw shape('octets are wanted')
  if (size !== undefined && value.length !== size) throw shape(`${size} octets wanted, ${value.length} given`)
  return value
}

function listOf(value: AbiValue): readonly AbiValue[] {
  if (typeof value === 'object' && !(value instanceof Uint8Array)) return value
  throw shape('a list is wanted')
}

function shape(what: string): CodecError {
  return new CodecError('CODEC_SHAPE', `ABI: ${what}`)
}

function range(what: string, at: number): CodecError {
  return new CodecError('CODEC_RANGE', `ABI: ${what} is beyond the octets given`, { at: `offset ${at}` })
}
