// The site as an outsider sees it: a Python program written from the CDDL alone opens what mosquitto carried, an EVM client
// that knows only the ABI reads the chain, and both hold it against the gateway's store.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cli, freePort, onEnd, ROOT, start, startSite, systemTest, wait } from './lib.mjs'

const OUTSIDE = join(ROOT, 'test/outside')
const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'].find(existsSync)
const SLOTS = 6

const python = (program, args, input) => {
  const run = spawnSync('python3', ['-B', join(OUTSIDE, program), ...args], { encoding: 'utf8', input })
  if (run.status !== 0) throw new Error(`${program}: ${run.stderr}\n${run.stdout}`)
  return run.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

await systemTest('outside', async ({ folder, check }) => {
  const [{ done }] = python('vectors.py', [join(ROOT, 'test/vectors/wire')])
  check('the vectors of the contract hold for a program written from it', done > 40, `${done} vectors`)

  if (!MOSQUITTO) throw new Error('mosquitto is not installed: apt-get install mosquitto mosquitto-clients')
  const port = await freePort()
  const conf = join(folder, 'mosquitto.conf')
  writeFileSync(conf, `listener ${port} 127.0.0.1\nallow_anonymous true\n`)
  const broker = spawn(MOSQUITTO, ['-c', conf], { stdio: 'ignore' })
  onEnd(() => broker.kill('SIGKILL'))
  await wait(500)
  const capture = join(folder, 'capture.txt')
  const listener = spawn(
    'mosquitto_sub',
    ['-h', '127.0.0.1', '-p', String(port), '-q', '1', '-t', 'wattproof/v1/#', '-F', '%t %x'],
    { stdio: ['ignore', openSync(capture, 'w'), 'inherit'] }
  )
  onEnd(() => listener.kill('SIGKILL'))

  const site = await startSite(folder, { slotSeconds: 2, brokerUrl: `mqtt://127.0.0.1:${port}` })
  const ledger = start(site.ledgerArgs)
  onEnd(() => ledger.stop())
  await ledger.ready
  const agent = start(['run', '--json', '--config', site.config])
  onEnd(() => agent.stop())
  await agent.ready
  const query = verb => cli([verb, '--config', site.config, '--json']).json()
  /** how many batches from the first on are delivered and final: the rest is still on its way */
  const settled = () => {
    const final = new Set(query('anchors').flatMap(one => (one.state === 'final' ? [one.seq] : [])))
    const bySeq = query('batches').sort((x, y) => x.seq - y.seq)
    const open = bySeq.findIndex(one => one.state !== 'delivered' || !final.has(one.seq))
    return open < 0 ? bySeq.length : open
  }
  for (let i = 0; i < 60 && settled() < SLOTS; i++) await wait(1000)
  const stopped = await agent.stop()
  check('SIGTERM ends the agent with code 0', stopped.code === 0)
  const slots = settled()
  check('slots are sealed, delivered and final', slots >= SLOTS, `${slots}`)

  const batch = query('batches').find(one => one.reason === 'slot' && one.seq < slots)
  const meter = site.meters[1].id
  const proof = join(folder, 'reading.proof')
  const made = cli([
    'proof',
    '--config',
    site.config,
    '--meter',
    meter,
    '--slot',
    String(batch.slotFrom),
    '-o',
    proof
  ])
  check('the proof is made', made.code === 0, made.err)
  const lines = python(
    'site.py',
    [],
    JSON.stringify({
      capture,
      gateway: site.gateway,
      bundle: site.bundle,
      ledgerKey: site.ledgerKeys.key,
      ledgerSignKey: site.ledgerKeys.signPublic,
      meters: site.meters.map(one => one.id),
      slots,
      rpc: site.chain.url,
      contract: site.contract,
      artefact: join(ROOT, 'dist/contract/MeterAnchor.json'),
      store: join(folder, 'gateway/store.db'),
      proof,
      provedMeter: meter
    })
  )
  for (const { what, holds, detail } of lines) check(what, holds, detail)
})
