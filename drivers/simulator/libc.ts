import { constants } from 'node:fs'
import koffi from 'koffi'
import { SimulatorError } from './errors.ts'

/** The C library's part in a pseudo-terminal: file descriptors in, file descriptors out. */
export interface PtyCalls {
  /** @returns a new master, non-blocking and closed on exec @throws SimulatorError SIMULATOR_PTY */
  openMaster(): number
  /** Path of the master's other side, ready to be opened. */
  slavePath(master: number): string
  /** No echo, no line editing, no translation: every octet passes as it is. */
  makeRaw(fd: number): void
}

/** struct termios is 60 octets with glibc and musl on every Linux platform; room to spare costs nothing. */
const TERMIOS_SIZE = 256
const PATH_SIZE = 128
const TCSANOW = 0
/** The one open flag Node does not name; the same on every Linux processor family. */
const O_CLOEXEC = 0o2000000

/** Binds the calls of the C library this process runs with. */
export function loadPtyCalls(): PtyCalls {
  const libc = koffi.load(null)
  const openpt = libc.func('int posix_openpt(int flags)')
  const grantpt = libc.func('int grantpt(int fd)')
  const unlockpt = libc.func('int unlockpt(int fd)')
  const ptsname = libc.func('int ptsname_r(int fd, _Out_ uint8_t *buffer, size_t size)')
  const tcgetattr = libc.func('int tcgetattr(int fd, _Out_ uint8_t *termios)')
  const tcsetattr = libc.func('int tcsetattr(int fd, int when, const uint8_t *termios)')
  const cfmakeraw = libc.func('void cfmakeraw(_Inout_ uint8_t *termios)')

  const must = (call: string, result: unknown): void => {
    if (result !== 0) {
      throw new SimulatorError('SIMULATOR_PTY', `${call} failed`, {
        next: 'check that /dev/pts is mounted and not full'
      })
    }
  }
  return {
    openMaster() {
      const fd: unknown = openpt(constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK | O_CLOEXEC)
      if (typeof fd !== 'number' || fd < 0) {
        throw new SimulatorError('SIMULATOR_PTY', 'the host gives no pseudo-terminal', {
          next: 'check /dev/ptmx and the limit in /proc/sys/kernel/pty/max'
        })
      }
      return fd
    },
    slavePath(master) {
      must('grantpt', grantpt(master))
      must('unlockpt', unlockpt(master))
      const path = new Uint8Array(PATH_SIZE)
      must('ptsname_r', ptsname(master, path, PATH_SIZE))
      return new TextDecoder().decode(path.subarray(0, path.indexOf(0)))
    },
    makeRaw(fd) {
      const termios = new Uint8Array(TERMIOS_SIZE)
      must('tcgetattr', tcgetattr(fd, termios))
      cfmakeraw(termios)
      must('tcsetattr', tcsetattr(fd, TCSANOW, termios))
    }
  }
}
