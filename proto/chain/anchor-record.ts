import { CodecError } from '../errors.ts'
import type { AbiValue } from './abi.ts'
import type { ContractCodec, ContractEvent, ContractLog } from './contract-codec.ts'
import { GATEWAY_STATUS, type GatewayStatus } from './contract-tables.ts'

/** An anchor as the contract takes it: the public part of what the gateway signed. */
export interface AnchorRecord {
  /** 32 octets: see gatewayKey */
  readonly gateway: Uint8Array
  /** 8 octets */
  readonly epoch: Uint8Array
  readonly seq: number
  readonly slotFrom: number
  readonly slotTo: number
  /** leaves under root */
  readonly count: number
  readonly root: Uint8Array
  /** anchorHash of the anchor before */
  readonly prev: Uint8Array
  readonly anchorHash: Uint8Array
}

/** Where an epoch stands on chain. */
export interface EpochHead {
  readonly opened: boolean
  /** sequence number the contract takes next */
  readonly next: number
  /** hash of the anchor before `next`; the last known hash of the epoch before where none is recorded yet */
  readonly head: Uint8Array
  readonly slotTo: number
}

/** A gateway's registry entry with the head of its current epoch. */
export interface GatewayEntry {
  /** 20 octets, all zero when never admitted */
  readonly signer: Uint8Array
  readonly status: GatewayStatus
  readonly epoch: Uint8Array
  readonly next: number
  readonly head: Uint8Array
  readonly slotTo: number
}

/** An anchor found in the logs. */
export interface AnchoredEvent extends AnchorRecord {
  /** account that sent it: the gateway's signer or an aggregator */
  readonly by: Uint8Array
}

/** The tuple the contract's functions take. */
export function anchorTuple(record: AnchorRecord): AbiValue[] {
  return [
    record.gateway,
    record.epoch,
    BigInt(record.seq),
    BigInt(record.slotFrom),
    BigInt(record.slotTo),
    BigInt(record.count),
    record.root,
    record.prev,
    record.anchorHash
  ]
}

/** The anchor a transaction carries; undefined when it calls another function. */
export function decodeAnchorCall(codec: ContractCodec, data: Uint8Array): AnchorRecord | undefined {
  const call = codec.decodeCall(data)
  if (call?.name !== 'anchor' && call?.name !== 'openAndAnchor') return undefined
  const [gateway, epoch, seq, slotFrom, slotTo, count, root, prev, anchorHash] = call.values[0] as AbiValue[]
  return {
    gateway: gateway as Uint8Array,
    epoch: epoch as Uint8Array,
    seq: safeInteger(seq),
    slotFrom: safeInteger(slotFrom),
    slotTo: safeInteger(slotTo),
    count: safeInteger(count),
    root: root as Uint8Array,
    prev: prev as Uint8Array,
    anchorHash: anchorHash as Uint8Array
  }
}

/** Reads the result of `gateways(id)`. */
export function decodeGatewayEntry(codec: ContractCodec, octets: Uint8Array): GatewayEntry {
  const [signer, status, epoch, next, head, slotTo] = codec.decodeResult('gateways', octets)
  return {
    signer: signer as Uint8Array,
    status: GATEWAY_STATUS[safeInteger(status)] ?? 'none',
    epoch: epoch as Uint8Array,
    next: safeInteger(next),
    head: head as Uint8Array,
    slotTo: safeInteger(slotTo)
  }
}

/** Reads the result of `epochOf(id, epoch)`. */
export function decodeEpochHead(codec: ContractCodec, octets: Uint8Array): EpochHead {
  const [opened, next, head, slotTo] = codec.decodeResult('epochOf', octets)
  return {
    opened: opened as boolean,
    next: safeInteger(next),
    head: head as Uint8Array,
    slotTo: safeInteger(slotTo)
  }
}

/** The anchor in a log, or undefined when it is another event. */
export function decodeAnchored(codec: ContractCodec, log: ContractLog): AnchoredEvent | undefined {
  const event = codec.decodeEvent(log)
  return event?.name === 'Anchored' ? toAnchored(event) : undefined
}

/** The anchor an event of that name carries. */
export function toAnchored({ fields }: ContractEvent): AnchoredEvent {
  return {
    gateway: fields['gateway'] as Uint8Array,
    epoch: fields['epoch'] as Uint8Array,
    seq: safeInteger(fields['seq']),
    slotFrom: safeInteger(fields['slotFrom']),
    slotTo: safeInteger(fields['slotTo']),
    count: safeInteger(fields['count']),
    root: fields['root'] as Uint8Array,
    prev: fields['prev'] as Uint8Array,
    anchorHash: fields['anchorHash'] as Uint8Array,
    by: fields['by'] as Uint8Array
  }
}

/** @throws CodecError CODEC_RANGE above 2^53 - 1: no honest counter is there */
export function safeInteger(value: AbiValue | undefined): number {
  if (typeof value !== 'bigint' || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new CodecError('CODEC_RANGE', `not a number this program counts to: ${String(value)}`)
  }
  return Number(value)
}
