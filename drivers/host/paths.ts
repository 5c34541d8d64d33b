import { mkdirSync, statSync } from 'node:fs'
import { HostError } from './errors.ts'

const NOT_ALLOWED: readonly unknown[] = ['EACCES', 'EPERM']
const AS_THE_SERVICE = "run it as the service's user, e.g. sudo -u wattproof wattproof ..., or as root"

/**
 * True when there is something. What may not be looked at is not taken for missing.
 * @throws HostError HOST_IO
 */
export function pathExists(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch (cause) {
    const code = errnoOf(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw new HostError('HOST_IO', `not allowed to look at this path (${String(code)})`, {
      at: path,
      next: AS_THE_SERVICE,
      cause
    })
  }
}

/** Makes a folder that only its owner may enter, and those above it, where it is not there. @throws HostError HOST_IO */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const code = errnoOf(cause)
    throw new HostError('HOST_IO', `the folder cannot be made (${String(code)})`, {
      at: path,
      next: NOT_ALLOWED.includes(code)
        ? AS_THE_SERVICE
        : 'check the path: state: of the configuration names it',
      cause
    })
  }
}

function errnoOf(cause: unknown): unknown {
  return cause instanceof Error ? Reflect.get(cause, 'code') : undefined
}
