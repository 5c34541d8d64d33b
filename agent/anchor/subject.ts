import { equalBytes, toHex } from '../../proto/bytes.ts'
import { type AlarmRecord, decodeAlarmCall } from '../../proto/chain/alarm-record.ts'
import { type AnchorRecord, decodeAnchorCall, decodeAnchored } from '../../proto/chain/anchor-record.ts'
import { decodeLegacyTransaction } from '../../proto/chain/transaction.ts'
import { CodecError } from '../../proto/errors.ts'
import type { Attempt, ChainReceipt, LogFields } from '../ports.ts'
import type { AnchorContext } from './anchor-context.ts'

/** What a transaction is for, and how to see on chain whether that came about. */
export interface Subject {
  readonly kind: 'anchor' | 'filing'
  /** names it in the log */
  readonly fields: LogFields
  /** True when a successful receipt alone says that it stands on chain. */
  isProvedBy(receipt: ChainReceipt): boolean
  /** What the chain holds in its place: this one, another one, or nothing yet. */
  askChain(): Promise<'ours' | 'other' | 'missing'>
  /** what the chain holds where it is another */
  readonly conflict: string
}

export function subjectOf(context: AnchorContext, attempt: Attempt): Subject {
  const { data } = decodeLegacyTransaction(attempt.raw)
  if ('alarm' in attempt) {
    const alarm = decodeAlarmCall(context.codec, data)
    if (alarm !== undefined) return alarmSubject(context, attempt.alarm, alarm)
  } else {
    const anchor = decodeAnchorCall(context.codec, data)
    if (anchor !== undefined) return anchorSubject(context, anchor)
  }
  throw new CodecError('CODEC_SHAPE', 'an attempt in the store calls another function', {
    at: attempt.txHash
  })
}

function alarmSubject({ reader }: AnchorContext, id: number, alarm: AlarmRecord): Subject {
  return {
    kind: 'filing',
    fields: { alarm: id },
    // fileAlarm reverts or emits the event; there is no third way through it
    isProvedBy: () => true,
    askChain: async () => ((await reader.findFiled(alarm)) === undefined ? 'missing' : 'ours'),
    conflict: ''
  }
}

function anchorSubject({ codec, contract, reader }: AnchorContext, anchor: AnchorRecord): Subject {
  const { gateway, epoch, seq, anchorHash } = anchor
  return {
    kind: 'anchor',
    fields: { seq },
    // without our event it was a repeat, a conflict or a stale offer: the chain's own state says which
    isProvedBy: receipt =>
      receipt.logs.some(log => {
        if (log.address.toLowerCase() !== contract.toLowerCase()) return false
        const event = decodeAnchored(codec, log)
        return event !== undefined && isSame(event, anchor)
      }),
    askChain: async () => {
      const head = await reader.epoch(gateway, epoch)
      if (!head.opened || head.next <= seq) return 'missing'
      if (head.next === seq + 1) return equalBytes(head.head, anchorHash) ? 'ours' : 'other'
      const found = await reader.findAnchored(gateway, epoch, seq)
      if (found === undefined) return 'missing'
      return equalBytes(found.anchor.anchorHash, anchorHash) ? 'ours' : 'other'
    },
    conflict: `the chain holds another anchor under number ${seq} of epoch ${toHex(epoch)}`
  }
}

function isSame(event: AnchorRecord, anchor: AnchorRecord): boolean {
  return (
    equalBytes(event.gateway, anchor.gateway) &&
    equalBytes(event.epoch, anchor.epoch) &&
    event.seq === anchor.seq &&
    equalBytes(event.anchorHash, anchor.anchorHash)
  )
}
