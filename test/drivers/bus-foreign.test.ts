import t from 'tap'
import type { BusOutcome, ExchangeOptions } from '../../drivers/bus/bus.ts'
import { ForeignTalk } from '../../drivers/bus/foreign-talk.ts'
import type { Line } from '../../drivers/bus/line.ts'
import { LineBus } from '../../drivers/bus/line-bus.ts'
import { createClock } from '../../drivers/host/clock.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'
import { concatBytes, fromHex, toHex } from '../../proto/bytes.ts'
import { parseAddress } from '../../proto/dlt645/address.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { encodeFrame } from '../../proto/dlt645/frame.ts'
import { askData } from '../../proto/dlt645/question.ts'
import { buildRequest } from '../../proto/dlt645/request.ts'
import { appendCrc } from '../../proto/modbus/crc.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import { memory, quiet } from '../fixtures/learned.ts'

const clock = createClock()

/** A line without a wire: what is put comes at once, and every request is handed to the test. */
class FakeLine implements Line {
  readonly detail = 'fake'
  readonly paced = true
  readonly checksParity = true
  readonly slackMs = 0
  readonly sent: Uint8Array[] = []
  onRequest: (octets: Uint8Array) => void = () => undefined
  #come: Uint8Array = new Uint8Array(0)
  #waiting: (() => void) | undefined

  put(...octets: readonly Uint8Array[]): void {
    this.#come = concatBytes(this.#come, ...octets)
    const call = this.#waiting
    this.#waiting = undefined
    if (call) setImmediate(call)
  }
  write(octets: Uint8Array): void {
    this.sent.push(octets)
    this.onRequest(octets)
  }
  take(): Uint8Array {
    const come = this.#come
    this.#come = new Uint8Array(0)
    return come
  }
  onReadable(callback: () => void): void {
    if (this.#come.length > 0) setImmediate(callback)
    else this.#waiting = callback
  }
  ignoreReadable(): void {
    this.#waiting = undefined
  }
  async apply(): Promise<void> {}
  moved(): boolean {
    return false
  }
  errorCounters(): Record<string, number> {
    return {}
  }
  async close(): Promise<void> {}
}

type Case = { teardown(end: () => Promise<void>): void }

function openFake(t: Case): { readonly line: FakeLine; readonly bus: LineBus } {
  const line = new FakeLine()
  const bus = new LineBus(
    { name: 'line', port: 'serial:/dev/null', baud: 115200, parity: 'even' },
    { clock, log: quiet, learned: memory(), random: () => 0.5, open: async () => line }
  )
  bus.start()
  t.teardown(() => bus.close())
  return { line, bus }
}

const UNIT = 7
const ADDRESS = parseAddress('000012345678')
const modbus = (address: number, count = 2, unit = UNIT) =>
  encodeReadRequest({ unit, function: 3, address, count })

/** What every register of every unit holds. */
const registerOf = (unit: number, register: number) => (unit * 4099 + register * 257) & 0xffff

/** The answer a meter gives to a request on the line. */
function answerTo(request: Uint8Array): Uint8Array {
  const [unit = 0, code = 0, high = 0, low = 0, , count = 0] = request
  const words = Array.from({ length: count }, (_, i) => registerOf(unit, 256 * high + low + i))
  return appendCrc(
    Uint8Array.from([unit, code, 2 * count, ...words.flatMap(word => [word >> 8, word & 0xff])])
  )
}

const slot = (meterKey = `modbus:${UNIT}`): ExchangeOptions => ({ meterKey, priority: 'slot' })
const hexOf = (outcome: BusOutcome) => (outcome.kind === 'reply' ? toHex(outcome.frame) : outcome.kind)
const countersOf = (bus: LineBus) => bus.status().counters
const hexAnswer = (request: ReadRequest) => toHex(answerTo(request.octets))

t.test('Modbus: the other master asks the same unit for as many registers elsewhere', async t => {
  const ours = modbus(0)
  const theirs = modbus(10)
  const own = answerTo(ours.octets)
  const foreign = answerTo(theirs.octets)

  await t.test(
    'while we wait: neither answer is believed, nor the second one to the next request',
    async t => {
      const { line, bus } = openFake(t)
      line.onRequest = () => line.put(theirs.octets, foreign)
      t.match(await bus.exchange(ours, slot()), { kind: 'garbage', reason: /another master/ })
      t.match(countersOf(bus), { foreignRequests: 1, contested: 1, garbage: 1 })
      // the answer to us comes behind it, when something else of the same length is to be asked
      line.onRequest = request => line.put(answerTo(request))
      const next = bus.exchange(modbus(20), slot())
      line.put(own)
      t.equal(hexOf(await next), hexAnswer(modbus(20)))
      t.match(countersOf(bus), { late: 1, replies: 1 })
    }
  )

  await t.test('just before us: its answer is waited for', async t => {
    const { line, bus } = openFake(t)
    line.onRequest = request => line.put(answerTo(request))
    line.put(theirs.octets)
    const asked = bus.exchange(ours, slot())
    const other = await bus.exchange(modbus(0, 2, 9), slot('modbus:9'))
    t.equal(hexOf(other), hexAnswer(modbus(0, 2, 9)), 'another unit is asked when its time is over')
    t.equal(line.sent.length, 1)
    line.put(foreign)
    t.equal(hexOf(await asked), toHex(own))
    t.ok((countersOf(bus)['backOffs'] ?? 0) >= 1)
    t.match(countersOf(bus), { foreignRequests: 1 })
  })

  await t.test('in pieces before and after our request', async t => {
    for (const cut of [1, 3, 7]) {
      const { line, bus } = openFake(t)
      line.onRequest = () => line.put(theirs.octets.subarray(cut), foreign)
      line.put(theirs.octets.subarray(0, cut))
      t.equal((await bus.exchange(ours, slot())).kind, 'garbage', `cut after ${cut}`)
    }
  })

  await t.test('into the answer to us, which it spoils', async t => {
    for (const at of [3, 5, 8]) {
      const { line, bus } = openFake(t)
      line.onRequest = () => line.put(own.subarray(0, at), theirs.octets, own.subarray(at), foreign)
      t.equal((await bus.exchange(ours, slot())).kind, 'garbage', `at ${at}`)
    }
    const { line, bus } = openFake(t)
    const spoilt = own.map((octet, i) => (i > 3 ? octet ^ 0x2a : octet))
    line.onRequest = () => line.put(spoilt, foreign)
    t.equal((await bus.exchange(ours, slot())).kind, 'garbage', 'unheard: one request has one answer')
  })

  await t.test('at the same time, on a line with echo', async t => {
    const { line, bus } = openFake(t)
    line.onRequest = request => line.put(request, answerTo(request))
    for (let i = 0; i < 3; i++) t.equal(hexOf(await bus.exchange(ours, slot())), toHex(own))
    line.onRequest = request =>
      line.put(
        request.map((octet, i) => (i > 3 ? octet & 0x5a : octet)),
        foreign
      )
    t.match(await bus.exchange(modbus(1), slot()), { kind: 'garbage' })
    t.match(countersOf(bus), { collisions: 1 })
    line.onRequest = request => line.put(answerTo(request))
    t.equal(hexOf(await bus.exchange(ours, slot())), toHex(own), 'no echo any more is no collision')
  })

  await t.test('a refusal may be to the other master, whatever it asked for', async t => {
    const { line, bus } = openFake(t)
    line.onRequest = () => line.put(modbus(999, 9).octets, appendCrc(Uint8Array.of(UNIT, 0x83, 2)))
    t.equal((await bus.exchange(ours, slot())).kind, 'garbage')
  })

  await t.test('what cannot be confused is believed', async t => {
    const cases: [string, Uint8Array[]][] = [
      ['another length', [modbus(10, 5).octets]],
      ['another unit', [modbus(10, 2, 8).octets]],
      ['the same question', [ours.octets]],
      ['an exchange that is over', [theirs.octets, foreign]]
    ]
    for (const [name, heard] of cases) {
      const { line, bus } = openFake(t)
      line.onRequest = request => line.put(...heard, answerTo(request))
      const outcome = await bus.exchange(ours, slot())
      // within one exchange nobody can tell whose answer comes first
      if (name.startsWith('an exchange')) t.equal(outcome.kind, 'garbage', name)
      else t.equal(hexOf(outcome), toHex(own), name)
    }
  })
})

t.test('DL/T 645: data say what they are, refusals do not', async t => {
  const dlt645 = (di: string) => buildRequest(askData(ADDRESS, parseDataIdentifier(di)))
  const frame = (control: number, data: string) =>
    encodeFrame({ address: ADDRESS, control, data: fromHex(data) }, 4)
  const answer = (di: string, data: string) => frame(0x91, toHex(fromHex(di).reverse()) + data)
  const key = 'dlt645:000012345678'
  const ours = dlt645('00010000')
  const theirs = dlt645('02010100').octets

  const { line, bus } = openFake(t)
  const own = answer('00010000', '78563412')
  line.onRequest = () => line.put(theirs, answer('02010100', '0022'), own)
  t.equal(hexOf(await bus.exchange(ours, slot(key))), toHex(own.subarray(4)))
  line.onRequest = () => line.put(theirs, frame(0xd1, '02'), own)
  t.match(await bus.exchange(ours, slot(key)), { kind: 'garbage' }, 'a refusal: of which question?')
  line.onRequest = () => line.put(dlt645('02020100').octets, own)
  t.equal(hexOf(await bus.exchange(ours, slot(key))), toHex(own.subarray(4)))
  t.match(countersOf(bus), { foreignRequests: 3, contested: 1 })
})

t.test('what another master has asked is followed', t => {
  const talk = new ForeignTalk()
  const theirs = modbus(10)
  const hear = (octets: Uint8Array, nowMs: number, ours: ReadRequest[] = []) =>
    talk.hear(octets, nowMs, ours).questions
  for (const octet of theirs.octets.subarray(0, 7)) t.equal(hear(Uint8Array.of(octet), 0), 0)
  t.equal(hear(theirs.octets.subarray(7), 0), 1, 'octet by octet')
  t.match(talk.pending(1), { to: 'modbus:7', atMs: 0 })
  t.equal(talk.notBeforeMs(modbus(0), 1), 2500)
  t.ok(talk.notBeforeMs(modbus(10), 1) < 0, 'an equal question has an equal answer')
  hear(answerTo(theirs.octets), 2, [modbus(3)])
  t.ok(talk.pending(2), 'the answer may be a late one to us')
  hear(answerTo(theirs.octets), 3)
  t.equal(talk.pending(3), undefined, 'answered')

  t.equal(hear(theirs.octets, 10), 1)
  t.equal(hear(theirs.octets, 600), 1, 'asked again')
  t.match(talk.pending(3000), { atMs: 600 }, 'one is open')
  t.equal(talk.pending(3100), undefined, 'nobody waits so long')

  const write = appendCrc(fromHex('070600010002'))
  t.equal(hear(write, 4000), 1)
  t.equal(hear(write, 4010), 0, 'a write is answered by its like')
  t.equal(talk.pending(4011), undefined)
  talk.noteSent(theirs, 65_000)
  t.equal(hear(theirs.octets, 65_100), 0, 'our own echo')
  t.equal(hear(theirs.octets, 65_600), 1, 'no echo comes so late')
  hear(new Uint8Array(5000).fill(0x68), 70_000)
  t.equal(hear(concatBytes(fromHex('00ff'), theirs.octets), 70_001), 1, 'whatever stood before')
  t.end()
})

/** Numbers in [0, 1), the same ones every time. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Meters that take their time, and another master that speaks when it likes and waits for its answer; everything is heard by both. */
function disturb(line: FakeLine, random: () => number): () => void {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  let due: { readonly octets: Uint8Array; readonly isForeign: boolean }[] = []
  let isOver = false
  let asked = 0
  const ask = (request: Uint8Array, isForeign: boolean): void => {
    // a busy meter forgets what it is asked, or answers one after the other
    if (due.length > 0 && random() < 0.3) return
    due.push({ octets: answerTo(request), isForeign })
    if (due.length === 1) setTimeout(answer, 8 * random())
  }
  const answer = (): void => {
    const [next, ...others] = due
    if (!next || isOver) return
    const cut = random() < 0.3 ? Math.floor(random() * next.octets.length) : next.octets.length
    line.put(next.octets.subarray(0, cut))
    setTimeout(() => {
      line.put(next.octets.subarray(cut))
      due = others.concat(due.slice(others.length + 1))
      if (due.length > 0) setTimeout(answer, 8 * random())
      if (next.isForeign) speakAfter(pick([2, 10, 40, 200]) * random())
    }, 3 * random())
  }
  const speakAfter = (ms: number): void => {
    const turn = ++asked
    setTimeout(() => turn === asked && speak(), ms)
  }
  const speak = (): void => {
    if (isOver) return
    const request = modbus(pick([0, 10, 20, 30]), pick([2, 2, 2, 3]), pick([1, 1, 2])).octets
    const cut = Math.floor(random() * request.length)
    line.put(request.subarray(0, cut))
    setTimeout(() => {
      line.put(request.subarray(cut))
      ask(request, true)
      // no answer: it asks something else
      speakAfter(80)
    }, 2 * random())
  }
  line.onRequest = request => ask(request, false)
  speak()
  return () => {
    isOver = true
  }
}

t.test('no wrong value however another master speaks in between', async t => {
  const LINES = 24
  const EXCHANGES = 50
  let wrong = 0
  let replies = 0
  let foreign = 0
  const run = async (seed: number): Promise<void> => {
    const { line, bus } = openFake(t)
    const random = randomFrom(seed)
    const end = disturb(line, random)
    for (let i = 0; i < EXCHANGES; i++) {
      const unit = random() < 0.7 ? 1 : 2
      const request = modbus(Math.floor(40 * random()), random() < 0.8 ? 2 : 3, unit)
      const options = { ...slot(`modbus:${unit}`), tellsLate: random() < 0.5, force: true }
      const outcome = await bus.exchange(request, options)
      if (outcome.kind !== 'reply') continue
      replies++
      if (hexOf(outcome) !== hexAnswer(request)) wrong++
    }
    end()
    foreign += countersOf(bus)['foreignRequests'] ?? 0
  }
  await Promise.all(Array.from({ length: LINES }, (_, i) => run(1000 + 77 * i)))
  t.comment(`${replies} answers of ${LINES * EXCHANGES}, ${foreign} questions of the other master`)
  t.equal(wrong, 0, `of ${replies} answers`)
  t.ok(replies > 0 && foreign > 0)
})
