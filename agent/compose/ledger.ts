import { createClock } from '../../drivers/host/clock.ts'
import { createLog } from '../../drivers/host/log.ts'
import { randomFraction } from '../../drivers/host/random.ts'
import { openLedgerStore } from '../../drivers/store/ledger-store.ts'
import { connectionOptions } from '../../drivers/uplink/broker-address.ts'
import { openLedgerUplink } from '../../drivers/uplink/ledger-uplink.ts'
import { toHex } from '../../proto/bytes.ts'
import { runSelfTest } from '../../proto/crypto/self-test.ts'
import { keyId } from '../../proto/crypto/sm2-curve.ts'
import { CryptoError } from '../../proto/errors.ts'
import { enrolGateway } from '../ledger/enrolment.ts'
import { Ledger } from '../ledger/ledger.ts'
import type { LedgerStore } from '../ports.ts'
import { onOrphaned } from './children.ts'
import { loadLedgerKeys, readRegistration } from './keys.ts'

export interface LedgerSettings {
  readonly broker: string
  readonly keyFile: string
  readonly dbFile: string
  readonly name: string
  /** registration bundles of gateways to enrol */
  readonly register: readonly string[]
  /** ids of keys taken although the key before has not signed for them, because it is lost */
  readonly trustKeys: readonly string[]
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
    const enrolments = settings.register.map(file => enrol(store, file, settings.trustKeys))
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
      // ready comes first: whoever started this process waits for that line
      onEvent({ event: 'ready', ledger: settings.name, pid: process.pid })
      for (const event of enrolments) onEvent(event)
      await aborted(stop)
    } finally {
      await uplink.close()
    }
  } finally {
    store.close()
  }
}

/** Admits a gateway, or another key of it, by a bundle. @returns the event to tell @throws CryptoError with the file */
function enrol(store: LedgerStore, file: string, trusted: readonly string[]): Record<string, unknown> {
  const registration = readRegistration(file)
  try {
    const event = enrolGateway(store, registration, trusted)
    return { event, gateway: registration.gateway, keyId: toHex(keyId(registration.publicKey)) }
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
    throw new CryptoError(cause.code, cause.message, {
      at: file,
      cause,
      ...(cause.next ? { next: cause.next } : {})
    })
  }
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
