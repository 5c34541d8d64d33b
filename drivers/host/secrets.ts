import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { HostError } from './errors.ts'

/**
 * Reads a secret that only its owner may read.
 * @throws HostError HOST_SECRET_MISSING, HOST_SECRET_MODE (group or others could read it), HOST_SECRET_EMPTY, HOST_IO
 */
export function readSecretFile(path: string): Uint8Array {
  let octets: Buffer
  try {
    const mode = statSync(path).mode & 0o777
    if ((mode & 0o077) !== 0) {
      throw new HostError('HOST_SECRET_MODE', `a secret is readable by others (mode ${mode.toString(8)})`, {
        at: path,
        next: `chmod 600 ${path}, and replace the secret if others may have read it`
      })
    }
    octets = readFileSync(path)
  } catch (cause) {
    throw toHostError(cause, path)
  }
  if (octets.length === 0) {
    throw new HostError('HOST_SECRET_EMPTY', 'a secret file is empty', {
      at: path,
      next: 'make the key anew or restore it'
    })
  }
  return new Uint8Array(octets)
}

/**
 * Writes a secret with mode 0600: complete and on disk on return, or not there at all.
 * @param replace false: an existing file is an error (HOST_SECRET_EXISTS), since an overwritten key is gone for good
 */
export function writeSecretFile(path: string, octets: Uint8Array, replace = false): void {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}.new`)
  try {
    const fd = openSync(draft, 'wx', 0o600)
    try {
      writeSync(fd, octets)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    chmodSync(draft, 0o600)
    if (replace) renameSync(draft, path)
    else {
      // link refuses an existing name atomically, rename would replace it
      linkSync(draft, path)
      unlinkSync(draft)
    }
    syncDirectory(dirname(path))
  } catch (cause) {
    removeQuietly(draft)
    throw toHostError(cause, path)
  }
}

/**
 * Keeps a secret under a second name, 0600 as it is, before another takes its place. Done before, it is left as it is.
 * @throws HostError HOST_SECRET_EXISTS when something else has that name, HOST_IO
 */
export function keepSecretFile(path: string, as: string): void {
  try {
    linkSync(path, as)
    syncDirectory(dirname(as))
  } catch (cause) {
    const isThere = cause instanceof Error && Reflect.get(cause, 'code') === 'EEXIST'
    if (isThere && Buffer.compare(readSecretFile(path), readSecretFile(as)) === 0) return
    throw toHostError(cause, as)
  }
}

/** Puts a secret that is on disk already in another's place: one or the other is there, whatever ends the process. @throws HostError */
export function promoteSecretFile(next: string, path: string): void {
  try {
    renameSync(next, path)
    syncDirectory(dirname(path))
  } catch (cause) {
    throw toHostError(cause, path)
  }
}

/** Reads the secret, or makes one of `size` octets when there is none yet. @returns the secret, the same at every call */
export function loadOrCreateSecret(
  path: string,
  size: number,
  random: (count: number) => Uint8Array
): Uint8Array {
  try {
    return readSecretFile(path)
  } catch (error) {
    if (!(error instanceof HostError && error.code === 'HOST_SECRET_MISSING')) throw error
  }
  writeSecretFile(path, random(size))
  return readSecretFile(path)
}

/** Makes a rename or a new name in the directory durable. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // it was never made, or is already in its place
  }
}

function toHostError(cause: unknown, path: string): HostError {
  if (cause instanceof HostError) return cause
  const code = cause instanceof Error ? Reflect.get(cause, 'code') : undefined
  if (code === 'ENOENT') {
    return new HostError('HOST_SECRET_MISSING', 'a secret file is missing', {
      at: path,
      next: 'make the keys with `wattproof keys init`, or correct the path',
      cause
    })
  }
  if (code === 'EEXIST') {
    return new HostError('HOST_SECRET_EXISTS', 'a secret file exists already and is not overwritten', {
      at: path,
      next: 'move the old key away first if it is really to be replaced',
      cause
    })
  }
  return new HostError('HOST_IO', `a secret file cannot be used (${String(code)})`, {
    at: path,
    next: 'check owner, permissions and disk of the path',
    cause
  })
}
