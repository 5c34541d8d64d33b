import pino from 'pino'
import type { Clock, Log, LogFields } from '../../agent/ports.ts'
import { redactValue } from './redact.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LogOptions {
  readonly level: LogLevel
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Where the lines go; standard error when left out, so that stdout stays for documents. */
  readonly write?: (line: string) => void
}

/** After this many equal lines within the window the rest is counted, not written: one bad meter must not fill a disk. */
const REPEATS_SHOWN = 5
const WINDOW_MS = 600_000
/** Distinct lines remembered; the oldest is forgotten first. */
const REMEMBERED = 500

interface Repeat {
  readonly sinceMs: number
  count: number
}

/** JSON Lines through pino. Secrets are redacted here, whatever the call site passed; repeats collapse to a count. */
export function createLog(options: LogOptions): Log {
  const stream =
    options.write === undefined ? pino.destination({ dest: 2, sync: true }) : { write: options.write }
  const sink = pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream)
  const repeats = new Map<string, Repeat>()

  const emit = (
    level: 'debug' | 'info' | 'warn' | 'error',
    event: string,
    fields: LogFields | undefined
  ): void => {
    if (!sink.isLevelEnabled(level)) return
    const clean = redactValue(fields ?? {}) as Record<string, unknown>
    if (level === 'warn' || level === 'error') {
      const suppressed = countRepeat(
        repeats,
        `${level} ${event} ${JSON.stringify(clean)}`,
        options.clock.monotonicMs()
      )
      if (suppressed === 'skip') return
      if (suppressed > 0) clean['repeated'] = suppressed
    }
    sink[level](clean, event)
  }
  return {
    debug: (event, fields) => emit('debug', event, fields),
    info: (event, fields) => emit('info', event, fields),
    warn: (event, fields) => emit('warn', event, fields),
    error: (event, fields) => emit('error', event, fields)
  }
}

/** @returns 'skip', or how many lines were left out before this one */
function countRepeat(repeats: Map<string, Repeat>, line: string, nowMs: number): 'skip' | number {
  const seen = repeats.get(line)
  if (seen !== undefined && nowMs - seen.sinceMs < WINDOW_MS) {
    seen.count++
    return seen.count > REPEATS_SHOWN ? 'skip' : 0
  }
  repeats.delete(line)
  repeats.set(line, { sinceMs: nowMs, count: 1 })
  const oldest = repeats.keys().next()
  if (repeats.size > REMEMBERED && !oldest.done) repeats.delete(oldest.value)
  return seen === undefined ? 0 : Math.max(0, seen.count - REPEATS_SHOWN)
}
