import { openEvmChain } from '../../../drivers/chain/evm.ts'
import { readLedgerAlarms } from '../../../drivers/store/ledger-alarms.ts'
import { alarmCode } from '../../../proto/chain/alarm-record.ts'
import { createContractCodec, gatewayKey } from '../../../proto/chain/contract-codec.ts'
import { keccak256 } from '../../../proto/crypto/digest.ts'
import { alarmHash, verifyAlarm } from '../../../proto/envelope/signed-objects.ts'
import { createContractReader } from '../../anchor/contract-reader.ts'
import { quietHost } from '../line.ts'
import type { DemoSite } from './parties.ts'

/** Whom and what an alarm that should stand on chain is about. */
export interface FiledAlarm {
  readonly gateway: string
  /** of the gateway, 65 octets */
  readonly signKey: Uint8Array
  readonly meter: string
  readonly rule: string
}

/**
 * Looks for an alarm as a regulator would: takes the signed raise from the ledger, and asks the chain for an event with its hash.
 * @returns in words where it stands, or what is missing
 */
export async function findFiledAlarm(
  { ledgerDb, chain, contract }: Pick<DemoSite, 'ledgerDb' | 'chain' | 'contract'>,
  { gateway, signKey, meter, rule }: FiledAlarm
): Promise<{ readonly holds: boolean; readonly detail: string }> {
  const messages = readLedgerAlarms(ledgerDb, gateway).map(signed => ({
    evidence: alarmHash(signed),
    alarm: verifyAlarm(signed, signKey)
  }))
  const raise = messages.find(
    ({ alarm }) => alarm.state === 'raised' && alarm.meter === meter && alarm.rule === rule
  )
  if (raise === undefined) return { holds: false, detail: `the ledger has no ${rule} alarm of ${meter}` }
  const node = openEvmChain({ rpc: [chain.url], ...quietHost() })
  const reader = createContractReader(node, contract, createContractCodec(keccak256))
  const { evidence, alarm } = raise
  const wanted = { gateway: gatewayKey(gateway), code: alarmCode(rule), raised: alarm.raised, evidence }
  const found = await reader.findFiled(wanted)
  const name = `${rule} of ${meter}`
  if (found === undefined) return { holds: false, detail: `no AlarmFiled event carries the hash of ${name}` }
  const { txHash, blockNumber } = found.place
  return {
    holds: true,
    detail: `${name} in block ${blockNumber}, transaction ${txHash.slice(0, 18)}: its evidence is the hash of the ledger's copy`
  }
}
