import { equalBytes, toHex } from '../../proto/bytes.ts'
import type { EpochHead, GatewayEntry } from '../../proto/chain/anchor-record.ts'
import type { ContractReader, FoundAnchor } from './contract-reader.ts'

/** Where an anchor stands relative to the chain. */
export type Position =
  /** it is the next one */
  | { readonly kind: 'next' }
  /** its epoch is new to the chain: open it with this anchor */
  | { readonly kind: 'newEpoch' }
  /** the chain has it already; found: the event that says so, where a node still has it */
  | { readonly kind: 'recorded'; readonly found: FoundAnchor | undefined }
  /** anchors are missing before it */
  | { readonly kind: 'gap'; readonly detail: string }
  | StuckPosition

export interface StuckPosition {
  /** other content under this number, another history before it, or a later epoch opened */
  readonly kind: 'conflict' | 'fork' | 'closed'
  readonly detail: string
}

export interface Placed {
  readonly epoch: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array
  readonly anchorHash: Uint8Array
}

/** True where the anchor's epoch can never go on from here. */
export function isStuck(position: Position): position is StuckPosition {
  return position.kind === 'conflict' || position.kind === 'fork' || position.kind === 'closed'
}

/** Reads where an anchor stands; its event too where the head alone cannot say. */
export async function readPosition(
  reader: ContractReader,
  gateway: Uint8Array,
  anchor: Placed
): Promise<Position> {
  const [head, entry] = await Promise.all([reader.epoch(gateway, anchor.epoch), reader.gateway(gateway)])
  if (!head.opened || anchor.seq >= head.next) return comparePosition(anchor, head, entry)
  const found = await reader.findAnchored(gateway, anchor.epoch, anchor.seq)
  const isHead = anchor.seq === head.next - 1
  if (found === undefined && !isHead) {
    return { kind: 'gap', detail: `number ${anchor.seq} is below the head and no node has its event` }
  }
  const stored = isHead ? head.head : (found?.anchor.anchorHash as Uint8Array)
  if (equalBytes(stored, anchor.anchorHash)) return { kind: 'recorded', found }
  const detail = `number ${anchor.seq} is ${toHex(stored)} on chain, ${toHex(anchor.anchorHash)} here`
  return { kind: 'conflict', detail }
}

/** Compares an anchor that is not on chain with the head of its epoch and the gateway's current epoch. */
function comparePosition(anchor: Placed, head: EpochHead, entry: Pick<GatewayEntry, 'epoch'>): Position {
  if (!head.opened) return { kind: 'newEpoch' }
  if (!equalBytes(entry.epoch, anchor.epoch)) {
    return { kind: 'closed', detail: `the gateway has gone on to epoch ${toHex(entry.epoch)}` }
  }
  if (anchor.seq > head.next) {
    return { kind: 'gap', detail: `the chain wants number ${head.next}, the oldest here is ${anchor.seq}` }
  }
  if (equalBytes(head.head, anchor.prev)) return { kind: 'next' }
  const detail = `before number ${anchor.seq} the chain has ${toHex(head.head)}, this anchor names ${toHex(anchor.prev)}`
  return { kind: 'fork', detail }
}
