import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { WattproofError } from '../../proto/errors.ts'

export type ChildCode = 'CHILD_START' | 'CHILD_DIED'

/** A process of this program that was started by another and did not do its part. */
export class ChildError extends WattproofError<ChildCode> {}

/** A process of this same program (`wattproof VERB ...`) that dies with its parent. */
export interface Child {
  readonly name: string
  readonly pid: number
  /** the first JSON line it printed */
  readonly ready: Record<string, unknown>
  /** false once it has ended */
  readonly alive: boolean
  /** what it wrote to stderr last */
  tail(): string
  /** SIGTERM, then SIGKILL after graceMs. Resolves with the exit code (null when killed by a signal). */
  stop(graceMs?: number): Promise<number | null>
  kill(signal: NodeJS.Signals): void
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
const TAIL_LINES = 20

/**
 * Starts `wattproof ARGS` and waits for its first JSON line on stdout.
 * @throws ChildError CHILD_START with what it wrote to stderr, when it ends before that or readyMs pass
 */
export async function startChild(
  name: string,
  args: readonly string[],
  readyMs: number,
  onLine?: (line: string) => void
): Promise<Child> {
  // the channel's end tells the child that its parent is gone, however it went
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  const stderr: string[] = []
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', line => {
    stderr.push(line)
    if (stderr.length > TAIL_LINES) stderr.shift()
    onLine?.(line)
  })
  const ready = await firstDocument(child, name, readyMs, () => stderr.join('\n'), onLine)
  return {
    name,
    pid: child.pid as number,
    ready,
    get alive() {
      return child.exitCode === null && child.signalCode === null
    },
    tail: () => stderr.join('\n'),
    stop: graceMs => stopChild(child, graceMs ?? 5000),
    kill: signal => {
      child.kill(signal)
    }
  }
}

function firstDocument(
  child: ChildProcess,
  name: string,
  readyMs: number,
  tail: () => string,
  onLine: ((line: string) => void) | undefined
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      child.kill('SIGKILL')
      reject(
        new ChildError('CHILD_START', `${name} did not start: ${why}\n${tail()}`.trimEnd(), { at: name })
      )
    }
    const timer = setTimeout(() => fail(`nothing heard for ${readyMs} ms`), readyMs)
    let settled = false
    child.once('error', error => fail(error.message))
    child.once('exit', code => {
      clearTimeout(timer)
      if (!settled) fail(`it ended with code ${code}`)
    })
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', line => {
      onLine?.(line)
      if (settled || !line.startsWith('{')) return
      settled = true
      clearTimeout(timer)
      resolve(JSON.parse(line) as Record<string, unknown>)
    })
  })
}

function stopChild(child: ChildProcess, graceMs: number): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise(resolve => {
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    child.once('exit', code => {
      clearTimeout(timer)
      resolve(code)
    })
    child.kill('SIGTERM')
  })
}

/** Calls back when the process that started this one is gone. Does nothing when nobody did. */
export function onOrphaned(callback: () => void): void {
  if (process.channel === undefined) return
  process.once('disconnect', callback)
  // the channel alone must not keep the process alive
  process.channel.unref()
}
