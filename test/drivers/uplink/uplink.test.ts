import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Log } from '../../../agent/ports.ts'
import { createClock } from '../../../drivers/host/clock.ts'
import { connectionOptions, redactUrl } from '../../../drivers/uplink/broker-address.ts'
import { isVersionFault, toConnectError } from '../../../drivers/uplink/connect-error.ts'
import { startBroker } from '../../../drivers/uplink/embedded-broker.ts'
import { isUplinkRetryable, UplinkError } from '../../../drivers/uplink/errors.ts'
import { openGatewayUplink } from '../../../drivers/uplink/gateway-uplink.ts'
import { openLedgerUplink } from '../../../drivers/uplink/ledger-uplink.ts'
import { parseTopic } from '../../../drivers/uplink/topics.ts'
import { fromUtf8, utf8 } from '../../../proto/bytes.ts'

const clock = createClock()
const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }
const common = { clock, log: QUIET, random: () => 0, backoffMs: { first: 20, most: 40 } }

async function until(what: () => boolean): Promise<void> {
  while (!what()) await clock.wait(5)
}

t.test('addresses, errors and topics', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'wattproof-uplink-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'password'), 'hunter2\n')
  t.equal(redactUrl('mqtts://user:hunter2@broker:8883/x?token=1'), 'mqtts://broker:8883/x')
  t.match(connectionOptions({ url: 'mqtt://u%40x:p%3Aw@h:1883' }), {
    username: 'u@x',
    password: 'p:w',
    brokerUrl: 'mqtt://h:1883'
  })
  t.match(connectionOptions({ url: 'mqtt://h', username: 'u', passwordFile: join(dir, 'password') }), {
    password: 'hunter2'
  })
  t.throws(() => connectionOptions({ url: 'mqtts://h', ca: join(dir, 'none') }), { code: 'UPLINK_FILE' })
  for (const url of ['http://h', 'nonsense', 'mqtt://'])
    t.throws(() => connectionOptions({ url }), { code: 'UPLINK_URL' }, url)

  const coded = (code: unknown): Error => Object.assign(new Error('x'), { code })
  for (const [error, code, version] of [
    [coded(5), 'UPLINK_REFUSED', false],
    [coded(0x86), 'UPLINK_REFUSED', false],
    [coded('SELF_SIGNED_CERT_IN_CHAIN'), 'UPLINK_TLS', false],
    [coded('ECONNREFUSED'), 'UPLINK_OFFLINE', false],
    [coded(1), 'UPLINK_OFFLINE', true],
    [new Error('closed before CONNACK'), 'UPLINK_OFFLINE', true],
    [new UplinkError('UPLINK_FILE', 'x'), 'UPLINK_FILE', false]
  ] as const) {
    t.equal(toConnectError(error, 'h').code, code)
    t.equal(isVersionFault(error), version)
  }
  t.equal(isUplinkRetryable(new UplinkError('UPLINK_OFFLINE', 'x')), true)
  t.equal(isUplinkRetryable(new UplinkError('UPLINK_REFUSED', 'x')), false)
  t.same(parseTopic('wattproof/v1/G/anchor'), { gateway: 'G', name: 'anchor' })
  for (const topic of [
    'wattproof/v2/G/anchor',
    'wattproof/v1//anchor',
    'wattproof/v1/G/other',
    'wattproof/v1/G/anchor/x',
    'x'
  ]) {
    t.equal(parseTopic(topic), undefined, topic)
  }
})

t.test('a gateway and a ledger meet at the broker', async t => {
  let broker = await startBroker()
  await t.rejects(startBroker({ port: broker.port }), { code: 'UPLINK_PORT' })
  const address = { url: broker.url.replace('mqtt://', 'mqtt://user:hunter2@') }
  const ledger = openLedgerUplink({ ...common, broker: address, ledger: 'L' })
  const heard: string[] = []
  await ledger.onMessage((gateway, topic, payload) => heard.push(`${gateway} ${topic} ${fromUtf8(payload)}`))
  const uplink = openGatewayUplink({
    ...common,
    broker: address,
    gateway: 'G',
    offlineState: utf8('offline')
  })
  let connects = 0
  uplink.onConnect(() => connects++)
  const receipts: string[] = []
  await uplink.subscribe('receipt', payload => receipts.push(fromUtf8(payload)))
  await until(() => uplink.connected && ledger.connected)
  t.equal(uplink.mqttVersion, '3.1.1', 'aedes refuses version 5, so the older one is tried at once')

  await uplink.publish('state', utf8('online'), { retain: true })
  for (let i = 0; i < 5; i++) await uplink.publish('anchor', utf8(`${i}`))
  await until(() => heard.length === 6)
  t.same(heard, ['G state online', 'G anchor 0', 'G anchor 1', 'G anchor 2', 'G anchor 3', 'G anchor 4'])
  await ledger.publish('G', 'receipt', utf8('r1'))
  await ledger.publish('H', 'receipt', utf8('not ours'))
  await until(() => receipts.length === 1)

  // the broker dies and comes back on the same port: both find it again and subscriptions hold
  const { port } = broker
  await broker.close()
  await until(() => !uplink.connected && !ledger.connected)
  const error: unknown = await uplink.publish('batch', utf8('lost')).catch((cause: unknown) => cause)
  t.match(error, { code: 'UPLINK_OFFLINE' })
  t.notMatch(JSON.stringify([(error as UplinkError).message, (error as UplinkError).at]), /hunter2/)
  broker = await startBroker({ port })
  await until(() => uplink.connected && ledger.connected)
  heard.length = 0
  await uplink.publish('batch', utf8('b'))
  await ledger.publish('G', 'receipt', utf8('r2'))
  await until(() => heard.length === 1 && receipts.length === 2)
  t.same(heard, ['G batch b'], 'nothing that failed was sent behind our back')
  t.same(receipts, ['r1', 'r2'])
  t.equal(connects, 2)

  await uplink.close()
  await until(() => heard.length === 2)
  await clock.wait(20)
  t.same(heard.slice(1), ['G state offline'], 'the last word, and no last will after it')
  await t.rejects(uplink.publish('state', utf8('x')), { code: 'UPLINK_CLOSED' })
  await ledger.close()
  await broker.close()
})

t.test('a broker that hangs, and one that drops every connection', async t => {
  // speaks 3.1.1: acknowledges CONNECT and SUBSCRIBE, swallows PUBLISH
  const sockets = new Set<Socket>()
  let versions: number[] = []
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', data => {
      if (data[0] === 0x10) {
        versions.push(data[8] as number)
        if (data[8] === 5) socket.destroy()
        else socket.write(Buffer.from([0x20, 2, 0, 0]))
      } else if (data[0] === 0x82)
        socket.write(Buffer.from([0x90, 3, data[2] as number, data[3] as number, 1]))
    })
  })
  const port = await new Promise<number>(resolve => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const uplink = openGatewayUplink({
    ...common,
    broker: { url: `mqtt://127.0.0.1:${port}` },
    gateway: 'G',
    offlineState: utf8('offline'),
    ackTimeoutMs: 40
  })
  await until(() => uplink.connected)
  t.same(versions, [5, 4])
  versions = []
  const both = await Promise.allSettled([
    uplink.publish('batch', utf8('1')),
    uplink.publish('batch', utf8('2'))
  ])
  t.same(
    both.map(result => (result.status === 'rejected' ? result.reason.code : 'ok')).sort(),
    ['UPLINK_OFFLINE', 'UPLINK_TIMEOUT'],
    'a late PUBACK ends the connection and everything in flight on it'
  )
  await until(() => uplink.connected)
  t.same(versions, [4], 'the version that worked is kept')
  await uplink.close()

  const lonely = openGatewayUplink({
    ...common,
    broker: { url: 'mqtt://127.0.0.1:1' },
    gateway: 'G',
    offlineState: utf8('')
  })
  await t.rejects(lonely.publish('batch', utf8('1')), { code: 'UPLINK_OFFLINE' })
  await clock.wait(30)
  await lonely.close()
})
