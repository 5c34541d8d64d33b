import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GatewayConfig } from '../../../config/gateway-config.ts'
import { loadConfig } from '../../../config/load.ts'
import { formatScaled } from '../../../proto/decimal.ts'
import { itemById } from '../../../proto/items.ts'
import { isGap } from '../../../proto/reading.ts'
import { slotOf } from '../../../proto/slot.ts'
import { ANCHOR_REASON } from '../../../proto/wire/anchor.ts'
import type { Output } from '../../cli/output.ts'
import type { AgentStore, Clock, StoredAlarm } from '../../ports.ts'
import { loadLedgerKeys, readGatewayKeys } from '../keys.ts'
import { ledgerCounts } from '../ledger.ts'
import { quietHost } from '../line.ts'
import { buildStoredProof, type VerifyResult, verifyEvidence } from '../proofs.ts'
import { openStoreForReading } from '../stores.ts'
import { findFiledAlarm } from './filed-alarm.ts'
import { type DemoSite, startSite } from './parties.ts'
import { DEMO_METERS, type DemoPlan, PROVED_METER, SPIKE_METER, WRONG_RATIO_METER } from './site.ts'
import { dropReading, forgeReading, readingOfProof, swapNeighbour, type Trial } from './trials.ts'
import { watchSlots } from './watch.ts'

export interface DemoOptions {
  readonly slots: number
  readonly slotSeconds: number
  readonly keep: boolean
}

interface Point {
  readonly name: string
  readonly holds: boolean
  readonly detail: string
}

/**
 * Runs the main job on simulated meters and puts its promises to the test.
 * @returns true only if every one of them held
 */
export async function runDemo(options: DemoOptions, out: Output, signal: AbortSignal): Promise<boolean> {
  const { clock } = quietHost()
  const folder = mkdtempSync(join(tmpdir(), 'wattproof-demo-'))
  const startedMs = clock.monotonicMs()
  const tell = (what: string, detail: string) => {
    const at = ((clock.monotonicMs() - startedMs) / 1000).toFixed(1).padStart(5)
    out.line(`${at} s  ${what.padEnd(8)} ${detail}`)
    out.streamed({ event: what, detail })
  }
  let site: DemoSite | undefined
  try {
    const plan: DemoPlan = { folder, ...options, firstSlot: slotOf(clock.nowMs(), options.slotSeconds) + 2 }
    out.tell([
      `wattproof demo: ${options.slots} slots of ${options.slotSeconds} s, ${DEMO_METERS.length} simulated meters on 2 lines`,
      `wattproof 演示:${options.slots} 个时段,每个 ${options.slotSeconds} 秒,2 条总线上 ${DEMO_METERS.length} 只模拟电表`
    ])
    site = await startSite(plan, tell, signal)
    const config = loadConfig(site.configFile)
    const { agent, ledger } = site
    const timeoutMs = (options.slots + 4) * options.slotSeconds * 1000 + 30_000
    const reached = await watchSlots(
      config,
      clock,
      { slots: options.slots, timeoutMs },
      tell,
      signal,
      () => agent.alive && ledger.alive
    )
    const exit = await agent.stop()
    const points = await judge(config, site, { reached, exit, slots: options.slots, clock }, signal)
    report(out, points)
    return points.every(point => point.holds)
  } finally {
    await site?.stop()
    if (options.keep) out.line(folder)
    else rmSync(folder, { recursive: true, force: true })
  }
}

interface Outcome {
  readonly reached: boolean
  readonly exit: number | null
  readonly slots: number
  readonly clock: Clock
}

async function judge(
  config: GatewayConfig,
  site: DemoSite,
  outcome: Outcome,
  signal: AbortSignal
): Promise<Point[]> {
  const store = openStoreForReading(config)
  try {
    const points = [
      ...countPoints(config, store, site, outcome),
      ...alarmPoints(store),
      await filedPoint(config, store, site)
    ]
    return [...points, ...(await proofPoints(config, store, site, signal))]
  } finally {
    store.close()
  }
}

function countPoints(config: GatewayConfig, store: AgentStore, site: DemoSite, outcome: Outcome): Point[] {
  const batches = store.queryBatches({ limit: 10_000 })
  const slots = batches.filter(batch => batch.reason !== ANCHOR_REASON.supplementary)
  const delivered = batches.filter(batch => batch.state === 'delivered')
  const finals = store.attempts({ state: 'final', limit: 10_000 })
  const readings = store.queryReadings({}).filter(reading => !isGap(reading))
  const ledger = ledgerCounts(site.ledgerDb, config.gateway)
  const leaves = delivered.reduce((sum, batch) => sum + batch.count, 0)
  return [
    {
      name: 'slots sealed',
      holds: slots.length >= outcome.slots,
      detail: `${slots.length} slots, ${readings.length} readings of ${config.meters.length} meters`
    },
    {
      name: 'delivered',
      holds: outcome.reached && delivered.length >= outcome.slots,
      detail: `${delivered.length} of ${batches.length} batches have the ledger's signed receipt`
    },
    {
      name: 'in the ledger',
      holds: ledger.readings >= leaves && ledger.anchors >= delivered.length,
      detail: `${ledger.anchors} anchors, ${ledger.readings} records, ${ledger.alarms} alarm messages, ${ledger.evidence} refused`
    },
    { name: 'final on chain', holds: finals.length >= outcome.slots, detail: `${finals.length} anchors` },
    { name: 'clean stop', holds: outcome.exit === 0, detail: `the agent ended with code ${outcome.exit}` }
  ]
}

function alarmPoints(store: AgentStore): Point[] {
  const alarms = store.alarms({ limit: 1000 })
  const of = (meter: string, pattern: RegExp) =>
    alarms.find(alarm => alarm.meter === meter && pattern.test(alarm.rule))
  const ratio = of(WRONG_RATIO_METER, /ratio/)
  const spike = of(SPIKE_METER, /overload|swing|spike/)
  return [
    {
      name: 'wrong CT ratio caught',
      holds: ratio !== undefined,
      detail: ratio ? describeAlarm(ratio) : 'no alarm'
    },
    {
      name: 'load spike caught',
      holds: spike !== undefined,
      detail: spike ? describeAlarm(spike) : 'no alarm'
    }
  ]
}

/** Rule `ratio` asks for an event on chain: whoever has the ledger's copy of the alarm finds it there. */
async function filedPoint(config: GatewayConfig, store: AgentStore, site: DemoSite): Promise<Point> {
  const name = 'alarm filed on chain'
  const ratio = store.alarms({ meter: WRONG_RATIO_METER, rule: 'ratio' })[0]
  if (ratio === undefined) return { name, holds: false, detail: 'no alarm' }
  const signKey = readGatewayKeys(site.bundleFile).publicKey
  const about = { gateway: config.gateway, signKey, meter: WRONG_RATIO_METER, rule: ratio.rule }
  return { name, ...(await findFiledAlarm(site, about)) }
}

/** The numbers behind an alarm, without the hashes of the frames. */
function describeAlarm(alarm: StoredAlarm): string {
  const { numbers = {}, frames = [] } = JSON.parse(alarm.evidence) as {
    numbers?: Record<string, unknown>
    frames?: unknown[]
  }
  const words = Object.entries(numbers).map(([name, value]) => `${name} ${String(value)}`)
  return `${alarm.meter} ${alarm.rule}, ${alarm.class}: ${words.join(', ')}; ${frames.length} frames hashed`
}

async function proofPoints(
  config: GatewayConfig,
  store: AgentStore,
  site: DemoSite,
  signal: AbortSignal
): Promise<Point[]> {
  const batch = store
    .queryBatches({ state: 'delivered', limit: 10_000 })
    .filter(one => one.reason === ANCHOR_REASON.slot)
    .at(-1)
  if (!batch) return [{ name: 'proof', holds: false, detail: 'no delivered slot batch to prove from' }]
  const slot = batch.slotFrom
  const proof = buildStoredProof(store, PROVED_METER, slot, 1).octets
  const neighbour = buildStoredProof(store, WRONG_RATIO_METER, slot, 1).octets
  writeFileSync(join(config.stateDir, 'reading.proof'), proof)
  const trusted = {
    gatewayKeyFile: site.bundleFile,
    ledgerKeyFile: site.receiptKeyFile,
    slotSeconds: config.slotSeconds
  }
  const offLine = (octets: Uint8Array) =>
    verifyEvidence(octets, { ...trusted, rpc: undefined, contract: undefined }, signal)
  const onChain = await verifyEvidence(
    proof,
    { ...trusted, rpc: site.chain.url, contract: site.contract },
    signal
  )
  const trials: Trial[] = [
    caught('forged-reading', 'one count more in the register', await offLine(forgeReading(proof))),
    dropReading(
      batch,
      {
        recipientKey: loadLedgerKeys(site.ledgerKeyFile).encryptionKey,
        gatewayKey: readGatewayKeys(site.bundleFile).publicKey
      },
      PROVED_METER
    ),
    caught(
      'swapped-neighbour',
      `the reading of ${WRONG_RATIO_METER} in place of ${PROVED_METER}`,
      await offLine(swapNeighbour(proof, neighbour))
    )
  ]
  return [
    point('proof verified off line', await offLine(proof), describeReading(proof)),
    point('proof verified on chain', onChain, `contract ${site.contract}`),
    ...trials.map(trial => ({
      name: `${trial.name.replace('-', ' ')} caught`,
      holds: trial.caught,
      detail: `${trial.about}: ${trial.detail}`
    }))
  ]
}

function point(name: string, result: VerifyResult, detail: string): Point {
  const failed = result.findings.filter(finding => finding.verdict === 'fails')
  return {
    name,
    holds: result.holds,
    detail: failed.length > 0 ? failed.map(finding => finding.detail).join('; ') : detail
  }
}

function caught(name: Trial['name'], about: string, result: VerifyResult): Trial {
  const failed = result.findings.filter(finding => finding.verdict === 'fails')
  return {
    name,
    about,
    caught: !result.holds && failed.some(finding => finding.check === 'inclusion'),
    detail: failed.map(finding => finding.detail).join('; ')
  }
}

function describeReading(proof: Uint8Array): string {
  const reading = readingOfProof(proof)
  const [first] = reading.values
  if (!first) return reading.meter
  const item = itemById(first[0])
  return `${reading.meter} slot ${reading.slot}: ${item.key} ${first[1] === null ? '-' : formatScaled(first[1], item.exponent)} ${item.unit}, ${proof.length} B of evidence`
}

function report(out: Output, points: readonly Point[]): void {
  out.line()
  for (const one of points) {
    out.line(`${one.holds ? '✓' : '✗'} ${one.name.padEnd(24)} ${one.detail}`)
    out.streamed({ point: one.name, holds: one.holds, detail: one.detail })
  }
  const failed = points.filter(one => !one.holds).length
  out.line()
  if (failed === 0) out.tell(['all of it held', '全部成立'])
  else out.tell([`${failed} point(s) did not hold`, `${failed} 项不成立`])
}
