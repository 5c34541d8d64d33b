import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** One value as the yardstick scores it: bus, protocol, address, key, octets in hexadecimal. */
export type YardstickResult = readonly [number, 'dlt' | 'modbus', number, string, string]

/** What the reader under test is told of a scenario. */
export interface YardstickConfig {
  readonly id: string
  readonly buses: readonly { readonly baud: number; readonly parity: 'even' | 'none' | 'odd' }[]
  readonly meters: readonly {
    readonly bus: number
    readonly proto: 'dlt' | 'modbus'
    readonly addr: number
    readonly values: readonly string[]
  }[]
}

export interface Scenario {
  readonly id: string
  readonly long?: boolean
  readonly buses: readonly { readonly mix: Readonly<Record<string, number>> }[]
}

/** The pseudo-terminal lines of the yardstick, built in a folder of their own. */
export interface Yardstick {
  readonly scenarios: readonly Scenario[]
  config(id: string): YardstickConfig
  /** Serves the lines of one scenario while `read` runs, and scores what it returns. @returns the yardstick's own line */
  measure(id: string, read: (folder: string) => Promise<readonly YardstickResult[]>): Promise<string>
  close(): void
}

const PARTS = ['bussim.c', 'planner.py', 'scenario.py']

/**
 * @param source folder with bussim.c, planner.py and scenario.py; needs gcc and python3
 * @param file scenarios
 */
export function openYardstick(source: string, file: string): Yardstick {
  const folder = mkdtempSync(join(tmpdir(), 'wattproof-bench-'))
  for (const part of PARTS) copyFileSync(join(source, part), join(folder, part))
  const scenarios = join(folder, 'scenarios.json')
  copyFileSync(file, scenarios)
  execFileSync('gcc', ['-O2', '-o', join(folder, 'bussim'), join(folder, 'bussim.c'), '-lm'])
  const program = join(folder, 'scenario.py')
  const python = (...args: string[]) =>
    execFileSync('python3', [program, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 })

  return {
    scenarios: JSON.parse(readFileSync(file, 'utf8')).scenarios,
    config: id => JSON.parse(python('config', scenarios, id)),
    async measure(id, read) {
      const lines = mkdtempSync(join(folder, 'lines-'))
      const server = spawn('python3', [program, 'serve', scenarios, id, lines], {
        stdio: ['ignore', 'pipe', 'inherit']
      })
      try {
        await ready(server)
        const results = join(lines, 'results.json')
        writeFileSync(results, JSON.stringify(await read(lines)))
        await stop(server)
        return python('score', scenarios, id, lines, results).trim()
      } finally {
        await stop(server)
      }
    },
    close() {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** The simulators link their ports a moment after the server says so. */
const LINK_MS = 300

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('exit', code => reject(new Error(`the yardstick ended with ${code}`)))
    server.stdout?.once('data', () => setTimeout(resolve, LINK_MS))
  })
}

function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return Promise.resolve()
  return new Promise(resolve => {
    server.removeAllListeners('exit')
    server.once('exit', () => resolve())
    server.kill('SIGTERM')
  })
}
