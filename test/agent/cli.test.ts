import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CheckStage } from '../../agent/check/check-stage.ts'
import { judgeClamp } from '../../agent/check/clamp-test.ts'
import { explainRatio } from '../../agent/check/explain-ratio.ts'
import { updateCommands } from '../../agent/cli/command-table.ts'
import { flagNames, optionsOf } from '../../agent/cli/common-options.ts'
import { completionScript } from '../../agent/cli/completion.ts'
import { ERROR_TEXTS_ZH } from '../../agent/cli/error-texts.ts'
import { UsageError } from '../../agent/cli/errors.ts'
import { adhocMeter, lineSettings, normalPort } from '../../agent/cli/line-options.ts'
import { layTable } from '../../agent/cli/output.ts'
import { runProgram } from '../../agent/cli/program.ts'
import { parseCount, parseSlot, slotEndLabel, slotLabel, spanOf } from '../../agent/cli/slots.ts'
import { chooseLang, clipDisplay, displayWidth, padDisplay, say } from '../../agent/cli/text.ts'
import { manyOption, type Options, textOption, type Verb } from '../../agent/cli/verb.ts'
import { captureLines, explainLine } from '../../agent/cli/verbs/decode.ts'
import { findGaps } from '../../agent/cli/verbs/gaps.ts'
import { VERBS } from '../../agent/cli/verbs.ts'
import { readHexSecret, readPemSecret } from '../../agent/compose/key-files.ts'
import { dropSpentKeys, rotateIdentity } from '../../agent/compose/key-rotation.ts'
import { type Identity, loadIdentity } from '../../agent/compose/keys.ts'
import { openStore } from '../../agent/compose/stores.ts'
import type { AnchorAttempt, MeterPoint, StoredAlarm, StoredBatch } from '../../agent/ports.ts'
import { loadConfig } from '../../config/load.ts'
import { packageRoot } from '../../config/locate.ts'
import { loadRules } from '../../config/rules.ts'
import { toHex } from '../../proto/bytes.ts'
import { ethereumAddress } from '../../proto/crypto/secp256k1.ts'
import { createSigner } from '../../proto/envelope/keys.ts'
import { openRegistration, type RegistrationBundle } from '../../proto/envelope/registration.ts'
import type { Reading } from '../../proto/reading.ts'
import { readingToJson } from '../../proto/reading-json.ts'
import { encodeSigned } from '../../proto/wire/signed.ts'
import { memory } from '../fixtures/learned.ts'
import { gapReading, meterPoint, reading, SLOT, threePhase } from './check-fixtures.ts'
import { QUIET } from './support/parties.ts'
import { sealAs, slotReadings } from './support/sealing.ts'

interface Ran {
  readonly exit: number
  readonly out: string
  readonly err: string
}

/** The command line in this process, with what it wrote. */
async function run(
  argv: readonly string[],
  host: { env?: NodeJS.ProcessEnv; stdin?: string; verbs?: readonly Verb[]; signal?: AbortSignal } = {}
): Promise<Ran> {
  const written = { out: '', err: '' }
  const stdout = process.stdout.write
  const stderr = process.stderr.write
  process.stdout.write = (text: unknown) => {
    written.out += String(text)
    return true
  }
  process.stderr.write = (text: unknown) => {
    written.err += String(text)
    return true
  }
  try {
    const exit = await runProgram(host.verbs ?? VERBS, {
      argv,
      env: host.env ?? { LANG: 'C' },
      version: '9.9.9',
      signal: host.signal ?? new AbortController().signal,
      readStdin: async () => host.stdin ?? ''
    })
    return { exit, ...written }
  } finally {
    process.stdout.write = stdout
    process.stderr.write = stderr
  }
}

const chinese = /[\u4e00-\u9fff]/

t.test('text takes the columns it takes', async t => {
  const widths: [string, number][] = [
    ['', 0],
    ['meter', 5],
    ['计量点', 6],
    ['CT变比', 6],
    ['（全角）', 8],
    ['a…b', 3],
    ['한글', 4]
  ]
  for (const [text, width] of widths) t.equal(displayWidth(text), width, text)
  t.equal(padDisplay('电表', 6), '电表  ')
  t.equal(padDisplay('too long', 3), 'too long')
  t.equal(clipDisplay('电表电表', 5), '电表…')
  t.equal(clipDisplay('电表', 4), '电表')
  t.equal(say(['meter', '电表'], 'zh'), '电表')
  const table = layTable(
    ['计量点', 'value'],
    [
      ['M1', '1'],
      ['一号台区', '2'],
      ['', 'x'.repeat(200)]
    ],
    80
  )
  t.same(table.slice(0, 3), ['计量点    value', 'M1        1', '一号台区  2'])
  for (const line of table) t.ok(displayWidth(line) <= 80, line)
  t.ok(table[3]?.endsWith('…'))
  t.equal(
    layTable(['a'], [['x'.repeat(200)]], 0)[1]?.length,
    200,
    'nothing is cut where there is no terminal'
  )
  t.same(layTable(['a', 'b'], [['1']], 80), ['a  b', '1'], 'a short row')
  const many = Array.from({ length: 200_000 }, () => ['1'])
  t.equal(layTable(['a'], many, 80).length, 200_001, 'as many rows as there may be findings')
})

t.test('the language', async t => {
  const cases: [string | undefined, NodeJS.ProcessEnv, string][] = [
    [undefined, {}, 'en'],
    [undefined, { LANG: 'zh_CN.UTF-8' }, 'zh'],
    [undefined, { LANG: 'en_US.UTF-8' }, 'en'],
    [undefined, { LANG: 'zh_CN.UTF-8', LC_ALL: 'C' }, 'en'],
    [undefined, { LANG: 'C', LC_MESSAGES: 'zh_TW' }, 'zh'],
    [undefined, { LANG: 'zh_CN', LC_ALL: '' }, 'zh'],
    ['en', { LANG: 'zh_CN.UTF-8' }, 'en'],
    ['zh', {}, 'zh'],
    ['fr', { LANG: 'zh_CN.UTF-8' }, 'zh']
  ]
  for (const [flag, env, lang] of cases)
    t.equal(chooseLang(flag, env), lang, `${flag} ${JSON.stringify(env)}`)
  t.match((await run(['items'], { env: { LANG: 'zh_CN.UTF-8' } })).out, chinese)
  t.notMatch((await run(['items', '--lang=en'], { env: { LANG: 'zh_CN.UTF-8' } })).out, chinese)
  t.match((await run(['read', '--lang', 'fr'])).err, /Allowed choices are en, zh.*\(USAGE_FLAG\)/)
})

t.test('slots by number and by time', async t => {
  const start = SLOT * 900_000
  for (const text of [
    String(SLOT),
    new Date(start).toISOString(),
    new Date(start + 899_999).toISOString(),
    new Date(start).toISOString().slice(0, 16),
    `${new Date(start + 8 * 3_600_000).toISOString().slice(0, 16)}+08:00`
  ])
    t.equal(parseSlot(text, 900, '--from'), SLOT, text)
  t.equal(parseSlot('1970-01-02', 900, '--from'), 96)
  t.equal(slotLabel(96, 900), '1970-01-02T00:00:00Z')
  t.equal(slotEndLabel(96, 900), '1970-01-02T00:15:00Z')
  for (const text of ['', 'yesterday', '2026-13-01', '2026-11-22T25:00'])
    t.throws(() => parseSlot(text, 900, '--from'), { code: 'USAGE_FLAG', at: '--from' }, text)
  t.equal(parseCount('12', '--limit'), 12)
  for (const text of ['0', '-1', '1.5', 'x', ''])
    t.throws(() => parseCount(text, '--limit'), { code: 'USAGE_FLAG', at: '--limit' })
  t.same(spanOf({ meter: 'M1', from: '5', to: '9', limit: '3' }, 900), {
    meter: 'M1',
    fromSlot: 5,
    toSlot: 9,
    limit: 3
  })
  t.same(spanOf({}, 900), { limit: 1000 })
})

t.test('options of the line', async t => {
  t.equal(normalPort('/dev/ttyS1'), 'serial:/dev/ttyS1')
  t.equal(normalPort('tcp://10.0.0.1:4001'), 'tcp://10.0.0.1:4001')
  const port = '/dev/ttyS1'
  t.same(lineSettings({ port }, 'dlt645'), {
    port: 'serial:/dev/ttyS1',
    baud: 2400,
    parity: 'even',
    stopBits: 1
  })
  t.match(lineSettings({ port }, 'dlt645-1997'), { baud: 1200, parity: 'even' })
  t.match(lineSettings({ port }, 'modbus'), { baud: 9600, parity: 'none' })
  t.match(lineSettings({ port, baud: '19200', parity: 'odd', stopBits: '2' }, 'modbus'), {
    baud: 19200,
    parity: 'odd',
    stopBits: 2
  })
  t.throws(() => lineSettings({}, 'dlt645'), { code: 'USAGE_FLAG', at: '--port' })
  t.throws(() => lineSettings({ port, baud: '2401' }, 'dlt645'), { code: 'USAGE_FLAG', at: '--baud' })

  t.match(adhocMeter({ address: '12345678', item: ['voltage-a', 'energy'] }, 'dlt645'), {
    address: '000012345678',
    rawItems: []
  })
  t.equal(adhocMeter({ address: 'aaaaaaaaaaaa' }, 'dlt645').address, 'AAAAAAAAAAAA')
  t.same(adhocMeter({ address: '1', di: ['0001ff00', '9010'] }, 'dlt645').rawItems, [
    'di:0001FF00',
    'di:9010'
  ])
  t.same(adhocMeter({ address: '1', di: ['9010'] }, 'dlt645').items, [], 'raw alone')
  t.same(adhocMeter({ address: '007', reg: ['0x0048:2'] }, 'modbus').address, '7')
  const wrong: [Options, 'dlt645' | 'modbus', string][] = [
    [{}, 'dlt645', '--address'],
    [{ address: '1234567890123' }, 'dlt645', '--address'],
    [{ address: '12AB' }, 'dlt645', '--address'],
    [{ address: '0' }, 'modbus', '--address'],
    [{ address: '248' }, 'modbus', '--address'],
    [{ address: '1' }, 'modbus', '--profile'],
    [{ address: '1', reg: ['48:2'] }, 'modbus', '--reg'],
    [{ address: '1', di: ['00'] }, 'dlt645', '--di'],
    [{ address: '1', item: ['voltage'] }, 'dlt645', '--item']
  ]
  for (const [options, protocol, at] of wrong)
    t.throws(() => adhocMeter(options, protocol), { code: 'USAGE_FLAG', at }, JSON.stringify(options))
  t.equal(textOption({ a: true }, 'a'), undefined)
  t.same(manyOption({ a: 'x' }, 'a'), ['x'])
})

t.test('decode finds out what a frame is', async t => {
  t.same(captureLines('# a capture\n> 01 02\n\n< 03\n2026-11-22T10:00:00.123Z > 04\n68AA\n'), [
    { direction: 'request', hex: '01 02' },
    { direction: 'response', hex: '03' },
    { direction: 'request', hex: '04' },
    { direction: undefined, hex: '68AA' }
  ])
  const frames: [string, string][] = [
    ['68AAAAAAAAAAAA681300DF16', 'dlt645'],
    ['FEFEFEFE 68AAAAAAAAAAAA681300DF16', 'dlt645'],
    ['01040000000271CB', 'modbus-rtu'],
    ['01040443696978106E', 'modbus-rtu']
  ]
  for (const [hex, protocol] of frames) {
    const document = explainLine({ direction: undefined, hex }, undefined)
    t.equal(document['protocol'], protocol, hex)
    t.notOk(document['error'], hex)
  }
  t.ok(explainLine({ direction: undefined, hex: '68AAAAAAAAAAAA681300DE16' }, undefined)['error'])
  t.match(explainLine({ direction: undefined, hex: '6' }, undefined), { protocol: null, direction: null })
  t.ok(explainLine({ direction: undefined, hex: '01040000000271CB' }, 'dlt645')['error'])

  const one = await run(['decode', '68AAAAAAAAAAAA68', '1300DF16', '--json'])
  t.equal(one.exit, 0)
  t.equal(JSON.parse(one.out).protocol, 'dlt645')
  t.equal((await run(['decode', '00'])).exit, 1, 'what is no frame does not hold')
  const many = await run(['decode', '-', '--json'], {
    stdin: '> 01040000000271CB\n< 01040443696978106E\n< 00\n'
  })
  t.equal(many.exit, 0)
  const documents = many.out
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(documents, [{ direction: 'request' }, { direction: 'response' }, { direction: 'response' }])
  t.ok(documents[2].error)
  t.match((await run(['decode', '01040443696978106E'])).out, /01040443696978106E/)
})

t.test('wrong calls say what, where and what next', async t => {
  const cases: [string[], string, RegExp][] = [
    [[], 'USAGE_ARGUMENT', /no command was given/],
    [['keys'], 'USAGE_ARGUMENT', /keys needs one of: init, show/],
    [['bogus'], 'USAGE_ARGUMENT', /unknown command 'bogus'/],
    [['staus'], 'USAGE_ARGUMENT', /Did you mean status/],
    [['verify'], 'USAGE_ARGUMENT', /missing required argument 'file'/],
    [['verify', 'a', 'b'], 'USAGE_ARGUMENT', /too many arguments/],
    [['verify', '/nowhere/x.proof'], 'USAGE_NOT_FOUND', /ENOENT.*\/nowhere\/x\.proof/],
    [['read', '--nope'], 'USAGE_FLAG', /unknown option '--nope'/],
    [['read', '--baud'], 'USAGE_FLAG', /argument missing/],
    [['read', '--parity', 'mark'], 'USAGE_FLAG', /even, none, odd/],
    [['read'], 'USAGE_FLAG', /no address.*--address/],
    [['read', '--address', '1'], 'USAGE_FLAG', /no port was named.*--port/],
    [['read', '--address', '12x', '--port', '/dev/x'], 'USAGE_FLAG', /not a DL\/T 645 address: 12x/],
    [['read', '--address', '300', '--protocol', 'modbus'], 'USAGE_FLAG', /not a Modbus address: 300/],
    [['decode'], 'USAGE_ARGUMENT', /no frame/],
    [['check'], 'USAGE_FLAG', /--replay/],
    [['check', '--replay', '/nowhere.json'], 'USAGE_NOT_FOUND', /ENOENT/],
    [['check', '--replay', '-', '--timezone', 'Mars/Base'], 'USAGE_FLAG', /Mars\/Base/],
    [['ratio', 'verify'], 'USAGE_FLAG', /--meter is missing/],
    [
      ['ratio', 'verify', '--meter', 'M', '--phase', 'A', '--primary-amps', '-3'],
      'USAGE_FLAG',
      /not a current/
    ],
    [['profile', 'check', 'nosuch'], 'PROFILE_UNKNOWN', /nosuch/],
    [['profile', 'check', 'eastron-sdm630', '--port', '/dev/x'], 'USAGE_FLAG', /--address/],
    [['profile', 'new', 'My Meter'], 'USAGE_ARGUMENT', /My Meter/],
    [['completion', 'fish'], 'USAGE_ARGUMENT', /fish/],
    [['demo', '--slot-seconds', '1'], 'USAGE_FLAG', /3 to 900/],
    [['ledger'], 'USAGE_FLAG', /--broker is missing/],
    [['status', '--config', '/nowhere.yaml'], 'CONFIG_UNREADABLE', /nowhere\.yaml/]
  ]
  for (const [argv, code, says] of cases) {
    const name = argv.join(' ')
    const ran = await run(argv)
    t.equal(ran.exit, 2, `${name}: exit code`)
    t.equal(ran.out, '', `${name}: nothing on stdout`)
    const [what, next] = ran.err.split('\n') as [string, string]
    t.match(what, says, name)
    t.ok(what.startsWith('wattproof: ') && what.endsWith(` (${code})`), `${name}: ${what}`)
    t.match(next, /^ {2}→ ./, `${name}: next step`)
    const json = JSON.parse((await run(['--json', ...argv])).err)
    t.match(json, { error: { code, message: String } }, `${name} --json`)
    const inChinese = (await run(['--lang', 'zh', ...argv])).err
    t.ok(inChinese.startsWith(`wattproof: ${ERROR_TEXTS_ZH[code]}:`), inChinese)
    t.ok(inChinese.includes(`(${code})`))
  }
  t.same(
    JSON.parse((await run(['read', '--address', '1', '--json', '--lang', 'zh'])).err).error.message,
    'no port was named',
    'JSON errors are the same in every language'
  )
})

t.test('exit codes follow the code of the error', async t => {
  const throwing = (error: unknown): Verb => ({
    name: 'fail',
    summary: ['fails', '失败'],
    run: async () => {
      throw error
    }
  })
  const unreachable = Object.assign(new UsageError('USAGE_FLAG', 'gone', { next: 'look' }), {
    code: 'BUS_MISSING'
  })
  const ran = await run(['fail'], { verbs: [throwing(unreachable)] })
  t.equal(ran.exit, 3)
  t.equal(ran.err, 'wattproof: gone (BUS_MISSING)\n  → look\n')
  const defect = await run(['fail', '--json'], { verbs: [throwing(new TypeError('oops'))] })
  t.equal(defect.exit, 3)
  t.equal(JSON.parse(defect.err).error.code, 'DEFECT')
  const ended = new AbortController()
  ended.abort(new Error('stopped'))
  t.equal(
    (await run(['fail'], { verbs: [throwing(ended.signal.reason)], signal: ended.signal })).exit,
    0,
    'a signal is no error'
  )
  t.equal((await run(['--version'])).out, '9.9.9\n')
})

t.test('every command speaks both languages, and its help fits the terminal', async t => {
  const names = new Set<string>()
  for (const verb of VERBS) {
    t.notOk(names.has(verb.name), `${verb.name} is there once`)
    names.add(verb.name)
    const texts = [
      verb.summary,
      ...(verb.options ?? []).map(option => option.about),
      ...(verb.args ?? []).map(arg => arg.about)
    ]
    for (const [en, zh] of texts) {
      t.ok(en.length > 1 && !chinese.test(en), `${verb.name}: ${en}`)
      t.ok(zh.length > 1, `${verb.name}: ${en} has a Chinese text`)
    }
    t.match(verb.summary[1], chinese, verb.name)
    t.ok(displayWidth(verb.summary[0]) <= 90 && displayWidth(verb.summary[1]) <= 90, `${verb.name} is short`)
    const flags = optionsOf(verb).flatMap(flagNames)
    t.equal(new Set(flags).size, flags.length, `${verb.name}: every flag once`)
    for (const lang of ['en', 'zh'] as const) {
      const { exit, out } = await run([...verb.name.split(' '), '--help', '--lang', lang])
      t.equal(exit, 0)
      t.ok(out.includes(`Usage: wattproof ${verb.name}`), verb.name)
      for (const flag of flags) t.ok(out.includes(flag), `${verb.name} --help names ${flag}`)
      const [help] = out.split(/\n(?:Examples|示例):\n/) as [string]
      for (const line of help.split('\n')) t.ok(displayWidth(line) <= 80, `${verb.name} ${lang}: ${line}`)
    }
  }
  const { out } = await run(['--help'])
  for (const verb of VERBS) t.ok(out.includes(`  ${verb.name.split(' ')[0]}`), verb.name)
  for (const line of out.split('\n')) t.ok(line.length <= 80, line)
  for (const group of new Set(
    VERBS.flatMap(verb => (verb.name.includes(' ') ? [verb.name.split(' ')[0] as string] : []))
  ))
    t.match((await run([group, '--help', '--lang', 'zh'])).out, chinese, `group ${group} has a text`)
})

/** Codes of every `export type XxxCode` of the sources, whatever comments stand among them. */
function declaredCodes(): Map<string, string> {
  const root = packageRoot()
  const declared = new Map<string, string>()
  for (const folder of ['agent', 'config', 'drivers', 'proto']) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.endsWith('.d.ts')) continue
      const text = readFileSync(join(root, folder, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
      for (const block of text.matchAll(/export type \w+Code =((?:\s*\|?\s*'[A-Z0-9_]+')+)/g))
        for (const code of (block[1] as string).matchAll(/'([A-Z0-9_]+)'/g))
          declared.set(code[1] as string, join(folder, file))
    }
  }
  return declared
}

t.test('every error code has a Chinese meaning and a row in docs/errors.md', async t => {
  const declared = declaredCodes()
  t.ok(declared.size > 80)
  const page = readFileSync(join(packageRoot(), 'docs/errors.md'), 'utf8')
  const rows = new Map(
    [...page.matchAll(/^\| `([A-Z0-9_]+)` \| (.+) \| (.+) \|$/gm)].map(row => [row[1], row])
  )
  for (const [code, file] of [...declared, ['DEFECT', 'program.ts'] as const]) {
    t.match(ERROR_TEXTS_ZH[code], chinese, `${code} (${file}) has a Chinese meaning`)
    t.ok(rows.has(code), `docs/errors.md has ${code} (${file})`)
  }
  for (const code of [...Object.keys(ERROR_TEXTS_ZH), ...rows.keys()])
    t.ok(declared.has(code as string) || code === 'DEFECT', `${code} is declared`)
})

t.test(
  'the tables of commands in the READMEs are current (npm run build && node tools/docs.mjs)',
  async t => {
    for (const [file, lang] of [
      ['README.md', 'en'],
      ['README.zh-CN.md', 'zh']
    ] as const) {
      const page = readFileSync(join(packageRoot(), file), 'utf8')
      t.equal(page, updateCommands(page, VERBS, lang), file)
    }
    t.throws(() => updateCommands('no markers', VERBS, 'en'), RangeError)
  }
)

t.test('completion knows commands, sub-commands, flags and choices', async t => {
  const dir = t.testdir({ 'proof.bin': '' })
  const { out, exit } = await run(['completion', 'bash'])
  t.equal(exit, 0)
  t.equal(out, `${completionScript(VERBS, 'bash', 'en')}\n`)
  const script = join(dir, 'wattproof.bash')
  writeFileSync(script, out)
  const checked = spawnSync('bash', ['-n', script], { encoding: 'utf8' })
  t.equal(checked.status, 0, checked.stderr)
  const cases: [string[], (words: string[]) => boolean][] = [
    [[''], words => words.includes('status') && words.includes('keys') && !words.includes('init')],
    [['sta'], words => words.join() === 'status'],
    [['keys', ''], words => ['init', 'show', 'rotate', 'register'].every(word => words.includes(word))],
    [['config', 'sc'], words => words.join() === 'schema'],
    [['read', '--par'], words => words.join() === '--parity'],
    [['read', '--parity', ''], words => words.join() === 'even,none,odd'],
    [['read', '--parity', 'even', '--protocol', 'mo'], words => words.join() === 'modbus'],
    [['keys', 'init', '--l'], words => words.includes('--ledger') && words.includes('--lang')],
    [['status', '--lang', 'z'], words => words.join() === 'zh'],
    [['verify', 'pro'], words => words.join() === 'proof.bin'],
    [['verify', '--gateway-key', 'pro'], words => words.join() === 'proof.bin'],
    [['proof', '-o', 'pro'], words => words.join() === 'proof.bin'],
    [['readings', '--meter', 'pro'], words => words.length === 0],
    [['completion', 'z'], words => words.join() === 'zsh'],
    [['nonsense', '--x'], words => words.length === 0]
  ]
  const calls = cases.map(
    ([words]) =>
      `COMP_WORDS=(wattproof ${words.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; ` +
      `_wattproof; echo "\${COMPREPLY[*]}"`
  )
  const answered = spawnSync('bash', ['-c', `source '${script}'\n${calls.join('\n')}`], {
    cwd: dir,
    encoding: 'utf8'
  })
  t.equal(answered.stderr, '')
  const answers = answered.stdout.split('\n').map(line => line.split(' ').filter(word => word !== ''))
  cases.forEach(([words, holds], n) => {
    t.ok(holds(answers[n] ?? []), `${words.join(' ')}: ${answers[n]?.join(' ')}`)
  })
  const zsh = (await run(['completion', 'zsh', '--lang', 'zh'])).out
  t.ok(zsh.startsWith('#compdef wattproof\n'))
  t.match(zsh, /'--parity\[校验\]:value:\(even none odd\)'/)
  for (const verb of VERBS) t.ok(zsh.includes(`'${verb.name}') _arguments `), verb.name)
  t.equal(zsh.split("'").length % 2, 1, 'quotes come in pairs')
})

const CONFIG = `
gateway: { id: BD-QY-0017, timezone: Asia/Shanghai }
state: state
slot: 15m
buses: [{ name: b1, port: "serial:/dev/no-such-port", baud: 2400, parity: even }]
meters:
  - { id: M1, bus: b1, protocol: dlt645, address: "000000000001", ct: 150/5, ratedKva: 100, items: standard }
  - { id: M2, bus: b1, protocol: dlt645, address: "000000000002", ct: 150/5, ratedKva: 100, items: standard }
`

/** Twelve slots of a steady load; the meter's CT register says `register`. */
function slotsOf(meter: MeterPoint, register: number, count = 12): Reading[] {
  return Array.from({ length: count }, (_, n) =>
    reading(meter, SLOT + n, { ...threePhase(1.2, 1000 + n * 0.3, SLOT + n), 450: register, 451: 1 })
  )
}

t.test('check --replay', async t => {
  const asText = (readings: readonly Reading[]) =>
    JSON.stringify(readings.map(one => readingToJson(one, 900)))
  const right = asText(slotsOf(meterPoint(), 30))
  const wrong = asText(slotsOf(meterPoint(), 40))
  const dir = t.testdir({ 'right.json': right, 'wrong.json': wrong, 'gateway.yaml': CONFIG })
  const good = await run(['check', '--replay', join(dir, 'right.json'), '--json'])
  t.equal(good.exit, 0, good.out + good.err)
  t.match(JSON.parse(good.out), { holds: true, meters: 1, readings: 12, findings: [] })
  const bad = await run(['check', '--replay', '-', '--json'], { stdin: wrong })
  t.equal(bad.exit, 1)
  t.match(JSON.parse(bad.out), {
    holds: false,
    findings: [{ meter: 'M1', rule: 'ratio', class: 'serious', factor: 0.75, slotStart: String }]
  })
  const table = await run(['check', '--replay', join(dir, 'wrong.json'), '--lang', 'zh'])
  t.equal(table.exit, 1)
  t.match(table.out, /M1 +ratio +serious/)
  t.match(table.out, /1 个计量点共 12 条读数/)
  const withConfig = await run([
    ...['check', '--replay', join(dir, 'wrong.json'), '--config', join(dir, 'gateway.yaml'), '--json']
  ])
  t.equal(JSON.parse(withConfig.out).meters, 2, 'the meters of the configuration are known')
  const garbage = await run(['check', '--replay', '-'], { stdin: '{"id":"M1","ratedKva":80}\n' })
  t.equal(garbage.exit, 0, 'a line that only describes a meter is no reading')
  const broken = await run(['check', '--replay', '-'], { stdin: '{"slot":5}\nx\n' })
  t.equal(broken.exit, 2)
  t.match(broken.err, /\[-, line 1\] \(CODEC_SHAPE\)/)
})

t.test('ratio show explains what the tests say', async t => {
  const rules = loadRules()
  const options = { slotSeconds: 900, utcOffsetMinutes: 480 }
  const meter = meterPoint()
  const none = explainRatio(meter, [], memory(), rules, options)
  t.match(none, { verdict: 'no-evidence', slot: null, tests: [], archive: { ct: '150/5', pt: '1/1' } })
  const readings = slotsOf(meter, 40)
  const gap = gapReading(meter, SLOT + 12, 'silent')
  const fresh = explainRatio(meter, [...readings].reverse().concat(gap), memory(), rules, options)
  t.match(fresh, { verdict: 'violated', factor: 0.75, likely: { ct: '200/5', pt: null }, slot: SLOT + 11 })
  t.match(fresh.register, { ct: 40, pt: null })
  t.match(
    fresh.tests.find(test => test.rule === 'ratio-register'),
    { verdict: 'violated', factor: 0.75, title: { zh: chinese } }
  )
  const learned = memory()
  const stage = new CheckStage({ meters: [meter], rules, learned, ...options })
  stage.start()
  for (const one of readings) stage.onSlot(one.slot, [one])
  stage.flush()
  const before = learned.get('check/meter/M1')
  const again = explainRatio(meter, readings.slice(-3), learned, rules, options)
  t.match(again, { verdict: 'violated', register: { ct: 40 }, slot: SLOT + 11 })
  t.equal(learned.get('check/meter/M1'), before, 'nothing is written')

  const dir = t.testdir({ 'gateway.yaml': CONFIG })
  const file = join(dir, 'gateway.yaml')
  t.match(await run(['ratio', 'show', '--config', file]), { exit: 3, err: /STORE_MISSING/ })
  const store = openStore(loadConfig(file))
  store.appendReadings('b1', slotsOf(meterPoint({ id: 'M1' }), 40))
  store.appendReadings('b1', slotsOf(meterPoint({ id: 'M2' }), 30))
  store.close()
  const all = await run(['ratio', 'show', '--config', file, '--json'])
  t.equal(all.exit, 1)
  t.match(JSON.parse(all.out), [
    { meter: 'M1', verdict: 'violated', likely: { ct: '200/5' }, slotStart: slotLabel(SLOT + 11, 900) },
    { meter: 'M2', verdict: 'holds', factor: null, alarmSince: null }
  ])
  const one = await run(['ratio', 'show', '--meter', 'M2', '--config', file])
  t.equal(one.exit, 0)
  t.match(one.out, /^M2 {2}consistent\n {2}archive {3}CT 150\/5/)
  t.match((await run(['ratio', 'show', '--meter', 'M1', '--config', file, '--lang', 'zh'])).out, /M1 {2}矛盾/)
  t.match(await run(['ratio', 'show', '--meter', 'M9', '--config', file]), {
    exit: 2,
    err: /USAGE_NOT_FOUND/
  })

  const shown = await run(['readings', '--config', file, '--json', '--meter', 'M1', '--limit', '2'])
  t.equal(JSON.parse(shown.out).length, 2)
  t.equal((await run(['gaps', '--config', file])).out, 'no gaps\n')
  for (const verb of ['readings', 'gaps'])
    t.match(await run([verb, '--config', file, '--meter', 'M9']), { exit: 2, err: /USAGE_NOT_FOUND/ }, verb)
  t.match(await run(['verify', file]), {
    exit: 1,
    out: /DOES NOT HOLD\nThis file is no proof.*ask for it again/
  })
  const verify = await run([
    ...[
      'ratio',
      'verify',
      '--meter',
      'M1',
      '--phase',
      'A',
      '--primary-amps',
      '118',
      '--config',
      file,
      '--json'
    ]
  ])
  t.equal(verify.exit, 3, 'a line that is not there')
  t.match(JSON.parse(verify.out), { verdict: 'no-evidence', samples: 0, errors: [{ kind: 'busDown' }] })
})

t.test('keys rotate: whatever cuts it off, one identity is in force and it is finished later', async t => {
  const dir = t.testdir({ 'gateway.yaml': CONFIG })
  const at = ['--config', join(dir, 'gateway.yaml')]
  const config = loadConfig(at[1] as string)
  const folder = join(dir, 'state/keys')
  const shown = async () => JSON.parse((await run(['keys', 'show', '--json', ...at])).out)
  t.match(await run(['keys', 'rotate', ...at]), { exit: 2, err: /HOST_SECRET_MISSING/ })
  t.equal((await run(['keys', 'init', ...at])).exit, 0)
  const first = await shown()
  const plan = { signing: true, chain: true, nowMs: 1_800_000_000_000 }
  const points = ['made', 'stated', 'kept', 'switched'] as const
  for (const point of points) {
    const hit = (reached: string) => {
      if (reached === point) throw new Error('killed')
    }
    t.throws(() => rotateIdentity(config, { ...plan, chain: false, hit }), { message: 'killed' }, point)
    const { signer } = loadIdentity(config)
    t.equal(toHex(signer.kid) === first.keyId, point !== 'switched', `in force after ${point}`)
    const { keyId: kid } = openBundle((await run(['keys', 'register', ...at])).out)
    t.equal(kid, toHex(signer.kid), 'and it can be registered')
  }
  const second = await shown()
  t.match(second, { replaces: first.keyId, replacedAt: '2027-01-15T08:00:00.000Z' })
  t.same(rotateIdentity(config, { ...plan, chain: false }), { signing: 'waiting' }, 'not used yet: it stays')
  t.equal((await shown()).keyId, second.keyId)
  for (const point of ['made', 'kept', 'switched']) {
    const hit = (reached: string, key: string) => {
      if (key === 'chain' && reached === point) throw new Error('killed')
    }
    t.throws(() => rotateIdentity(config, { ...plan, hit }), { message: 'killed' }, `chain, ${point}`)
    t.equal((await shown()).chainAccount === first.chainAccount, point !== 'switched')
  }
  t.same(rotateIdentity(config, plan), { signing: 'waiting', chain: 'waiting' })
  const third = await shown()
  t.match(third, { keyId: second.keyId, chainAccountsBefore: first.chainAccount })
  for (const name of readdirSync(folder)) t.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name)
  t.same(readdirSync(folder).sort(), [
    `chain.${first.chainAccount.toLowerCase()}.old.key`,
    'chain.key',
    'device.secret',
    `gateway.${first.keyId}.old.pem`,
    'gateway.key.pem',
    'replaced.json'
  ])

  const again = await run(['keys', 'rotate', '--both', ...at])
  t.match(again, { exit: 0, err: /has signed nothing yet[\s\S]*--register bundle\.json[\s\S]*admit\(/ })
  t.match(openBundle(again.out), { keyId: second.keyId, replaces: [{ keyId: first.keyId }] })
  t.match(await run(['keys', 'rotate', '--json', ...at]), { exit: 0, err: '' })
  const chineseAdvice = await run(['keys', 'rotate', ...at], { env: { LANG: 'zh_CN.UTF-8' } })
  t.match(chineseAdvice.err, /守护进程/)

  const drop = (identity: Parameters<typeof dropSpentKeys>[1], delivered: boolean) =>
    dropSpentKeys(config, identity, spentStore(loadIdentity(config), delivered), QUIET)
  drop(loadIdentity(config), false)
  t.equal(readdirSync(folder).length, 6, 'kept while the ledger has not acknowledged the new key')
  const signer = createSigner(readPemSecret(join(folder, `gateway.${first.keyId}.old.pem`)))
  const oldAccount = readHexSecret(join(folder, `chain.${first.chainAccount.toLowerCase()}.old.key`))
  drop({ signer, chainKey: oldAccount }, true)
  t.equal(readdirSync(folder).length, 6, 'a daemon that was not restarted removes nothing')
  drop(loadIdentity(config), true)
  t.same(readdirSync(folder).sort(), ['chain.key', 'device.secret', 'gateway.key.pem', 'replaced.json'])

  writeFileSync(join(folder, 'replaced.json'), '[{}]', { mode: 0o600 })
  t.match(await run(['keys', 'register', ...at]), { exit: 2, err: /replaced\.json[\s\S]*CRYPTO_KEY/ })
})

t.test('batches and status say when a batch was sealed', async t => {
  const at = ['--json', '--config', join(t.testdir({ 'gateway.yaml': CONFIG }), 'gateway.yaml')]
  const store = openStore(loadConfig(at[2] as string))
  store.appendReadings('b1', slotReadings(100))
  store.commitBatch(sealAs({ created: 1_700_000_000 }))
  store.close()
  t.match(JSON.parse((await run(['batches', ...at])).out), [{ createdAt: '2023-11-14T22:13:20.000Z' }])
  const { queue } = JSON.parse((await run(['status', ...at])).out)
  t.match(queue, { undelivered: 1, oldestUndelivered: '2023-11-14T22:13:20.000Z' })
})

/** A bundle as printed, every signature checked. */
function openBundle(text: string): RegistrationBundle {
  openRegistration(text)
  return JSON.parse(text)
}

/** Just enough of a store after a rotation: a batch of this key that the ledger has, and an anchor of this account that is final. */
function spentStore(identity: Identity, delivered: boolean): Parameters<typeof dropSpentKeys>[2] {
  const anchor = encodeSigned({
    body: Uint8Array.of(1),
    kid: identity.signer.kid,
    signature: new Uint8Array(64)
  })
  return {
    queryBatches: () => (delivered ? [{ anchor } as StoredBatch] : []),
    undelivered: () => [],
    undeliveredAlarms: () => [],
    attempts: () => (delivered ? [{ from: ethereumAddress(identity.chainKey) } as AnchorAttempt] : [])
  }
}

t.test('the clamp test', async t => {
  const meter = meterPoint()
  const cases: [number, number[], object][] = [
    [118, [3.93, 3.94, 3.95], { verdict: 'holds', nearest: '150/5', archive: '150/5', factorName: null }],
    [118, [2.95, 2.95, 2.95], { verdict: 'violated', ratio: 40, nearest: '200/5', factor: 0.75 }],
    [118, [1.966, 1.967], { verdict: 'violated', nearest: '300/5', factorName: 'x1/2' }],
    [118, [118, 118.2], { verdict: 'violated', factorName: 'CT' }],
    [118, [3.7, 3.7], { verdict: 'violated', nearest: '160/5' }],
    [118, [-3.93, -3.94], { verdict: 'holds' }],
    [118, [2, 4, 6], { verdict: 'no-evidence' }],
    [1, [0.03], { verdict: 'no-evidence', ratio: null, factor: null }],
    [118, [], { verdict: 'no-evidence', samples: 0 }]
  ]
  for (const [amps, samples, result] of cases)
    t.match(judgeClamp(meter, amps, samples), result, `${amps} A, ${samples.join(' ')}`)
  const direct = meterPoint({ ct: { primary: 1, secondary: 1 } })
  t.match(judgeClamp(direct, 20, [20.1, 20]), { verdict: 'holds', nearest: '5/5' })
})

t.test('profiles', async t => {
  const dir = t.testdir()
  const list = JSON.parse((await run(['profile', 'list', '--json'])).out)
  t.ok(Array.isArray(list) && list.length >= 18)
  for (const profile of list) t.equal(profile.golden.holding, profile.golden.values, profile.name)
  t.match((await run(['profile', 'list'])).out, /eastron-sdm630 +Eastron/)
  const file = join(dir, 'my-meter.yaml')
  t.equal((await run(['profile', 'new', 'my-meter', '-o', file])).exit, 0)
  t.ok(existsSync(file))
  const checked = await run(['profile', 'check', file, '--json'])
  t.match(JSON.parse(checked.out), { holds: true, profiles: [{ name: 'my-meter', failures: [] }] })
  t.match(await run(['profile', 'new', 'my-meter', '-o', file]), { exit: 2, err: /not overwritten/ })
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('"220.0"', '"221.0"'))
  const wrong = await run(['profile', 'check', file])
  t.equal(wrong.exit, 1)
  t.match(wrong.out, /voltage-a is 220\.00, expected 221\.0/)
  writeFileSync(file, text.replace('voltage-a, address', 'voltage-x, address'))
  t.match(await run(['profile', 'check', file]), { exit: 2, err: /my-meter\.yaml:\d+:\d+.*PROFILE_INVALID/ })
  const copy = await run(['profile', 'new', 'own-em3', '--from', 'eastron-sdm120'])
  t.match(copy.out, /^name: own-em3\nmaker: Eastron/)
  t.equal(JSON.parse((await run(['profile', 'new', 'own', '--json'])).out).name, 'own')
  t.equal((await run(['profile', 'check', 'eastron-sdm630', 'acrel-adl400'])).exit, 0)
})

t.test('alarms say how far they have come on their way to the chain', async t => {
  const dir = t.testdir({ 'gateway.yaml': CONFIG })
  const configFile = join(dir, 'gateway.yaml')
  const store = openStore(loadConfig(configFile))
  const alarm = (id: number): StoredAlarm => ({
    ...{
      id,
      meter: 'M1',
      bus: 'b1',
      rule: 'ratio',
      state: 'raised',
      class: 'serious',
      raisedAt: 1_790_000_000_000
    },
    ...{ clearedAt: null, acknowledgedAt: null, shelvedUntil: null, evidence: '{}', delivered: false },
    signed: Uint8Array.of(id)
  })
  for (const id of [1, 2, 3]) store.saveAlarm(alarm(id), id > 1)
  store.saveAttempt({
    ...{ alarm: 3, n: 1, chainId: 1n, from: '0xA', nonce: 0n, raw: Uint8Array.of(1), txHash: '0xab' },
    ...{ state: 'final', createdAt: 1, blockNumber: 7n, blockHash: '0xb', finalAt: 2, detail: null }
  })
  store.close()
  const shown = JSON.parse((await run(['alarms', '--config', configFile, '--json'])).out)
  t.same(
    shown.map((row: { id: number; chain: unknown }) => [row.id, row.chain]),
    [
      [3, { state: 'final', txHash: '0xab', blockNumber: '7', detail: null }],
      [2, { state: 'due', txHash: null, blockNumber: null, detail: null }],
      [1, null]
    ]
  )
  const [head, ...rows] = (await run(['alarms', '--config', configFile, '--lang', 'zh'])).out.split('\n')
  t.match(head, /上链/)
  t.match(rows, [/ final {2,}/, / due {2,}/, / - {2,}/])
  t.ok((rows[0] ?? '').indexOf('{}') < 78, 'the numbers begin on a terminal of 80 columns')
})

t.test('gaps join to spans', async t => {
  const meter = meterPoint()
  const gaps = [0, 1, 2, 5].map(n => gapReading(meter, SLOT + n, n === 2 ? 'garbage' : 'silent'))
  const filled = { ...slotsOf(meter, 30, 1)[0], slot: SLOT + 5, version: 2 } as Reading
  t.same(findGaps([...gaps, filled]), [
    { meter: 'M1', reason: 'silent', fromSlot: SLOT, toSlot: SLOT + 1, slots: 2 },
    { meter: 'M1', reason: 'garbage', fromSlot: SLOT + 2, toSlot: SLOT + 2, slots: 1 }
  ])
})
