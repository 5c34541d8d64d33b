import { toHex } from '../../proto/bytes.ts'
import type { AbiValue } from '../../proto/chain/abi.ts'
import { contractAddress, parseAddress } from '../../proto/chain/address.ts'
import { type ContractCodec, gatewayKey } from '../../proto/chain/contract-codec.ts'
import { type FunctionName, GATEWAY_STATUS, type GatewayStatus } from '../../proto/chain/contract-tables.ts'
import { signLegacyTransaction } from '../../proto/chain/transaction.ts'
import { ethereumAddress } from '../../proto/crypto/secp256k1.ts'
import type { ChainNode, ChainReceipt, Clock } from '../ports.ts'
import { AnchorError } from './errors.ts'

/** Who sends registry transactions, and over what. For the utility's own hand: nothing is kept for a retry. */
export interface RegistrySender {
  readonly chain: ChainNode
  readonly clock: Clock
  readonly codec: ContractCodec
  /** secp256k1, 32 octets */
  readonly privateKey: Uint8Array
  readonly gasPrice?: bigint
  /** default 60 s */
  readonly timeoutMs?: number
  readonly pollMs?: number
}

const CALL_GAS = 1_000_000n
const DEPLOY_GAS = 6_000_000n

/**
 * Puts the contract on chain; the sender becomes its administrator and registrar.
 * @param bytecode creation code, as compiled @returns its address
 * @throws AnchorError
 */
export async function deployContract(sender: RegistrySender, bytecode: Uint8Array): Promise<string> {
  const account = ethereumAddress(sender.privateKey)
  const nonce = await sender.chain.nonce(account)
  await send(sender, { to: null, data: bytecode, gasLimit: DEPLOY_GAS, nonce })
  return contractAddress(account, nonce)
}

/**
 * Admits a gateway, or gives an admitted one another signer. Where a council decides this is one vote.
 * @param gateway its id as configured @param signer address of its chain account
 * @throws AnchorError
 */
export function admitGateway(
  sender: RegistrySender,
  contract: string,
  gateway: string,
  signer: string
): Promise<ChainReceipt> {
  return callContract(sender, contract, 'admit', gatewayKey(gateway), parseAddress(signer))
}

/** Suspends, reactivates or retires a gateway. @throws AnchorError */
export function setGatewayStatus(
  sender: RegistrySender,
  contract: string,
  gateway: string,
  status: Exclude<GatewayStatus, 'none'>
): Promise<ChainReceipt> {
  const number = BigInt(GATEWAY_STATUS.indexOf(status))
  return callContract(sender, contract, 'setStatus', gatewayKey(gateway), number)
}

/** Sends any of the contract's functions and waits for its receipt. @throws AnchorError */
export async function callContract(
  sender: RegistrySender,
  contract: string,
  name: FunctionName,
  ...values: AbiValue[]
): Promise<ChainReceipt> {
  const nonce = await sender.chain.nonce(ethereumAddress(sender.privateKey))
  const data = sender.codec.encodeCall(name, ...values)
  return send(sender, { to: contract, data, gasLimit: CALL_GAS, nonce })
}

async function send(
  sender: RegistrySender,
  call: { to: string | null; data: Uint8Array; gasLimit: bigint; nonce: bigint }
): Promise<ChainReceipt> {
  const { chain, clock, gasPrice = 0n, privateKey, timeoutMs = 60000, pollMs = 100 } = sender
  const chainId = await chain.chainId()
  const { raw, txHash, from } = signLegacyTransaction({ ...call, gasPrice, value: 0n, chainId }, privateKey)
  const outcome = await chain.submit(raw, txHash)
  if (outcome.kind === 'permanent' || outcome.kind === 'consumed' || outcome.kind === 'occupied') {
    throw new AnchorError('ANCHOR_REFUSED', `the chain does not take the transaction: ${outcome.detail}`, {
      at: txHash
    })
  }
  const untilMs = clock.monotonicMs() + timeoutMs
  for (;;) {
    const receipt = await chain.receipt(txHash)
    if (receipt?.status === 'success') return receipt
    if (receipt !== undefined) {
      throw new AnchorError('ANCHOR_REVERTED', `reverted: ${await explain(sender, from, call)}`, {
        at: txHash
      })
    }
    if (clock.monotonicMs() >= untilMs) {
      throw new AnchorError('ANCHOR_TIMEOUT', `no receipt within ${timeoutMs} ms`, {
        at: txHash,
        next: 'look for the transaction on chain before sending another'
      })
    }
    await clock.wait(pollMs)
  }
}

async function explain(
  { chain, codec }: RegistrySender,
  from: string,
  { to, data }: { to: string | null; data: Uint8Array }
): Promise<string> {
  if (to === null) return 'the contract was not created'
  const again = await chain.simulate(from, to, data)
  if (again.kind === 'returned') return 'it would succeed now'
  const { name, fields } = codec.decodeRevert(again.data)
  const words = Object.entries(fields).map(([field, value]) => {
    return `${field} ${value instanceof Uint8Array ? toHex(value) : String(value)}`
  })
  return [name, ...words].join(' ')
}
