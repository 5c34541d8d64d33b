import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { ControlError } from './errors.ts'

interface Reply {
  readonly progress?: unknown
  readonly ok?: boolean
  readonly result?: unknown
  readonly error?: { code: string; message: string; at?: string; next?: string }
}

/** True when a socket file is there; whether a daemon lives behind it shows only on asking. */
export function controlSocketExists(path: string): boolean {
  return existsSync(path)
}

/** What a caller does while it waits. */
export interface AskOptions {
  /** between two signs of life */
  readonly timeoutMs: number
  /** lets go of the answer; the daemon notices */
  readonly signal?: AbortSignal
  readonly onProgress?: (value: unknown) => void
}

/**
 * Asks a running daemon. Rejects with the signal's reason when it aborts.
 * @throws ControlError CONTROL_UNREACHABLE when none answers, CONTROL_REMOTE with the daemon's own code in `at`
 */
export function askDaemon(
  path: string,
  verb: string,
  params: Readonly<Record<string, unknown>>,
  { timeoutMs, signal, onProgress }: AskOptions
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const socket = connect(path)
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    let text = ''
    const leave = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      socket.destroy()
    }
    const abort = () => {
      leave()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
    const fail = (cause: Error) => {
      leave()
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
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const reply = JSON.parse(text.slice(0, end)) as Reply
        text = text.slice(end + 1)
        if ('progress' in reply) {
          timer.refresh()
          onProgress?.(reply.progress)
          continue
        }
        leave()
        settle(reply)
        return
      }
    })
    const settle = (reply: Reply): void => {
      if (reply.ok) resolve(reply.result)
      else {
        const { code = 'CONTROL_PROTOCOL', message = 'refused', at, next } = reply.error ?? {}
        reject(
          // the daemon's own refusals need no code beside the one printed anyway
          new ControlError('CONTROL_REMOTE', code === 'CONTROL_REMOTE' ? message : `${message} (${code})`, {
            ...(at === undefined ? {} : { at }),
            ...(next === undefined ? {} : { next })
          })
        )
      }
    }
    socket.once('end', () => fail(new Error('the connection was closed')))
  })
}
