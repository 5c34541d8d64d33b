import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { ChainError } from './errors.ts'

/** A local development chain: one node, no consensus, gas-free as a consortium chain is. */
export interface LocalChain {
  readonly url: string
  readonly chainId: bigint
  /** process id of the node itself */
  readonly pid: number
  /** Resolves when the node has ended, with what it last said. */
  readonly ended: Promise<string>
  stop(): Promise<void>
}

export interface AnvilOptions {
  readonly chainId?: bigint
  /** undefined: a block for every transaction, at once */
  readonly blockSeconds?: number
  /** 0: any free port */
  readonly port?: number
  /** path of the program; undefined: the npm package, else PATH */
  readonly program?: string
  readonly startTimeoutMs?: number
}

/**
 * The shell that holds the node: descriptor 3 is a pipe from this process, and when it closes, however this process
 * ends (SIGKILL too), the node is killed. When the node ends first, so does the shell, with its status.
 */
const KEEPER = `exec 3<&0
"$0" "$@" </dev/null 3<&- &
node=$!
echo "pid $node"
( trap '' INT TERM HUP; read -r _ <&3; kill -9 $node 2>/dev/null ) >/dev/null 2>&1 &
exec 3<&-
trap '' INT HUP
wait $node`

/**
 * Starts anvil on the loopback interface.
 * @throws ChainError CHAIN_NO_NODE when there is no such program or it does not come up
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<LocalChain> {
  const program = options.program ?? findAnvil()
  const chainId = options.chainId ?? 2021n
  const child = spawn('/bin/sh', ['-c', KEEPER, program, ...anvilArguments(chainId, options)], {
    stdio: ['pipe', 'pipe', 'pipe']
  })
  // A write to a keeper that has just ended must not take this process down.
  child.stdin.on('error', () => undefined)
  const kill = () => child.stdin.destroy()
  process.once('exit', kill)
  const words: string[] = []
  const ended = new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', code => resolve(`${words.join('').slice(-600).trim()} (status ${code})`))
    child.once('exit', () => {
      kill()
      process.off('exit', kill)
    })
  })
  try {
    const { pid, address } = await readStart(child, words, ended, options.startTimeoutMs ?? 15000)
    return {
      url: `http://${address}`,
      chainId,
      pid,
      ended,
      stop: async () => {
        kill()
        await ended
      }
    }
  } catch (error) {
    kill()
    throw error
  }
}

/**
 * Where anvil is: the optional npm package that holds it for this platform, else PATH.
 * @throws ChainError CHAIN_NO_NODE naming the mend
 */
export function findAnvil(env: NodeJS.ProcessEnv = process.env): string {
  const require = createRequire(import.meta.url)
  const candidates: string[] = []
  try {
    const held = `@foundry-rs/anvil-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
    candidates.push(require.resolve(`${held}/bin/anvil`))
  } catch {
    // Not installed for this platform: PATH may have one.
  }
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '') candidates.push(join(folder, 'anvil'))
  }
  const found = candidates.find(isProgram)
  if (found !== undefined) return found
  throw new ChainError('CHAIN_NO_NODE', `no anvil for ${process.platform} ${process.arch}`, {
    next: 'install Foundry so that anvil is on PATH, or give the RPC address of a running chain'
  })
}

function anvilArguments(chainId: bigint, options: AnvilOptions): string[] {
  return [
    ...['--host', '127.0.0.1', '--port', String(options.port ?? 0), '--chain-id', String(chainId)],
    ...['--gas-price', '0', '--base-fee', '0', '--accounts', '1', '--balance', '0'],
    ...['--hardfork', 'shanghai', '--gas-limit', '1000000000', '--no-cors'],
    ...(options.blockSeconds === undefined ? [] : ['--block-time', String(options.blockSeconds)])
  ]
}

function isProgram(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Waits for the line that names the port; what comes after is read and dropped, or the node would block on it. */
function readStart(
  child: ChildProcess,
  words: string[],
  ended: Promise<string>,
  timeoutMs: number
): Promise<{ pid: number; address: string }> {
  return new Promise((resolve, reject) => {
    const refuse = (detail: string) => {
      clearTimeout(timer)
      reject(
        new ChainError('CHAIN_NO_NODE', `anvil did not start: ${detail}`, {
          next: 'run it by hand to see why, or give the RPC address of a running chain'
        })
      )
    }
    const timer = setTimeout(() => refuse(`nothing heard for ${timeoutMs} ms`), timeoutMs)
    let started = false
    const hear = (chunk: Buffer) => {
      if (started) return
      words.push(chunk.toString('utf8'))
      const text = words.join('')
      const pid = /^pid (\d+)$/m.exec(text)?.[1]
      const address = /^Listening on (\S+)$/m.exec(text)?.[1]
      if (pid === undefined || address === undefined) return
      started = true
      words.length = 0
      clearTimeout(timer)
      resolve({ pid: Number(pid), address })
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    void ended.then(refuse)
  })
}
