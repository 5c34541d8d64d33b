import { createClock } from '../../drivers/host/clock.ts'
import { createLog } from '../../drivers/host/log.ts'
import { randomFraction } from '../../drivers/host/random.ts'
import { openLedgerStore } from '../../drivers/store/ledger-store.ts'
import { connectionOptions } from '../../drivers/uplink/broker-address.ts'
import { openLedgerUplink } from '../../drivers/uplink/ledger-uplink.ts'
import { runSelfTest } from '../../proto/crypto/self-test.ts'
import { keyId } from '../../proto/crypto/sm2-curve.ts'
import { sm2Verify } from '../../proto/crypto/sm2-signature.ts'
import { CryptoError } from '../../proto/errors.ts'
import { Ledger } from '../ledger/ledger.ts'
import type { LedgerStore } from '../ports.ts'
import { onOrphaned } from './children.ts'
import { loadLedgerKeys, readGatewayKey } from './keys.ts'

export interface LedgerSettings {
  readonly broker: string
  readonly keyFile: string
  readonly dbFile: string
  readonly name: string
  /** registration bundles of gateways to enrol */
  readonly register: readonly string[]
  /** suites taken; there is no negotiation */
  readonly suites: readonly number[]
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly tlsKeyFile: string | undefined
}

/** Runs the reference ledger until the signal aborts or the parent process is gone. */
export async function runLedger(
  settings: LedgerSettings,
  signal: AbortSignal,
  onEvent: (event: Record<string, unknown>) => void
): Promise<void> {
  runSelfTest()
  const clock = createClock()
  const log = createLog({ level: 'info', clock })
  const ended = new AbortController()
  onOrphaned(() => ended.abort(new Error('the parent process is gone')))
  const stop = AbortSignal.any([signal, ended.signal])
  const { broker: url, caFile, certFile, tlsKeyFile } = settings
  const broker = {
    url,
    ...(caFile ? { ca: caFile } : {}),
    ...(certFile ? { cert: certFile } : {}),
    ...(tlsKeyFile ? { key: tlsKeyFile } : {})
  }
  // a broker that is away is waited for, one that is written wrong never comes
  connectionOptions(broker)
  const keys = loadLedgerKeys(settings.keyFile)
  const store = openLedgerStore(settings.dbFile, { nowMs: clock.nowMs })
  try {
    for (const file of settings.register) enrol(store, file)
    const uplink = openLedgerUplink({
      ledger: settings.name,
      broker,
      clock,
      log,
      random: randomFraction
    })
    try {
      const ledger = new Ledger({
        ledger: settings.name,
        store,
        uplink,
        signer: keys.signer,
        recipientKey: keys.encryptionKey,
        suites: settings.suites,
        clock,
        log,
        onVerdict: (gateway, verdict) => {
          if (verdict.kind === 'answer')
            onEvent({
              event: 'verdict',
              gateway,
              status: verdict.status,
              seq: verdict.number,
              detail: verdict.detail
            })
        }
      })
      await ledger.start()
      onEvent({ event: 'ready', ledger: settings.name, pid: process.pid })
      await aborted(stop)
    } finally {
      await uplink.close()
    }
  } finally {
    store.close()
  }
}

/** Admits a gateway by its bundle; a PEM alone names no gateway. @throws CryptoError */
function enrol(store: LedgerStore, file: string): void {
  const { gateway, publicKey } = readGatewayKey(file, sm2Verify)
  if (gateway === undefined) {
    throw new CryptoError('CRYPTO_KEY', 'a bare key names no gateway', {
      at: file,
      next: 'give the bundle that keys register prints'
    })
  }
  const known = store.gateway(gateway)
  store.enrol({ gateway, signKey: publicKey, kid: keyId(publicKey), status: known?.status ?? 'active' })
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** What a ledger's database holds of a gateway. */
export function ledgerCounts(dbFile: string, gateway: string): ReturnType<LedgerStore['counts']> {
  const store = openLedgerStore(dbFile, { nowMs: Date.now, readOnly: true })
  try {
    return store.counts(gateway)
  } finally {
    store.close()
  }
}
