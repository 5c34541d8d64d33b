import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import t from 'tap'
import type { AlarmEvent } from '../../agent/check/alarm-engine.ts'
import type { Output } from '../../agent/cli/output.ts'
import type { Context, Options, Verb } from '../../agent/cli/verb.ts'
import { busProbeVerb } from '../../agent/cli/verbs/bus-probe.ts'
import { busSniffVerb } from '../../agent/cli/verbs/bus-sniff.ts'
import { busTuneVerb } from '../../agent/cli/verbs/bus-tune.ts'
import { captureLines, explainLine } from '../../agent/cli/verbs/decode.ts'
import { BusWatch, judgeBus } from '../../agent/compose/bus-watch.ts'
import { openMeterBus, openMeterBuses } from '../../agent/compose/lines.ts'
import { TroubleDesk } from '../../agent/compose/trouble-desk.ts'
import type { BusStatus, MeterPoint } from '../../agent/ports.ts'
import { loadConfig } from '../../config/load.ts'
import { openBus } from '../../drivers/bus/open-bus.ts'
import { openSerialLine } from '../../drivers/bus/serial-line.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { createDlt645Reader } from '../../drivers/meters/dlt645.ts'
import { isSameEnergy } from '../../drivers/meters/dlt645-twice.ts'
import { createMeterZone } from '../../drivers/meters/dlt645-zone.ts'
import { judgeGarbage } from '../../drivers/meters/probe-verdict.ts'
import { openPty, type Pty } from '../../drivers/simulator/pty.ts'
import { loadReplay } from '../../drivers/simulator/replay.ts'
import { startSimulator } from '../../drivers/simulator/simulator.ts'
import type { BusSetting } from '../../drivers/simulator/simulator-setting.ts'
import { concatBytes, fromHex, toHex } from '../../proto/bytes.ts'
import { parseAddress } from '../../proto/dlt645/address.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { createItemTable } from '../../proto/dlt645/data-items.ts'
import { encodeFrame } from '../../proto/dlt645/frame.ts'
import { redactDlt645 } from '../../proto/dlt645/redact.ts'
import { itemByKey } from '../../proto/items.ts'
import { type Heard, LineListener } from '../../proto/line-listener.ts'
import { appendCrc } from '../../proto/modbus/crc.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import { memory, quiet } from '../fixtures/learned.ts'
import { FakeBus } from './dlt645-fake-bus.ts'

type Case = { teardown(end: () => Promise<void> | void): void }

const clock = createClock()
const folder = mkdtempSync(join(tmpdir(), 'wattproof-tools-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

let links = 0
const link = () => join(folder, `line${links++}`)

/** Waits for an event that has no callback; the runner's own limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await clock.wait(10)
}

/** How often this process has the port open: what is said before a listener has it is not heard. */
function countOpen(path: string): number {
  const folder = '/proc/self/fd'
  const port = realpathSync(path)
  return readdirSync(folder).filter(fd => {
    try {
      return readlinkSync(join(folder, fd)) === port
    } catch {
      // closed meanwhile
      return false
    }
  }).length
}

const meter = (change: Partial<MeterPoint>): MeterPoint => ({
  id: `m-${change.address}`,
  bus: 'line',
  protocol: 'dlt645',
  address: '000012345678',
  profile: undefined,
  items: [itemByKey('active-import-total').id],
  rawItems: [],
  ratedKva: undefined,
  ct: { primary: 1, secondary: 1 },
  pt: { primary: 1, secondary: 1 },
  ratioVersion: 1,
  parent: undefined,
  rules: {},
  location: undefined,
  ...change
})

interface Ran {
  readonly exit: Promise<number>
  readonly documents: Record<string, unknown>[]
  readonly lines: string[]
  stop(): void
}

/** Runs a verb as the command line would, collecting what it says. */
function run(verb: Verb, options: Options, lang: 'en' | 'zh' = 'en', configFile = '/nowhere'): Ran {
  const documents: Record<string, unknown>[] = []
  const lines: string[] = []
  const ended = new AbortController()
  const keep = (value: unknown) => void documents.push(JSON.parse(JSON.stringify(value)))
  const out: Output = {
    json: true,
    lang,
    line: (text = '') => void lines.push(text),
    tell: text => void lines.push(text[lang === 'zh' ? 1 : 0]),
    document: keep,
    streamed: keep,
    table: (_head, rows) => void lines.push(...rows.map(row => row.join(' '))),
    raw: text => void lines.push(text),
    complain: text => void lines.push(text)
  }
  const context: Context = {
    out,
    lang,
    json: true,
    configFile,
    signal: ended.signal,
    readStdin: async () => ''
  }
  return { exit: verb.run(context, options, []), documents, lines, stop: () => ended.abort() }
}

/** A simulated line and, between it and its user, a wire on which a third party can listen. */
async function openTapped(
  t: Case,
  setting: Partial<BusSetting> & Pick<BusSetting, 'meters'>
): Promise<{ readonly user: Pty; readonly tap: Pty; readonly said: Uint8Array[] }> {
  const bus = { name: 'line', baud: 9600, parity: 'even' as const, ...setting, path: link() }
  const simulator = startSimulator({ seed: 3, buses: [bus] })
  const user = openPty(link())
  const tap = openPty(link())
  const said: Uint8Array[] = []
  tap.onOctets(octets => said.push(octets))
  const wire = await openSerialLine(bus.path, { ...bus, port: `serial:${bus.path}` })
  const relay = (): void => {
    const octets = wire.take()
    user.write(octets)
    tap.write(octets)
    wire.onReadable(relay)
  }
  wire.onReadable(relay)
  user.onOctets(octets => {
    wire.write(octets)
    tap.write(octets)
  })
  t.teardown(async () => {
    wire.ignoreReadable()
    await wire.close()
    await user.close()
    await tap.close()
    await simulator.stop()
  })
  return { user, tap, said }
}

/** Hears one stretch of octets after another, each `gapMs` after the last, at 1 ms a character. */
function hear(stretches: readonly (readonly [gapMs: number, hex: string])[], protocol?: 'dlt645' | 'modbus') {
  const listener = new LineListener({ characterMs: 1, ...(protocol && { protocol }) })
  let nowMs = 1000
  const heard: Heard[] = []
  for (const [gapMs, hex] of stretches) {
    const octets = fromHex(hex)
    nowMs += gapMs + octets.length
    heard.push(...listener.settle(nowMs - octets.length), ...listener.push(octets, nowMs))
  }
  heard.push(...listener.finish())
  return heard.map(one => [
    one.kind === 'noise' ? 'noise' : `${one.protocol} ${one.direction}`,
    toHex(one.octets),
    one.startMs - 1000
  ])
}

const crc = (hex: string) => toHex(appendCrc(fromHex(hex)))
const dlt645 = (control: number, data: string, preamble = 0) =>
  toHex(encodeFrame({ address: parseAddress('000012345678'), control, data: fromHex(data) }, preamble))

t.test('a listener cuts what it hears into frames of both protocols', async t => {
  const ask = crc('010300480002')
  const answer = crc('01030400010002')
  const read = dlt645(0x11, '00000100')
  const energy = dlt645(0x91, '0000010045230100')
  const cases: [string, Parameters<typeof hear>[0], unknown[][]][] = [
    [
      'a dialogue of Modbus',
      [
        [0, ask],
        [20, answer]
      ],
      [
        ['modbus request', ask, 0],
        ['modbus response', answer, 28]
      ]
    ],
    [
      'octet by octet, both protocols after each other',
      [...`${ask}${answer}fefe${read}fefefefe${energy}`.matchAll(/../g)].map(([hex]) => [0, hex] as const),
      [
        ['modbus request', ask, 0],
        ['modbus response', answer, 8],
        ['dlt645 request', read, 19],
        ['dlt645 response', energy, 39]
      ]
    ],
    [
      'noise, a cut frame and what follows at once',
      [
        [0, `00ff${ask}`],
        [100, answer.slice(0, 8)],
        [100, ask],
        [5, `${answer}a5`],
        [100, `6868${energy}16`]
      ],
      [
        ['noise', '00ff', 0],
        ['modbus request', ask, 2],
        ['noise', answer.slice(0, 8), 110],
        ['modbus request', ask, 214],
        ['modbus response', answer, 227],
        ['noise', 'a5', 236],
        ['noise', '6868', 337],
        ['dlt645 response', energy, 339],
        ['noise', '16', 359]
      ]
    ],
    [
      'a pause inside a DL/T 645 frame',
      [
        [0, `fefefefe${energy.slice(0, 20)}`],
        [300, energy.slice(20)]
      ],
      [['dlt645 response', energy, 4]]
    ],
    [
      'a register value that looks like a whole frame of its own',
      [[0, crc(`01030c0000${ask}0000`)]],
      [['modbus response', crc(`01030c0000${ask}0000`), 0]]
    ],
    [
      'who confirms a write says the same: the second is the answer; the value is nobody’s business',
      [
        [0, crc('01060010 04d2')],
        [20, crc('0106001004d2')],
        [5000, crc('0106001004d2')]
      ],
      [
        ['modbus request', crc('010600100000'), 0],
        ['modbus response', crc('010600100000'), 28],
        ['modbus request', crc('010600100000'), 5036]
      ]
    ],
    [
      'a maker’s own function, alone between pauses',
      [
        [0, crc('01412a')],
        [50, crc('0103020007')]
      ],
      [
        ['modbus request', crc('01412a'), 0],
        ['modbus response', crc('0103020007'), 55]
      ]
    ]
  ]
  for (const [name, stretches, wanted] of cases) t.same(hear(stretches), wanted, name)
  t.same(hear([[0, read]], 'modbus'), [['noise', read, 0]], 'one protocol alone')
  t.same(hear([[0, ask]], 'dlt645'), [['noise', ask, 0]])
  const endless = hear([[0, '68'.repeat(2000)]])
  t.ok(endless.length > 1 && endless.every(([kind]) => kind === 'noise'), 'memory is bounded')
})

t.test('passwords of writes are dropped, wherever the frame stands', async t => {
  const plain = (control: number, data: string) => dlt645(control, data)
  const cases: [control: number, data: string, left: string][] = [
    [0x14, '02010004 02123456 11223344 0102', '0201000400000000112233440102'],
    [0x14, '030c0004 02123456 11223344 02654321', '030c0004000000000000000000000000'],
    [0x18, '030c0004 02123456 02654321', '030c00040000000000000000'],
    [0x1c, '02123456 11223344 1a00', '00000000112233441a00'],
    [0x04, '10c0 02123456 0102', '10c0000000000102'],
    [0x0f, '02123456 02654321', '0000000000000000'],
    [0x91, '030c0004 02123456', '030c000400000000']
  ]
  for (const [control, data, left] of cases) {
    t.equal(toHex(redactDlt645(fromHex(plain(control, data)))), plain(control, left), data)
  }
  const read = fromHex(plain(0x11, '00000100'))
  t.equal(redactDlt645(read), read, 'a read stays the frame it is')
  const write = plain(0x14, '02010004 02123456 11223344 0102')
  const heard = hear([[0, write.slice(0, -4)]])
  t.match(heard, [['noise', /^68785634120000681 ?40e33+$/]], 'nor in a frame that was cut')
  const block = hear([[0, crc('01100010000204000004d2')]])
  t.same(block, [['modbus request', crc('0110001000020400000000'), 0]])
})

t.test(
  'sniff decodes a dialogue it takes no part in, and its capture can be decoded and replayed',
  async t => {
    const { user, tap, said } = await openTapped(t, {
      meters: [
        { address: '000012345678', protocol: 'dlt645' },
        { address: '7', protocol: 'modbus', profile: 'eastron-sdm630' }
      ]
    })
    const file = join(folder, 'capture.txt')
    const openBefore = countOpen(tap.path)
    const sniff = run(busSniffVerb, {
      port: tap.path,
      baud: '9600',
      parity: 'even',
      stopBits: '1',
      output: file
    })
    const bus = openMeterBus(
      { name: 'line', port: `serial:${user.path}`, baud: 9600, parity: 'even', stopBits: 1, preamble: 4 },
      'Asia/Shanghai',
      { clock, log: quiet, learned: memory() }
    )
    t.teardown(() => bus.close())
    await until(() => countOpen(tap.path) > openBefore)
    const options = { priority: 'slot' } as const
    const dlt = await bus.readMeter(meter({}), options)
    const rtu = await bus.readMeter(
      meter({ protocol: 'modbus', address: '7', profile: 'eastron-sdm630' }),
      options
    )
    t.same([dlt.faults, rtu.faults], [[], []])
    await until(() => sniff.documents.length >= 4)
    await clock.wait(100)
    sniff.stop()
    t.equal(await sniff.exit, 0)
    const frames = sniff.documents.slice(0, -1)
    t.match(frames[0], { protocol: 'dlt645', direction: 'request', address: '000012345678', di: /^0001/ })
    t.match(frames[1], { protocol: 'dlt645', direction: 'response', error: null, gapMs: Number })
    t.match(
      frames.slice(-2).map(({ protocol, direction, unit }) => [protocol, direction, unit]),
      [
        ['modbus-rtu', 'request', 7],
        ['modbus-rtu', 'response', 7]
      ]
    )
    t.ok(frames.every(({ time }) => /^20\d\d-.*Z$/.test(String(time))))
    t.match(sniff.documents.at(-1), {
      summary: { noiseOctets: 0, answered: ['dlt645:000012345678', 'modbus:7'] }
    })
    t.match(sniff.lines[1], /\+.* ms < 000012345678 answers read-data 0001.*kWh/)
    t.same(said, [], 'not one octet was written')

    const text = readFileSync(file, 'utf8')
    const decoded = captureLines(text).map(line => explainLine(line, undefined))
    t.equal(decoded.length, frames.length)
    t.ok(
      decoded.every(
        (document, i) => document['error'] === null && document['direction'] === frames[i]?.['direction']
      )
    )
    const replay = loadReplay(file, '/')
    const hexOf = (i: number) => String(frames[i]?.['hex'])
    t.equal(toHex(Uint8Array.from(replay.feed(fromHex(hexOf(0))) ?? [])).toUpperCase(), hexOf(1))
    t.equal(
      toHex(Uint8Array.from(replay.feed(fromHex(hexOf(-1 + frames.length - 1))) ?? [])).toUpperCase(),
      hexOf(frames.length - 1)
    )

    await t.rejects(run(busSniffVerb, { port: tap.path, output: file }).exit, {
      code: 'USAGE_FLAG',
      at: file
    })
    await t.rejects(run(busSniffVerb, { port: tap.path, seconds: 'x' }).exit, {
      code: 'USAGE_FLAG',
      at: '--seconds'
    })
    const brief = run(busSniffVerb, { port: tap.path, seconds: '0.1' }, 'zh')
    t.equal(await brief.exit, 0, 'ends by itself')
    t.match(brief.lines[0], /请求/)
  }
)

/** What the user of a pseudo-terminal has set on it. The kernel drops PARENB there; the check of parity is left. */
function settingOf(path: string): { readonly baud: number; readonly parity: string } {
  const termios = new Uint8Array(128)
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
  const calls = koffi.load(null)
  calls.func('int tcgetattr(int fd, _Inout_ uint8_t *termios)')(fd, termios)
  const code = calls.func('uint32_t cfgetospeed(const uint8_t *termios)')(termios)
  closeSync(fd)
  const flags = new Uint32Array(termios.buffer)
  const baud = { 9: 1200, 11: 2400, 12: 4800, 13: 9600, 14: 19200 }[Number(code)] ?? 0
  const isChecked = ((flags[0] as number) & 0x10) !== 0
  const isOdd = ((flags[2] as number) & 0x200) !== 0
  return { baud, parity: isChecked ? (isOdd ? 'odd' : 'even') : 'none' }
}

/** A meter that makes sense at its own settings alone. */
function openFussy(
  t: Case,
  own: { readonly baud: number; readonly parity: string },
  answer: (request: Uint8Array, fits: 'whole' | 'speed' | 'none') => Uint8Array | undefined
): Pty {
  const pty = openPty(link())
  let held: Uint8Array = new Uint8Array(0)
  pty.onOctets(octets => {
    held = concatBytes(held, octets)
    const isRead =
      held[0] === 0xfe ? held.length >= held.indexOf(0x68) + 12 && held.at(-1) === 0x16 : held.length === 8
    if (!isRead) return
    const request = held
    held = new Uint8Array(0)
    const setting = settingOf(pty.path)
    const fits = setting.baud !== own.baud ? 'none' : setting.parity === own.parity ? 'whole' : 'speed'
    const octetsBack = answer(request, fits)
    if (octetsBack) setTimeout(() => pty.write(octetsBack), 20)
  })
  t.teardown(() => pty.close())
  return pty
}

t.test('probe finds the settings, and names what was wrong with the others', async t => {
  const address = encodeFrame(
    { address: parseAddress('000012345678'), control: 0x93, data: fromHex('785634120000') },
    4
  )
  const dlt = openFussy(t, { baud: 9600, parity: 'even' }, (request, fits) => {
    if (request[0] !== 0xfe) return undefined
    if (fits === 'whole') return address
    return fromHex(fits === 'speed' ? 'fefefefe680188c58a' : '00f8e080f8')
  })
  const found = run(busProbeVerb, { port: dlt.path, stopBits: '1' })
  t.equal(await found.exit, 0)
  t.match(found.documents, [
    {
      port: `serial:${dlt.path}`,
      fault: null,
      found: {
        protocol: 'dlt645',
        address: '000012345678',
        baud: 9600,
        parity: 'even',
        dataBits: 8,
        stopBits: 1,
        echo: false
      }
    }
  ])
  const tried = found.documents[0]?.['tried'] as Record<string, unknown>[]
  const resultAt = (baud: number, parity: string) =>
    tried.find(one => one['baud'] === baud && one['parity'] === parity)?.['result']
  t.equal(resultAt(2400, 'even'), 'speed')
  t.equal(resultAt(9600, 'none'), 'parity')
  t.equal(tried.at(-1)?.['result'], 'answer')
  t.match(found.lines.at(-1), /--protocol dlt645 --address 000012345678 --baud 9600 --parity even/)

  const rtu = openFussy(t, { baud: 9600, parity: 'none' }, (request, fits) =>
    fits === 'whole' ? concatBytes(request, appendCrc(fromHex('058302'))) : request
  )
  const byAddress = run(busProbeVerb, { port: rtu.path, protocol: 'modbus', address: '5', stopBits: '2' })
  t.equal(await byAddress.exit, 0, 'a refusal is an answer, an echo is none')
  t.match(byAddress.documents[0], {
    found: { protocol: 'modbus', address: '5', baud: 9600, parity: 'none', stopBits: 2, echo: true }
  })
  const others = (byAddress.documents[0]?.['tried'] ?? []) as { readonly result: string }[]
  t.same(
    others.map(one => one.result),
    ['echo', 'answer']
  )

  const faults: [string, (request: Uint8Array) => Uint8Array | undefined, RegExp][] = [
    ['parity', () => fromHex('fefefefe680188c58a'), /疑似校验/],
    ['nothing', () => undefined, /均无应答/],
    ['echo', request => request, /回声/],
    ['collision', () => concatBytes(address.subarray(0, 13), fromHex('0055aa')), /同时应答/]
  ]
  for (const [fault, answer, text] of faults) {
    const pty = openFussy(t, { baud: 2400, parity: 'even' }, answer)
    const failed = run(
      busProbeVerb,
      { port: pty.path, protocol: 'dlt645', baud: '2400', parity: 'even' },
      'zh'
    )
    t.equal(await failed.exit, 3, fault)
    t.match(failed.documents, [{ found: null, fault }])
    t.match(failed.lines.at(-1), text)
  }
  const gone = run(busProbeVerb, { port: '/dev/no-such-port', protocol: 'dlt645' })
  t.equal(await gone.exit, 3)
  t.match(gone.documents, [{ fault: 'portDown', tried: [{ detail: 'there is no such port' }] }])
})

t.test('garbage is told by what is left of the answer', async t => {
  const none = { parity: 0, framing: 0 }
  const cases: [string, 'dlt645' | 'modbus', { parity: number; framing: number }, string][] = [
    ['fefe6801', 'dlt645', none, 'parity'],
    ['fefefefe6878563412000068910a', 'dlt645', none, 'collision'],
    ['e0f800', 'dlt645', none, 'speed'],
    ['e0f800', 'dlt645', { parity: 3, framing: 0 }, 'parity'],
    ['e0f800', 'dlt645', { parity: 3, framing: 2 }, 'speed'],
    ['00', 'dlt645', none, 'noise'],
    ['0503020007ffff', 'modbus', none, 'noise'],
    ['0502ff', 'modbus', none, 'parity'],
    ['f8e080', 'modbus', none, 'speed']
  ]
  for (const [hex, protocol, rises, wanted] of cases)
    t.equal(judgeGarbage(fromHex(hex), protocol, 5, rises), wanted, hex)
  const seven = encodeFrame({ address: parseAddress('000012345678'), control: 0x11, data: fromHex('00') })
  t.equal(
    judgeGarbage(
      seven.map(octet => octet | (octet === 0x68 ? 0x80 : 0)),
      'dlt645',
      5,
      none
    ),
    'parity'
  )
})

t.test('tune measures what the meters do, and proposes no less', async t => {
  const path = link()
  const simulator = startSimulator({
    seed: 3,
    buses: [
      {
        name: 'line',
        path,
        baud: 9600,
        parity: 'even',
        strictT35: true,
        lumpMs: 1,
        meters: [
          { address: '5', protocol: 'modbus', profile: 'eastron-sdm630', turnaroundMs: 30, jitterMs: 0 },
          { address: '6', protocol: 'modbus', profile: 'eastron-sdm630', turnaroundMs: 60, jitterMs: 20 }
        ]
      }
    ]
  })
  t.teardown(() => simulator.stop())
  const config = join(folder, 'gateway.yaml')
  writeFileSync(
    config,
    [
      'gateway: { id: T-1, timezone: Asia/Shanghai }',
      `state: ${folder}`,
      `buses: [{ name: b, port: "serial:${path}", baud: 9600, parity: even }]`,
      'meters:',
      ...[5, 6, 9].map(
        unit =>
          `  - { id: m${unit}, bus: b, protocol: modbus, address: "${unit}", profile: eastron-sdm630, items: [voltage-a] }`
      ),
      ''
    ].join('\n')
  )
  const tune = run(busTuneVerb, { port: path, count: '6' }, 'en', config)
  t.equal(await tune.exit, 1, 'one of the meters is silent')
  type Figures = {
    turnaroundMs: { p50: number; p99: number } | null
    asked: number
    answered: number
    timeoutMs: number
  }
  const document = tune.documents[0] as {
    meters: [Figures, Figures, Figures]
    gap: { standardMs: number; leastMs: number }
    proposal: { gapMs: number; turnaroundMs: number; octetGapMs: number }
  }
  const [quick, slow, dead] = document.meters
  t.match(dead, { address: '9', asked: 2, answered: 0, turnaroundMs: null, timeoutMs: null })
  t.match(
    [quick, slow],
    [
      { asked: 6, answered: 6 },
      { asked: 6, answered: 6 }
    ]
  )
  t.ok(quick.turnaroundMs && quick.turnaroundMs.p50 >= 29, 'never quicker than the meter')
  t.ok(slow.turnaroundMs && slow.turnaroundMs.p50 >= 59)
  t.ok(slow.turnaroundMs && slow.timeoutMs > slow.turnaroundMs.p99)
  const { gap, proposal } = document
  t.equal(gap.standardMs, 4)
  t.ok(gap.leastMs >= gap.standardMs && proposal.gapMs >= gap.leastMs)
  t.ok(slow.turnaroundMs && proposal.turnaroundMs > slow.turnaroundMs.p99)
  t.ok(proposal.octetGapMs >= 2)
  t.match(tune.lines.at(-1), /proposal: gap/)

  const one = run(busTuneVerb, {
    port: path,
    baud: '9600',
    parity: 'even',
    protocol: 'modbus',
    address: '5',
    count: '2'
  })
  t.equal(await one.exit, 0)
  t.match(one.documents, [{ baud: 9600, meters: [{ address: '5', answered: 2 }] }])
  const nobody = run(
    busTuneVerb,
    { port: path, protocol: 'dlt645', address: '1', baud: '9600', count: '1' },
    'zh'
  )
  t.equal(await nobody.exit, 3)
  t.match(nobody.documents, [{ proposal: null, gap: { leastMs: null } }])
  t.match(nobody.lines.at(-1), /没有应答/)
  await t.rejects(run(busTuneVerb, { port: '/dev/other' }, 'en', config).exit, {
    code: 'USAGE_FLAG',
    at: '--port'
  })
  await t.rejects(run(busTuneVerb, { port: path, count: '0' }).exit, { code: 'USAGE_FLAG', at: '--count' })
})

/** A bus on paper that checks no parity, and has spoilt answers of late. */
class DoubtfulBus extends FakeBus {
  readonly isDoubtful: boolean
  constructor(isDoubtful: boolean) {
    const answer = (di: string) => (di === '00010000' ? fromHex('45230100') : undefined)
    super([{ address: '000012345678', edition: '2007', answer }], Date.UTC(2026, 5, 1))
    this.isDoubtful = isDoubtful
  }
}

t.test('where parity is not checked, energy counts once two answers agree', async t => {
  /** Two errors that cancel each other in the sum of the octets. */
  const spoil = (octets: Uint8Array): Uint8Array =>
    octets.map((octet, i) => octet + (i === octets.length - 6 ? 16 : i === octets.length - 5 ? -16 : 0))
  const zone = createMeterZone('Asia/Shanghai')
  const read = async (isDoubtful: boolean, disturb: (octets: Uint8Array, n: number) => Uint8Array) => {
    const bus = new DoubtfulBus(isDoubtful)
    bus.disturb = disturb
    const reader = createDlt645Reader(bus, { clock, log: quiet, learned: memory(), zone })
    const { values, faults } = await reader.readMeter(meter({}), { priority: 'slot' })
    return { value: values[0]?.value ?? null, faults: faults.map(fault => fault.kind), asked: bus.log.length }
  }
  const once = (octets: Uint8Array, n: number) => (n === 0 ? spoil(octets) : octets)
  t.same(await read(false, o => o), { value: 123450, faults: [], asked: 1 })
  t.same((await read(false, once)).faults, [], 'a single look believes it')
  t.not((await read(false, once)).value, 123450)
  t.same(await read(true, o => o), { value: 123450, faults: [], asked: 2 })
  t.same(await read(true, once), { value: 123450, faults: [], asked: 3 })
  const never = (octets: Uint8Array, n: number) => (n % 2 === 0 ? spoil(octets) : octets)
  t.same(await read(true, never), { value: null, faults: ['garbage'], asked: 4 })

  const table = createItemTable()
  const di = parseDataIdentifier('0001FF00')
  const cases: [string, string, boolean][] = [
    ['4523010000000000', '4623010000000000', true],
    ['4523010000000000', '4525010000000000', false],
    ['4523010000000000', '452301000000', false],
    ['4523010000000000', '4523010100000000', false]
  ]
  for (const [first, second, wanted] of cases)
    t.equal(isSameEnergy(table, di, fromHex(first), fromHex(second)), wanted, second)

  for (const [parity, wanted] of [
    ['none', true],
    ['even', false]
  ] as const) {
    const pty = openPty(link())
    const bus = openBus(
      { name: 'line', port: `serial:${pty.path}`, baud: 115200, parity },
      { clock, log: quiet, learned: memory() }
    )
    pty.onOctets(() => pty.write(fromHex('0103021234ffff')))
    const request = encodeReadRequest({ unit: 1, function: 3, address: 0, count: 1 })
    t.equal(bus.isDoubtful, false)
    for (let i = 0; i < 2; i++) {
      const { kind } = await bus.exchange(request, { meterKey: 'modbus:1', priority: 'slot' })
      t.equal(kind, 'garbage')
    }
    t.equal(bus.isDoubtful, wanted, parity)
    await bus.close()
    await pty.close()
  }
})

t.test('a bus that is another one is not read, and is again when it is itself', async t => {
  const meters = (name: string) => [
    { address: `00000000000${name}`, protocol: 'dlt645' as const },
    { address: '1', protocol: 'modbus' as const, profile: 'eastron-sdm630', turnaroundMs: 10 }
  ]
  const wires = { a: link(), b: link() }
  const simulator = startSimulator({
    seed: 3,
    buses: (['a', 'b'] as const).map((name, i) => ({
      name,
      path: wires[name],
      baud: 19200,
      parity: 'even' as const,
      meters: meters(String(i + 1))
    }))
  })
  t.teardown(() => simulator.stop())
  const ports = { a: link(), b: link() }
  const plug = (a: 'a' | 'b', b: 'a' | 'b') => {
    for (const [port, wire] of [
      [ports.a, wires[a]],
      [ports.b, wires[b]]
    ] as const) {
      rmSync(port, { force: true })
      symlinkSync(wire, port)
    }
  }
  const file = join(folder, 'swap.yaml')
  writeFileSync(
    file,
    [
      'gateway: { id: T-2, timezone: Asia/Shanghai }',
      `state: ${folder}`,
      'buses:',
      ...(['a', 'b'] as const).map(
        name => `  - { name: ${name}, port: "serial:${ports[name]}", baud: 19200, parity: even }`
      ),
      'meters:',
      ...['a', 'b'].flatMap((name, i) => [
        `  - { id: ${name}-rtu, bus: ${name}, protocol: modbus, address: "1", profile: eastron-sdm630, items: [voltage-a] }`,
        `  - { id: ${name}-dlt, bus: ${name}, protocol: dlt645, address: "00000000000${i + 1}", items: [active-import-total] }`
      ]),
      ''
    ].join('\n')
  )
  const config = loadConfig(file)
  const learned = memory()
  const opened: ReturnType<typeof openMeterBuses>[] = []
  const start = () => {
    const buses = openMeterBuses(config, { clock, log: quiet, learned })
    opened.push(buses)
    return buses
  }
  t.teardown(() => Promise.all(opened.flat().map(bus => bus.close())))
  const options = { priority: 'slot' } as const
  const sweep = async (buses: ReturnType<typeof openMeterBuses>) => {
    const results: string[] = []
    for (const point of config.meters) {
      const bus = buses.find(one => one.name === point.bus)
      const answer = await bus?.readMeter(point, options)
      results.push(answer?.values.length ? 'value' : (answer?.faults[0]?.kind ?? 'nothing'))
    }
    return results
  }
  const exchanges = (buses: ReturnType<typeof openMeterBuses>) =>
    buses.map(bus => bus.status().counters['exchanges'])

  plug('a', 'b')
  const right = start()
  t.same(await sweep(right), ['value', 'value', 'value', 'value'])
  t.same(exchanges(right), [2, 2], 'the proof costs no request of its own')
  t.same(learned.get('identity/a'), '000000000001')
  await Promise.all(right.map(bus => bus.close()))

  plug('b', 'a')
  const swapped = start()
  t.same(await sweep(swapped), ['busDown', 'busDown', 'busDown', 'busDown'], 'after a restart')
  t.match(swapped[0]?.status(), {
    state: 'open',
    refusal: 'swapped adapter: 000000000002 of bus b answers here'
  })
  const before = exchanges(swapped)
  await sweep(swapped)
  t.same(exchanges(swapped), before, 'and is left alone')
  const profile = await swapped[0]?.readProfile(config.meters[1] as MeterPoint, 0, 1, options)
  t.match(profile, { status: 'failed', records: [], faults: [{ kind: 'busDown' }] })
  t.same(
    swapped[0]?.status().breakers.filter(({ address }) => address.includes('AA')),
    []
  )
  const stranger = { ...(config.meters[3] as MeterPoint), id: 'who' }
  t.match(await swapped[0]?.readMeter(stranger, options), { values: [{}] }, 'who is asked by name answers')

  const opens = () => swapped.map(bus => bus.status().counters['opens'])
  for (const name of ['a', 'b']) await simulator.setPlugged(name, false)
  plug('a', 'b')
  for (const name of ['a', 'b']) await simulator.setPlugged(name, true)
  await until(() => opens().every(count => count === 2))
  t.same(
    (await sweep(swapped)).filter((_, i) => i % 2 === 0),
    ['value', 'value'],
    'after a replug'
  )
  t.equal(swapped[0]?.status().refusal, undefined)
  await Promise.all(swapped.map(bus => bus.close()))

  simulator.setFault('a', '000000000001', 'mute', true)
  const dead = start()
  t.same((await sweep(dead))[0], 'value', 'a dead meter proves nothing against its bus')
  t.equal(dead[0]?.status().refusal, undefined)
})

t.test('what a line counts becomes an alarm where a person has to come', async t => {
  const status = (counters: Record<string, number>, refusal?: string): BusStatus => ({
    name: 'b',
    port: '',
    state: 'open',
    detail: '',
    counters,
    breakers: [],
    ...(refusal === undefined ? {} : { refusal })
  })
  const cases: [Record<string, number>, string | undefined, string | undefined][] = [
    [{ exchanges: 1000, garbage: 20, foreignFrames: 2 }, undefined, undefined],
    [{ exchanges: 100, garbage: 6 }, undefined, 'noisy'],
    [{ exchanges: 10, garbage: 4 }, undefined, undefined],
    [{ exchanges: 100, garbage: 90, collisions: 1, foreignFrames: 2 }, undefined, 'second-master'],
    [{ exchanges: 100, jammed: 1, foreignFrames: 9 }, undefined, 'jammed'],
    [{ exchanges: 100, foreignRequests: 2 }, undefined, undefined],
    [{ exchanges: 100, jammed: 1, foreignRequests: 3 }, undefined, 'second-master'],
    [{ jammed: 1 }, 'swapped adapter', 'swapped']
  ]
  for (const [counters, refusal, kind] of cases)
    t.equal(judgeBus(status(counters, refusal), {})?.kind, kind, JSON.stringify(counters))
  t.equal(judgeBus(status({ jammed: 3, exchanges: 5 }), { jammed: 3 }), undefined, 'only what is new')

  const standing = [{ rule: 'line-jammed', raisedAt: 7 }]
  const filed: string[] = []
  const desk = {
    standing: (prefix: string, bus: string | null) => (prefix === 'line-' && bus === 'b' ? standing : []),
    file: (events: readonly AlarmEvent[]) =>
      filed.push(...events.map(({ kind, rule, bus, class: grade }) => `${kind} ${rule} ${bus} ${grade}`))
  }
  let nowMs = 1_000_000
  const troubles = new TroubleDesk(desk, { ...clock, nowMs: () => nowMs }, 900)
  let now = status({ exchanges: 5 })
  const watch = new BusWatch([{ name: 'b', status: () => now }], (bus, trouble) =>
    troubles.note('line', trouble, bus)
  )
  const slot = (next: BusStatus) => {
    now = next
    watch.look()
    troubles.tick()
    nowMs += 900_000
    return filed.splice(0)
  }
  t.same(slot(now), ['cleared line-jammed b general'], 'what an earlier run raised')
  t.same(slot(status({ exchanges: 9, jammed: 1 })), [])
  t.same(slot(status({ exchanges: 9, jammed: 2 })), ['raised line-jammed b general'], 'once it lasts')
  t.same(slot(status({ exchanges: 9, jammed: 2 }, 'swapped')), [
    'cleared line-jammed b general',
    'raised line-swapped b serious'
  ])
  t.same(slot(status({ exchanges: 9, jammed: 2 })), ['cleared line-swapped b serious'])

  const glance = (foreignRequests: number) => {
    now = status({ exchanges: 9, jammed: 2, foreignRequests })
    watch.glance()
    return filed.splice(0)
  }
  t.same(glance(2), [])
  t.same(glance(3), ['raised line-second-master b general'], 'at once, between two slots')
  t.same(glance(9), [], 'once')
  t.same(slot(now), [], 'it stands as long as the slot had questions')
  t.same(slot(now), ['cleared line-second-master b general'])
})
