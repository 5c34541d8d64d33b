import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SerialPort } from 'serialport'
import t from 'tap'
import type { Log } from '../../agent/ports.ts'
import type { Bus } from '../../drivers/bus/bus.ts'
import { Counters } from '../../drivers/bus/counters.ts'
import { BusError } from '../../drivers/bus/errors.ts'
import type { Line } from '../../drivers/bus/line.ts'
import { LineKeeper } from '../../drivers/bus/line-keeper.ts'
import { openBus } from '../../drivers/bus/open-bus.ts'
import { openSerialLine } from '../../drivers/bus/serial-line.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { openPty, type Pty } from '../../drivers/simulator/pty.ts'
import { appendCrc } from '../../proto/modbus/crc.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import { VirtualClock } from '../agent/support/virtual-clock.ts'
import { memory, quiet } from '../fixtures/learned.ts'

const clock = createClock()
const folder = mkdtempSync(join(tmpdir(), 'wattproof-ports-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

let links = 0
const link = () => join(folder, `line${links++}`)
const CONFIG = { name: 'a', port: 'serial:/dev/a', baud: 9600, parity: 'even' } as const
const never = new Promise<never>(() => undefined)

/** Waits for an event that has no callback; the runner's own limit ends it. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await clock.wait(10)
}

/** A line on paper. */
const paper = (close: () => Promise<void> = async () => undefined): Line => ({
  detail: '',
  paced: true,
  checksParity: true,
  slackMs: 0,
  write() {},
  take: () => new Uint8Array(0),
  onReadable() {},
  ignoreReadable() {},
  apply: async () => undefined,
  moved: () => false,
  errorCounters: () => ({}),
  close
})

/** A keeper whose port opens, or does not, as the test says. */
function keep(open: (attempt: number) => Promise<Line>) {
  const virtual = new VirtualClock(0)
  const attemptsAtMs: number[] = []
  const opened: Line[] = []
  const events: string[] = []
  const log: Log = { ...quiet, warn: event => void events.push(event) }
  const opener = () => {
    attemptsAtMs.push(virtual.monotonicMs())
    return open(attemptsAtMs.length)
  }
  const keeper = new LineKeeper(CONFIG, { open: opener, clock: virtual, log }, new Counters(), line =>
    opened.push(line)
  )
  keeper.start()
  return { virtual, attemptsAtMs, opened, events, keeper }
}

t.test('a port that is not there is tried again often enough to be in use within ten seconds', async t => {
  const missing = new BusError('BUS_MISSING', 'there is no such port')
  let isThere = false
  const { virtual, attemptsAtMs, opened, events, keeper } = keep(async () => {
    if (isThere) return paper()
    throw missing
  })
  await virtual.pass(60_000)
  t.same(attemptsAtMs.slice(0, 7), [0, 250, 750, 1750, 3750, 7750, 11_750])
  const gaps = attemptsAtMs.slice(1).map((atMs, i) => atMs - (attemptsAtMs[i] as number))
  t.equal(Math.max(...gaps), 4_000, 'never longer')
  t.same(events, ['bus-open-failed'], 'said once')
  t.match(keeper, { state: 'down', detail: 'there is no such port' })
  isThere = true
  await virtual.pass(4_000)
  t.equal(opened.length, 1)
  t.equal(keeper.state, 'open')
  const before = attemptsAtMs.length
  keeper.lose('the port hung up')
  await virtual.pass(0)
  t.equal(attemptsAtMs.length, before + 1, 'one that was lost is tried again at once')
  await keeper.close()
})

t.test('a native close that never returns is abandoned after two seconds', async t => {
  const { virtual, attemptsAtMs, events, keeper } = keep(async attempt =>
    paper(attempt === 1 ? () => never : undefined)
  )
  await virtual.pass(1_000)
  keeper.lose('the port hung up')
  t.equal(keeper.state, 'down')
  await virtual.pass(1_999)
  t.same(attemptsAtMs, [0], 'it is given its time')
  await virtual.pass(1)
  t.same(attemptsAtMs, [0, 3_000])
  t.equal(keeper.state, 'open')
  t.same(events, ['bus-lost', 'bus-close-abandoned'])
  await keeper.close()

  const stuck = keep(async () => paper(() => never))
  await stuck.virtual.pass(0)
  const closing = stuck.keeper.close()
  await stuck.virtual.pass(2_000)
  await closing
  t.pass('the end of the process waits no longer either')
})

t.test('the same with the real binding', async t => {
  const pty = openPty(link())
  const { binding } = SerialPort
  const { open } = binding
  t.teardown(async () => {
    binding.open = open
    await pty.close()
  })
  const openReally = open as (options: unknown) => Promise<{ close: () => Promise<void> }>
  binding.open = (async (options: unknown) =>
    Object.assign(await openReally.call(binding, options), { close: () => never })) as unknown as typeof open
  const line = await openSerialLine(pty.path, CONFIG)
  await line.close()
  t.throws(() => line.take(), { code: 'BUS_CLOSED' })
})

const request = encodeReadRequest({ unit: 1, function: 3, address: 0, count: 1 })
const answerOf = (value: number) => appendCrc(Uint8Array.of(1, 3, 2, 0, value))

/** A device with one meter whose register says which it is. */
function device(path: string | undefined, value: number): Pty {
  const pty = openPty(path)
  pty.onOctets(() => pty.write(answerOf(value)))
  return pty
}

async function valueOn(bus: Bus): Promise<number | string> {
  const outcome = await bus.exchange(request, { meterKey: 'modbus:1', priority: 'slot' })
  return outcome.kind === 'reply' ? (outcome.frame[4] as number) : outcome.kind
}

function busOn(t: { teardown(end: () => Promise<void>): void }, path: string): Bus {
  const bus = openBus(
    { ...CONFIG, port: `serial:${path}`, baud: 115200 },
    { clock, log: quiet, learned: memory() }
  )
  t.teardown(() => bus.close())
  return bus
}

t.test('a port that is missing at the start is used once it is there', async t => {
  const path = link()
  const bus = busOn(t, path)
  t.match(await valueOn(bus), 'busDown')
  t.match(bus.status(), { state: 'down', detail: /there is no such port/ })
  const pty = device(path, 7)
  t.teardown(() => pty.close())
  await until(async () => (await valueOn(bus)) === 7)
  t.same(bus.status().breakers, [], 'no meter was blamed')
})

t.test('an adapter that comes back under another name is found by its stable path', async t => {
  const path = link()
  const first = device(undefined, 1)
  symlinkSync(first.path, path)
  const bus = busOn(t, path)
  t.equal(await valueOn(bus), 1)
  await first.close()
  rmSync(path)
  await until(() => bus.status().state === 'down')
  // The first name is taken by somebody else meanwhile; the stable path leads to the new one.
  const [taken, again] = [device(undefined, 66), device(undefined, 2)]
  t.teardown(() => Promise.all([taken.close(), again.close()]).then(() => undefined))
  symlinkSync(again.path, path)
  await until(async () => (await valueOn(bus)) === 2)
  t.match(bus.status().counters, { opens: 2, reopens: 1 })
})

t.test('a port that another program has open is named, and used once it is free', async t => {
  const path = link()
  const pty = device(path, 3)
  t.teardown(() => pty.close())
  const other = await openSerialLine(path, CONFIG)
  const bus = busOn(t, path)
  t.equal(await valueOn(bus), 'busDown')
  t.match(bus.status(), { state: 'down', detail: /another program has the port open/ })
  await other.close()
  await until(async () => (await valueOn(bus)) === 3)
})

/** A serial server behind a router that can be told to swallow everything, without a word to either side. */
async function swallowingProxy(t: { teardown(end: () => void): void }) {
  const sockets: Socket[] = []
  const listen = (server: Server) =>
    new Promise<number>(resolve =>
      server.listen(0, '127.0.0.1', () => {
        const bound = server.address()
        resolve(typeof bound === 'object' && bound ? bound.port : 0)
      })
    )
  const serving = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write(answerOf(9)))
  })
  const behind = await listen(serving)
  const proxy = { swallows: false, connections: 0, port: 0 }
  const routing = createServer(near => {
    const number = ++proxy.connections
    const far = connect(behind, '127.0.0.1')
    sockets.push(near, far)
    const isDead = () => proxy.swallows && number === 1
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      from.on('error', () => undefined)
      from.on('data', octets => {
        if (!isDead()) to.write(octets)
      })
    }
  })
  proxy.port = await listen(routing)
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    serving.close()
    routing.close()
  })
  return proxy
}

t.test('a connection that swallows everything is given up and made anew', async t => {
  const proxy = await swallowingProxy(t)
  // Only the clock is not the real one: a quarter of a minute goes by between two requests.
  let addedMs = 0
  const fast = { ...clock, monotonicMs: () => clock.monotonicMs() + addedMs, wait: clock.wait.bind(clock) }
  const bus = openBus(
    { ...CONFIG, port: `tcp://127.0.0.1:${proxy.port}` },
    { clock: fast, log: quiet, learned: memory() }
  )
  t.teardown(() => bus.close())
  t.equal(await valueOn(bus), 9)
  proxy.swallows = true
  const ask = () => bus.exchange(request, { meterKey: 'modbus:1', priority: 'technician', patienceMs: 5 })
  for (let i = 0; i < 3; i++) {
    t.equal((await ask()).kind, 'silent')
    addedMs += 8_000
  }
  await until(() => proxy.connections === 2)
  await until(async () => (await ask()).kind === 'reply')
  t.match(bus.status().counters, { opens: 2, reopens: 1 })
})
