import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { isWattproofError } from '../../proto/errors.ts'
import { ControlError } from './errors.ts'

/** One request while it is being answered. */
export interface ControlCall {
  /** aborts when the caller has gone */
  readonly signal: AbortSignal
  /** tells the caller how far it is */
  readonly progress: (value: unknown) => void
}

/** Answers one request; what it throws is sent to the caller as an error. */
export type ControlHandler = (
  verb: string,
  params: Readonly<Record<string, unknown>>,
  call: ControlCall
) => Promise<unknown>

export interface ControlServer {
  close(): Promise<void>
}

const MAX_REQUEST = 64 * 1024
/** A caller that takes nothing in is let go: what waits for it is kept in memory. */
const MAX_UNSENT = 4 * 1024 * 1024

/**
 * Serves requests on a Unix socket: one JSON line in, one JSON line out, with lines of progress before it. Who may connect is decided by the file's
 * permissions alone (0660, group of the process); Node cannot ask for the peer's credentials.
 * @throws ControlError CONTROL_IN_USE when a live daemon answers at the path already
 */
export async function serveControl(path: string, handler: ControlHandler): Promise<ControlServer> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 })
  if (existsSync(path)) {
    if (await isAlive(path)) {
      throw new ControlError('CONTROL_IN_USE', 'another daemon answers on this socket', {
        at: path,
        next: 'stop it first (systemctl stop wattproof), or use another state folder'
      })
    }
    rmSync(path)
  }
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    serveSocket(socket, handler)
  })
  await listen(server, path)
  chmodSync(path, 0o660)
  return {
    close: () =>
      new Promise(resolve => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      })
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function isAlive(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}

function serveSocket(socket: Socket, handler: ControlHandler): void {
  let pending = ''
  const gone = new AbortController()
  const say = (value: unknown): void => {
    if (socket.writableLength > MAX_UNSENT) socket.destroy()
    else if (socket.writable) socket.write(`${JSON.stringify(value, plain)}\n`)
  }
  const call: ControlCall = { signal: gone.signal, progress: value => say({ progress: value }) }
  socket.setEncoding('utf8')
  socket.on('error', () => socket.destroy())
  socket.on('close', () => gone.abort(new ControlError('CONTROL_UNREACHABLE', 'the caller has gone')))
  socket.on('data', (part: string) => {
    pending += part
    if (pending.length > MAX_REQUEST) {
      socket.destroy()
      return
    }
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      const line = pending.slice(0, end)
      pending = pending.slice(end + 1)
      void answer(line, handler, call).then(say)
    }
  })
}

async function answer(line: string, handler: ControlHandler, call: ControlCall): Promise<unknown> {
  try {
    const request = JSON.parse(line) as { verb?: unknown; params?: unknown }
    const params = typeof request.params === 'object' && request.params !== null ? request.params : {}
    return { ok: true, result: await handler(String(request.verb), params as Record<string, unknown>, call) }
  } catch (error) {
    if (isWattproofError(error)) {
      return {
        ok: false,
        error: { code: error.code, message: error.message, at: error.at, next: error.next }
      }
    }
    return {
      ok: false,
      error: { code: 'CONTROL_PROTOCOL', message: error instanceof Error ? error.message : String(error) }
    }
  }
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array)
    return Array.from(value, octet => octet.toString(16).padStart(2, '0')).join('')
  return value
}
