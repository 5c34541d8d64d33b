import { ChainError, RpcRefusal } from './errors.ts'

/** One JSON-RPC 2.0 endpoint over HTTP. */
export interface RpcEndpoint {
  /** host and port: the URL itself may hold a key */
  readonly name: string
  /**
   * @throws RpcRefusal when the node answers with an error
   * @throws ChainError CHAIN_UNREACHABLE, CHAIN_BUSY or CHAIN_ANSWER
   */
  request(method: string, params: readonly unknown[]): Promise<unknown>
}

/** A longer answer is cut off and refused: the largest honest one is a page of logs. */
const ANSWER_OCTETS_MAX = 16 * 1024 * 1024

/** @param timeoutMs for the whole exchange */
export function createEndpoint(url: string, timeoutMs: number): RpcEndpoint {
  const name = new URL(url).host
  let lastId = 0
  return {
    name,
    request: async (method, params) => {
      lastId += 1
      const id = lastId
      const body = JSON.stringify({ jsonrpc: '2.0', id, method, params })
      const { status, text } = await post(url, name, body, timeoutMs)
      if (status === 429 || status === 503) {
        throw new ChainError('CHAIN_BUSY', `the node is busy (HTTP ${status})`, { at: name })
      }
      return readAnswer(text, id, name, method, status)
    }
  }
}

async function post(
  url: string,
  name: string,
  body: string,
  timeoutMs: number
): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      // A redirect would take the request to a host nobody configured.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs)
    })
    return { status: response.status, text: await readText(response) }
  } catch (cause) {
    throw new ChainError('CHAIN_UNREACHABLE', `no answer from the node: ${reason(cause)}`, {
      at: name,
      next: 'check that the node runs and that the way to it is open',
      cause
    })
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let octets = 0
  for await (const chunk of response.body ?? []) {
    octets += chunk.length
    if (octets > ANSWER_OCTETS_MAX) throw new Error(`an answer of more than ${ANSWER_OCTETS_MAX} octets`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function readAnswer(text: string, id: number, name: string, method: string, status: number): unknown {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new ChainError('CHAIN_UNREACHABLE', `HTTP ${status} without JSON in answer to ${method}`, {
      at: name
    })
  }
  if (!isRecord(answer) || (answer['id'] !== id && answer['id'] !== null)) {
    throw new ChainError('CHAIN_ANSWER', `an answer to another request than ${method}`, { at: name })
  }
  const error = answer['error']
  if (isRecord(error)) throw new RpcRefusal(readRefusal(error), { at: name })
  if (answer['result'] === undefined) {
    throw new ChainError('CHAIN_ANSWER', `neither result nor error in answer to ${method}`, { at: name })
  }
  return answer['result']
}

function readRefusal(error: Record<string, unknown>): {
  code: number
  text: string
  data: string | undefined
} {
  const data = error['data']
  return {
    code: typeof error['code'] === 'number' ? error['code'] : 0,
    text: typeof error['message'] === 'string' ? error['message'] : 'no reason given',
    // geth and Besu give the octets plainly, some nodes one level down
    data:
      typeof data === 'string'
        ? data
        : isRecord(data) && typeof data['data'] === 'string'
          ? data['data']
          : undefined
  }
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? cause.cause.message : cause.message
}
