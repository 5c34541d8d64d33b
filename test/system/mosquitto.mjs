// mosquitto in place of the embedded broker: TLS-less but MQTT 5, killed and restarted while the agent works.
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkLedger, cli, freePort, onEnd, readLedger, start, startSite, systemTest, wait } from './lib.mjs'

const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'].find(existsSync)

await systemTest('mosquitto', async ({ folder, check }) => {
  if (!MOSQUITTO) throw new Error('mosquitto is not installed: apt-get install mosquitto')
  const port = await freePort()
  const conf = join(folder, 'mosquitto.conf')
  writeFileSync(
    conf,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location ${folder}/\nautosave_interval 1\n${process.getuid() === 0 ? 'user root\n' : ''}`
  )
  let broker
  const startBroker = async () => {
    broker = spawn(MOSQUITTO, ['-c', conf], { stdio: 'ignore' })
    await wait(500)
  }
  await startBroker()
  onEnd(() => broker.kill('SIGKILL'))
  const site = await startSite(folder, {
    slotSeconds: 2,
    brokerUrl: `mqtt://127.0.0.1:${port}`,
    withChain: false
  })
  const ledger = start(site.ledgerArgs)
  onEnd(() => ledger.stop())
  await ledger.ready
  const agent = start(['run', '--json', '--config', site.config])
  onEnd(() => agent.stop())
  await agent.ready
  await wait(9000)
  broker.kill('SIGKILL')
  await wait(7000)
  await startBroker()
  await wait(9000)
  let status
  for (let i = 0; i < 60; i++) {
    status = cli(['status', '--config', site.config, '--json']).json()
    if (status.queue.undelivered <= 1) break
    await wait(1000)
  }
  check('MQTT 5 is spoken', /"mqtt":"5"/.test(agent.tail()), agent.tail().match(/"mqtt":"[^"]*"/)?.[0])
  check('the daemon answers status', status.daemon === 'running' && status.live.brokerConnected === true)
  check('the queue has drained', status.queue.undelivered <= 1, `${status.queue.undelivered} undelivered`)
  const stopped = await agent.stop()
  check('SIGTERM ends the agent with code 0', stopped.code === 0)
  const slots = checkLedger(check, await readLedger(site.ledgerDb, site.gateway), site.meters)
  check('slots before, during and after the outage', slots.length >= 10, `${slots.length}`)
})
