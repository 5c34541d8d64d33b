import { concatBytes } from '../bytes.ts'

/** One integer of 32 octets as DER INTEGER: shortest form, never negative. */
const derInteger = (value: Uint8Array): Uint8Array => {
  let start = 0
  while (start < value.length - 1 && value[start] === 0) start++
  const body = value.subarray(start)
  const sign = (body[0] as number) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0)
  return concatBytes(Uint8Array.of(2, body.length + sign.length), sign, body)
}

/** r || s (64 octets) as the DER SEQUENCE OpenSSL speaks. */
export function rawToDer(signature: Uint8Array): Uint8Array {
  const body = concatBytes(derInteger(signature.subarray(0, 32)), derInteger(signature.subarray(32)))
  return concatBytes(Uint8Array.of(0x30, body.length), body)
}

/** The DER SEQUENCE that OpenSSL made as r || s (64 octets). For our own output only: lenient about its form. */
export function derToRaw(der: Uint8Array): Uint8Array {
  const out = new Uint8Array(64)
  let offset = 2
  for (const end of [32, 64]) {
    const size = der[offset + 1] ?? 0
    let value = der.subarray(offset + 2, offset + 2 + size)
    if (value.length > 32) value = value.subarray(value.length - 32)
    out.set(value, end - value.length)
    offset += 2 + size
  }
  return out
}
