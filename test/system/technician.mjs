// A technician's commands beside the daemon's own reading: read, scan and backfill through its socket, and without it.
import { cli, imported, onEnd, start, startSite, systemTest, wait } from './lib.mjs'

const SLOT_SECONDS = 5

await systemTest('technician', async ({ folder, check }) => {
  const { startBroker } = await imported('drivers/uplink/embedded-broker.js')
  const broker = await startBroker()
  onEnd(() => broker.close())
  const site = await startSite(folder, {
    slotSeconds: SLOT_SECONDS,
    brokerUrl: broker.url,
    withChain: false
  })
  const config = ['--config', site.config]
  const b1 = site.lines.find(({ bus }) => bus === 'b1').path
  const agent = start(['run', '--json', ...config])
  onEnd(() => agent.stop())
  await agent.ready
  await wait(2_000 * SLOT_SECONDS)
  const status = () => cli(['status', '--json', ...config]).json()

  const read = cli(['read', '--meter', 'S-1', '--item', 'active-import-total', '--json', ...config])
  check('read --meter through the daemon', read.code === 0 && read.json().items.length === 1, read.err)
  const adhoc = cli(['read', '--port', b1, '--address', '1', '--item', 'voltage-a', '--json', ...config])
  check('read --port through the daemon that has it', adhoc.code === 0, adhoc.err)
  const locked = cli(['read', '--port', b1, '--address', '1', '--json', '--config', '/nonexistent.yaml'])
  check(
    'without its configuration: the port is taken, and the error says so',
    locked.code === 3 && JSON.parse(locked.err).error.code === 'BUS_LOCKED',
    locked.err.trim()
  )

  const sniff = cli([
    'bus',
    'sniff',
    '--port',
    b1,
    '--seconds',
    String(2 * SLOT_SECONDS),
    '--json',
    ...config
  ])
  const heard = sniff.out
    .trim()
    .split('\n')
    .map(text => JSON.parse(text))
  check(
    'sniff tells what the daemon sends and hears',
    sniff.code === 0 &&
      heard.some(({ direction, address }) => direction === 'request' && address === '000000000001') &&
      heard.some(({ direction, unit }) => direction === 'response' && unit === 2) &&
      heard.at(-1).summary.noiseOctets === 0,
    sniff.err
  )

  const line = ['--port', b1, '--baud', '38400', '--parity', 'even', '--json', ...config]
  const scan = cli(['scan', '--protocol', 'dlt645', ...line])
  check(
    'scan beside polling finds the meter',
    scan.code === 0 && scan.json()[0]?.address === '000000000001' && scan.json()[0]?.duplicate === false,
    scan.out
  )
  const search = start(['scan', '--protocol', 'modbus', ...line])
  search.ready.catch(() => {})
  let said = ''
  search.child.stdout.on('data', part => {
    said += part
  })
  await wait(3_000)
  const brokenOffMs = Date.now()
  const { code } = await search.stop('SIGINT')
  const tookMs = Date.now() - brokenOffMs
  check(
    'Ctrl-C ends a search at once, with what it found',
    code === 0 && tookMs < 1_000 && JSON.parse(said)[0]?.address === '2',
    `${tookMs} ms, ${said}`
  )
  await wait(1_000)
  const scanMs = () => status().live.buses.find(({ name }) => name === 'b1').counters.scanMs
  const before = scanMs()
  await wait(2_000)
  check('the daemon let go of it too', scanMs() === before)
  check(
    'a search is held against no meter',
    status().live.buses.every(bus => bus.breakers.length === 0)
  )

  // records every minute, slots of 5 s: one slot in twelve has one
  const nowSlot = Math.floor(Date.now() / 1000 / SLOT_SECONDS)
  const span = ['--from', String(nowSlot - 120), '--to', String(nowSlot - 61), ...config, '--json']
  const filled = cli(['backfill', '--meter', 'S-1', ...span])
  check('backfill through the daemon', filled.json().filled === 5 && filled.code === 1, filled.out)
  const modbus = cli(['backfill', '--meter', 'S-2', ...span])
  check('a meter without a memory says so', modbus.json().unsupported?.[0] === 'S-2', modbus.out)

  const meters = status().meters
  check(
    'the drift of the clocks is known',
    meters.find(({ meter }) => meter === 'S-1').clockDriftSeconds !== null
  )
  const gaps = cli(['gaps', '--json', ...config]).json()
  check('no slot was missed meanwhile', gaps.length === 0, JSON.stringify(gaps))
  const late = cli(['readings', '--meter', 'S-1', '--to', String(nowSlot - 61), '--json', ...config]).json()
  check('what was filled is from the load profile', late.filter(r => r.source === 'loadProfile').length === 5)

  const stopped = await agent.stop()
  check('the daemon ends well', stopped.code === 0, `${stopped.code ?? stopped.signal}`)
  const direct = cli(['read', '--meter', 'S-3', '--item', 'active-import-total', '--json', ...config])
  check('read --meter without a daemon', direct.code === 0, direct.err)
  const again = cli(['backfill', '--meter', 'S-1', '--again', ...span])
  check('backfill without a daemon', again.json().filled === 5, again.out + again.err)
})
