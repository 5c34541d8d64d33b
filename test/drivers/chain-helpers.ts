import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import type { Clock, Log, LogFields } from '../../agent/ports.ts'
import { fromHex } from '../../proto/bytes.ts'

/** Creation code of the contract, compiled from source: tests need no build. */
export function compileContract(): Uint8Array {
  const source = readFileSync(new URL('../../proto/chain/MeterAnchor.sol', import.meta.url), 'utf8')
  const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string }
  const input = {
    language: 'Solidity',
    sources: { 'MeterAnchor.sol': { content: source } },
    settings: {
      evmVersion: 'paris',
      optimizer: { enabled: true, runs: 10000 },
      outputSelection: { '*': { '*': ['evm.bytecode.object'] } }
    }
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input)))
  return fromHex(output.contracts['MeterAnchor.sol'].MeterAnchor.evm.bytecode.object)
}

/** Asks a node anything, past our own driver. */
export async function rpc<T = unknown>(
  url: string,
  method: string,
  params: readonly unknown[] = []
): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  })
  const answer = (await response.json()) as { result: T; error?: { message: string } }
  if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`)
  return answer.result
}

/** Many calls in one HTTP request. */
export async function rpcBatch(
  url: string,
  calls: readonly { method: string; params: readonly unknown[] }[]
) {
  const body = calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call }))
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const answers = (await response.json()) as { id: number; result?: string; error?: { message: string } }[]
  return answers.sort((a, b) => a.id - b.id)
}

/** A clock the test moves by hand; waiting moves it too. */
export interface HandClock extends Clock {
  advance(ms: number): void
}

export function createHandClock(): HandClock {
  let now = 1_800_000_000_000
  return {
    nowMs: () => now,
    monotonicMs: () => now - 1_700_000_000_000,
    trusted: () => true,
    advance: ms => {
      now += ms
    },
    wait: async (ms, signal) => {
      signal?.throwIfAborted()
      now += ms
      // Let the network answer between two looks.
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }
}

export interface TestLog extends Log {
  readonly lines: { level: string; event: string; fields: LogFields | undefined }[]
}

export function createTestLog(): TestLog {
  const lines: TestLog['lines'] = []
  const at = (level: string) => (event: string, fields?: LogFields) => {
    lines.push({ level, event, fields })
  }
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** What a node does wrong. Fields may be changed at any time. */
export interface Faults {
  /** methods whose request reaches the chain but whose answer is cut */
  cutAfter?: string
  /** methods that never reach the chain: the connection is cut at once */
  cutBefore?: string
  httpStatus?: number
  /** answers nothing sensible */
  garbage?: string
  nullReceipts?: boolean
  /** a follower that stands still */
  height?: bigint
  chainId?: bigint
  /** error object given to eth_sendRawTransaction */
  refusal?: { code: number; message: string }
  /** hash answered instead of the right one */
  hash?: string
  /** old logs are gone */
  noLogs?: boolean
  /** blocks a search of the logs may span */
  logsRange?: number
}

export interface FaultProxy {
  readonly url: string
  readonly faults: Faults
  /** methods asked, in order */
  readonly asked: string[]
  /** raw transactions handed in, in order */
  readonly sent: string[]
  close(): Promise<void>
}

/** A node's front door with faults, on the loopback interface. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const faults: Faults = {}
  const asked: string[] = []
  const sent: string[] = []
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString('utf8')
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: string[] }
    asked.push(method)
    if (method === 'eth_sendRawTransaction') sent.push(params[0] ?? '')
    if (faults.cutBefore === method || faults.cutBefore === '*') return void request.socket.destroy()
    if (faults.httpStatus !== undefined) return void response.writeHead(faults.httpStatus).end('busy')
    if (faults.garbage !== undefined) return void response.end(faults.garbage)
    const answer = (result: unknown) => response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
    if (method === 'eth_chainId' && faults.chainId !== undefined)
      return void answer(`0x${faults.chainId.toString(16)}`)
    if (method === 'eth_blockNumber' && faults.height !== undefined)
      return void answer(`0x${faults.height.toString(16)}`)
    if (method === 'eth_getTransactionReceipt' && faults.nullReceipts === true) return void answer(null)
    if (method === 'eth_getLogs' && faults.noLogs === true) return void answer([])
    const refuse = (error: object) => response.end(JSON.stringify({ jsonrpc: '2.0', id, error }))
    if (method === 'eth_sendRawTransaction' && faults.refusal !== undefined)
      return void refuse(faults.refusal)
    if (method === 'eth_getLogs' && faults.logsRange !== undefined) {
      const from = Number((params[0] as unknown as { fromBlock: string }).fromBlock)
      const height = Number(await rpc<string>(target, 'eth_blockNumber'))
      // as Besu says it
      if (height - from > faults.logsRange)
        return void refuse({ code: -32005, message: 'Requested range exceeds maximum RPC range limit' })
    }
    const upstream = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body
    })
    const text = await upstream.text()
    if (faults.cutAfter === method) return void request.socket.destroy()
    if (method === 'eth_sendRawTransaction' && faults.hash !== undefined) return void answer(faults.hash)
    response.setHeader('content-type', 'application/json').end(text)
  }
  const server = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    faults,
    asked,
    sent,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
