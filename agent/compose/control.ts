import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { type AskOptions, askDaemon, controlSocketExists } from '../../drivers/control/client.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { buildStatus, type GatewayStatus, type LiveStatus } from '../control/status.ts'
import { openStoreForReading } from './stores.ts'

const ASK_TIMEOUT_MS = 5_000

/** Folder of the two sockets: systemd's RuntimeDirectory where there is one, else the state folder. */
export function socketPaths(
  config: GatewayConfig,
  env: NodeJS.ProcessEnv = process.env
): { view: string; admin: string } {
  const folder = env['RUNTIME_DIRECTORY'] ?? join(config.stateDir, 'run')
  return { view: join(folder, 'view.sock'), admin: join(folder, 'admin.sock') }
}

/** The sockets a command looks at: those of the unit first, since a technician's shell has no RUNTIME_DIRECTORY. */
function candidates(config: GatewayConfig, kind: 'view' | 'admin'): string[] {
  return [socketPaths(config)[kind], join('/run/wattproof', `${kind}.sock`)]
}

/** Asks the running daemon; undefined when none runs. @throws ControlError when it refuses or may not be spoken to */
export async function askIfRunning(
  config: GatewayConfig,
  kind: 'view' | 'admin',
  verb: string,
  params: Readonly<Record<string, unknown>> = {},
  options: Partial<AskOptions> = {}
): Promise<unknown> {
  const asking = { timeoutMs: ASK_TIMEOUT_MS, ...options }
  for (const path of candidates(config, kind)) {
    if (!controlSocketExists(path)) continue
    try {
      const answer = await askDaemon(path, verb, { ...params, gateway: config.gateway }, asking)
      if (answer !== undefined) return answer
    } catch (error) {
      // a socket file left by a killed daemon is not an answer
      if (
        isWattproofError(error) &&
        error.code === 'CONTROL_UNREACHABLE' &&
        /ECONNREFUSED/.test(String(error.cause))
      )
        continue
      throw error
    }
  }
  return undefined
}

/** Status from the store, with what a running daemon adds. */
export async function gatewayStatus(config: GatewayConfig): Promise<GatewayStatus> {
  const live = ((await askIfRunning(config, 'view', 'live')) ?? null) as LiveStatus | null
  const store = openStoreForReading(config)
  try {
    return buildStatus(config, store, Date.now(), live)
  } finally {
    store.close()
  }
}
