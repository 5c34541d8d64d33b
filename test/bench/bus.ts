import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { catalogueEntry } from '../../proto/dlt645/catalogue.ts'
import { ITEMS } from '../../proto/items.ts'
import { planReads, serialCosts } from '../../proto/modbus/read-plan.ts'
import { measureCpu } from './bus-cpu.ts'
import { soakBus } from './bus-soak.ts'
import { openYardstick, type Yardstick, type YardstickConfig, type YardstickResult } from './bus-yardstick.ts'

const USAGE = `usage: bench bus [SCENARIOS.json] [--yardstick DIR] [--only ID,ID] [--long] [--no-peers] [--agent MAIN.js] [--repeat N] [--soak N] [--cpu N]
  Reads every scenario once with "wattproof sweep" and prints the yardstick's score lines, one JSON document each.
  --yardstick  folder with bussim.c, planner.py, scenario.py (default ../shared/bus)
  --long       scenarios marked long as well
  --soak       N transactions over a line in memory instead: time each and resident memory
  --cpu        N transactions of one meter at 2400 and at 9600 baud instead: CPU time each, ours beside serialport and modbus-serial
  --no-peers   not beside it, where all meters speak Modbus: modbus-serial's loop, libmodbus and pymodbus where installed
`

/** What a peer does with a bus: the same planned ranges, its own framing and timing. */
const PEERS = ['modbus-serial', 'libmodbus', 'pymodbus'] as const
const PEER_PROGRAM = new URL('./bus-peer.js', import.meta.url)
const MAX_OUTPUT = 2 ** 28

/** Names of the catalogue for the data identifiers the yardstick asks for. */
const NAMES = new Map(
  ITEMS.flatMap(item => {
    const entry = catalogueEntry(item.id, '2007')
    return entry ? [[String(entry.di), item.key] as const] : []
  })
)

/** Runs the scenarios. @returns the exit code: 1 when a wrong value was accepted or a t3.5 violated */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      yardstick: { type: 'string', default: '../shared/bus' },
      agent: { type: 'string', default: fileURLToPath(new URL('../../agent/main.js', import.meta.url)) },
      only: { type: 'string' },
      repeat: { type: 'string', default: '1' },
      soak: { type: 'string' },
      cpu: { type: 'string' },
      long: { type: 'boolean', default: false },
      'no-peers': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.soak) return soakBus(Number(values.soak))
  const folder = resolve(values.yardstick)
  const file = positionals[0] ?? join(folder, 'scenarios-public.json')
  if (values.help || !existsSync(file) || !existsSync(join(folder, 'bussim.c'))) {
    process.stderr.write(USAGE)
    return values.help ? 0 : 2
  }
  if (values.cpu) return measureCpu(folder, Number(values.cpu))
  const only = values.only?.split(',')
  const yardstick = openYardstick(folder, file)
  let held = true
  try {
    for (const scenario of yardstick.scenarios) {
      if (only ? !only.includes(scenario.id) : scenario.long && !values.long) continue
      const config = yardstick.config(scenario.id)
      for (let i = 0; i < Number(values.repeat); i++) {
        const line = await measure(yardstick, config, values.agent)
        process.stdout.write(`${line}\n`)
        const score = JSON.parse(line)
        held &&= score.wrong === 0 && score.t35_violations === 0
      }
      const modbusOnly = scenario.buses.every(bus => Object.keys(bus.mix).every(kind => kind !== 'dlt'))
      if (modbusOnly && !values['no-peers']) await runPeers(yardstick, config)
    }
  } finally {
    yardstick.close()
  }
  return held ? 0 : 1
}

async function measure(yardstick: Yardstick, config: YardstickConfig, agent: string): Promise<string> {
  try {
    return await yardstick.measure(config.id, lines => sweep(config, lines, agent))
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return JSON.stringify({ id: config.id, notRun: detail, score: 0 })
  }
}

/** One sweep by the built agent, as a technician would run it. */
async function sweep(config: YardstickConfig, lines: string, agent: string): Promise<YardstickResult[]> {
  const file = join(lines, 'gateway.yaml')
  writeFileSync(file, gatewayYaml(config, lines))
  const document = JSON.parse(await output(process.execPath, [agent, 'sweep', '--config', file, '--json']))
  const results: YardstickResult[] = []
  for (const meter of document.meters) {
    const asked = config.meters[Number(meter.meter.slice(1))]
    if (!asked) continue
    for (const { origin, raw } of meter.items) results.push([asked.bus, asked.proto, asked.addr, origin, raw])
  }
  return results
}

function gatewayYaml(config: YardstickConfig, lines: string): string {
  const quote = (value: unknown) => JSON.stringify(value)
  const buses = config.buses.map(
    (bus, i) =>
      `  - { name: bus${i}, port: ${quote(`serial:${lines}/bus${i}`)}, baud: ${bus.baud}, parity: ${bus.parity} }`
  )
  const meters = config.meters.map((meter, i) => {
    const dlt645 = meter.proto === 'dlt'
    const address = dlt645 ? String(meter.addr).padStart(12, '0') : String(meter.addr)
    const items = meter.values.map(value => (dlt645 ? (NAMES.get(value) ?? `di:${value}`) : `reg:${value}`))
    return `  - { id: m${i}, bus: bus${meter.bus}, protocol: ${dlt645 ? 'dlt645' : 'modbus'}, address: ${quote(address)}, items: ${quote(items)} }`
  })
  return [
    'gateway: { id: BENCH-1, timezone: Asia/Shanghai }',
    `state: ${quote(join(lines, 'state'))}`,
    'buses:',
    ...buses,
    'meters:',
    ...meters,
    ''
  ].join('\n')
}

async function runPeers(yardstick: Yardstick, config: YardstickConfig): Promise<void> {
  for (const peer of PEERS) {
    try {
      const line = await yardstick.measure(config.id, lines => readByPeer(peer, config, lines))
      process.stdout.write(`${JSON.stringify({ peer, ...JSON.parse(line) })}\n`)
    } catch (error) {
      const detail =
        error instanceof Error ? error.message.split('\n').find(line => /error/i.test(line)) : error
      process.stdout.write(`${JSON.stringify({ peer, id: config.id, notRun: detail })}\n`)
    }
  }
}

/** The peer gets our plan, so that only its handling of the line is compared. */
async function readByPeer(
  peer: (typeof PEERS)[number],
  config: YardstickConfig,
  lines: string
): Promise<YardstickResult[]> {
  const meters = config.meters.map(meter => {
    const wanted = meter.values.map(key => {
      const [address, count] = key.split(':').map(Number) as [number, number]
      return { function: 3 as const, address, count }
    })
    const { baud } = config.buses[meter.bus] as YardstickConfig['buses'][number]
    const blocks = planReads(wanted, serialCosts(baud, 30)).map(({ address, count }) => [address, count])
    return { ...meter, blocks }
  })
  const file = join(lines, 'peer.json')
  writeFileSync(file, JSON.stringify({ lines, buses: config.buses, meters }))
  const program = fileURLToPath(PEER_PROGRAM)
  const runs = config.buses.map((_, bus) => output(process.execPath, [program, peer, file, String(bus)]))
  return (await Promise.all(runs)).flatMap(text => JSON.parse(text))
}

/** Standard output of a program; its exit code is its own affair as long as it says something. */
function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: MAX_OUTPUT }, (error, stdout, stderr) => {
      if (stdout.length > 0) resolve(stdout)
      else reject(new Error(stderr.trim() || error?.message || `${program} said nothing`))
    })
  })
}
