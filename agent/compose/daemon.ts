import { setMaxListeners } from 'node:events'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { openEvmChain } from '../../drivers/chain/evm.ts'
import { serveControl } from '../../drivers/control/server.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { createLog } from '../../drivers/host/log.ts'
import { createNotifier, notifyEnvironment } from '../../drivers/host/notify.ts'
import { randomFraction, randomOctets } from '../../drivers/host/random.ts'
import { serveMetrics } from '../../drivers/metrics/endpoint.ts'
import type { OpenedAgentStore } from '../../drivers/store/agent-store.ts'
import { openGatewayUplink } from '../../drivers/uplink/gateway-uplink.ts'
import { utf8 } from '../../proto/bytes.ts'
import { createContractCodec } from '../../proto/chain/contract-codec.ts'
import { keccak256 } from '../../proto/crypto/digest.ts'
import { runSelfTest } from '../../proto/crypto/self-test.ts'
import type { Backfill } from '../acquire/backfill.ts'
import { ratioStampOf } from '../acquire/to-reading.ts'
import { AnchorLoop } from '../anchor/anchor-loop.ts'
import type { CheckStage } from '../check/check-stage.ts'
import { Freshness } from '../control/freshness.ts'
import { gatewayFigures } from '../control/status.ts'
import { DeliverLoop } from '../deliver/deliver-loop.ts'
import type { Clock, Log, Uplink } from '../ports.ts'
import { SealLoop } from '../seal/seal-loop.ts'
import { startAcquisition } from './acquisition.ts'
import { AlarmDesk } from './alarm-desk.ts'
import { acknowledgeAlarm, shelveAlarm } from './alarm-verbs.ts'
import { BusWatch } from './bus-watch.ts'
import { createCheckStage } from './checks.ts'
import { onOrphaned } from './children.ts'
import { socketPaths } from './control.ts'
import { daemonVerbs } from './daemon-verbs.ts'
import { dropSpentKeys } from './key-rotation.ts'
import { type Identity, loadIdentity, loadRecipients, readPublicKeyFile } from './keys.ts'
import { type GuardedLine, openMeterBuses } from './lines.ts'
import { statusSamples } from './metrics.ts'
import { findSideWarnings } from './profile-sides.ts'
import { pruneLoop } from './retention.ts'
import { openStore } from './stores.ts'
import { technicianActions } from './technician.ts'
import { TroubleDesk } from './trouble-desk.ts'

/** Everything a running daemon is made of. */
interface Daemon {
  readonly config: GatewayConfig
  readonly clock: Clock
  readonly log: Log
  readonly store: OpenedAgentStore
  readonly identity: Identity
  readonly buses: readonly GuardedLine[]
}

/** How long a stop may take: systemd is told 10 s, the contract says 5. */
const STOP_MS = 4_000
/** Another master on a line is told of within this, whatever a slot's length. */
const BUS_GLANCE_MS = 20_000

/**
 * Runs the daemon until the signal aborts. All that was committed stays; what was on the line is let go.
 * @param onReady called once buses, store and loops are up
 */
export async function runDaemon(
  config: GatewayConfig,
  signal: AbortSignal,
  onReady: () => void
): Promise<void> {
  runSelfTest()
  const clock = createClock()
  const log = createLog({ level: config.logLevel, clock })
  const ended = new AbortController()
  onOrphaned(() => ended.abort(new Error('the parent process is gone')))
  const stop = AbortSignal.any([signal, ended.signal])
  // every loop and every wait listens to it: their number is no leak
  setMaxListeners(0, stop)
  const identity = loadIdentity(config)
  const freshness = new Freshness(config)
  const store = freshness.watch(openStore(config))
  const closers: (() => Promise<unknown> | unknown)[] = [() => store.close()]
  const notifier = await createNotifier(notifyEnvironment(process.env))
  try {
    for (const warning of findSideWarnings(config)) log.warn('ratio-side', { ...warning })
    const buses = openMeterBuses(config, { clock, log, learned: store }, store)
    closers.unshift(() => Promise.all(buses.map(bus => bus.close())))
    const daemon: Daemon = { config, clock, log, store, identity, buses }
    const { tasks, uplink, stage, backfill } = startLoops(daemon, stop, closers)
    const verbs = daemonVerbs({
      ...daemon,
      backfill,
      brokerConnected: () => uplink?.connected ?? false,
      startedAtMs: clock.nowMs(),
      actions: {
        ...technicianActions({ ...daemon, backfill }),
        'alarm-ack': params => acknowledgeAlarm({ store, stage, clock }, params),
        'alarm-shelve': params => shelveAlarm({ store, stage, clock }, params)
      }
    })
    const sockets = socketPaths(config)
    for (const kind of ['view', 'admin'] as const) {
      const server = await serveControl(sockets[kind], verbs[kind])
      closers.unshift(() => server.close())
    }
    if (config.metricsListen !== undefined) {
      freshness.load(store, clock.nowMs())
      const figures = () => {
        const nowMs = clock.nowMs()
        return statusSamples(gatewayFigures(config, store, nowMs, verbs.live()), freshness.ages(nowMs))
      }
      const endpoint = await serveMetrics(config.metricsListen, figures)
      closers.unshift(() => endpoint.close())
    }
    log.info('started', {
      gateway: config.gateway,
      pid: process.pid,
      buses: buses.length,
      meters: config.meters.length
    })
    notifier.ready()
    const beat = startWatchdog(notifier.watchdogMs, () => notifier.watchdog())
    closers.unshift(beat)
    onReady()
    await Promise.race([aborted(stop), ...tasks.map(failure)])
  } finally {
    notifier.stopping()
    ended.abort(new Error('the daemon stops'))
    await closeAll(closers, log)
    log.info('stopped', { gateway: config.gateway })
  }
}

/** The loops: each reads what the one before committed, and none calls another. */
function startLoops(
  daemon: Daemon,
  signal: AbortSignal,
  closers: (() => unknown)[]
): { tasks: Promise<void>[]; uplink: Uplink | undefined; stage: CheckStage; backfill: Backfill } {
  const { config, clock, log, store, identity, buses } = daemon
  const stage = createCheckStage(config, store)
  closers.unshift(() => stage.flush())
  const desk = new AlarmDesk(config.gateway, identity.signer, store, log, config.chain !== undefined)
  const troubles = new TroubleDesk(desk, clock, config.slotSeconds)
  const watch = new BusWatch(buses, (bus, trouble) => troubles.note('line', trouble, bus))
  const onSwept = () => {
    watch.look()
    troubles.tick()
  }
  const glances = setInterval(() => watch.glance(), BUS_GLANCE_MS)
  closers.unshift(() => clearInterval(glances))
  const acquisition = startAcquisition({ ...daemon, stage, desk, onSwept }, signal)
  const { backfill } = acquisition
  closers.unshift(...acquisition.closers)
  const seal = new SealLoop({
    store,
    clock,
    log,
    gateway: config.gateway,
    slotSeconds: config.slotSeconds,
    suite: config.suite,
    roster: () => config.meters.map(meter => ({ meter: meter.id, ratio: ratioStampOf(meter) })),
    recipients: loadRecipients(config),
    signer: identity.signer,
    deviceSecret: identity.deviceSecret,
    random: randomOctets
  })
  const tasks = [config.recipients.length > 0 ? seal.run(signal) : waitWithoutRecipients(log, signal)]
  const dropKeys = () => dropSpentKeys(config, identity, store, log)
  tasks.push(pruneLoop(config, store, clock, log, signal, dropKeys), ...acquisition.tasks)
  const uplink = startDelivery(daemon, { tasks, closers, signal, troubles, backfill })
  startAnchoring(daemon, { tasks, closers, signal, troubles, backfill })
  return { tasks, uplink, stage, backfill }
}

/** What the loops of the way out share. */
interface Way {
  readonly tasks: Promise<void>[]
  readonly closers: (() => unknown)[]
  readonly signal: AbortSignal
  readonly troubles: TroubleDesk
  readonly backfill: Backfill
}

function startDelivery(daemon: Daemon, way: Way): Uplink | undefined {
  const { config, clock, log, store } = daemon
  const { tasks, closers, signal, troubles, backfill } = way
  if (!config.broker || !config.receiptKeyFile) {
    log.warn('no-broker', { next: 'add broker:, recipients: and ledger: to the configuration' })
    return undefined
  }
  const { url, caFile, certFile, keyFile, username, passwordFile, keepaliveSeconds } = config.broker
  const uplink = openGatewayUplink({
    gateway: config.gateway,
    broker: {
      url,
      ...(caFile ? { ca: caFile } : {}),
      ...(certFile ? { cert: certFile } : {}),
      ...(keyFile ? { key: keyFile } : {}),
      ...(username ? { username } : {}),
      ...(passwordFile ? { passwordFile } : {})
    },
    keepaliveSeconds,
    offlineState: utf8(JSON.stringify({ gateway: config.gateway, state: 'offline' })),
    clock,
    log,
    random: randomFraction
  })
  closers.unshift(() => uplink.close())
  const deliver = new DeliverLoop({
    store,
    uplink,
    clock,
    log,
    gateway: config.gateway,
    ledgerKey: readPublicKeyFile(config.receiptKeyFile),
    random: randomFraction,
    onTrouble: trouble => troubles.note('delivery', trouble),
    onReread: ({ meter, from, to }) => {
      const span = { fromSlot: from, toSlot: to, ...(meter === null ? {} : { meter }) }
      backfill.ask(span, signal).catch(error => log.error('reread-failed', { error }))
    }
  })
  tasks.push(deliver.run(signal))
  return uplink
}

function startAnchoring(daemon: Daemon, { tasks, signal, troubles }: Way): void {
  const { config, clock, log, store, identity } = daemon
  if (!config.chain) return
  const anchor = new AnchorLoop({
    store,
    chain: openEvmChain({ rpc: config.chain.rpc, clock, log }),
    clock,
    log,
    codec: createContractCodec(keccak256),
    contract: config.chain.contract,
    gateway: config.gateway,
    privateKey: identity.chainKey,
    earlierKeys: identity.earlierChainKeys,
    confirmations: config.chain.finality,
    pace: { idleMs: config.chain.pollMs },
    random: randomFraction,
    onTrouble: trouble => troubles.note('anchor', trouble)
  })
  tasks.push(anchor.run(signal))
}

/** Readings are kept unsealed until somebody is named who may open them. */
async function waitWithoutRecipients(log: Log, signal: AbortSignal): Promise<void> {
  log.warn('no-recipients', { next: 'nothing is sealed: add recipients: to the configuration' })
  await aborted(signal)
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** A loop that ends without being told to is a failure of the daemon; one that ends well never wins the race. */
async function failure(task: Promise<void>): Promise<void> {
  await task
  await new Promise(() => undefined)
}

/** Tells systemd at half its period that the event loop turns. */
function startWatchdog(periodMs: number | undefined, beat: () => void): () => void {
  if (periodMs === undefined) return () => undefined
  beat()
  const timer = setInterval(beat, periodMs)
  return () => clearInterval(timer)
}

async function closeAll(closers: readonly (() => Promise<unknown> | unknown)[], log: Log): Promise<void> {
  for (const close of closers) {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise(resolve => {
      timer = setTimeout(resolve, STOP_MS / 4)
    })
    try {
      await Promise.race([close(), late])
    } catch (error) {
      log.error('close-failed', { error })
    } finally {
      clearTimeout(timer)
    }
  }
}
