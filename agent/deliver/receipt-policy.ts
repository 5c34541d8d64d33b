import { RECEIPT_STATUS } from '../../proto/wire/receipt.ts'

/** What a receipt's status means for what is sent next. */
export type ReceiptPolicy =
  /** the batch is delivered */
  | 'delivered'
  /** go on from what the ledger has */
  | 'rewind'
  /** this batch is at fault: it is set aside and alarmed, the others flow */
  | 'isolate'
  /** every batch would meet the same answer (enrolment, suite, key): wait for a person, try again slowly */
  | 'hold'
  /** two chains under one identity: nothing more is sent until a person has looked */
  | 'stop'

const POLICIES: Readonly<Record<number, ReceiptPolicy>> = {
  [RECEIPT_STATUS.accepted]: 'delivered',
  [RECEIPT_STATUS.gap]: 'rewind',
  [RECEIPT_STATUS.fork]: 'stop',
  [RECEIPT_STATUS.rootMismatch]: 'isolate',
  [RECEIPT_STATUS.undecryptable]: 'isolate',
  [RECEIPT_STATUS.malformed]: 'isolate'
}

/** A status of a later version is met with patience. */
export function policyOf(status: number): ReceiptPolicy {
  return POLICIES[status] ?? 'hold'
}

const NAMES = new Map<number, string>(Object.entries(RECEIPT_STATUS).map(([name, number]) => [number, name]))

export function statusName(status: number): string {
  return NAMES.get(status) ?? `status ${status}`
}
