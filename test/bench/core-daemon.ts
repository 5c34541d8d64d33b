import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { initIdentity, initLedgerKey } from '../../agent/compose/keys.ts'
import { openStore } from '../../agent/compose/stores.ts'
import type { SealedBatch } from '../../agent/ports.ts'
import { loadConfig } from '../../config/load.ts'
import { startBroker } from '../../drivers/uplink/embedded-broker.ts'
import { sealBatch } from '../../proto/envelope/seal.ts'
import { slotOf } from '../../proto/slot.ts'
import { type Figure, figure, median, short } from './core-figures.ts'
import { FIRST_SLOT, METERS, randomOctets, SLOTS_A_DAY, sealInput } from './core-parts.ts'

const MAIN = fileURLToPath(new URL('../../agent/main.js', import.meta.url))
const UNIT = new URL('../../../systemd/wattproof.service', import.meta.url)
const BUSES = 4
/** Real slots, made short so that sweeps, gap records and seals fall into the time watched. */
const SLOT_SECONDS = 20
const WATCH_MS = 75_000
const READY_MS = 60_000
/** of the one simulated meter */
const ADDRESS = '000000000001'

/** A real daemon with 500 mute meters, a broker that takes everything and no ledger, over a backlog of so many days. */
export async function measureMemory(folder: string, days: number): Promise<Figure[]> {
  const line = await openMuteLines()
  const broker = await startBroker()
  try {
    const config = writeSite(folder, line.ports, broker.url)
    const { batches, sizeOctets } = fillBacklog(config, days * SLOTS_A_DAY)
    const daemon = startAgent(['run', '--json', '--config', config])
    try {
      await daemon.ready
      const samples: number[] = []
      for (const endMs = Date.now() + WATCH_MS; Date.now() < endMs; ) {
        await new Promise(resolve => setTimeout(resolve, 500))
        samples.push(statusMb(daemon.child, 'VmRSS'))
      }
      const peak = statusMb(daemon.child, 'VmHWM')
      return [
        figure('memory', 'peak RSS of the daemon, 500 meters and 30 days undelivered', peak, 'MB', {
          atMost: 120,
          detail:
            `median ${short(median(samples))}, last ${short(samples.at(-1) ?? 0)}; ${batches} batches, ` +
            `${Math.round(WATCH_MS / 1000)} s with slots of ${SLOT_SECONDS} s, ${line.octets()} octets sent to mute lines`
        }),
        figure('store-backlog', `store with ${days} days undelivered, measured`, sizeOctets / 1e6, 'MB')
      ]
    } finally {
      await daemon.stop()
    }
  } finally {
    await broker.close()
    line.close()
  }
}

/** From exec to the daemon being ready, to the first octet on a line, and to a whole reading of a simulated meter. */
export async function measureStart(folder: string, rounds: number): Promise<Figure[]> {
  const line = await openMuteLines()
  const simulator = startAgent(['simulate', '--config', writeSimulation(folder)])
  const spent: Record<'octet' | 'reading' | 'ready', number[]> = { octet: [], reading: [], ready: [] }
  try {
    const { lines } = (await simulator.ready) as { lines: { path: string }[] }
    const mute = writeSite(join(folder, 'mute'), line.ports, undefined)
    const live = `--port serial:${lines[0]?.path} --baud 9600 --address ${ADDRESS} --json`.split(' ')
    for (let round = 0; round < rounds; round++) {
      const first = line.nextOctet()
      const sweep = startAgent(['sweep', '--json', '--config', mute])
      spent.octet.push((await first) - sweep.startedMs)
      await sweep.stop()
      const read = startAgent(['read', ...live])
      const code = await read.ended
      if (code !== 0) throw new Error(`wattproof read ended with ${code}: ${read.tail()}`)
      spent.reading.push(performance.now() - read.startedMs)
      const daemon = startAgent(['run', '--json', '--config', mute])
      await daemon.ready
      spent.ready.push(performance.now() - daemon.startedMs)
      await daemon.stop()
    }
  } finally {
    await simulator.stop()
    line.close()
  }
  const detail = (values: readonly number[]): string => `least ${short(Math.min(...values))}, wall`
  return [
    figure('start-octet', 'exec to the first octet on a line, 500 meters', median(spent.octet), 'ms', {
      atMost: 3000,
      detail: detail(spent.octet)
    }),
    figure(
      'start-reading',
      'exec to the end of `read`: 20 values of a simulated meter',
      median(spent.reading),
      'ms',
      {
        atMost: 3000,
        detail: `${detail(spent.reading)}; the line's own time at 9600 baud is in it`
      }
    ),
    figure('start-ready', 'exec to the daemon ready, 500 meters', median(spent.ready), 'ms', {
      atMost: 3000,
      detail: detail(spent.ready)
    })
  ]
}

/** Node's flags and the environment as the shipped unit sets them. */
function unitSettings(): { readonly flags: string[]; readonly env: Record<string, string> } {
  const unit = readFileSync(UNIT, 'utf8')
  const [command = ''] = /^ExecStart=(.+?) \S+main\.js /m.exec(unit)?.slice(1) ?? []
  const settings = [...unit.matchAll(/^Environment=(\w+)=(\S+)$/gm)]
  return {
    flags: command.split(' ').slice(1),
    env: Object.fromEntries(settings.map(([, name, value]) => [name as string, value as string]))
  }
}

interface Agent {
  readonly child: ChildProcess
  readonly startedMs: number
  /** the first JSON line */
  readonly ready: Promise<unknown>
  readonly ended: Promise<number | null>
  tail(): string
  stop(): Promise<void>
}

function startAgent(args: readonly string[], unit = unitSettings()): Agent {
  const startedMs = performance.now()
  const child = spawn(process.execPath, [...unit.flags, MAIN, ...args], {
    env: { ...process.env, ...unit.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  const lines: string[] = []
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', text => {
    lines.push(text)
    if (lines.length > 20) lines.shift()
  })
  const ended = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  const ready = new Promise<unknown>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${args[0]} is not ready: ${lines.join('\n')}`)), READY_MS)
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', text => {
      clearTimeout(late)
      if (/^\{.+\}$/.test(text)) resolve(JSON.parse(text))
    })
    void ended.then(code => {
      clearTimeout(late)
      reject(new Error(`${args[0]} ended with ${code}: ${lines.join('\n')}`))
    })
  })
  ready.catch(() => undefined)
  return {
    ...{ child, startedMs, ready, ended },
    tail: () => lines.join('\n'),
    async stop() {
      child.kill('SIGTERM')
      await ended
    }
  }
}

/** Serial servers behind which nobody answers. */
async function openMuteLines(): Promise<{
  readonly ports: readonly number[]
  octets(): number
  /** when the next octet arrives, by performance.now() */
  nextOctet(): Promise<number>
  close(): void
}> {
  let octets = 0
  let waiting: ((atMs: number) => void) | undefined
  const sockets = new Set<Socket>()
  const servers: Server[] = []
  for (let bus = 0; bus < BUSES; bus++) {
    const server = createServer(socket => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => sockets.delete(socket))
      socket.on('data', data => {
        octets += data.length
        waiting?.(performance.now())
        waiting = undefined
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    servers.push(server)
  }
  return {
    ports: servers.map(server => (server.address() as AddressInfo).port),
    octets: () => octets,
    nextOctet: () =>
      new Promise(resolve => {
        waiting = resolve
      }),
    close() {
      for (const socket of sockets) socket.destroy()
      for (const server of servers) server.close()
    }
  }
}

function writeSite(folder: string, ports: readonly number[], brokerUrl: string | undefined): string {
  mkdirSync(folder, { recursive: true })
  const ledger = initLedgerKey(join(folder, 'ledger'))
  const config = writeYaml(join(folder, 'gateway.yaml'), {
    gateway: { id: 'BENCH-0001' },
    state: 'state',
    slot: `${SLOT_SECONDS}s`,
    buses: ports.map((port, bus) => ({ name: `bus${bus}`, port: `tcp://127.0.0.1:${port}`, baud: 2400 })),
    meters: Array.from({ length: METERS }, (_, i) => ({
      id: `QY-${String(100 + i).padStart(6, '0')}`,
      bus: `bus${i % BUSES}`,
      protocol: 'dlt645',
      address: String(100 + i).padStart(12, '0')
    })),
    ...(brokerUrl ? { broker: { url: brokerUrl } } : {}),
    recipients: [{ name: 'ledger', key: ledger['encPublic'] }],
    ledger: { receiptKey: ledger['signPublic'] }
  })
  initIdentity(loadConfig(config))
  return config
}

function writeSimulation(folder: string): string {
  const meter = { address: ADDRESS, protocol: 'dlt645', turnaroundMs: 20, ratedKva: 50, loadKw: 20 }
  return writeYaml(join(folder, 'simulation.yaml'), {
    seed: 7,
    buses: [{ name: 'live', baud: 9600, parity: 'even', meters: [meter] }]
  })
}

function writeYaml(path: string, value: unknown): string {
  writeFileSync(path, stringify(value))
  return path
}

/** Fills the store through its own ports. The batches are real ones under other numbers: nobody opens them here. */
function fillBacklog(configFile: string, slots: number): { batches: number; sizeOctets: number } {
  const store = openStore(loadConfig(configFile))
  try {
    const templates = Array.from({ length: 8 }, (_, i) => sealInput(FIRST_SLOT + i))
    const sealed = templates.map(sealBatch)
    const first = slotOf(Date.now(), SLOT_SECONDS) - slots
    const epoch = randomOctets(8)
    let prev: Uint8Array = new Uint8Array(32)
    for (let seq = 0; seq < slots; seq++) {
      const slot = first + seq
      const { readings } = templates[seq % templates.length] as (typeof templates)[number]
      const template = sealed[seq % sealed.length] as SealedBatch
      for (let bus = 0; bus < BUSES; bus++) {
        const own = readings.filter((_, i) => i % BUSES === bus)
        store.appendReadings(
          `bus${bus}`,
          own.map(reading => ({ ...reading, slot }))
        )
      }
      const anchorHash = randomOctets(32)
      const leaves = template.leaves.map(leaf => ({ ...leaf, slot }))
      store.commitBatch({ ...template, epoch, seq, prev, anchorHash, slotFrom: slot, slotTo: slot, leaves })
      prev = anchorHash
    }
    return { batches: slots, sizeOctets: store.sizeBytes() }
  } finally {
    store.close()
  }
}

function statusMb(child: ChildProcess, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return (1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN)) / 1e6
}
