import type { GatewayConfig } from '../../config/gateway-config.ts'
import { ControlError } from '../../drivers/control/errors.ts'
import type { ControlCall, ControlHandler } from '../../drivers/control/server.ts'
import type { Backfill } from '../acquire/backfill.ts'
import type { LiveStatus } from '../control/status.ts'
import type { AgentStore, Clock, MeterBus } from '../ports.ts'

export interface DaemonView {
  readonly config: GatewayConfig
  readonly clock: Clock
  readonly store: AgentStore
  readonly buses: readonly MeterBus[]
  readonly backfill: Pick<Backfill, 'state'>
  readonly brokerConnected: () => boolean
  readonly startedAtMs: number
  /** what only the admin socket may ask for, by verb */
  readonly actions: Readonly<Record<string, AdminAction>>
}

/** Does something for a technician; what it gives back is sent as JSON, what it throws as an error. */
export type AdminAction = (params: Readonly<Record<string, unknown>>, call: ControlCall) => unknown

/** What the daemon answers on its two sockets: the view socket only looks, the admin socket also acts. */
export function daemonVerbs(daemon: DaemonView): {
  view: ControlHandler
  admin: ControlHandler
  live: () => LiveStatus
} {
  const view: ControlHandler = async (verb, params) => {
    requireGateway(daemon, params)
    if (verb === 'live') return liveStatus(daemon)
    if (verb === 'backfill-state') return daemon.backfill.state()
    throw unknownVerb(verb)
  }
  const admin: ControlHandler = async (verb, params, call) => {
    const action = Object.hasOwn(daemon.actions, verb) ? daemon.actions[verb] : undefined
    if (!action) return view(verb, params, call)
    requireGateway(daemon, params)
    return action(params, call)
  }
  return { view, admin, live: () => liveStatus(daemon) }
}

function requireGateway(daemon: DaemonView, params: Readonly<Record<string, unknown>>): void {
  if (params['gateway'] === undefined || params['gateway'] === daemon.config.gateway) return
  throw new ControlError('CONTROL_REMOTE', `this daemon is ${daemon.config.gateway}`, {
    next: 'name its configuration with --config'
  })
}

function unknownVerb(verb: string): ControlError {
  return new ControlError('CONTROL_PROTOCOL', `the daemon does not know the verb ${JSON.stringify(verb)}`, {
    next: 'command and daemon may be of different versions: wattproof --version'
  })
}

function liveStatus(daemon: DaemonView): LiveStatus {
  return {
    pid: process.pid,
    startedAt: new Date(daemon.startedAtMs).toISOString(),
    buses: daemon.buses.map(bus => bus.status()),
    brokerConnected: daemon.brokerConnected(),
    clockTrusted: daemon.clock.trusted(),
    rssBytes: process.memoryUsage.rss()
  }
}
