import type { GatewayConfig } from '../../config/gateway-config.ts'
import { ControlError } from '../../drivers/control/errors.ts'
import type { ControlHandler } from '../../drivers/control/server.ts'
import type { LiveStatus } from '../control/status.ts'
import type { AgentStore, Clock, MeterBus } from '../ports.ts'

export interface DaemonView {
  readonly config: GatewayConfig
  readonly clock: Clock
  readonly store: AgentStore
  readonly buses: readonly MeterBus[]
  readonly brokerConnected: () => boolean
  readonly startedAtMs: number
}

/** What the daemon answers on its two sockets: the view socket only looks, the admin socket also acts. */
export function daemonVerbs(daemon: DaemonView): {
  view: ControlHandler
  admin: ControlHandler
  live: () => LiveStatus
} {
  const view: ControlHandler = async (verb, params) => {
    if (params['gateway'] !== undefined && params['gateway'] !== daemon.config.gateway) {
      throw new ControlError('CONTROL_REMOTE', `this daemon is ${daemon.config.gateway}`, {
        next: 'name its configuration with --config'
      })
    }
    if (verb === 'live') return liveStatus(daemon)
    throw new ControlError('CONTROL_PROTOCOL', `the daemon does not know the verb ${JSON.stringify(verb)}`, {
      next: 'command and daemon may be of different versions: wattproof --version'
    })
  }
  return { view, admin: view, live: () => liveStatus(daemon) }
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
