import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { ControlError } from './errors.ts'

interface Reply {
  readonly ok: boolean
  readonly result?: unknown
  readonly error?: { code: string; message: string; at?: string; next?: string }
}

/** True when a socket file is there; whether a daemon lives behind it shows only on asking. */
export function controlSocketExists(path: string): boolean {
  return existsSync(path)
}

/**
 * Asks a running daemon.
 * @throws ControlError CONTROL_UNREACHABLE when none answers, CONTROL_REMOTE with the daemon's own code in `at`
 */
export function askDaemon(
  path: string,
  verb: string,
  params: Readonly<Record<string, unknown>>,
  timeoutMs: number
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    let text = ''
    const fail = (cause: Error) => {
      clearTimeout(timer)
      socket.destroy()
      const denied = (cause as NodeJS.ErrnoException).code === 'EACCES'
      reject(
        new ControlError('CONTROL_UNREACHABLE', `cannot speak to the daemon: ${cause.message}`, {
          at: path,
          next: denied
            ? 'run as root or join the group of the socket'
            : 'is it running? systemctl status wattproof',
          cause
        })
      )
    }
    socket.setEncoding('utf8')
    socket.once('error', fail)
    socket.once('connect', () => socket.write(`${JSON.stringify({ verb, params })}\n`))
    socket.on('data', (part: string) => {
      text += part
      const end = text.indexOf('\n')
      if (end < 0) return
      clearTimeout(timer)
      socket.destroy()
      const reply = JSON.parse(text.slice(0, end)) as Reply
      if (reply.ok) resolve(reply.result)
      else {
        const { code = 'CONTROL_PROTOCOL', message = 'refused', at, next } = reply.error ?? {}
        reject(
          new ControlError('CONTROL_REMOTE', `${message} (${code})`, {
            ...(at === undefined ? {} : { at }),
            ...(next === undefined ? {} : { next })
          })
        )
      }
    })
    socket.once('end', () => {
      if (!text.includes('\n')) fail(new Error('the connection was closed'))
    })
  })
}
