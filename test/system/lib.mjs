// Parts for the system tests: a whole site of real processes over the built program in dist/.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const MAIN = join(ROOT, 'dist/agent/main.js')
export const wait = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Runs `wattproof ARGS` to its end. */
export function cli(args, { node = process.execPath, input } = {}) {
  const run = spawnSync(node, [MAIN, ...args], { encoding: 'utf8', input, timeout: 180_000 })
  return { code: run.status, out: run.stdout, err: run.stderr, json: () => JSON.parse(run.stdout) }
}

/** Runs `wattproof ARGS` to its end beside others. */
export function cliAsync(args, { node = process.execPath, env = process.env } = {}) {
  return new Promise(resolve => {
    execFile(node, [MAIN, ...args], { encoding: 'utf8', timeout: 180_000, env }, (error, out, err) => {
      resolve({ code: error ? error.code : 0, out, err, json: () => JSON.parse(out) })
    })
  })
}

/** Starts `wattproof ARGS` and waits for its first JSON line. It dies with this process (IPC channel). */
export function start(args, { node = process.execPath, readyMs = 30_000, onError } = {}) {
  const child = spawn(node, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  const tail = []
  createInterface({ input: child.stderr }).on('line', line => {
    tail.push(line)
    if (tail.length > 200) tail.shift()
    onError?.(line)
  })
  const ended = new Promise(resolve => child.once('exit', (code, signal) => resolve({ code, signal })))
  const ready = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${args[0]}: not ready\n${tail.join('\n')}`)), readyMs)
    createInterface({ input: child.stdout }).on('line', line => {
      if (!line.startsWith('{')) return
      clearTimeout(timer)
      resolve(JSON.parse(line))
    })
    void ended.then(({ code, signal }) => {
      clearTimeout(timer)
      reject(new Error(`${args[0]}: ended with ${code ?? signal}\n${tail.join('\n')}`))
    })
  })
  ready.catch(() => {})
  return {
    child,
    ready,
    ended,
    tail: () => tail.join('\n'),
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    }
  }
}

/** A free TCP port on the loopback interface. */
export function freePort() {
  return new Promise(resolve => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

const open = new Set()
/** Ends with the test, however it ends. */
export function onEnd(close) {
  open.add(close)
}

/** Runs one system test: prints each check, exits 1 when one fails, and leaves nothing behind. */
export async function systemTest(name, body) {
  const folder = mkdtempSync(join(tmpdir(), `wattproof-${name}-`))
  let failed = 0
  const check = (what, holds, detail = '') => {
    if (!holds) failed++
    console.log(`${holds ? 'ok' : 'not ok'} - ${what}${detail ? ` # ${detail}` : ''}`)
  }
  try {
    await body({ folder, check })
  } catch (error) {
    failed++
    console.log(`not ok - ${name}: ${error.stack ?? error}`)
  } finally {
    for (const close of [...open].reverse()) await Promise.resolve(close()).catch(() => {})
    rmSync(folder, { recursive: true, force: true })
  }
  process.exit(failed === 0 ? 0 : 1)
}

export const imported = path => import(join(ROOT, 'dist', path))

/** Three quick meters of both protocols on two lines: a sweep takes well under a second. */
export const METERS = [
  { id: 'S-1', bus: 'b1', protocol: 'dlt645', address: '000000000001' },
  { id: 'S-2', bus: 'b1', protocol: 'modbus', address: '2', profile: 'eastron-sdm630' },
  { id: 'S-3', bus: 'b2', protocol: 'dlt645', address: '000000000003' }
]
const BUSES = [
  { name: 'b1', baud: 38400, parity: 'even' },
  { name: 'b2', baud: 38400, parity: 'even' }
]

export function writeYaml(path, value) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, stringify(value))
  return path
}

/**
 * Starts simulator, chain and ledger around a gateway; the agent itself is started by the test.
 * `spikesOf(n)` gives the load spikes of the n-th meter.
 */
export async function startSite(
  folder,
  { slotSeconds, brokerUrl, gateway = 'SYS-0001', meters = METERS, withChain = true, rules, spikesOf }
) {
  const simulation = writeYaml(join(folder, 'simulation.yaml'), {
    slotSeconds,
    seed: 7,
    buses: BUSES.map(bus => ({
      ...bus,
      meters: meters
        .filter(meter => meter.bus === bus.name)
        .map(({ address, protocol, profile }) => ({
          address,
          protocol,
          ...(profile ? { profile } : {}),
          turnaroundMs: 10,
          ratedKva: 50,
          loadKw: 20,
          ...(spikesOf ? { spike: spikesOf(meters.findIndex(meter => meter.address === address)) } : {})
        }))
    }))
  })
  const simulator = start(['simulate', '--config', simulation])
  onEnd(() => simulator.stop())
  const { lines } = await simulator.ready
  const ledgerKeys = cli(['keys', 'init', '--ledger', join(folder, 'ledger'), '--json']).json()
  const base = {
    gateway: { id: gateway },
    state: 'gateway',
    slot: `${slotSeconds}s`,
    buses: BUSES.map(bus => ({ ...bus, port: `serial:${lines.find(line => line.bus === bus.name).path}` })),
    meters,
    ...(rules ? { rules } : {}),
    broker: { url: brokerUrl },
    recipients: [{ name: 'ledger', key: ledgerKeys.encPublic }],
    ledger: { receiptKey: ledgerKeys.signPublic }
  }
  const config = writeYaml(join(folder, 'gateway.yaml'), base)
  const made = cli(['keys', 'init', '--config', config, '--json'])
  if (made.code !== 0) throw new Error(made.err)
  const bundle = join(folder, 'bundle.json')
  writeFileSync(bundle, cli(['keys', 'register', '--config', config]).out)
  const { chainAccount } = made.json()
  let chain
  let contract
  if (withChain) {
    const [
      { startAnvil },
      { deployContract, admitGateway },
      { openEvmChain },
      { loadContract },
      { createContractCodec },
      { keccak256 },
      { createClock },
      { createLog }
    ] = await Promise.all(
      [
        'drivers/chain/anvil.js',
        'agent/anchor/registry.js',
        'drivers/chain/evm.js',
        'drivers/chain/artefact.js',
        'proto/chain/contract-codec.js',
        'proto/crypto/digest.js',
        'drivers/host/clock.js',
        'drivers/host/log.js'
      ].map(imported)
    )
    chain = await startAnvil({ blockSeconds: 1 })
    onEnd(() => chain.stop())
    const clock = createClock()
    const sender = {
      chain: openEvmChain({ rpc: [chain.url], clock, log: createLog({ level: 'silent', clock }) }),
      clock,
      codec: createContractCodec(keccak256),
      privateKey: new Uint8Array(32).fill(7)
    }
    contract = await deployContract(sender, loadContract().bytecode)
    await admitGateway(sender, contract, gateway, chainAccount)
    writeYaml(config, {
      ...base,
      chain: { kind: 'evm', rpc: [chain.url], contract, finality: 1, poll: '200ms' }
    })
  }
  const ledgerDb = join(folder, 'ledger.db')
  const ledgerArgs = [
    'ledger',
    '--json',
    '--broker',
    brokerUrl,
    '--key',
    ledgerKeys.key,
    '--db',
    ledgerDb,
    '--register',
    bundle
  ]
  return {
    simulator,
    lines,
    config,
    bundle,
    gateway,
    chain,
    contract,
    ledgerDb,
    ledgerArgs,
    ledgerKeys,
    chainAccount,
    meters
  }
}

/** Hashes of the raises the ledger holds of a gateway by one rule, and those the contract's events carry, as hex. */
export async function readFiled({ ledgerDb, gateway, chain, contract }, rule) {
  const [
    { readLedgerAlarms },
    { alarmHash },
    { decodeAlarm },
    { decodeSigned },
    { createContractReader },
    { openEvmChain },
    { createContractCodec, gatewayKey },
    { keccak256 },
    { createClock },
    { createLog },
    { toHex }
  ] = await Promise.all(
    [
      'drivers/store/ledger-alarms.js',
      'proto/envelope/signed-objects.js',
      'proto/wire/alarm.js',
      'proto/wire/signed.js',
      'agent/anchor/contract-reader.js',
      'drivers/chain/evm.js',
      'proto/chain/contract-codec.js',
      'proto/crypto/digest.js',
      'drivers/host/clock.js',
      'drivers/host/log.js',
      'proto/bytes.js'
    ].map(imported)
  )
  const raised = readLedgerAlarms(ledgerDb, gateway).filter(signed => {
    const alarm = decodeAlarm(decodeSigned(signed).body)
    return alarm.state === 'raised' && alarm.rule === rule
  })
  const clock = createClock()
  const node = openEvmChain({ rpc: [chain.url], clock, log: createLog({ level: 'silent', clock }) })
  const reader = createContractReader(node, contract, createContractCodec(keccak256))
  const filter = { fromBlock: 0n, toBlock: 'latest', name: 'AlarmFiled', gateway: gatewayKey(gateway) }
  const events = await reader.events(filter)
  return {
    raised: raised.map(signed => toHex(alarmHash(signed))).sort(),
    filed: events.map(({ event }) => toHex(event.fields.evidence)).sort()
  }
}

/** The ledger's own account of a gateway, read from its database. */
export async function readLedger(ledgerDb, gateway) {
  const { openLedgerStore } = await imported('drivers/store/ledger-store.js')
  const store = openLedgerStore(ledgerDb, { nowMs: Date.now, readOnly: true })
  try {
    return { counts: store.counts(gateway), head: store.head(gateway), readings: store.readings({ gateway }) }
  } finally {
    store.close()
  }
}

/** What must hold of a ledger however the agent was treated. */
export function checkLedger(check, { counts, head, readings }, meters) {
  const keys = new Set(readings.map(r => `${r.meter} ${r.slot} ${r.version}`))
  check('no record is there twice', keys.size === readings.length, `${readings.length} records`)
  const first = readings.filter(r => r.version === 1)
  const slots = [...new Set(first.map(r => r.slot))].sort((a, b) => a - b)
  const contiguous = slots.every((slot, i) => i === 0 || slot === slots[i - 1] + 1)
  check('every slot is there, without a hole', contiguous && slots.length > 0, `${slots.length} slots`)
  check(
    'every meter is in every slot',
    first.length === slots.length * meters.length,
    `${first.length} records of version 1`
  )
  check('no fork and nothing refused', counts.evidence === 0, `${counts.evidence} pieces of evidence`)
  check(
    'sequence is contiguous',
    head !== undefined && counts.anchors === head.seq + 1,
    `${counts.anchors} anchors, head ${head?.seq}`
  )
  return slots
}
