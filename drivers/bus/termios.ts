/**
 * The few termios facts that node-serialport leaves out, on Linux: receive parity (it sets IGNPAR without INPCK, so even
 * parity is sent but never checked), a meter's own parity, and the driver's error counters.
 */
import { arch, platform } from 'node:process'
import type { LineSetting } from './bus.ts'

/** linux/include/uapi/asm-generic/termbits.h; mips and ppc have other numbers and are left alone */
const INPCK = 0x10
const ISTRIP = 0x20
const PARENB = 0x100
const PARODD = 0x200
const TCSANOW = 0
/** asm-generic/ioctls.h; struct serial_icounter_struct is 20 int */
const TIOCGICOUNT = 0x545d
const KNOWN_ARCH: ReadonlySet<string> = new Set(['x64', 'arm64', 'arm', 'ia32', 'riscv64', 'loong64'])
/** struct termios is 60 octets in glibc and musl; c_iflag at 0, c_cflag at 8 */
const TERMIOS_ROOM = 128
const IFLAG = 0
const CFLAG = 8

/** Calls on an open descriptor. */
export interface Termios {
  /** @returns true when the driver says that it now checks parity on receive */
  checkParity(fd: number, parity: LineSetting['parity']): boolean
  /** Parity, framing, overrun and break counts of the driver; undefined where it keeps none (pseudo-terminals). */
  lineErrors(fd: number): Record<string, number> | undefined
}

let loaded: Promise<Termios | undefined> | undefined

/** The platform's termios; undefined where it is not known. */
export function loadTermios(): Promise<Termios | undefined> {
  loaded ??=
    platform === 'linux' && KNOWN_ARCH.has(arch) ? bind().catch(() => undefined) : Promise.resolve(undefined)
  return loaded
}

async function bind(): Promise<Termios> {
  const { default: koffi } = await import('koffi')
  const self = koffi.load(null)
  const tcgetattr = self.func('int tcgetattr(int fd, _Inout_ uint8_t *termios)')
  const tcsetattr = self.func('int tcsetattr(int fd, int when, const uint8_t *termios)')
  const ioctl = self.func('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *counters)')
  const read = (fd: number): DataView | undefined => {
    const octets = new Uint8Array(TERMIOS_ROOM)
    return tcgetattr(fd, octets) === 0 ? new DataView(octets.buffer) : undefined
  }
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
  return {
    checkParity(fd, parity) {
      const view = read(fd)
      if (!view) return false
      let iflag = view.getUint32(IFLAG, little) & ~(INPCK | ISTRIP)
      let cflag = view.getUint32(CFLAG, little) & ~(PARENB | PARODD)
      if (parity !== 'none') {
        iflag |= INPCK
        cflag |= PARENB | (parity === 'odd' ? PARODD : 0)
      }
      view.setUint32(IFLAG, iflag >>> 0, little)
      view.setUint32(CFLAG, cflag >>> 0, little)
      tcsetattr(fd, TCSANOW, new Uint8Array(view.buffer))
      // tcsetattr succeeds when any one change took: only reading back tells (POSIX).
      const after = read(fd)
      return parity !== 'none' && after !== undefined && (after.getUint32(IFLAG, little) & INPCK) !== 0
    },
    lineErrors(fd) {
      const octets = new Uint8Array(128)
      if (ioctl(fd, TIOCGICOUNT, octets) !== 0) return undefined
      const view = new DataView(octets.buffer)
      const field = (index: number) => view.getInt32(4 * index, little)
      return {
        framingErrors: field(6),
        overruns: field(7) + field(10),
        parityErrors: field(8),
        breaks: field(9)
      }
    }
  }
}
