import type { GatewayConfig } from '../../config/gateway-config.ts'
import { ControlError } from '../../drivers/control/errors.ts'
import type { ControlCall } from '../../drivers/control/server.ts'
import type { Backfill } from '../acquire/backfill.ts'
import type { Clock, Log, MeterPoint, Protocol } from '../ports.ts'
import type { AdminAction } from './daemon-verbs.ts'
import { readPatiently } from './line.ts'
import type { GuardedLine } from './lines.ts'
import { type ScanRequest, scanLine } from './scan.ts'
import { tellTraffic } from './sniff.ts'

/** What a technician's commands need of the daemon. */
export interface TechnicianParts {
  readonly config: GatewayConfig
  readonly clock: Clock
  readonly log: Log
  readonly buses: readonly GuardedLine[]
  readonly backfill: Backfill
}

type Params = Readonly<Record<string, unknown>>

const PROTOCOLS: readonly unknown[] = ['dlt645', 'dlt645-1997', 'modbus'] satisfies readonly Protocol[]

/** What the daemon does on its lines for a technician, beside its own reading: the verbs `read`, `scan`, `backfill`, `bus sniff` and `bus accept`. */
export function technicianActions(parts: TechnicianParts): Readonly<Record<string, AdminAction>> {
  return {
    read: (params, call) => read(parts, params, call),
    scan: (params, call) => scan(parts, params, call),
    backfill: (params, call) => backfill(parts, params, call),
    sniff: (params, call) => sniff(parts, params, call),
    'bus-accept': params => accept(parts, params)
  }
}

/** The meters on the line are its own, whatever was known of them. */
function accept(parts: TechnicianParts, params: Params): unknown {
  const line = lineOf(parts, params['bus'])
  const { refusal } = line.status()
  line.accept()
  parts.log.info('bus-accepted', { bus: line.name, refusal })
  return { bus: line.name, refusal: refusal ?? null }
}

async function read(parts: TechnicianParts, params: Params, { signal }: ControlCall): Promise<unknown> {
  const meter = meterOf(parts, params)
  return readPatiently(lineOf(parts, meter.bus), meter, parts, signal)
}

async function scan(parts: TechnicianParts, params: Params, call: ControlCall): Promise<unknown> {
  const opened = lineOf(parts, params['bus'])
  const { protocols, baud, parity, thorough } = params
  if (!Array.isArray(protocols) || !protocols.every(one => PROTOCOLS.includes(one))) throw wrong('protocols')
  if (baud !== undefined && typeof baud !== 'number') throw wrong('baud')
  if (parity !== undefined && parity !== 'even' && parity !== 'none' && parity !== 'odd')
    throw wrong('parity')
  const request: ScanRequest = { protocols, baud, parity, thorough: thorough === true }
  parts.log.info('scan-asked', { bus: opened.name, protocols })
  const watch = { signal: call.signal, onProgress: call.progress }
  return scanLine(opened, parts, request, watch, opened.config)
}

function sniff(parts: TechnicianParts, params: Params, call: ControlCall): Promise<void> {
  const { protocol } = params
  if (protocol !== undefined && protocol !== 'dlt645' && protocol !== 'modbus') throw wrong('protocol')
  return tellTraffic(lineOf(parts, params['bus']), parts.clock, protocol, call)
}

async function backfill(parts: TechnicianParts, params: Params, { signal }: ControlCall): Promise<unknown> {
  const { meter, fromSlot, toSlot, again } = params
  if (typeof fromSlot !== 'number' || typeof toSlot !== 'number') throw wrong('fromSlot, toSlot')
  if (meter !== undefined && typeof meter !== 'string') throw wrong('meter')
  parts.log.info('backfill-asked', { meter, fromSlot, toSlot })
  return parts.backfill.ask(
    { fromSlot, toSlot, again: again === true, ...(meter === undefined ? {} : { meter }) },
    signal
  )
}

/** The configured meter of the name, or the one described, with the items asked for. */
function meterOf({ config }: TechnicianParts, params: Params): MeterPoint {
  const { meter, point } = params
  if (typeof point !== 'object' || point === null) {
    const found = config.meters.find(({ id }) => id === meter)
    if (!found) throw wrong(`meter ${JSON.stringify(meter)}`)
    return found
  }
  const { items, rawItems, protocol, address, bus } = point as Partial<MeterPoint>
  const isList = (list: unknown, kind: string) =>
    Array.isArray(list) && list.every(one => typeof one === kind)
  if (!isList(items, 'number') || !isList(rawItems, 'string')) throw wrong('items')
  if (!PROTOCOLS.includes(protocol) || typeof address !== 'string' || typeof bus !== 'string')
    throw wrong('point')
  return point as MeterPoint
}

function lineOf({ buses }: TechnicianParts, name: unknown): GuardedLine {
  const found = buses.find(bus => bus.name === name)
  if (!found) throw wrong(`bus ${JSON.stringify(name)}`)
  return found
}

function wrong(what: string): ControlError {
  return new ControlError('CONTROL_PROTOCOL', `the daemon cannot do this: ${what}`, {
    next: 'command, daemon or its configuration may differ: wattproof config check; systemctl restart wattproof'
  })
}
