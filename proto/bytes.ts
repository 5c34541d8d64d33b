import { CodecError } from './errors.ts'

/** Concatenates octet strings into a new one. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const part of parts) size += part.length
  const out = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/** True when both strings have the same octets. Not constant-time: never for secrets (see proto/crypto). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lexicographic order of octets, shorter first on a common prefix. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const d = (a[i] as number) - (b[i] as number)
    if (d !== 0) return d
  }
  return a.length - b.length
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/** Lower-case hexadecimal, two digits an octet. */
export function toHex(bytes: Uint8Array): string {
  let out = ''
  for (const b of bytes) out += HEX[b]
  return out
}

/**
 * Parses hexadecimal; white space between octets and a leading `0x` are allowed, case is free.
 * @throws CodecError CODEC_HEX naming the position of the first digit that is not hexadecimal, or an odd count
 */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '').replace(/^0x/i, '')
  const wrong = digits.search(/[^0-9a-fA-F]/)
  if (wrong >= 0) {
    throw new CodecError('CODEC_HEX', `not a hexadecimal digit: ${JSON.stringify(digits[wrong])}`, {
      at: `digit ${wrong + 1}`,
      next: 'give pairs of 0-9 a-f'
    })
  }
  if (digits.length % 2 !== 0) {
    throw new CodecError('CODEC_HEX', `an odd count of hexadecimal digits: ${digits.length}`, {
      next: 'give two digits an octet'
    })
  }
  const out = new Uint8Array(digits.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  return out
}

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder('utf-8', { fatal: true })

/** UTF-8 octets of a text. */
export function utf8(text: string): Uint8Array {
  return ENCODER.encode(text)
}

/**
 * Text of UTF-8 octets.
 * @throws CodecError CODEC_SHAPE when they are not well-formed UTF-8
 */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return DECODER.decode(bytes)
  } catch (cause) {
    throw new CodecError('CODEC_SHAPE', 'text is not well-formed UTF-8', { cause })
  }
}

/** Big-endian unsigned 32-bit. */
export function u32be(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}

/** Big-endian unsigned 64-bit of a safe integer or bigint. */
export function u64be(value: number | bigint): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
}
