import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { makePrivateFolder, pathExists } from '../../drivers/host/paths.ts'
import { type OpenedAgentStore, openAgentStore } from '../../drivers/store/agent-store.ts'
import { StoreError } from '../../drivers/store/errors.ts'

/** The daemon's database. */
export function storePath(config: GatewayConfig): string {
  return join(config.stateDir, 'store.db')
}

/** Opens the store for the daemon; makes the state folder when it is new. @throws StoreError */
export function openStore(config: GatewayConfig): OpenedAgentStore {
  makePrivateFolder(config.stateDir)
  return openAgentStore(storePath(config), { nowMs: Date.now, maxBytes: config.retention.diskMaxBytes })
}

/**
 * Opens the store to look at it, while a daemon runs or not.
 * @throws StoreError STORE_MISSING with the mend, when there is none yet
 */
export function openStoreForReading(config: GatewayConfig): OpenedAgentStore {
  const path = storePath(config)
  if (!pathExists(path)) {
    throw new StoreError('STORE_MISSING', 'this gateway has no store yet', {
      at: path,
      next: 'start the daemon (systemctl start wattproof), or name another --config'
    })
  }
  return openAgentStore(path, { nowMs: Date.now, readOnly: true })
}
