import { closeSync, constants, lstatSync, openSync, rmSync, symlinkSync, writeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { SimulatorError } from './errors.ts'
import { loadPtyCalls } from './libc.ts'

/** A serial line's far end: what the port's user writes comes to `onOctets`, what is written here the user reads. */
export interface Pty {
  /** Path to give to the port's user: the symbolic link when one was asked for. */
  readonly path: string
  onOctets(callback: (octets: Uint8Array) => void): void
  /** Sends octets to the port's user. Octets nobody fetches are lost once the kernel's buffer is full, as on a wire. */
  write(octets: Uint8Array): void
  /** Pulls the adapter: the port's user sees a hang-up and the path is gone until {@link Pty.plug}. */
  unplug(): Promise<void>
  /** Puts the adapter back: a new device behind the same link (without a link the path changes). */
  plug(): void
  /** Takes everything down; safe to call twice. */
  close(): Promise<void>
}

interface Pair {
  readonly slavePath: string
  readonly master: number
  readonly slave: number
  readonly stream: ReadStream
}

/**
 * Opens a pseudo-terminal pair. The far side stays open here as well, so that the master sees no error between two openings.
 * @param link stable path for the port's user; an older link there is replaced, anything else is left alone
 * @throws SimulatorError SIMULATOR_PTY when the host gives none or the link cannot be made
 */
export function openPty(link?: string): Pty {
  const calls = loadPtyCalls()
  const listeners: ((octets: Uint8Array) => void)[] = []
  let pair: Pair | undefined

  const plug = (): void => {
    if (pair) return
    const master = calls.openMaster()
    const slavePath = calls.slavePath(master)
    const slave = openSync(slavePath, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
    calls.makeRaw(slave)
    if (link !== undefined) replaceLink(slavePath, link)
    const stream = new ReadStream(master)
    stream.on('data', (octets: Buffer) => {
      for (const listener of listeners) listener(octets)
    })
    // EIO is how a master learns that the line is gone; unplug and close are the only ways that happens here
    stream.on('error', () => stream.destroy())
    pair = { slavePath, master, slave, stream }
  }

  const unplug = async (): Promise<void> => {
    const gone = pair
    if (!gone) return
    pair = undefined
    if (link !== undefined) removeLink(link)
    closeSync(gone.slave)
    const closed = new Promise<void>(resolve => gone.stream.once('close', () => resolve()))
    gone.stream.destroy()
    await closed
  }

  plug()
  const first = (pair as Pair | undefined)?.slavePath ?? ''
  return {
    get path() {
      return link ?? pair?.slavePath ?? first
    },
    onOctets(callback) {
      listeners.push(callback)
    },
    write(octets) {
      if (pair) writeWhatFits(pair.master, octets)
    },
    unplug,
    plug,
    close: unplug
  }
}

function writeWhatFits(fd: number, octets: Uint8Array): void {
  try {
    for (let sent = 0; sent < octets.length; ) sent += writeSync(fd, octets, sent)
  } catch (error) {
    // a wire does not wait for a listener: a full buffer loses the rest
    if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

function replaceLink(target: string, link: string): void {
  try {
    removeLink(link)
    symlinkSync(target, link)
  } catch (cause) {
    throw new SimulatorError('SIMULATOR_PTY', `cannot make the link ${link}`, {
      at: link,
      next: 'give a path in a folder that exists and may be written, where no other file is',
      cause
    })
  }
}

function removeLink(link: string): void {
  if (isLink(link)) rmSync(link)
}
