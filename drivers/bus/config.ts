import type { BeyondReading } from '../../proto/dlt645/control-code.ts'
import { BusError } from './errors.ts'

/** One bus as configured. */
export interface BusConfig {
  readonly name: string
  /** `serial:/dev/serial/by-path/...`, `tcp://host:port` (raw octets through a serial server) or `modbus-tcp://host:port` */
  readonly port: string
  readonly baud: number
  readonly parity: 'even' | 'none' | 'odd'
  readonly dataBits?: 7 | 8
  readonly stopBits?: 1 | 2
  /** what besides reading the operator has switched on; nothing when left out */
  readonly allow?: BeyondReading
}

/** The port, taken apart. */
export type PortAddress =
  | { readonly kind: 'serial'; readonly path: string }
  | { readonly kind: 'tcp' | 'modbus-tcp'; readonly host: string; readonly port: number }

/**
 * Parses `serial:PATH`, `tcp://HOST:PORT` or `modbus-tcp://HOST[:PORT]` (502 when left out); a bare path is a serial port.
 * @throws BusError BUS_CONFIG
 */
export function parsePort(text: string): PortAddress {
  const serial = /^(?:serial:)?(\/.+)$/.exec(text)
  if (serial) return { kind: 'serial', path: serial[1] as string }
  const tcp = /^(tcp|modbus-tcp):\/\/(\[[0-9a-fA-F:]+\]|[^:/]+)(?::(\d+))?\/?$/.exec(text)
  const kind = tcp?.[1] === 'tcp' ? 'tcp' : 'modbus-tcp'
  const port = Number(tcp?.[3] ?? (kind === 'modbus-tcp' ? 502 : Number.NaN))
  if (tcp && port >= 1 && port <= 65535) {
    return { kind, host: (tcp[2] as string).replace(/^\[|\]$/g, ''), port }
  }
  throw new BusError('BUS_CONFIG', `not a port: ${JSON.stringify(text)}`, {
    next: 'write serial:/dev/..., tcp://host:port or modbus-tcp://host:port'
  })
}
