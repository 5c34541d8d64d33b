import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError } from '../../config/errors.ts'
import { gatewaySchema, loadConfig, parseConfig } from '../../config/load.ts'
import { packageRoot } from '../../config/locate.ts'
import { maskNumber, maskUrl, redactConfig } from '../../config/redact.ts'
import { parseDurationMs, parseRatio, parseSize } from '../../config/units.ts'

const GOOD = `gateway: { id: GW-1 }
state: state
buses:
  - { name: b1, port: "serial:/dev/ttyS1" }
meters:
  - id: M1
    bus: b1
    protocol: dlt645
    address: "12345678"
    customer: "0301234567"
    ct: 150/5
`

function problemsOf(text: string) {
  try {
    parseConfig(text, 'gateway.yaml')
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

t.test('the example configuration is valid and complete', async t => {
  const config = loadConfig(join(packageRoot(), 'config/gateway.example.yaml'))
  t.equal(config.gateway, 'BD-QY-0017')
  t.equal(config.slotSeconds, 900)
  t.equal(config.meters[0]?.address, '000012345678')
  t.same(config.meters[0]?.ct, { primary: 150, secondary: 5 })
  t.equal(config.retention.diskMaxBytes, 2 * 1024 ** 3)
  t.ok((config.meters[0]?.items.length ?? 0) > 15)
})

t.test('defaults are filled in, addresses padded, paths made absolute', async t => {
  const config = parseConfig(GOOD, '/etc/wattproof/gateway.yaml')
  t.equal(config.timezone, 'Asia/Shanghai')
  t.equal(config.buses[0]?.baud, 2400)
  t.equal(config.buses[0]?.parity, 'even')
  t.equal(config.meters[0]?.address, '000012345678')
  t.equal(config.stateDir, '/etc/wattproof/state')
  t.same(config.meters[0]?.pt, { primary: 1, secondary: 1 })
})

t.test('every problem names line, column, key and the mend', async t => {
  const cases: [name: string, text: string, key: string, line: number, message: RegExp, next: RegExp][] = [
    [
      'unknown key',
      GOOD.replace('    ct:', '    ctt:'),
      'meters.0.ctt',
      11,
      /unknown key/,
      /did you mean "ct"/
    ],
    ['missing key', GOOD.replace('    bus: b1\n', ''), 'meters.0.bus', 6, /missing/, /add bus/],
    [
      'unknown bus',
      GOOD.replace('bus: b1', 'bus: b9'),
      'meters.0.bus',
      7,
      /no bus is called b9/,
      /buses: b1/
    ],
    [
      'wrong address',
      GOOD.replace('"12345678"', '"12x"'),
      'meters.0.address',
      9,
      /not an address/,
      /12 digits/
    ],
    [
      'unquoted address',
      GOOD.replace('"12345678"', '012345678'),
      'meters.0.address',
      9,
      /not an address/,
      /in quotes/
    ],
    ['wrong ratio', GOOD.replace('150/5', '150:5'), 'meters.0.ct', 11, /not a ratio/, /150\/5/],
    ['wrong enum', GOOD.replace('dlt645', 'dlt'), 'meters.0.protocol', 8, /must be one of/, /./],
    [
      'modbus without profile',
      GOOD.replace('dlt645', 'modbus').replace('"12345678"', '7'),
      'meters.0.protocol',
      8,
      /needs a profile/,
      /profile/
    ],
    [
      'zone',
      GOOD.replace('{ id: GW-1 }', '{ id: GW-1, timezone: Mars/Base }'),
      'gateway.timezone',
      1,
      /no time zone/,
      /IANA/
    ],
    ['parent', `${GOOD}    parent: M9\n`, 'meters.0.parent', 12, /no meter is called M9/, /configured/],
    ['item', `${GOOD}    items: [voltage-x]\n`, 'meters.0.items.0', 12, /no item or set/, /standard/],
    ['syntax', GOOD.replace('  - id: M1', ' - id: [M1'), '', 6, /./, /mend/],
    ['empty', '# nothing yet\n', '', 1, /empty/, /example/]
  ]
  for (const [name, text, key, line, message, next] of cases) {
    const problem = problemsOf(text)[0]
    t.ok(problem, name)
    if (!problem) continue
    t.equal(problem.key, key, `${name}: key`)
    t.match(problem.message, message, `${name}: message`)
    t.match(problem.next, next, `${name}: mend`)
    if (name !== 'syntax') t.equal(problem.line, line, `${name}: line`)
    t.ok(problem.line > 0 && problem.column > 0, `${name}: place`)
  }
})

t.test('all problems are reported at once', async t => {
  const text = GOOD.replace('bus: b1', 'bus: b9').replace('150/5', 'x')
  t.equal(problemsOf(text).length, 2)
})

t.test('a broken line does not bring a page of problems that follow from it', async t => {
  const problems = problemsOf(GOOD.replace('gateway:', 'gateway: 5 :').repeat(4))
  t.ok(problems.length >= 1 && problems.length <= 3, String(problems.length))
})

t.test('an address cannot be there twice on one bus', async t => {
  const text = `${GOOD}  - { id: M2, bus: b1, protocol: dlt645-1997, address: "000012345678" }\n`
  t.match(problemsOf(text)[0]?.message, /M1 has this address/)
})

t.test('an unreadable file is an error with the mend', async t => {
  t.throws(() => loadConfig(join(mkdtempSync(join(t.testdir(), 'c-')), 'none.yaml')), {
    code: 'CONFIG_UNREADABLE',
    next: /--config/
  })
  const file = join(t.testdir(), 'gateway.yaml')
  writeFileSync(file, 'gateway: 1\n')
  t.throws(() => loadConfig(file), { code: 'CONFIG_INVALID' })
})

t.test('nothing private survives redaction', async t => {
  const text = `${GOOD}broker: { url: "mqtts://user:secret@h:8883", username: user }
recipients: [ { name: ledger, key: a.pub } ]
ledger: { receiptKey: b.pub }
chain: { kind: evm, rpc: [ "http://u:pw@h:8545" ], contract: "0x${'00'.repeat(20)}" }
`
  const shown = JSON.stringify(redactConfig(parseConfig(text, 'gateway.yaml')))
  t.notMatch(shown, /secret|0301234567|u:pw/)
  t.match(shown, /4567/)
  t.equal(maskNumber('0301234567'), '••••••4567')
  t.equal(maskUrl('mqtts://a:b@host:1'), 'mqtts://***@host:1')
})

t.test('units', async t => {
  t.equal(parseDurationMs('15m'), 900_000)
  t.equal(parseDurationMs('15'), undefined)
  t.equal(parseSize('2GiB'), 2147483648)
  t.same(parseRatio('150/5'), { primary: 150, secondary: 5 })
  t.same(parseRatio('30'), { primary: 30, secondary: 1 })
  t.same(parseRatio('12.5/5'), { primary: 125, secondary: 50 })
  t.same(parseRatio('10000/57.74'), { primary: 1_000_000, secondary: 5774 })
  t.equal(parseRatio('0/5'), undefined)
  t.equal(parseRatio('0.0/5'), undefined)
  t.equal(parseRatio('.5/5'), undefined)
  t.equal((gatewaySchema() as { title: string }).title, 'wattproof gateway configuration')
})
