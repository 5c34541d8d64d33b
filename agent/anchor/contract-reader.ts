import { equalBytes } from '../../proto/bytes.ts'
import { type AlarmFiledEvent, type AlarmRecord, decodeAlarmFiled } from '../../proto/chain/alarm-record.ts'
import {
  type AnchoredEvent,
  decodeEpochHead,
  decodeGatewayEntry,
  type EpochHead,
  type GatewayEntry,
  toAnchored
} from '../../proto/chain/anchor-record.ts'
import { type ContractCodec, type ContractEvent, encodeTopic } from '../../proto/chain/contract-codec.ts'
import type { EventName } from '../../proto/chain/contract-tables.ts'
import { isWattproofError } from '../../proto/errors.ts'
import type { ChainNode } from '../ports.ts'

/** Where in the chain an event stands. */
export interface EventPlace {
  readonly txHash: string
  readonly blockNumber: bigint
}

/** An anchor with the place of the event that recorded it. */
export interface FoundAnchor {
  readonly anchor: AnchoredEvent
  readonly place: EventPlace
}

/** A filed alarm with the place of its event. */
export interface FoundAlarm {
  readonly alarm: AlarmFiledEvent
  readonly place: EventPlace
}

/** Blocks asked of a node that does not search its whole history: under Besu's rpc-max-logs-range of 5000. */
const RECENT_BLOCKS = 4_999n

/** Reads the contract: what a sender, a verifier and a regulator need. No right is needed for any of it. */
export interface ContractReader {
  /** @throws CodecError CODEC_TRUNCATED where no contract stands at the address */
  version(): Promise<bigint>
  /** @param gateway 32 octets: see gatewayKey */
  gateway(gateway: Uint8Array): Promise<GatewayEntry>
  epoch(gateway: Uint8Array, epoch: Uint8Array): Promise<EpochHead>
  /** The event by which an anchor was first recorded. */
  findAnchored(gateway: Uint8Array, epoch: Uint8Array, seq: number): Promise<FoundAnchor | undefined>
  /** The event by which that very alarm was filed; undefined too where no node searches its logs. */
  findFiled(alarm: AlarmRecord): Promise<FoundAlarm | undefined>
  /** Asks the contract to check an RFC 9162 proof (SHA-256 suites). */
  verifyLeaf(proof: {
    readonly root: Uint8Array
    /** salt16 || reading */
    readonly entry: Uint8Array
    readonly index: number
    readonly size: number
    readonly path: readonly Uint8Array[]
  }): Promise<boolean>
  /** Events in the order of the chain. */
  events(filter: {
    readonly fromBlock: bigint
    readonly toBlock: bigint | 'latest'
    readonly name?: EventName
    readonly gateway?: Uint8Array
  }): Promise<{ readonly event: ContractEvent; readonly place: EventPlace }[]>
}

export function createContractReader(
  chain: ChainNode,
  contract: string,
  codec: ContractCodec
): ContractReader {
  const call = (...args: Parameters<ContractCodec['encodeCall']>) =>
    chain.call(contract, codec.encodeCall(...args))
  /** All of them, or the recent ones where a node refuses to search further back. */
  const findLogs = async (topics: readonly string[]) => {
    const filter = { address: contract, topics, toBlock: 'latest' } as const
    try {
      return await chain.logs({ ...filter, fromBlock: 0n })
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
    const height = await chain.height()
    const fromBlock = height > RECENT_BLOCKS ? height - RECENT_BLOCKS : 0n
    return chain.logs({ ...filter, fromBlock }).catch((error: unknown) => {
      if (isRefusal(error)) return []
      throw error
    })
  }
  return {
    version: async () => codec.decodeResult('VERSION', await call('VERSION'))[0] as bigint,
    gateway: async gateway => decodeGatewayEntry(codec, await call('gateways', gateway)),
    epoch: async (gateway, epoch) => decodeEpochHead(codec, await call('epochOf', gateway, epoch)),
    findAnchored: async (gateway, epoch, seq) => {
      const topics = [
        codec.topic('Anchored'),
        encodeTopic('bytes32', gateway),
        encodeTopic('bytes8', epoch),
        encodeTopic('uint64', BigInt(seq))
      ]
      const [log] = await findLogs(topics)
      const event = log && codec.decodeEvent(log)
      return log && event && { anchor: toAnchored(event), place: log }
    },
    findFiled: async alarm => {
      const topics = [
        codec.topic('AlarmFiled'),
        encodeTopic('bytes32', alarm.gateway),
        encodeTopic('bytes32', alarm.code)
      ]
      const found = (await findLogs(topics)).flatMap(log => {
        const alarm = decodeAlarmFiled(codec, log)
        return alarm === undefined ? [] : [{ alarm, place: log }]
      })
      const { raised, evidence } = alarm
      return found.find(one => one.alarm.raised === raised && equalBytes(one.alarm.evidence, evidence))
    },
    verifyLeaf: async ({ root, entry, index, size, path }) => {
      const answer = await call('verifyLeaf', root, entry, BigInt(index), BigInt(size), path)
      return codec.decodeResult('verifyLeaf', answer)[0] as boolean
    },
    events: async ({ fromBlock, toBlock, name, gateway }) => {
      const topics = [
        name === undefined ? null : codec.topic(name),
        ...(gateway === undefined ? [] : [encodeTopic('bytes32', gateway)])
      ]
      const logs = await chain.logs({ address: contract, topics, fromBlock, toBlock })
      return logs.flatMap(log => {
        const event = codec.decodeEvent(log)
        return event === undefined ? [] : [{ event, place: log }]
      })
    }
  }
}

function isRefusal(error: unknown): boolean {
  return isWattproofError(error) && error.code === 'CHAIN_REFUSED'
}

/** No contract of ours there: an empty answer, another contract's answer, or its revert. */
export function isForeignAnswer(error: unknown): boolean {
  return isWattproofError(error) && (error.code.startsWith('CODEC_') || error.code === 'CHAIN_REVERTED')
}
