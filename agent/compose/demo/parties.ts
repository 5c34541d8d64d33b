import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../../config/load.ts'
import { type LocalChain, startAnvil } from '../../../drivers/chain/anvil.ts'
import { loadContract } from '../../../drivers/chain/artefact.ts'
import { openEvmChain } from '../../../drivers/chain/evm.ts'
import { randomOctets } from '../../../drivers/host/random.ts'
import { type EmbeddedBroker, startBroker } from '../../../drivers/uplink/embedded-broker.ts'
import { createContractCodec } from '../../../proto/chain/contract-codec.ts'
import { keccak256 } from '../../../proto/crypto/digest.ts'
import { admitGateway, deployContract, type RegistrySender } from '../../anchor/registry.ts'
import { type Child, startChild } from '../children.ts'
import { initIdentity, initLedgerKey, registrationBundle } from '../keys.ts'
import { quietHost } from '../line.ts'
import {
  DEMO_GATEWAY,
  type DemoPlan,
  writeGatewayConfig,
  writeProvisionalConfig,
  writeSimulation
} from './site.ts'

/** All that runs during a demo; `stop` ends every part of it, whatever state it is in. */
export interface DemoSite {
  readonly configFile: string
  readonly ledgerKeyFile: string
  readonly receiptKeyFile: string
  readonly ledgerDb: string
  readonly bundleFile: string
  readonly chain: LocalChain
  readonly contract: string
  readonly agent: Child
  readonly ledger: Child
  stop(): Promise<void>
}

const READY_MS = 20_000

/**
 * Starts broker, chain, simulator, ledger and agent, in that order.
 * @param announce gets a line for each part that is up @param signal ends it between two parts
 */
export async function startSite(
  plan: DemoPlan,
  announce: (what: string, detail: string) => void,
  signal: AbortSignal
): Promise<DemoSite> {
  const closers: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close().catch(() => undefined)
  }
  const tell = (what: string, detail: string) => {
    announce(what, detail)
    signal.throwIfAborted()
  }
  try {
    const broker: EmbeddedBroker = await startBroker()
    closers.push(() => broker.close())
    tell('broker', broker.url)

    const ledgerKeys = initLedgerKey(join(plan.folder, 'ledger'))
    const regulatorKeys = initLedgerKey(join(plan.folder, 'regulator'))
    const provisional = loadConfig(writeProvisionalConfig(plan))
    initIdentity(provisional)
    const bundle = registrationBundle(provisional)
    const bundleFile = join(plan.folder, 'registration.json')
    writeFileSync(bundleFile, JSON.stringify(bundle, null, 2))
    tell('keys', `gateway ${bundle.keyId}, chain account ${bundle.chainAccount}`)

    const chain = await startAnvil({ blockSeconds: 1 })
    closers.push(() => chain.stop())
    const contract = await deploy(chain, bundle.chainAccount)
    tell('chain', `${chain.url}, MeterAnchor at ${contract}`)

    const simulator = await startChild('simulator', ['simulate', '--config', writeSimulation(plan)], READY_MS)
    closers.push(() => simulator.stop())
    const lines = simulator.ready['lines'] as { bus: string; path: string }[]
    tell('meters', lines.map(line => `${line.bus} on ${line.path}`).join(', '))

    const ledgerDb = join(plan.folder, 'ledger.db')
    const keyFile = ledgerKeys['key'] as string
    const ledger = await startChild(
      'ledger',
      [
        'ledger',
        '--json',
        '--broker',
        broker.url,
        '--key',
        keyFile,
        '--db',
        ledgerDb,
        '--register',
        bundleFile
      ],
      READY_MS
    )
    closers.push(() => ledger.stop())
    tell('ledger', `process ${ledger.pid}, ${DEMO_GATEWAY} enrolled`)

    const configFile = writeGatewayConfig(plan, {
      brokerUrl: broker.url,
      rpcUrl: chain.url,
      contract,
      recipients: [
        { name: 'ledger', key: ledgerKeys['encPublic'] as string },
        { name: 'regulator', key: regulatorKeys['encPublic'] as string }
      ],
      receiptKey: ledgerKeys['signPublic'] as string,
      ports: new Map(lines.map(line => [line.bus, line.path]))
    })
    const agent = await startChild('agent', ['run', '--json', '--config', configFile], READY_MS)
    closers.push(() => agent.stop())
    tell('agent', `process ${agent.pid}, configuration ${configFile}`)
    return {
      configFile,
      ledgerKeyFile: keyFile,
      receiptKeyFile: ledgerKeys['signPublic'] as string,
      ledgerDb,
      bundleFile,
      chain,
      contract,
      agent,
      ledger,
      stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Puts the contract on the fresh chain and admits the gateway's account. @returns the contract's address */
async function deploy(chain: LocalChain, account: string): Promise<string> {
  const { clock, log } = quietHost()
  const sender: RegistrySender = {
    chain: openEvmChain({ rpc: [chain.url], clock, log }),
    clock,
    codec: createContractCodec(keccak256),
    // the utility's hand of this one demo; the chain is gas-free and forgotten afterwards
    privateKey: randomOctets(32)
  }
  const contract = await deployContract(sender, loadContract().bytecode)
  await admitGateway(sender, contract, DEMO_GATEWAY, account)
  return contract
}
