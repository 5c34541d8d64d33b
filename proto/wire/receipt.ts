import { readObject, writeObject } from './fields.ts'

const RECEIPT_MAX_OCTETS = 1024

/** What the ledger made of an anchor and its batch, or of an alarm. Below 32 about batches, from 32 about alarms. */
export const RECEIPT_STATUS = {
  /** stored, up to and with upToSeq */
  accepted: 0,
  /** an anchor before it is missing: upToSeq is the last one had */
  gap: 1,
  /** another anchor has this number; the gateway is frozen */
  fork: 2,
  badSignature: 3,
  unknownGateway: 4,
  unknownSuite: 5,
  /** the leaves rebuilt from the payload have another root */
  rootMismatch: 6,
  undecryptable: 7,
  malformed: 8,
  /** topic and signed body name different gateways */
  wrongGateway: 9,
  /** the gateway was frozen before */
  frozen: 10,
  alarmAccepted: 32
} as const
export type ReceiptStatus = keyof typeof RECEIPT_STATUS

/** The ledger's acknowledgement; only it counts as delivery. */
export interface Receipt {
  readonly ledger: string
  readonly gateway: string
  /** 8 octets; zeros in the receipt of an alarm */
  readonly epoch: Uint8Array
  /** last sequence of the epoch that the ledger has; the alarm's id in the receipt of an alarm */
  readonly upToSeq: number
  /** of the anchor answered, or alarmHash of the alarm answered */
  readonly anchorHash: Uint8Array
  /** one of {@link RECEIPT_STATUS}; unknown numbers are passed on */
  readonly status: number
  /** anchorHash at the head of what the ledger accepted from the gateway; null before the first */
  readonly ledgerHead: Uint8Array | null
  /** unix seconds */
  readonly time: number
}

/** @throws CodecError when a field is out of its range */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const { ledger, gateway, epoch, upToSeq, anchorHash, status, ledgerHead, time } = receipt
  return writeObject(
    [1, ledger, gateway, epoch, upToSeq, anchorHash, status, ledgerHead, time],
    decodeReceipt
  )
}

/** @throws CodecError */
export function decodeReceipt(octets: Uint8Array): Receipt {
  const fields = readObject('receipt', octets, RECEIPT_MAX_OCTETS)
  fields.version()
  const receipt: Receipt = {
    ledger: fields.id('ledger'),
    gateway: fields.id('gateway'),
    epoch: fields.bytes('epoch', 8),
    upToSeq: fields.uint('upToSeq'),
    anchorHash: fields.bytes('anchorHash', 32),
    status: fields.uint('status', 0xffff),
    ledgerHead: fields.nullable(() => fields.bytes('ledgerHead', 32)),
    time: fields.uint('time')
  }
  fields.end()
  return receipt
}
