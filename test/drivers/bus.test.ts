import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Priority } from '../../agent/ports.ts'
import type { Bus, BusOutcome, ExchangeOptions } from '../../drivers/bus/bus.ts'
import { openBus } from '../../drivers/bus/open-bus.ts'
import { openSerialLine } from '../../drivers/bus/serial-line.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { openPty, type Pty } from '../../drivers/simulator/pty.ts'
import { createReadRequest, type ReadRequest } from '../../proto/bus-reply.ts'
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
const folder = mkdtempSync(join(tmpdir(), 'wattproof-bus-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** The far end of a line: collects requests and does with each what the test says; at first nothing. */
interface Peer {
  readonly pty: Pty
  readonly bus: Bus
  readonly heard: Uint8Array[]
  /** length of the requests that come next */
  requestOctets: number
  answer: (request: Uint8Array, n: number) => void
}

let links = 0

function openPeer(t: { teardown(end: () => Promise<void>): void }, requestOctets = 8): Peer {
  const pty = openPty(join(folder, `line${links++}`))
  const bus = openBus(
    { name: 'line', port: `serial:${pty.path}`, baud: 115200, parity: 'even' },
    { clock, log: quiet, learned: memory() }
  )
  const peer: Peer = { pty, bus, heard: [], requestOctets, answer: () => undefined }
  let pending: Uint8Array = new Uint8Array(0)
  pty.onOctets(chunk => {
    pending = concatBytes(pending, chunk)
    while (pending.length >= peer.requestOctets) {
      const request = pending.slice(0, peer.requestOctets)
      pending = pending.slice(peer.requestOctets)
      peer.heard.push(request)
      peer.answer(request, peer.heard.length)
    }
  })
  t.teardown(async () => {
    await bus.close()
    await pty.close()
  })
  return peer
}

const DLT645_REQUEST_OCTETS = 20
const ADDRESS = parseAddress('000012345678')

const modbus = (address: number, count: number, unit = 1) =>
  encodeReadRequest({ unit, function: 3, address, count })

/** The same request with another limit of the meter's turnaround. */
const impatient = (request: ReadRequest, turnaroundMaxMs = 1) =>
  createReadRequest({ ...request, turnaroundMaxMs })

const dlt645 = (di = '00010000') => buildRequest(askData(ADDRESS, parseDataIdentifier(di)))

/** Registers count up from the first octet of the unit. */
function modbusAnswer(unit: number, count: number, first = 1): Uint8Array {
  return appendCrc(
    Uint8Array.from([unit, 3, 2 * count, ...Array.from({ length: 2 * count }, (_, i) => first + i)])
  )
}

function dlt645Answer(di: string, data: string, preamble = 4): Uint8Array {
  const head = fromHex(di).reverse()
  return encodeFrame({ address: ADDRESS, control: 0x91, data: concatBytes(head, fromHex(data)) }, preamble)
}

const slot = (meterKey: string): ExchangeOptions => ({ meterKey, priority: 'slot' })
const hexOf = (outcome: BusOutcome) => (outcome.kind === 'reply' ? toHex(outcome.frame) : outcome.kind)

/** Waits for an event that has no callback; the runner's own limit ends it. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await clock.wait(10)
}

t.test('answers end with their last octet, however they come', async t => {
  const peer = openPeer(t)
  const answer = modbusAnswer(1, 10)
  const pieces: ((send: (octets: Uint8Array) => void) => void)[] = [
    send => send(answer),
    send => {
      for (const octet of answer) send(Uint8Array.of(octet))
    },
    send => {
      send(answer.subarray(0, 2))
      setTimeout(() => send(answer.subarray(2)), 3)
    },
    send => send(concatBytes(fromHex('00ff7e'), answer)),
    send => send(concatBytes(answer, fromHex('a55a'))),
    send => send(appendCrc(fromHex('018302')))
  ]
  for (const [i, piece] of pieces.entries()) {
    peer.answer = () => piece(octets => peer.pty.write(octets))
    const outcome = await peer.bus.exchange(modbus(0, 10), slot('modbus:1'))
    t.equal(hexOf(outcome), i === 5 ? toHex(appendCrc(fromHex('018302'))) : toHex(answer), `way ${i}`)
    if (outcome.kind === 'reply') {
      t.equal(outcome.discarded, i === 3 ? 3 : 0)
      t.equal(outcome.afterTimeout, false)
      t.ok(outcome.turnaroundMs >= 0)
    }
  }
  t.ok(peer.heard.every(request => toHex(request) === toHex(modbus(0, 10).octets)))
  const { counters, state, detail, breakers } = peer.bus.status()
  t.match({ state, detail }, { state: 'open', detail: 'receive parity is checked' })
  t.match(counters, { exchanges: 6, replies: 6, noiseOctets: 3, foreignOctets: 2 })
  t.same(breakers, [])
})

t.test('echo is known by comparing, and a spoilt one is a collision', async t => {
  const peer = openPeer(t)
  peer.answer = request => peer.pty.write(concatBytes(request, modbusAnswer(1, 2)))
  for (let i = 0; i < 3; i++) {
    t.equal(hexOf(await peer.bus.exchange(modbus(0, 2), slot('modbus:1'))), toHex(modbusAnswer(1, 2)))
  }
  t.equal(peer.bus.status().counters['echo'], 3)

  peer.answer = request => peer.pty.write(concatBytes(request.subarray(3), modbusAnswer(1, 2)))
  t.equal((await peer.bus.exchange(modbus(0, 2), slot('modbus:1'))).kind, 'reply', 'its head cut off')
  t.equal(peer.bus.status().counters['echoPartial'], 1)

  peer.answer = request => {
    const spoilt = request.slice()
    spoilt[5] = (spoilt[5] as number) ^ 0x55
    peer.pty.write(concatBytes(spoilt, fromHex('00112233445566')))
  }
  t.match(await peer.bus.exchange(modbus(0, 2), slot('modbus:1')), { kind: 'garbage', reason: 'collision' })
  t.equal(peer.bus.status().counters['collisions'], 1)

  peer.answer = () => peer.pty.write(modbusAnswer(1, 2))
  t.equal((await peer.bus.exchange(modbus(0, 2), slot('modbus:1'))).kind, 'reply', 'no echo any more')
})

t.test('a late answer is never taken for the next one', async t => {
  await t.test('Modbus', async t => {
    const peer = openPeer(t)
    t.equal((await peer.bus.exchange(modbus(0, 2), slot('modbus:1'))).kind, 'silent')
    const late = modbusAnswer(1, 2, 0x40)
    const own = modbusAnswer(1, 3)
    peer.answer = () => peer.pty.write(concatBytes(late, own))
    const technician: ExchangeOptions = { meterKey: 'modbus:1', priority: 'technician' }
    const outcome = await peer.bus.exchange(modbus(10, 3), technician)
    t.match(outcome, { kind: 'reply', afterTimeout: true })
    t.equal(hexOf(outcome), toHex(own))
    t.equal(peer.bus.status().counters['late'], 1)
    t.same(peer.bus.status().breakers, [], 'late is not dead')
    t.match(await peer.bus.exchange(modbus(10, 3), slot('modbus:1')), { kind: 'reply' })
  })

  await t.test('Modbus: the same length is not asked until the answer can no longer come', async t => {
    const peer = openPeer(t)
    t.equal((await peer.bus.exchange(modbus(0, 2), slot('modbus:1'))).kind, 'silent')
    peer.answer = request => peer.pty.write(modbusAnswer(request[0] as number, 2))
    const held = peer.bus.exchange(modbus(10, 2), { meterKey: 'modbus:1', priority: 'technician' })
    t.equal(
      (await peer.bus.exchange(modbus(10, 2, 2), slot('modbus:2'))).kind,
      'reply',
      'another unit goes first'
    )
    t.equal(peer.heard.length, 2)
    peer.pty.write(modbusAnswer(1, 2, 0x40))
    t.equal(hexOf(await held), toHex(modbusAnswer(1, 2)), 'let go once the late one has come')
    t.match(peer.bus.status().counters, { late: 1 })
  })

  await t.test('DL/T 645', async t => {
    const peer = openPeer(t, DLT645_REQUEST_OCTETS)
    const key = 'dlt645:000012345678'
    t.equal((await peer.bus.exchange(impatient(dlt645()), slot(key))).kind, 'silent')
    peer.answer = () =>
      peer.pty.write(concatBytes(dlt645Answer('00010000', '44444444'), dlt645Answer('02010100', '0022')))
    const outcome = await peer.bus.exchange(dlt645('02010100'), { meterKey: key, priority: 'technician' })
    t.equal(hexOf(outcome), toHex(dlt645Answer('02010100', '0022', 0)))
    t.match(peer.bus.status().counters, { late: 1, replies: 1 })
  })

  await t.test('of the other protocol', async t => {
    const peer = openPeer(t, DLT645_REQUEST_OCTETS)
    const key = 'dlt645:000012345678'
    t.equal((await peer.bus.exchange(impatient(dlt645()), slot(key))).kind, 'silent')
    t.equal(peer.bus.status().breakers.length, 1)
    peer.answer = () => peer.pty.write(concatBytes(dlt645Answer('00010000', '44444444'), modbusAnswer(1, 2)))
    peer.requestOctets = 8
    t.equal(hexOf(await peer.bus.exchange(modbus(0, 2), slot('modbus:1'))), toHex(modbusAnswer(1, 2)))
    t.match(
      peer.bus.status(),
      { counters: { late: 1 }, breakers: [] },
      'noise to the one, alive to the other'
    )
  })
})

t.test('silence, garbage and a refusal to ask are three things', async t => {
  const peer = openPeer(t)
  const key = 'modbus:1'
  const wrong = modbusAnswer(1, 4)
  wrong[5] = (wrong[5] as number) ^ 1
  peer.answer = () => peer.pty.write(wrong)
  for (let i = 0; i < 4; i++) {
    const outcome = await peer.bus.exchange(modbus(0, 4), slot(key))
    t.match(outcome, { kind: 'garbage', octets: wrong })
  }
  t.same(peer.bus.status().breakers, [], 'noise says nothing about the meter')

  peer.answer = () => undefined
  const asked = peer.heard.length
  t.equal((await peer.bus.exchange(modbus(0, 4), slot(key))).kind, 'silent')
  const skipped = await peer.bus.exchange(modbus(0, 4), slot(key))
  t.equal(skipped.kind, 'skipped')
  t.equal(peer.heard.length, asked + 1, 'nothing was sent')
  const breaker = peer.bus.status().breakers[0]
  t.match(breaker, { address: key, failures: 1 })
  t.equal(skipped.kind === 'skipped' && skipped.nextTryAtMs, breaker?.nextTryAtMs)
  t.ok(peer.bus.probing(key))

  peer.answer = () => peer.pty.write(modbusAnswer(2, 4))
  t.equal((await peer.bus.exchange(modbus(0, 4, 2), slot('modbus:2'))).kind, 'reply', 'others are asked')
  peer.answer = () => peer.pty.write(modbusAnswer(1, 4))
  const technician: ExchangeOptions = { meterKey: key, priority: 'technician' }
  t.match(await peer.bus.exchange(modbus(0, 4), technician), { kind: 'reply', afterTimeout: true })
  t.equal((await peer.bus.exchange(modbus(0, 4), slot(key))).kind, 'reply', 'an answer closes it')
  t.match(peer.bus.status().counters, { silent: 1, garbage: 4, skipped: 1, replies: 3 })
})

t.test('who goes next', async t => {
  const peer = openPeer(t)
  const units: Record<Priority, number> = { technician: 1, slot: 2, backfill: 3, scan: 4, diagnostics: 5 }
  const release = new Promise<void>(resolve => {
    peer.answer = () => resolve()
  })
  const ask = (priority: Priority, unit = units[priority], signal?: AbortSignal) =>
    peer.bus.exchange(modbus(0, 2, unit), {
      meterKey: `modbus:${unit}`,
      priority,
      ...(signal && { signal })
    })
  const first = ask('slot', 9)
  await release
  const reply = (request: Uint8Array) => peer.pty.write(modbusAnswer(request[0] as number, 2))
  const gone = new AbortController()
  const waiting = (['diagnostics', 'scan', 'backfill', 'slot', 'technician'] as const).map(p => ask(p))
  const aborted = ask('technician', 8, gone.signal)
  gone.abort(new Error('not any more'))
  await t.rejects(aborted, { message: 'not any more' })
  peer.answer = reply
  reply(peer.heard[0] as Uint8Array)
  await Promise.all([first, ...waiting])
  t.same(
    peer.heard.map(request => request[0]),
    [9, 1, 2, 3, 4, 5]
  )
  await t.rejects(ask('slot', 7, AbortSignal.abort(new Error('before'))), { message: 'before' })
})

t.test('nothing but a read leaves', async t => {
  const peer = openPeer(t)
  peer.answer = () => peer.pty.write(modbusAnswer(1, 1))
  const template = modbus(0, 1)
  const writes = [
    createReadRequest({ ...template, octets: appendCrc(fromHex('010600000001')) }),
    createReadRequest({ ...template, octets: appendCrc(fromHex('000300000001')) }),
    createReadRequest({
      ...template,
      protocol: 'dlt645',
      octets: encodeFrame({ address: ADDRESS, control: 0x14, data: new Uint8Array(16) })
    })
  ]
  for (const request of writes) {
    await t.rejects(peer.bus.exchange(request, slot('modbus:1')), { code: 'CODEC_FORBIDDEN_CONTROL' })
  }
  await t.rejects(peer.bus.exchange({ ...template }, slot('modbus:1')), { code: 'BUS_NOT_A_REQUEST' })
  // Changed after it was accepted, while it waits for the line.
  const changed = createReadRequest({ ...template, octets: template.octets.slice() })
  const outcome = peer.bus.exchange(changed, slot('modbus:1'))
  changed.octets[1] = 6
  await t.rejects(outcome, { code: 'CODEC_FORBIDDEN_CONTROL' })
  t.same(peer.heard, [])
  t.equal((await peer.bus.exchange(template, slot('modbus:1'))).kind, 'reply', 'and the line goes on')
})

t.test('unplugged and plugged in again', async t => {
  const peer = openPeer(t)
  const ask = () => peer.bus.exchange(modbus(0, 1), slot('modbus:1'))
  peer.answer = () => peer.pty.write(modbusAnswer(1, 1))
  t.equal((await ask()).kind, 'reply')

  await peer.pty.unplug()
  await until(() => peer.bus.status().state === 'down')
  t.match(await ask(), { kind: 'busDown' }, 'fails at once')
  peer.pty.plug()
  await until(async () => (await ask()).kind === 'reply')
  t.equal(peer.bus.status().state, 'open')

  // In the middle of a transaction.
  peer.answer = () => void peer.pty.unplug()
  t.match(await ask(), { kind: 'busDown' })
  peer.answer = () => peer.pty.write(modbusAnswer(1, 1))
  peer.pty.plug()
  await until(async () => (await ask()).kind === 'reply')
  t.match(peer.bus.status().counters, { reopens: 2, silent: undefined })
  t.same(peer.bus.status().breakers, [], 'the line was at fault, not the meter')
})

t.test('a path that leads elsewhere by now', async t => {
  const old = openPeer(t)
  old.answer = () => old.pty.write(modbusAnswer(1, 1))
  const ask = () => old.bus.exchange(modbus(0, 1), slot('modbus:1'))
  t.equal((await ask()).kind, 'reply')
  // Another device takes the name while the old one still hangs on.
  const anew = openPty(old.pty.path)
  t.teardown(() => anew.close())
  anew.onOctets(() => anew.write(modbusAnswer(1, 1, 0x70)))
  old.answer = () => undefined
  await until(async () => hexOf(await ask()) === toHex(modbusAnswer(1, 1, 0x70)))
  t.pass('found the new device')
})

t.test('ports that cannot be had', async t => {
  const pty = openPty(join(folder, 'locked'))
  const config = { name: 'a', port: pty.path, baud: 2400, parity: 'even' } as const
  const line = await openSerialLine(pty.path, config)
  await t.rejects(openSerialLine(pty.path, config), { code: 'BUS_LOCKED' })
  await line.apply({ baud: 9600, parity: 'none' })
  t.equal(line.detail, 'no parity on this line')
  await line.apply({ baud: 1200, parity: 'odd' })
  t.equal(line.detail, 'receive parity is checked')
  t.same(line.errorCounters(), {}, 'a pseudo-terminal counts no errors')
  await line.close()
  t.throws(() => line.write(fromHex('00')), { code: 'BUS_CLOSED' })
  t.throws(() => line.take(), { code: 'BUS_CLOSED' })
  await pty.close()
  await t.rejects(openSerialLine(pty.path, config), { code: 'BUS_MISSING' })
  t.throws(() => openBus({ ...config, port: 'nowhere' }, { clock, log: quiet, learned: memory() }), {
    code: 'BUS_CONFIG'
  })
})

t.test('somebody who never stops talking', async t => {
  const peer = openPeer(t)
  peer.answer = () => peer.pty.write(modbusAnswer(1, 1))
  const babble = setInterval(() => peer.pty.write(fromHex('55aa')), 2)
  await until(() => (peer.bus.status().counters['foreignOctets'] ?? 0) > 0 || babble === undefined)
  const outcome = await peer.bus.exchange(modbus(0, 1), slot('modbus:1'))
  t.match(outcome, { kind: 'busDown', detail: /jammed/ })
  clearInterval(babble)
  t.equal((await peer.bus.exchange(modbus(0, 1), slot('modbus:1'))).kind, 'reply')
  t.equal(peer.bus.status().counters['jammed'], 1)
})

t.test('over TCP', async t => {
  for (const scheme of ['tcp', 'modbus-tcp'] as const) {
    await t.test(scheme, async t => {
      const sockets: Socket[] = []
      let mute = false
      const server = createServer(socket => {
        sockets.push(socket)
        socket.on('error', () => undefined)
        socket.on('data', request => {
          if (mute) return
          const answer = modbusAnswer(1, 2)
          if (scheme === 'tcp') socket.write(answer)
          else {
            const framed = concatBytes(
              request.subarray(0, 4),
              Uint8Array.of(0, answer.length - 2),
              answer.subarray(0, -2)
            )
            const older = framed.slice()
            older[0] = 0x7f
            socket.write(concatBytes(older, framed))
          }
        })
      })
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      const bound = server.address()
      const port = typeof bound === 'object' ? bound?.port : undefined
      const bus = openBus(
        { name: 'tcp', port: `${scheme}://127.0.0.1:${port}`, baud: 9600, parity: 'none' },
        { clock, log: quiet, learned: memory() }
      )
      t.teardown(async () => {
        await bus.close()
        for (const socket of sockets) socket.destroy()
        server.close()
      })
      const ask = () => bus.exchange(modbus(0, 2), slot('modbus:1'))
      t.equal(hexOf(await ask()), toHex(modbusAnswer(1, 2)))
      if (scheme === 'modbus-tcp') t.equal(bus.status().counters['lateTransactions'], 1)

      sockets[0]?.destroy()
      await until(() => sockets.length === 2)
      await until(async () => (await ask()).kind === 'reply')
      mute = true
      t.equal((await ask()).kind, 'silent', 'a peer that takes and says nothing')
    })
  }
  const bus = openBus(
    { name: 'none', port: 'tcp://127.0.0.1:1', baud: 9600, parity: 'none' },
    { clock, log: quiet, learned: memory() }
  )
  t.match(await bus.exchange(modbus(0, 2), slot('modbus:1')), { kind: 'busDown', detail: /cannot connect/ })
  await bus.close()
  t.match(await bus.exchange(modbus(0, 2), slot('modbus:1')), { kind: 'busDown', detail: 'closed' })
})
