import type { ChainReceipt } from '../../agent/ports.ts'
import { fromHex, toHex } from '../../proto/bytes.ts'
import { ChainError } from './errors.ts'
import { isRecord } from './json-rpc.ts'

type Log = ChainReceipt['logs'][number]

/** An integer as JSON-RPC writes it: 0x and digits. */
export function parseQuantity(value: unknown, what: string): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) throw odd(what, value)
  return BigInt(value)
}

/** Octets as JSON-RPC writes them. */
export function parseData(value: unknown, what: string): Uint8Array {
  if (typeof value !== 'string' || !/^0x([0-9a-fA-F]{2})*$/.test(value)) throw odd(what, value)
  return fromHex(value)
}

export function formatQuantity(value: bigint): string {
  return `0x${value.toString(16)}`
}

export function formatData(octets: Uint8Array): string {
  return `0x${toHex(octets)}`
}

/** A receipt; undefined when the node has none. */
export function parseReceipt(value: unknown, txHash: string): ChainReceipt | undefined {
  if (value === null) return undefined
  if (!isRecord(value)) throw odd('receipt', value)
  // Besu under load was seen to answer with another transaction: believe nothing that does not name ours.
  if (parseHash(value['transactionHash'], 'transactionHash') !== txHash.toLowerCase()) {
    throw odd('receipt of another transaction', value['transactionHash'])
  }
  // A node that has the transaction in a block it still builds gives a receipt without a number.
  if (value['blockNumber'] === null) return undefined
  const logs = value['logs']
  if (!Array.isArray(logs)) throw odd('logs', logs)
  return {
    txHash,
    status: parseQuantity(value['status'], 'status') === 1n ? 'success' : 'reverted',
    blockNumber: parseQuantity(value['blockNumber'], 'blockNumber'),
    blockHash: parseHash(value['blockHash'], 'blockHash'),
    logs: logs.map(parseLog)
  }
}

/** The logs of eth_getLogs with the transaction each stands in. */
export function parseLogs(
  value: unknown
): (Log & { readonly txHash: string; readonly blockNumber: bigint })[] {
  if (!Array.isArray(value)) throw odd('logs', value)
  return value
    .filter(entry => !isRecord(entry) || entry['removed'] !== true)
    .map((entry: unknown) => {
      const fields = isRecord(entry) ? entry : {}
      return {
        ...parseLog(entry),
        txHash: parseHash(fields['transactionHash'], 'transactionHash'),
        blockNumber: parseQuantity(fields['blockNumber'], 'blockNumber')
      }
    })
}

function parseLog(value: unknown): Log {
  if (!isRecord(value) || !Array.isArray(value['topics'])) throw odd('log', value)
  return {
    address: formatData(parseData(value['address'], 'address')),
    topics: value['topics'].map((topic: unknown) => parseHash(topic, 'topic')),
    data: formatData(parseData(value['data'], 'data'))
  }
}

/** 32 octets, in lower case. */
export function parseHash(value: unknown, what: string): string {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{64}$/.test(value)) throw odd(what, value)
  return value.toLowerCase()
}

function odd(what: string, value: unknown): ChainError {
  return new ChainError(
    'CHAIN_ANSWER',
    `a node gave an odd ${what}: ${String(JSON.stringify(value)).slice(0, 120)}`
  )
}
