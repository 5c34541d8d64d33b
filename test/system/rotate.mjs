// Keys are rotated while the ledger is away and batches wait: processes, broker and chain are real. Nothing is lost, no number is
// signed twice, the ledger and the chain take the new keys only when the utility has acted, and old proofs still hold.
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkLedger,
  cli,
  freePort,
  imported,
  onEnd,
  readLedger,
  start,
  startSite,
  systemTest,
  wait
} from './lib.mjs'

await systemTest('rotate', async ({ folder, check }) => {
  const { startBroker } = await imported('drivers/uplink/embedded-broker.js')
  const broker = await startBroker({ port: await freePort() })
  onEnd(() => broker.close())
  const site = await startSite(folder, { slotSeconds: 2, brokerUrl: broker.url })
  const at = ['--config', site.config]
  const query = verb => cli([verb, ...at, '--json']).json()
  const until = async (what, holds, seconds = 90) => {
    for (let i = 0; i < seconds; i++) {
      if (await holds()) return check(what, true)
      await wait(1000)
    }
    check(what, false)
  }
  const run = async () => {
    const agent = start(['run', '--json', ...at])
    onEnd(() => agent.stop())
    await agent.ready
    return agent
  }
  const startLedger = async (...more) => {
    const ledger = start([...site.ledgerArgs, ...more])
    onEnd(() => ledger.stop())
    await ledger.ready
    return ledger
  }
  const delivered = () => query('batches').filter(batch => batch.state === 'delivered')

  let ledger = await startLedger()
  let agent = await run()
  await until('batches are delivered', () => delivered().length >= 3)
  const early = delivered()[0]
  const proof = join(folder, 'early.proof')
  const made = cli(['proof', '--meter', 'S-1', '--slot', String(early.slotTo), '-o', proof, ...at])
  check('a proof from before', made.code === 0, made.err)

  await ledger.stop()
  const before = query('batches').length
  await until('batches wait for a ledger that is away', () => query('batches').length >= before + 3)
  const rotated = cli(['keys', 'rotate', '--both', ...at])
  check('the running daemon is told to be restarted', /systemctl restart/.test(rotated.err), rotated.err)
  const bundle = join(folder, 'bundle-2.json')
  writeFileSync(bundle, rotated.out)
  const { keyId, chainAccount } = JSON.parse(rotated.out)
  const sealed = query('batches').length
  await until('the running daemon goes on', () => query('batches').length >= sealed + 2)
  agent.child.kill('SIGKILL')
  await agent.ended
  const epochs = () => new Set(query('batches').map(batch => batch.epoch)).size
  check('under the old key, in its epoch', epochs() === 1)
  check('rotated once, however often asked', JSON.parse(cli(['keys', 'rotate', ...at]).out).keyId === keyId)

  agent = await run()
  await until('a new epoch under the new key', () => epochs() === 2)
  const opening = query('batches').find(batch => batch.seq === 0 && batch.epoch !== early.epoch)
  check('that says why it begins', opening?.reason === 'keyRotation', JSON.stringify(opening?.reason))
  ledger = await startLedger()
  const evidence = async () => (await readLedger(site.ledgerDb, site.gateway)).counts.evidence
  await until('the ledger meets a key that is not registered yet', async () => (await evidence()) > 0)
  check(
    'it has all that the old key signed, and nothing of the new epoch',
    query('batches').every(batch => (batch.state === 'delivered') === (batch.epoch === early.epoch))
  )
  await ledger.stop()

  const stranger = JSON.parse(rotated.out)
  delete stranger.replaces
  const unproved = join(folder, 'unproved.json')
  writeFileSync(unproved, JSON.stringify(stranger))
  const refused = cli([...site.ledgerArgs, '--register', unproved])
  check(
    'a key without the signature of the one before is refused',
    refused.code === 2 &&
      JSON.parse(refused.err).error.code === 'CRYPTO_SIGNATURE' &&
      refused.err.includes(unproved),
    refused.err
  )
  ledger = await startLedger('--register', bundle)
  const isNew = batch => batch.epoch !== early.epoch && batch.state === 'delivered'
  await until('with the bundle it takes the new epoch', () => query('batches').some(isNew), 400)

  const attemptsOf = account => query('anchors').filter(one => one.from === account && one.state === 'final')
  check('the old account anchors until the registrar has acted', attemptsOf(chainAccount).length === 0)
  await admit(site, chainAccount)
  await until('and the new one from then on', () => attemptsOf(chainAccount).length > 0, 120)
  await agent.stop()
  agent = await run()
  await wait(2000)
  const kept = readdirSync(join(folder, 'gateway/keys')).filter(name => /old/.test(name))
  check('old keys are removed when nothing needs them', kept.length === 0, kept.join())
  await until('everything is delivered', () => query('batches').every(b => b.state === 'delivered'), 60)
  await agent.stop()
  await wait(1000)
  await ledger.stop()

  for (const [what, key] of [
    ['the bundle of before', site.bundle],
    ['the new bundle', bundle]
  ]) {
    const verified = cli([
      'verify',
      proof,
      '--gateway-key',
      key,
      '--rpc',
      site.chain.url,
      '--contract',
      site.contract
    ])
    check(`the old proof holds with ${what}`, verified.code === 0, verified.out + verified.err)
  }
  const account = await readLedger(site.ledgerDb, site.gateway)
  const numbers = query('batches').map(batch => `${batch.epoch}/${batch.seq}`)
  check('no number twice', new Set(numbers).size === numbers.length, `${numbers.length} batches`)
  checkLedger(
    check,
    {
      ...account,
      // an honest key that was not registered yet is evidence too; the sequence starts again with the epoch
      counts: { ...account.counts, evidence: 0, anchors: account.head.seq + 1 }
    },
    site.meters
  )
})

/** The registrar's part, as the utility would do it with any EVM tool. */
async function admit(site, account) {
  const [
    { admitGateway },
    { openEvmChain },
    { createContractCodec },
    { keccak256 },
    { createClock },
    { createLog }
  ] = await Promise.all(
    [
      'agent/anchor/registry.js',
      'drivers/chain/evm.js',
      'proto/chain/contract-codec.js',
      'proto/crypto/digest.js',
      'drivers/host/clock.js',
      'drivers/host/log.js'
    ].map(imported)
  )
  const clock = createClock()
  const log = createLog({ level: 'silent', clock })
  const chain = openEvmChain({ rpc: [site.chain.url], clock, log })
  const codec = createContractCodec(keccak256)
  await admitGateway(
    { chain, clock, codec, privateKey: new Uint8Array(32).fill(7) },
    site.contract,
    site.gateway,
    account
  )
}
