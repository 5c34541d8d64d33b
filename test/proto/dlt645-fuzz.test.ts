import { readFileSync } from 'node:fs'
import t from 'tap'
import { concatBytes, fromHex } from '../../proto/bytes.ts'
import { type MeterAddress, parseAddress } from '../../proto/dlt645/address.ts'
import { encodeDigits } from '../../proto/dlt645/bcd.ts'
import {
  type DataIdentifier,
  encodeDataIdentifier,
  parseDataIdentifier
} from '../../proto/dlt645/data-identifier.ts'
import { createItemTable } from '../../proto/dlt645/data-items.ts'
import { explainDlt645 } from '../../proto/dlt645/explain.ts'
import { decodeFrame, encodeFrame } from '../../proto/dlt645/frame.ts'
import { FrameDecoder } from '../../proto/dlt645/frame-decoder.ts'
import { decodeItemValues } from '../../proto/dlt645/item-values.ts'
import { parseProfileBlocks } from '../../proto/dlt645/load-profile.ts'
import { askAddress, askData, askFollowUp } from '../../proto/dlt645/question.ts'
import { parseReply } from '../../proto/dlt645/reply.ts'
import { buildRequest } from '../../proto/dlt645/request.ts'

const FRAMES_A_GRAMMAR = 10_000
const EXCHANGES = 100_000
const STATE_MAX = 4096

/** xorshift32: the seed is in the name of a failure, so that it can be had again. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const captured = (
  JSON.parse(readFileSync(new URL('../vectors/dlt645/frames.json', import.meta.url), 'utf8')) as {
    hex: string
  }[]
).map(vector => fromHex(vector.hex))
const profiles = (
  JSON.parse(readFileSync(new URL('../vectors/dlt645/load-profile.json', import.meta.url), 'utf8')) as {
    hex: string
  }[]
).map(vector => fromHex(vector.hex))
const SEEDS = [...captured, ...profiles]

type Random = (below: number) => number
const octets = (random: Random, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, () => random(256))
const pick = (random: Random): Uint8Array => SEEDS[random(SEEDS.length)] as Uint8Array

function mutate(random: Random, source: Uint8Array): Uint8Array {
  const out = source.slice()
  for (let n = 1 + random(4); n > 0; n--) out[random(out.length)] = random(3) === 0 ? 0x68 : random(256)
  return out
}

const GRAMMARS: Readonly<Record<string, (random: Random) => Uint8Array>> = {
  random: random => octets(random, random(300)),
  mutated: random => mutate(random, pick(random)),
  truncated: random => {
    const source = pick(random)
    return source.slice(random(4), random(source.length + 1))
  },
  concatenated: random => concatBytes(...Array.from({ length: 1 + random(4) }, () => pick(random))),
  'preamble storms': random =>
    concatBytes(
      new Uint8Array(random(400)).fill(0xfe),
      random(2) ? pick(random) : mutate(random, pick(random)),
      new Uint8Array(random(200)).fill(0xfe)
    ),
  'false starts': random => {
    const out = octets(random, 60 + random(300))
    for (let i = 0; i + 7 < out.length; i += 1 + random(9)) {
      out[i] = 0x68
      out[i + 7] = 0x68
    }
    return concatBytes(out, pick(random))
  },
  'right checksums, any content': random =>
    encodeFrame(
      {
        address: parseAddress(String(random(1_000_000))),
        control: random(2) ? 0x91 : random(256),
        data: concatBytes(
          encodeDataIdentifier(parseDataIdentifier(IDENTIFIERS[random(IDENTIFIERS.length)] as string)),
          octets(random, random(random(2) ? 20 : 200))
        )
      },
      random(6)
    )
}

const TABLE = createItemTable()
const IDENTIFIERS = TABLE.items.map(item =>
  item.pattern
    .split(' ')
    .map(pair =>
      /^[0-9A-F]{2}$/.test(pair) ? pair : pair.length === 2 && /[a-z]$/.test(pair) ? `${pair[0]}F` : '01'
    )
    .join('')
)

const ADDRESS = parseAddress('161')
const MATCHERS = [
  buildRequest(askData(ADDRESS, parseDataIdentifier('00010000'))),
  buildRequest(askData(parseAddress('AAAAAAAAAAAA'), parseDataIdentifier('0001FF00'))),
  buildRequest(askFollowUp(askData(ADDRESS, parseDataIdentifier('0001FF00')), 1)),
  buildRequest(askAddress()),
  buildRequest(askData(parseAddress('63295', '1997'), parseDataIdentifier('9010')))
]

for (const [name, make] of Object.entries(GRAMMARS)) {
  t.test(`${FRAMES_A_GRAMMAR} frames: ${name}`, async t => {
    const random = generator(name.length * 7919)
    const decoder = new FrameDecoder()
    let broken = 0
    for (let n = 0; n < FRAMES_A_GRAMMAR; n++) {
      const input = make(random)
      broken += checkDecoder(decoder, input, random) ? 0 : 1
      broken += checkMatcher(MATCHERS[n % MATCHERS.length]!, input) ? 0 : 1
      if (n % 5 === 0) explainDlt645(input, n % 2 ? 'request' : 'response')
      if (n % 7 === 0) parseProfileBlocks('06000001' as DataIdentifier, input)
    }
    t.equal(broken, 0)
  })
}

/** Every octet comes out once, in frames that hold or in discards with a reason; little is held back. */
function checkDecoder(decoder: FrameDecoder, input: Uint8Array, random: Random): boolean {
  let out = 0
  let good = true
  const take = (events: ReturnType<FrameDecoder['push']>): void => {
    for (const event of events) {
      out += event.octets.length
      if (event.kind === 'frame') {
        out += event.preambleFE
        decodeFrame(event.octets)
      }
    }
    good &&= decoder.pendingOctets <= STATE_MAX / 8
  }
  for (let at = 0; at < input.length; ) {
    const size = 1 + random(random(3) ? 16 : 300)
    take(decoder.push(input.subarray(at, at + size)))
    at += size
  }
  take(decoder.flush())
  return good && out === input.length && decoder.pendingOctets === 0
}

/** A matcher always comes to an end, and what it takes for the answer is one. */
function checkMatcher(request: (typeof MATCHERS)[number], input: Uint8Array): boolean {
  let rest = input
  for (;;) {
    const match = request.match(rest)
    switch (match.kind) {
      case 'more':
        return match.octets > rest.length && match.octets <= rest.length + 267
      case 'noise':
        if (match.octets < 1 || match.octets > rest.length) return false
        rest = rest.subarray(match.octets)
        break
      case 'not-ours':
        if (match.end <= match.start || match.end > rest.length) return false
        rest = rest.subarray(match.end)
        break
      case 'reply':
        decodeFrame(rest.subarray(match.start, match.end))
        return true
    }
  }
}

t.test('the worst input there is: every octet may begin a frame', async t => {
  // What the line holds at most; each octet is a candidate with the longest length there is.
  const input = new Uint8Array(65_536).fill(0x68)
  for (const length of [0x68, 0xff]) {
    const tiled = input.map((b, i) => (i % 8 === 1 ? length : b))
    t.equal(MATCHERS[0]?.match(tiled).kind === 'reply', false)
    t.ok(checkDecoder(new FrameDecoder(), tiled, generator(1)))
  }
})

t.test('item data of any length and content', async t => {
  const random = generator(42)
  for (let n = 0; n < FRAMES_A_GRAMMAR; n++) {
    const di = IDENTIFIERS[random(IDENTIFIERS.length)] as DataIdentifier
    const data = octets(random, random(60))
    const { elements, extra } = decodeItemValues(TABLE, di, data)
    const used = elements.reduce((sum, element) => sum + element.raw.length, 0)
    if (used + extra.length > data.length) t.fail(`${di}: more octets out than in`)
  }
  t.pass('all')
})

t.test('a flipped octet in a load profile costs no other record its value', async t => {
  const random = generator(7)
  const stamps = ['2611230015', '2611230030', '2611230045', '2611230100', '2611230115', '2611230130']
  const whole = concatBytes(...stamps.map((stamp, index) => profileBlock(stamp, index)))
  const truth = parseProfileBlocks('06040001' as DataIdentifier, whole)
  t.equal(truth.blocks.length, stamps.length)
  const valuesAt = new Map(
    truth.blocks.map(block => [JSON.stringify(block.time), JSON.stringify(block.values)])
  )
  let wrong = 0
  let least = stamps.length
  for (let n = 0; n < 5000; n++) {
    const bad = whole.slice()
    bad[random(bad.length)] = random(256)
    const { blocks } = parseProfileBlocks('06040001' as DataIdentifier, bad)
    least = Math.min(least, blocks.length)
    for (const block of blocks) {
      if (valuesAt.get(JSON.stringify(block.time)) !== JSON.stringify(block.values)) wrong++
    }
  }
  t.equal(wrong, 0)
  t.ok(least >= stamps.length - 2, `at least ${least} of ${stamps.length} records are had`)
})

function profileBlock(stamp: string, index: number): Uint8Array {
  const aa = new Uint8Array(3).fill(0xaa)
  const registers = concatBytes(encodeDigits(String(1_000_000 + index).padStart(8, '0')), new Uint8Array(12))
  const head = concatBytes(fromHex('A0A01B'), encodeDigits(stamp), aa, registers, aa)
  return concatBytes(head, Uint8Array.of(head.reduce((a, b) => a + b, 0) & 0xff, 0xe5))
}

// ---------------------------------------------------------------- late, doubled, foreign, cut off

const METERS = ['000000000161', '000000000162', '000000010161'] as MeterAddress[]
/** Items of the same length: only the identifier tells them apart. */
const ITEMS = ['00010000', '00020000', '00050000', '00010100', '00000000'].map(parseDataIdentifier)

interface Answer {
  readonly atMs: number
  readonly octets: Uint8Array
}

/** The value says whose it is, what it is and when it was taken: meter, item, and six digits of time in half seconds. */
function answerOf(meter: number, item: number, atMs: number): Uint8Array {
  const stamp = Math.floor(atMs / 500) % 1_000_000
  const digits = `${meter}${item}${String(stamp).padStart(6, '0')}`
  return encodeFrame(
    {
      address: METERS[meter] as MeterAddress,
      control: 0x91,
      data: concatBytes(encodeDataIdentifier(ITEMS[item] as DataIdentifier), encodeDigits(digits))
    },
    4
  )
}

t.test(`${EXCHANGES} exchanges on a bad line: no value under another meter, item or time`, async t => {
  const random = generator(20_261_123)
  let nowMs = 0
  let pending: Answer[] = []
  let accepted = 0
  let wrong = 0
  let strangers = 0
  for (let n = 0; n < EXCHANGES; n++) {
    const meter = random(METERS.length)
    const item = random(ITEMS.length)
    const question = askData(METERS[meter] as MeterAddress, ITEMS[item] as DataIdentifier)
    const request = buildRequest(question)
    pending.push(...answersTo(random, request.octets, meter, item, nowMs))
    const deadlineMs = nowMs + 600
    pending.sort((a, b) => a.atMs - b.atMs)
    const due = pending.filter(answer => answer.atMs <= deadlineMs)
    pending = pending.filter(answer => answer.atMs > deadlineMs)
    let rest: Uint8Array = new Uint8Array(0)
    let taken = false
    for (const answer of due) {
      if (taken) continue
      rest = concatBytes(rest, answer.octets)
      for (let going = true; going; ) {
        const match = request.match(rest)
        if (match.kind === 'more') going = false
        else if (match.kind === 'reply') {
          const reply = parseReply(question, decodeFrame(rest.subarray(match.start, match.end)))
          taken = true
          going = false
          if (reply.kind === 'data') {
            accepted++
            if (!isRight(reply.data, meter, item, answer.atMs)) wrong++
          }
        } else {
          if (match.kind === 'not-ours') strangers++
          rest = rest.subarray(match.kind === 'noise' ? match.octets : match.end)
        }
      }
      nowMs = Math.max(nowMs, answer.atMs)
    }
    nowMs = taken ? nowMs + 5 : deadlineMs
  }
  t.equal(wrong, 0)
  t.ok(accepted > EXCHANGES / 3, `${accepted} accepted`)
  t.ok(strangers > EXCHANGES / 10, `${strangers} frames told apart`)
})

/** What one request sets going: in time, 0.1 to 5 s late, twice, from somebody else, cut off, behind an echo or noise. */
function answersTo(random: Random, sent: Uint8Array, meter: number, item: number, nowMs: number): Answer[] {
  const right = answerOf(meter, item, nowMs)
  const soonMs = nowMs + 50 + random(300)
  const lateMs = nowMs + 100 + random(4900)
  switch (random(10)) {
    case 0:
    case 1:
      return [{ atMs: lateMs, octets: right }]
    case 2:
      return [
        { atMs: soonMs, octets: right },
        { atMs: lateMs, octets: right }
      ]
    case 3:
      return [{ atMs: soonMs, octets: answerOf(random(METERS.length), random(ITEMS.length), nowMs) }]
    case 4:
      return [{ atMs: soonMs, octets: right.subarray(0, random(right.length)) }]
    case 5:
      return [
        { atMs: nowMs + 1, octets: sent },
        { atMs: soonMs, octets: right }
      ]
    case 6:
      return [{ atMs: soonMs, octets: concatBytes(octets(random, random(6)), right) }]
    case 7:
      return []
    default:
      return [{ atMs: soonMs, octets: right }]
  }
}

/** The value is of this meter and item, and no older than the latest an answer can come. */
function isRight(data: Uint8Array, meter: number, item: number, atMs: number): boolean {
  const digits = [...data]
    .reverse()
    .map(b => b.toString(16).padStart(2, '0'))
    .join('')
  const age = (Math.floor(atMs / 500) % 1_000_000) - Number(digits.slice(2))
  return digits[0] === String(meter) && digits[1] === String(item) && age >= 0 && age <= 10
}
