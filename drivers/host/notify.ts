import { HostError } from './errors.ts'

/** The service manager's ear (sd_notify). All calls are cheap and do nothing outside systemd. */
export interface Notifier {
  ready(): void
  status(text: string): void
  /** To be called at least every `watchdogMs`, and only while all loops advance. */
  watchdog(): void
  stopping(): void
  /** Half of WatchdogSec in milliseconds; undefined when the unit has none. */
  readonly watchdogMs: number | undefined
}

export interface NotifyEnvironment {
  readonly socket?: string | undefined
  readonly watchdogUsec?: string | undefined
  readonly watchdogPid?: string | undefined
}

/** The three variables systemd sets. */
export function notifyEnvironment(env: Readonly<Record<string, string | undefined>>): NotifyEnvironment {
  return {
    socket: env['NOTIFY_SOCKET'],
    watchdogUsec: env['WATCHDOG_USEC'],
    watchdogPid: env['WATCHDOG_PID']
  }
}

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
/** sizeof(sun_path) on Linux */
const PATH_MAX = 108

/**
 * Opens the datagram socket that systemd names. Node has no unix datagrams, so libc is called through koffi,
 * which is loaded only when there is a socket to speak to.
 * @throws HostError HOST_NOTIFY when the named socket cannot be used
 */
export async function createNotifier(env: NotifyEnvironment, pid = process.pid): Promise<Notifier> {
  const send = env.socket === undefined || env.socket === '' ? () => undefined : await openSocket(env.socket)
  const usec = Number(env.watchdogUsec)
  const mine = env.watchdogPid === undefined || env.watchdogPid === '' || Number(env.watchdogPid) === pid
  return {
    ready: () => send('READY=1'),
    status: text => send(`STATUS=${text.replaceAll('\n', ' ')}`),
    watchdog: () => send('WATCHDOG=1'),
    stopping: () => send('STOPPING=1'),
    watchdogMs: mine && Number.isFinite(usec) && usec > 0 ? Math.floor(usec / 2_000) : undefined
  }
}

async function openSocket(path: string): Promise<(text: string) => void> {
  const name = Buffer.from(path)
  if (name.length >= PATH_MAX || (path[0] !== '/' && path[0] !== '@')) {
    throw new HostError('HOST_NOTIFY', 'NOTIFY_SOCKET names no unix socket', {
      at: path,
      next: 'unset NOTIFY_SOCKET'
    })
  }
  const { default: koffi } = await import('koffi')
  const libc = koffi.load(null)
  const socket = libc.func('int socket(int domain, int type, int protocol)')
  const sendto = libc.func(
    'long sendto(int fd, const uint8_t *data, size_t size, int flags, const uint8_t *address, uint32_t length)'
  )
  const fd: unknown = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (typeof fd !== 'number' || fd < 0) {
    throw new HostError('HOST_NOTIFY', 'no unix datagram socket can be opened', {
      at: path,
      next: 'allow AF_UNIX in RestrictAddressFamilies of the unit'
    })
  }
  // struct sockaddr_un: family in host order (little-endian on every platform served), then the path; '@' is the abstract space
  const address = Buffer.alloc(2 + name.length + (path[0] === '@' ? 0 : 1))
  address.writeUInt16LE(AF_UNIX, 0)
  name.copy(address, 2)
  if (path[0] === '@') address[2] = 0
  return text => {
    const data = Buffer.from(text)
    // a lost notification is no reason to stop reading meters; systemd's own watchdog judges
    sendto(fd, data, data.length, 0, address, address.length)
  }
}
