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

/** Reads the contract: what a sender, a verifier and a regulator need. No right is needed for any of it. */
export interface ContractReader {
  /** @throws CodecError CODEC_TRUNCATED where no contract stands at the address */
  version(): Promise<bigint>
  /** @param gateway 32 octets: see gatewayKey */
  gateway(gateway: Uint8Array): Promise<GatewayEntry>
  epoch(gateway: Uint8Array, epoch: Uint8Array): Promise<EpochHead>
  /** The event by which an anchor was first recorded. */
  findAnchored(gateway: Uint8Array, epoch: Uint8Array, seq: number): Promise<FoundAnchor | undefined>
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
      const [log] = await chain.logs({ address: contract, topics, fromBlock: 0n, toBlock: 'latest' })
      const event = log && codec.decodeEvent(log)
      return log && event && { anchor: toAnchored(event), place: log }
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
