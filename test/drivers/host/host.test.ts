import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import t from 'tap'
import type { Log } from '../../../agent/ports.ts'
import { createClock } from '../../../drivers/host/clock.ts'
import { HostError } from '../../../drivers/host/errors.ts'
import { createLog } from '../../../drivers/host/log.ts'
import { createNotifier, notifyEnvironment } from '../../../drivers/host/notify.ts'
import { randomFraction, randomOctets } from '../../../drivers/host/random.ts'
import { loadOrCreateSecret, readSecretFile, writeSecretFile } from '../../../drivers/host/secrets.ts'
import { createSlotSchedule, cronExpression, cronTicker } from '../../../drivers/schedule/cron.ts'

const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }

t.test('the clock is trusted after 2024 and while it has not gone back', async t => {
  let wallMs = Date.UTC(1970, 0, 1)
  const clock = createClock({ wallMs: () => wallMs, monotonicMs: () => 0 })
  t.equal(clock.trusted(), false, 'never set')
  wallMs = Date.UTC(2026, 0, 1)
  t.equal(clock.trusted(), true)
  wallMs -= 1_500
  t.equal(clock.trusted(), true, 'NTP may step a little')
  wallMs -= 3_600_000
  t.equal(clock.trusted(), false, 'set back')
  wallMs += 3_602_000
  t.equal(clock.trusted(), true, 'caught up')

  const real = createClock()
  await real.wait(1)
  const abort = new AbortController()
  const waiting = real.wait(3_600_000, abort.signal)
  abort.abort(new Error('stop'))
  await t.rejects(waiting, { message: 'stop' })
  await t.rejects(real.wait(1, abort.signal), { message: 'stop' })
  t.equal(randomOctets(9).length, 9)
  const fraction = randomFraction()
  t.ok(fraction >= 0 && fraction < 1)
})

t.test('the log redacts in its sink and collapses repeats', async t => {
  const lines: string[] = []
  let nowMs = 0
  const log = createLog({
    level: 'info',
    clock: { monotonicMs: () => nowMs },
    write: line => lines.push(line)
  })
  log.debug('unseen')
  log.info('broker-connected', {
    url: 'mqtts://user:hunter2@broker:8883/?token=abcdef',
    password: 'hunter2',
    deep: { deviceSecret: new Uint8Array(4), customer: '0301234567', octets: Uint8Array.of(0x68, 0x16) },
    big: 12n,
    note: '-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----',
    error: new HostError('HOST_IO', 'no luck with tcp://a:b@c', {
      at: '/x',
      next: 'try',
      cause: new Error('mqtt://u:p@h')
    })
  })
  const text = lines.join('')
  for (const secret of ['hunter2', 'abcdef', '0301234567', 'AAAA', 'a:b@', 'u:p@']) t.notMatch(text, secret)
  const line = JSON.parse(lines[0] as string)
  t.match(line, {
    msg: 'broker-connected',
    password: '[redacted]',
    deep: { deviceSecret: '[redacted]', customer: '0301******', octets: '6816' },
    big: '12',
    error: { code: 'HOST_IO', at: '/x', next: 'try' }
  })
  lines.length = 0
  for (let i = 0; i < 1_000; i++) log.warn('meter-silent', { meter: 'A' })
  t.equal(lines.length, 5)
  log.warn('meter-silent', { meter: 'B' })
  t.equal(lines.length, 6, 'another meter is another line')
  nowMs = 600_001
  log.warn('meter-silent', { meter: 'A' })
  t.match(JSON.parse(lines[6] as string), { repeated: 995 })
})

t.test('secrets are files of their owner', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'wattproof-host-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'device.key')
  t.throws(() => readSecretFile(path), { code: 'HOST_SECRET_MISSING' })
  const secret = loadOrCreateSecret(path, 32, randomOctets)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.same(loadOrCreateSecret(path, 32, randomOctets), secret)
  t.throws(() => writeSecretFile(path, secret), { code: 'HOST_SECRET_EXISTS' })
  writeSecretFile(path, Uint8Array.of(1), true)
  t.same([...readFileSync(path)], [1])
  chmodSync(path, 0o640)
  t.throws(() => readSecretFile(path), { code: 'HOST_SECRET_MODE', at: path })
  chmodSync(path, 0o600)
  writeSecretFile(path, new Uint8Array(0), true)
  t.throws(() => readSecretFile(path), { code: 'HOST_SECRET_EMPTY' })
  t.throws(() => writeSecretFile(join(path, 'below'), secret), { code: 'HOST_IO' })
})

t.test('systemd is told through its datagram socket', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'wattproof-notify-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const libc = koffi.load(null)
  const socket = libc.func('int socket(int domain, int type, int protocol)')
  const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t length)')
  const recv = libc.func('long recv(int fd, _Out_ uint8_t *data, size_t size, int flags)')
  for (const path of [join(dir, 'notify'), `@wattproof-test-${process.pid}`]) {
    const fd: number = socket(1, 2 | 0o2000000, 0)
    const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`)
    t.equal(bind(fd, Buffer.concat([Buffer.from([1, 0]), name]), 2 + name.length), 0)
    const notifier = await createNotifier(
      notifyEnvironment({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '30000000', WATCHDOG_PID: `${process.pid}` })
    )
    t.equal(notifier.watchdogMs, 15_000)
    notifier.ready()
    notifier.status('slot 1\nok')
    notifier.watchdog()
    notifier.stopping()
    const heard: string[] = []
    for (let i = 0; i < 4; i++) {
      const data = Buffer.alloc(64)
      heard.push(data.subarray(0, recv(fd, data, data.length, 0x40)).toString())
    }
    t.same(heard, ['READY=1', 'STATUS=slot 1 ok', 'WATCHDOG=1', 'STOPPING=1'])
  }
  await t.rejects(createNotifier({ socket: 'relative' }), { code: 'HOST_NOTIFY' })
  const mute = await createNotifier({ watchdogUsec: '30000000', watchdogPid: '1' })
  mute.ready()
  t.equal(mute.watchdogMs, undefined, "another process's watchdog")
})

t.test('every slot edge is called once', async t => {
  for (const [seconds, expression] of [
    [900, '0 */15 * * * *'],
    [3600, '0 0 * * * *'],
    [60, '0 */1 * * * *'],
    [5, '*/5 * * * * *'],
    [7, '* * * * * *'],
    [90, '* * * * * *'],
    [1, '*/1 * * * * *']
  ] as const) {
    t.equal(cronExpression(seconds), expression)
  }
  let wallMs = 1_000_000_000_500
  let monotonicMs = 0
  let tick = (): void => {}
  let guard = (): void => {}
  let started = 0
  let stopped = 0
  const schedule = createSlotSchedule({
    clock: { nowMs: () => wallMs, monotonicMs: () => monotonicMs },
    log: QUIET,
    ticker: (_seconds, onTick) => {
      tick = onTick
      started++
      return () => stopped++
    },
    guard: (_seconds, onTick) => {
      guard = onTick
      return () => stopped++
    }
  })
  const called: number[] = []
  const pass = (ms: number): void => {
    wallMs += ms
    monotonicMs += ms
  }
  const first = Math.floor(wallMs / 10_000)
  const stop = schedule.start(10, slot => called.push(slot - first))
  tick()
  t.same(called, [], 'the slot in progress has not ended')
  pass(9_499)
  tick()
  t.same(called, [], 'one millisecond early')
  pass(1)
  tick()
  tick()
  guard()
  t.same(called, [0])
  pass(35_000)
  guard()
  t.same(called, [0, 1, 2, 3], 'a late timer makes up')
  wallMs -= 25_000
  guard()
  t.equal(started, 2, 'a step restarts node-cron')
  pass(20_000)
  tick()
  t.same(called, [0, 1, 2, 3], 'a step back calls nothing twice')
  pass(10_000)
  tick()
  t.same(called, [0, 1, 2, 3, 4])
  wallMs += 20 * 365 * 86_400_000
  guard()
  t.equal(called.length, 5 + 96, 'a jump ahead is bounded')
  stop()
  t.equal(stopped, started + 1)

  const real = createClock()
  await new Promise<void>(resolve => {
    const slots: number[] = []
    const stopReal = createSlotSchedule({ clock: real, log: QUIET }).start(1, slot => {
      slots.push(slot)
      if (slots.length < 2) return
      t.equal(slots[1], (slots[0] as number) + 1)
      t.ok(slot < Math.floor(Date.now() / 1_000))
      stopReal()
      resolve()
    })
  })
  cronTicker(900, () => {})()
})
