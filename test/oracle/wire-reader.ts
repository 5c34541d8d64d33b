import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import smCrypto from 'sm-crypto'
import { Rfc9162 } from './rfc9162.ts'

/**
 * A reader of batches written from proto/wire/wattproof.cddl alone: its own CBOR, its own columns over bigint, node's HMAC and
 * HKDF, sm-crypto's SM2, a bitwise GHASH. Slow, and shares no code with proto/. Throws plain errors.
 */
type Value = bigint | string | Buffer | null | Value[]

export interface OracleBatch {
  readonly roster: string[]
  /** readings as the arrays of section 3 */
  readonly readings: Value[][]
  /** encoded readings */
  readonly octets: Buffer[]
  readonly root: Buffer
  readonly announcedRoot: Buffer
}

export function readBatch(octets: Uint8Array, recipientKey: Uint8Array, kid: Uint8Array): OracleBatch {
  const [headerOctets, ciphertext, tag, envelopes] = parse(octets) as [Buffer, Buffer, Buffer, Value[][]]
  const header = parse(headerOctets)
  const [version, suite, gateway, epoch, seq] = header as [bigint, bigint, string, Buffer, bigint]
  must(version === 1n, 'version')
  const [roster, count, root, layout, compression, plainLen] = header.slice(8) as [
    Buffer,
    bigint,
    Buffer,
    bigint,
    bigint,
    bigint
  ]
  const recipients = createHash('sm3')
  for (const [id] of envelopes as Buffer[][]) recipients.update(id as Buffer)
  must(recipients.digest().equals(header[14] as Buffer), 'recipients')
  const mine = (envelopes as Buffer[][]).find(([id]) => id?.equals(kid))
  must(mine !== undefined && layout === 1n, 'envelope and layout')
  const wrapped = mine?.[1] as Buffer
  must(wrapped[0] === 4, 'C1')
  const cek = Buffer.from(
    smCrypto.sm2.doDecrypt(
      wrapped.subarray(1).toString('hex'),
      Buffer.from(recipientKey).toString('hex'),
      1,
      {
        output: 'array'
      }
    )
  )
  must(cek.length === 32, 'content key')

  const context = write([1n, suite, gateway, epoch, seq])
  const salt = createHash('sm3').update(context).digest()
  const okm = Buffer.from(hkdfSync('sm3', cek, salt, 'wattproof/v1/batch-keys', 64))
  const [ke, km, ks] = [okm.subarray(0, 16), okm.subarray(16, 48), okm.subarray(48)]
  const padded =
    suite === 3n
      ? openGcm(ke, km, headerOctets, ciphertext, tag)
      : openCtr(ke, km, headerOctets, ciphertext, tag)
  const end = padded.lastIndexOf(0x80)
  must(padded.length % 256 === 0 && padded.subarray(end + 1).every(octet => octet === 0), 'padding')
  const body = padded.subarray(0, end)
  const payload = compression === 1n ? inflateRawSync(body) : body
  must(BigInt(payload.length) === plainLen, 'plainLen')

  const { ids, readings } = readPayload(payload)
  const encoded = readings.map(write)
  const tree = new Rfc9162(suite === 1n ? 'sha256' : 'sm3')
  must(tree.digest(Uint8Array.of(0x12), write(ids)).equals(roster), 'roster')
  must(BigInt(readings.length) === count, 'count')
  const entries = readings.map((reading, i) => {
    const [meter, slot] = reading as [string, bigint]
    const hmac = createHmac('sm3', ks).update('wattproof/v1/leaf\0').update(u64(slot)).update(meter)
    return Buffer.concat([hmac.digest().subarray(0, 16), encoded[i] as Buffer])
  })
  return { roster: ids, readings, octets: encoded, root: tree.root(entries), announcedRoot: root }
}

const openCtr = (ke: Buffer, km: Buffer, header: Buffer, ciphertext: Buffer, tag: Buffer): Buffer => {
  const iv = Buffer.alloc(16)
  const mac = createHmac('sm3', km).update(header).update(iv).update(ciphertext)
  mac.update(u64(8n * BigInt(header.length))).update(u64(8n * BigInt(ciphertext.length)))
  must(mac.digest().equals(tag), 'tag')
  return createDecipheriv('sm4-ctr', ke, iv).update(ciphertext)
}

const openGcm = (ke: Buffer, km: Buffer, header: Buffer, ciphertext: Buffer, tag: Buffer): Buffer => {
  const commitment = createHmac('sm3', km).update('wattproof/v1/commit\0').update(header).digest()
  must(commitment.equals(tag.subarray(16)), 'commitment')
  const block = (counter: number): Buffer => {
    const input = Buffer.alloc(16)
    input.writeUInt32BE(counter, 12)
    return createCipheriv('sm4-ecb', ke, null).setAutoPadding(false).update(input)
  }
  const h = BigInt(`0x${block(0).toString('hex')}`)
  const blocks = (data: Buffer): bigint[] =>
    Array.from({ length: Math.ceil(data.length / 16) }, (_, i) => {
      const piece = Buffer.alloc(16)
      data.copy(piece, 0, 16 * i, 16 * i + 16)
      return BigInt(`0x${piece.toString('hex')}`)
    })
  const lengths = (BigInt(8 * header.length) << 64n) | BigInt(8 * ciphertext.length)
  const hash = [...blocks(header), ...blocks(ciphertext), lengths].reduce((y, x) => multiply(y ^ x, h), 0n)
  const right = hash ^ BigInt(`0x${block(1).toString('hex')}`)
  must(right.toString(16).padStart(32, '0') === tag.subarray(0, 16).toString('hex'), 'GCM tag')
  const plain = Buffer.from(ciphertext)
  for (let i = 0; i < plain.length; i++) {
    if (i % 16 === 0) {
      const stream = block(2 + i / 16)
      for (let j = i; j < Math.min(i + 16, plain.length); j++)
        plain[j] = (plain[j] as number) ^ (stream[j - i] as number)
    }
  }
  return plain
}

/** x * y in GF(2^128), SP 800-38D 6.3. */
const multiply = (x: bigint, y: bigint): bigint => {
  let z = 0n
  let v = y
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v
    v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n
  }
  return z
}

const readPayload = (payload: Buffer): { ids: string[]; readings: Value[][] } => {
  let at = 0
  const octet = (): number => {
    must(at < payload.length, 'payload ends')
    return payload[at++] as number
  }
  const uint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const next = octet()
      value |= BigInt(next & 127) << shift
      if (next < 128) return value
    }
  }
  const int = (): bigint => {
    const z = uint()
    return z % 2n === 0n ? z / 2n : -(z + 1n) / 2n
  }
  const times = <T>(n: bigint | number, make: (i: number) => T): T[] =>
    Array.from({ length: Number(n) }, (_, i) => make(i))
  const column = (k: number, of: (item: bigint) => bigint[] = () => []): bigint[] => {
    if (k === 0) return []
    const mode = uint()
    if (mode === 3n) return times(k, int)
    if (mode === 2n) {
      const terms = times(uint(), () => of(uint()))
      return times(k, row => terms.reduce((sum, term) => sum + (term[row] as bigint), 0n) + int())
    }
    const factor = uint()
    let last = int()
    if (mode === 0n) return times(k, () => last + factor * uint())
    must(mode === 1n, 'mode')
    return times(k, () => {
      last += factor * int()
      return last
    })
  }

  const n = uint()
  const shared = times(n, uint)
  const further = times(n, uint)
  let last = Buffer.alloc(0)
  const ids = shared.map((prefix, i) => {
    last = Buffer.concat([last.subarray(0, Number(prefix)), Buffer.from(times(further[i] as bigint, octet))])
    return last.toString('utf8')
  })
  const ratios = times(uint(), () => times(5, uint))
  const classes = times(uint(), () => {
    const flags = Number(uint())
    let item = 0n
    const items = times(uint(), () => {
      item += uint()
      return item
    })
    const bits = times(Math.ceil(items.length / 8), octet)
    return { flags, items, present: items.map((_, i) => (((bits[i >> 3] as number) >> (i & 7)) & 1) === 1) }
  })
  const count = Number(uint())
  const classOf = column(count).map(number => Number(number))
  const [meters, slots, versions, qualities, sources] = times(5, () => column(count))
  const optional = (flag: number): (bigint | null)[] => {
    const has = classOf.map(number => ((classes[number]?.flags ?? 0) & flag) !== 0)
    const values = column(has.filter(Boolean).length)
    return has.map(is => (is ? (values.shift() as bigint) : null))
  }
  const [readAt, meterTime, ratio] = [optional(1), optional(2), optional(4)]
  const values: Value[][] = times(count, () => [])
  classes.forEach(({ items, present }, number) => {
    const rows = classOf.flatMap((of, row) => (of === number ? [row] : []))
    const columns = new Map<bigint, bigint[]>()
    for (let i = items.length - 1; i >= 0; i--) {
      const item = items[i] as bigint
      if (present[i])
        columns.set(
          item,
          column(rows.length, id => columns.get(id) as bigint[])
        )
    }
    rows.forEach((row, i) => {
      values[row] = items.map(item => [item, columns.get(item)?.[i] ?? null])
    })
  })
  must(at === payload.length, 'octets left over')
  const readings = times(count, (row): Value[] => [
    ids[Number(meters?.[row])] as string,
    slots?.[row] as bigint,
    versions?.[row] as bigint,
    qualities?.[row] as bigint,
    sources?.[row] as bigint,
    readAt[row] as bigint | null,
    meterTime[row] as bigint | null,
    ratio[row] === null ? null : (ratios[Number(ratio[row])] as Value[]),
    values[row] as Value[]
  ])
  return { ids, readings }
}

/** Lenient CBOR of section 1: what is malformed is the codecs' business. */
const parse = (octets: Uint8Array): Value[] => {
  const data = Buffer.from(octets)
  let at = 0
  const item = (): Value => {
    const first = data[at++] as number
    if (first === 0xf6) return null
    const info = first & 31
    const size = info < 24 ? 0 : 1 << (info - 24)
    const argument = size === 0 ? BigInt(info) : BigInt(`0x${data.subarray(at, at + size).toString('hex')}`)
    at += size
    const major = first >> 5
    if (major === 0) return argument
    if (major === 1) return -1n - argument
    if (major === 4) return Array.from({ length: Number(argument) }, item)
    const piece = data.subarray(at, at + Number(argument))
    at += Number(argument)
    return major === 3 ? piece.toString('utf8') : piece
  }
  const value = item() as Value[]
  must(at === data.length, 'trailing octets')
  return value
}

const write = (value: Value): Buffer => {
  if (value === null) return Buffer.of(0xf6)
  if (typeof value === 'bigint') return value < 0n ? head(1, -1n - value) : head(0, value)
  if (typeof value === 'string') {
    const octets = Buffer.from(value, 'utf8')
    return Buffer.concat([head(3, BigInt(octets.length)), octets])
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, BigInt(value.length)), value])
  return Buffer.concat([head(4, BigInt(value.length)), ...value.map(write)])
}

const head = (major: number, argument: bigint): Buffer => {
  if (argument < 24n) return Buffer.of((major << 5) | Number(argument))
  const size = argument < 0x100n ? 1 : argument < 0x10000n ? 2 : argument < 0x1_0000_0000n ? 4 : 8
  const digits = argument.toString(16).padStart(2 * size, '0')
  return Buffer.concat([Buffer.of((major << 5) | (24 + Math.log2(size))), Buffer.from(digits, 'hex')])
}

const u64 = (value: bigint): Buffer => {
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(value)
  return out
}

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`oracle: ${what}`)
}
