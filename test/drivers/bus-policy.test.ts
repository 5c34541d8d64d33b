import t from 'tap'
import type { Clock, Priority } from '../../agent/ports.ts'
import { Breaker } from '../../drivers/bus/breaker.ts'
import { parsePort } from '../../drivers/bus/config.ts'
import { Doubts } from '../../drivers/bus/doubts.ts'
import { Liveness } from '../../drivers/bus/liveness.ts'
import { ModbusTcpFraming } from '../../drivers/bus/modbus-tcp-framing.ts'
import { RequestQueue } from '../../drivers/bus/queue.ts'
import { estimateEndMs, waitUntil, wireTiming } from '../../drivers/bus/timing.ts'
import { Turnarounds } from '../../drivers/bus/turnarounds.ts'
import { concatBytes, fromHex, toHex } from '../../proto/bytes.ts'
import { parseAddress } from '../../proto/dlt645/address.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { askData } from '../../proto/dlt645/question.ts'
import { buildRequest } from '../../proto/dlt645/request.ts'
import { appendCrc } from '../../proto/modbus/crc.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import { memory } from '../fixtures/learned.ts'

function fakeClock(): Clock & { set(ms: number): void; setWall(ms: number): void } {
  let now = 0
  let wallOffset = 1_700_000_000_000
  return {
    nowMs: () => now + wallOffset,
    monotonicMs: () => now,
    trusted: () => true,
    wait: async () => undefined,
    set(ms) {
      now = ms
    },
    setWall(ms) {
      wallOffset = ms - now
    }
  }
}

/** Numbers in [0, 1), the same ones every time. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const modbus = (address: number, count: number, unit = 1) =>
  encodeReadRequest({ unit, function: 3, address, count })
const dlt645 = (di = '00010000') =>
  buildRequest(askData(parseAddress('000012345678'), parseDataIdentifier(di)))

t.test('ports', async t => {
  t.same(parsePort('serial:/dev/ttyS1'), { kind: 'serial', path: '/dev/ttyS1' })
  t.same(parsePort('/dev/serial/by-path/a:b'), { kind: 'serial', path: '/dev/serial/by-path/a:b' })
  t.same(parsePort('tcp://10.20.0.31:4001'), { kind: 'tcp', host: '10.20.0.31', port: 4001 })
  t.same(parsePort('modbus-tcp://[::1]'), { kind: 'modbus-tcp', host: '::1', port: 502 })
  for (const bad of ['', 'ttyS1', 'tcp://host', 'tcp://host:0', 'tcp://host:65536', 'udp://a:1']) {
    t.throws(() => parsePort(bad), { code: 'BUS_CONFIG' }, bad)
  }
})

t.test('wire times follow the standards', async t => {
  t.ok(Math.abs(wireTiming({ baud: 2400 }).modbusGapMs - 16.0417) < 0.001)
  t.ok(Math.abs(wireTiming({ baud: 19200 }).modbusGapMs - 2.0052) < 0.001)
  t.equal(wireTiming({ baud: 38400 }).modbusGapMs, 1.75, 'fixed above 19200')
  t.equal(wireTiming({ baud: 2400 }).dlt645GapMs, wireTiming({ baud: 2400 }).characterMs)
})

t.test('the end of a frame is told from its earliest octets', async t => {
  const at = (atMs: number, count: number) => ({ atMs, count })
  t.equal(estimateEndMs([at(1, 1), at(2, 2), at(3, 3)], 0, 3, 1), 3, 'octet by octet')
  t.equal(estimateEndMs([at(1, 1), at(2, 2), at(9, 3)], 0, 3, 1), 3, 'a late look at the last one')
  t.equal(estimateEndMs([at(8, 8), at(13, 9)], 0, 9, 1), 9, 'a FIFO that held the ninth back')
  t.equal(estimateEndMs([at(3, 3), at(12, 5)], 3, 5, 1), 12, 'arrivals before the frame do not count')
})

t.test('an exact wait never returns early', async t => {
  const clock = { monotonicMs: () => performance.now() }
  for (const ms of [0, 0.3, 1.75, 4.58, 16.04]) {
    const untilMs = performance.now() + ms
    for (const characterMs of [0.1, 4.58]) {
      await waitUntil(clock, untilMs, characterMs)
      t.ok(performance.now() >= untilMs, `${ms} ms`)
    }
  }
})

t.test('the queue: urgent first, nobody starves, a technician waits for one transaction', async t => {
  const entry = (priority: Priority) => ({ priority })
  const all = () => true
  const queue = new RequestQueue<{ priority: Priority }>()
  const order: Priority[] = ['diagnostics', 'scan', 'slot', 'backfill', 'technician']
  for (const priority of order) queue.add(entry(priority))
  const taken: string[] = []
  for (let next = queue.take(all); next; next = queue.take(all)) taken.push(next.priority)
  t.same(taken, ['technician', 'slot', 'backfill', 'scan', 'diagnostics'])
  t.equal(queue.size, 0)

  const busy = new RequestQueue<{ priority: Priority }>()
  const served = new Map<Priority, number>()
  let total = 0
  const run = (priorities: readonly Priority[], rounds: number) => {
    served.clear()
    const names: Priority[] = []
    let now = 0
    for (const priority of priorities) busy.add(entry(priority))
    for (let i = 0; i < rounds; i++) {
      const next = busy.take(all)
      if (!next) break
      names.push(next.priority)
      served.set(next.priority, (served.get(next.priority) ?? 0) + 1)
      now += 100
      busy.note(next.priority, 100, now)
      busy.add(entry(next.priority))
    }
    busy.takeAll()
    total = names.length
    return names
  }
  run(['slot', 'backfill', 'scan', 'diagnostics'], 2000)
  const share = (priority: Priority) => (served.get(priority) ?? 0) / total
  t.ok(share('slot') > 0.75, `slot ${share('slot')}`)
  t.ok(share('backfill') > 0.07 && share('backfill') < 0.13, `backfill ${share('backfill')}`)
  t.ok(share('scan') > 0.03 && share('scan') < 0.08, `scan ${share('scan')}`)
  t.ok(share('diagnostics') > 0.01 && share('diagnostics') < 0.04, `diagnostics ${share('diagnostics')}`)

  const names = run(['technician', 'slot'], 1000)
  t.ok(share('slot') > 0.2, 'a technician who never stops leaves the slot reading its part')
  t.notOk(
    names.some((name, i) => name !== 'technician' && i > 0 && names[i - 1] !== 'technician'),
    'never two others in a row while a technician waits'
  )
  const mute = entry('slot')
  busy.add(mute)
  t.equal(
    busy.take(() => false),
    undefined,
    'not ready'
  )
  t.ok(busy.remove(mute))
  t.notOk(busy.remove(mute))
})

t.test('the breaker', async t => {
  const clock = fakeClock()
  const learned = memory()
  const open = (random = 0.5) => new Breaker(clock, learned, 'a', () => random)
  const breaker = open()
  const delayOf = (key: string) => {
    const verdict = breaker.judge(key, 600)
    return verdict.kind === 'skip' ? verdict.nextTryAtMs - clock.nowMs() : 0
  }

  breaker.noteSilence('m1', 500)
  t.equal(delayOf('m1'), 30_000, 'never heard: out for this sweep')
  t.ok(breaker.probing('m1'))

  breaker.noteAnswer('m2')
  breaker.noteSilence('m2', 500)
  t.equal(breaker.judge('m2', 600).kind, 'ask', 'a meter that is there may miss one request')
  const delays: number[] = []
  for (let i = 0; i < 12; i++) {
    breaker.noteSilence('m2', 0)
    delays.push(delayOf('m2'))
  }
  t.same(delays.slice(0, 4), [2000, 4000, 8000, 16000], 'doubled')
  t.equal(delays.at(-1), 600_000, 'capped')
  t.equal(breaker.judge('m1', 600).kind, 'skip', 'keys do not touch each other')
  t.equal(new Breaker(clock, learned, 'b', () => 0).judge('m1', 600).kind, 'ask', 'nor do buses')

  t.same(
    open()
      .open()
      .map(b => b.address),
    [],
    'loaded on demand'
  )
  const restarted = open()
  t.equal(restarted.judge('m2', 600).kind, 'skip', 'survives a restart')
  t.equal(restarted.failures('m2'), 13)
  t.same(
    restarted.open().map(b => [b.address, b.failures]),
    [['m2', 13]]
  )

  clock.setWall(1_600_000_000_000)
  t.equal(delayOf('m2'), 600_000, 'a clock that was set back holds nobody for ever')

  clock.set(700_000)
  t.equal(breaker.judge('m2', 600).kind, 'probe', 'half open')
  breaker.noteAnswer('m2')
  t.equal(breaker.judge('m2', 600).kind, 'ask', 'any answer closes it')
  t.equal(breaker.failures('m2'), 0)
  t.equal(learned.get('breaker/a/m2'), '0 0 1')

  breaker.noteSilence('m3', 500)
  breaker.forgive('m3')
  t.equal(breaker.judge('m3', 600).kind, 'ask', 'a silence that proved nothing')

  const spread = [0, 0.999].map(random => {
    const one = open(random)
    one.noteSilence(`j${random}`, 0)
    const verdict = one.judge(`j${random}`, 600)
    return verdict.kind === 'skip' ? verdict.nextTryAtMs - clock.nowMs() : 0
  })
  t.ok((spread[0] as number) < 27_100 && (spread[1] as number) > 32_900, `jitter ${spread}`)

  t.test('all dead meters together stay under their share', async t => {
    const clock = fakeClock()
    const breaker = new Breaker(clock, memory(), 'a', Math.random)
    const meters = Array.from({ length: 200 }, (_, i) => `m${i}`)
    for (const meter of meters) breaker.noteSilence(meter, 0)
    let spentMs = 0
    for (let now = 0; now < 7_200_000; now += 600) {
      clock.set(now)
      const meter = meters.find(candidate => breaker.judge(candidate, 600).kind === 'probe')
      if (meter === undefined) continue
      breaker.noteSilence(meter, 600)
      spentMs += 600
    }
    t.ok(spentMs <= 0.05 * 7_200_000 + 3_600, `${spentMs} ms of two hours`)
    t.ok(spentMs > 0.04 * 7_200_000, 'and the share is used')
  })
})

t.test('late answers: who may be asked what', async t => {
  const doubts = new Doubts()
  const first = modbus(0, 2)
  doubts.add({ meterKey: 'modbus:1', request: first, requestEndMs: 1000 })
  t.ok(doubts.untrusted('modbus:1'))
  t.equal(doubts.notBeforeMs('modbus:1', modbus(10, 2), 1600), 3500, 'same length, other range: held back')
  t.ok(doubts.notBeforeMs('modbus:1', modbus(0, 2), 1600) < 0, 'the same range again')
  t.ok(doubts.notBeforeMs('modbus:1', modbus(10, 3), 1600) < 0, 'another length')
  t.ok(doubts.notBeforeMs('modbus:2', modbus(10, 2, 2), 1600) < 0, 'another unit')
  t.same(doubts.suspects(1600), ['modbus:1'])
  const late = appendCrc(fromHex('0103040000000a'))
  t.same(doubts.attribute(concatBytes(fromHex('ff00'), late), 1960), {
    meterKey: 'modbus:1',
    turnaroundMs: 960
  })
  t.equal(doubts.attribute(late, 1970), undefined, 'once only')
  t.ok(doubts.untrusted('modbus:1'), 'until it answers in time')
  doubts.trust('modbus:1')
  t.notOk(doubts.untrusted('modbus:1'))

  doubts.add({ meterKey: 'dlt645:1', request: dlt645(), requestEndMs: 5000 })
  t.ok(doubts.notBeforeMs('dlt645:1', dlt645('00010100'), 5100) < 0, 'DL/T 645 answers say what they are')
  t.same(doubts.suspects(7600), [], 'forgotten in time')
})

t.test('time-outs are computed, learned and bounded', async t => {
  const learned = memory()
  const known = new Turnarounds(learned, 'a')
  t.equal(known.firstOctetMs(dlt645(), 'd', 0, 0), 550)
  t.equal(known.firstOctetMs(modbus(0, 2), 'm', 0, 0), 550, 'a first sign of life')
  t.equal(known.firstOctetMs(modbus(0, 2), 'm', 1, 0), 1150, 'a second try gets the full time')
  for (let i = 0; i < 7; i++) known.note('m', 20 + i)
  t.equal(known.firstOctetMs(modbus(0, 2), 'm', 0, 0), 1150, 'too few to trust')
  known.note('m', 30)
  t.equal(known.firstOctetMs(modbus(0, 2), 'm', 0, 0), 140, 'slowest x 3 + slack')
  t.equal(new Turnarounds(learned, 'a').firstOctetMs(modbus(0, 2), 'm', 0, 0), 140, 'kept')
  known.noteLate('other', 960, 1000)
  t.equal(
    known.firstOctetMs(modbus(0, 2), 'm', 0, 2000),
    1150,
    'one late answer on the bus: full time for all'
  )
  t.equal(known.firstOctetMs(modbus(0, 2), 'm', 0, 3_700_000), 140, 'for an hour')
  t.equal(known.firstOctetMs(dlt645(), 'other', 1, 2000), 1202, 'and for good for the late one')
  for (let i = 0; i < 80; i++) known.note('fast', i < 4 ? 400 : 10)
  t.equal(known.slowestMs('fast'), 10, 'old samples fade')
})

t.test('where a late answer passes for no other, a quick meter is given up on early', t => {
  const known = new Turnarounds(memory(), 'a')
  const wait = (key: string, failures = 0) => known.firstOctetMs(dlt645(), key, failures, 0, true)
  t.equal(wait('d'), 515, 'a first sign of life: what DL/T 645 gives a meter')
  known.note('d', 100)
  known.note('d', 100)
  t.equal(wait('d'), 550, 'two answers are chance')
  known.note('d', 100)
  t.equal(wait('d'), 350, 'three times the slowest')
  for (let i = 0; i < 5; i++) known.note('d', 100)
  t.equal(wait('d'), 250, 'twice, once it is known better')
  for (let i = 0; i < 8; i++) known.note('quick', 5)
  for (let i = 0; i < 8; i++) known.note('fitful', i === 3 ? 130 : 20)
  t.equal(wait('fitful'), 440, 'a meter that answers when it likes is waited for')
  t.equal(wait('quick'), 150, 'never less than this')
  t.equal(wait('d', 1), 550, 'but a second try gets the full time')
  known.noteLate('d', 300, 0)
  t.equal(wait('d'), 550, 'an answer that was only slow is learned')
  for (let i = 0; i < 64; i++) known.note('d', 100)
  known.noteLate('d', 960, 0)
  t.equal(wait('d'), 250, 'one that was held up is not')
  for (let i = 0; i < 3; i++) known.noteLate('d', 960, 0)
  t.equal(wait('d'), 1202, 'where that is its way, it is waited for')
  t.end()
})

t.test('a meter that takes 20 to 500 ms at random is hardly ever given up on early', t => {
  const random = randomFrom(7)
  let early = 0
  const exchanges = 200 * 100
  for (let meter = 0; meter < 200; meter++) {
    const known = new Turnarounds(memory(), 'a')
    for (let i = 0; i < exchanges / 200; i++) {
      const tookMs = 20 + 480 * random()
      if (tookMs <= known.firstOctetMs(dlt645(), 'd', 0, i * 1000, true)) known.note('d', tookMs)
      else {
        early++
        known.noteLate('d', tookMs, i * 1000)
      }
    }
  }
  t.ok(early <= 4, `${early} of ${exchanges}`)
  t.end()
})

t.test('Modbus TCP framing', async t => {
  const framing = new ModbusTcpFraming()
  const request = modbus(0, 2)
  t.equal(toHex(framing.wrap(request.octets)), '000100000006010300000002')
  const answer = fromHex('000100000007010304000a000b')
  t.same(framing.unwrap(answer.subarray(0, 5)), new Uint8Array(0))
  t.equal(toHex(framing.unwrap(answer.subarray(5))), toHex(appendCrc(fromHex('010304000a000b'))))
  framing.wrap(request.octets)
  t.same(framing.unwrap(answer), new Uint8Array(0), 'an answer to the request before')
  t.equal(framing.late, 1)
  t.same(framing.unwrap(fromHex('0002ffff0007010304')), new Uint8Array(0), 'not Modbus')
  t.same(framing.unwrap(fromHex('00020000ffff01')), new Uint8Array(0), 'too long')
  t.equal(toHex(framing.unwrap(fromHex('000200000003018302'))), toHex(appendCrc(fromHex('018302'))))
})

t.test('a line is alive when octets come', async t => {
  const serial = new Liveness(true)
  const mute = (from: number, to: number) => {
    const at: number[] = []
    for (let now = from; now < to; now += 1000) if (serial.noteSilence(now)) at.push(now)
    return at
  }
  t.same(mute(0, 59_000), [])
  serial.noteOctets()
  const reopened = mute(59_000, 600_000)
  t.equal(reopened[0], 119_000)
  t.ok((reopened[2] as number) - (reopened[1] as number) > 2 * 60_000, 'ever more rarely')
})
