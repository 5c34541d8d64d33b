// kill -9 of the agent at random moments over 50 slots: the ledger ends with every slot once, and no fork; every alarm is filed on chain once.
import {
  checkLedger,
  cli,
  imported,
  METERS,
  onEnd,
  readFiled,
  readLedger,
  start,
  startSite,
  systemTest,
  wait
} from './lib.mjs'

const SLOTS = Number(process.env.WATTPROOF_KILL_SLOTS ?? 50)
const SLOT_SECONDS = 2
// a seed that is printed makes a failure repeatable
const SEED = Number(process.env.WATTPROOF_SEED ?? Date.now() % 1_000_000)

function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

await systemTest('kill9', async ({ folder, check }) => {
  const { startBroker } = await imported('drivers/uplink/embedded-broker.js')
  const broker = await startBroker()
  onEnd(() => broker.close())
  // Two slots in nine each meter draws twice its rating, the meters one after another.
  const firstSlot = Math.floor(Date.now() / 1000 / SLOT_SECONDS)
  const spikesOf = n =>
    Array.from({ length: 12 }, (_, k) => ({ fromSlot: firstSlot + 3 * n + 9 * k, slots: 2, factor: 5 }))
  const site = await startSite(folder, {
    slotSeconds: SLOT_SECONDS,
    brokerUrl: broker.url,
    meters: METERS.map(meter => ({ ...meter, ratedKva: 50 })),
    rules: { 'overload.onChain': 1 },
    spikesOf
  })
  const ledger = start(site.ledgerArgs)
  onEnd(() => ledger.stop())
  await ledger.ready
  const next = random(SEED)
  const untilMs = Date.now() + SLOTS * SLOT_SECONDS * 1000
  let kills = 0
  while (Date.now() < untilMs) {
    const agent = start(['run', '--json', '--config', site.config])
    await wait(600 + next() * 5000)
    await agent.stop('SIGKILL')
    kills++
  }
  const agent = start(['run', '--json', '--config', site.config])
  onEnd(() => agent.stop())
  await agent.ready
  // drain: until nothing is undelivered
  let status
  let filings = []
  for (let i = 0; i < 60; i++) {
    await wait(1000)
    status = cli(['status', '--config', site.config, '--json']).json()
    const alarms = cli(['alarms', '--rule', 'overload', '--config', site.config, '--json']).json()
    filings = alarms.map(alarm => alarm.chain?.state)
    const filed = alarms.every(alarm => alarm.delivered && alarm.chain?.state === 'final')
    if (status.queue.undelivered <= 1 && (status.anchors.final ?? 0) >= SLOTS && filed) break
  }
  const stopped = await agent.stop()
  check('SIGTERM ends the agent with code 0', stopped.code === 0, `${stopped.code ?? stopped.signal}`)
  check('killed often', kills >= 10, `${kills} kills, seed ${SEED}`)
  check('nothing is refused', status.queue.refused === 0)
  const slots = checkLedger(check, await readLedger(site.ledgerDb, site.gateway), site.meters)
  check('50 slots and more', slots.length >= SLOTS, `${slots.length}`)
  const anchors = cli(['anchors', '--config', site.config, '--json', '--limit', '5000']).json()
  const seqs = anchors.filter(anchor => anchor.state === 'final').map(anchor => anchor.seq)
  const { raised, filed } = await readFiled(site, 'overload')
  check('alarms were raised among the kills', raised.length >= 5, `${raised.length}, ${filings.join(' ')}`)
  check(
    'every raise the ledger has is filed',
    raised.every(hash => filed.includes(hash))
  )
  check('no alarm is filed twice', new Set(filed).size === filed.length, `${filed.length} events`)
  check('no anchor is final twice', new Set(seqs).size === seqs.length, `${seqs.length} final`)
})
