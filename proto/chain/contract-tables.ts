/** What MeterAnchor.sol offers, as `name:type` lists. A test holds this table against the compiler's ABI. */

const ANCHOR = '(bytes32,bytes8,uint64,uint64,uint64,uint32,bytes32,bytes32,bytes32)'

export const FUNCTIONS = {
  VERSION: { takes: '', gives: 'uint64' },
  gateways: { takes: 'bytes32', gives: 'address,uint8,bytes8,uint64,bytes32,uint64' },
  epochOf: { takes: 'bytes32,bytes8', gives: 'bool,uint64,bytes32,uint64' },
  roles: { takes: 'address', gives: 'uint256' },
  aggregates: { takes: 'address', gives: 'bytes32,uint64' },
  councilMembers: { takes: '', gives: 'uint64,address[]' },
  setRole: { takes: 'address,uint256', gives: '' },
  admit: { takes: 'bytes32,address', gives: 'bool' },
  setStatus: { takes: 'bytes32,uint8', gives: '' },
  setCouncil: { takes: 'address[]', gives: 'bool' },
  anchor: { takes: ANCHOR, gives: 'uint8' },
  anchorBacklog: { takes: `${ANCHOR}[]`, gives: 'uint8[]' },
  anchorMany: { takes: `${ANCHOR}[]`, gives: 'uint8[]' },
  openEpoch: { takes: 'bytes32,bytes8,uint64,bytes32,uint8', gives: 'uint8' },
  openAndAnchor: { takes: `${ANCHOR},uint8`, gives: 'uint8' },
  aggregate: { takes: 'uint64,uint64,uint32,bytes32,bytes32,bytes32', gives: 'uint8' },
  fileAlarm: { takes: 'bytes32,bytes32,uint64,bytes32', gives: '' },
  verifyLeaf: { takes: 'bytes32,bytes,uint64,uint64,bytes32[]', gives: 'bool' },
  verifyInclusion: { takes: 'bytes32,bytes32,uint64,uint64,bytes32[]', gives: 'bool' }
} as const

export type FunctionName = keyof typeof FUNCTIONS

/** Indexed fields first, as the contract declares them. */
export const EVENTS = {
  RoleSet: { indexed: 'account:address', data: 'roles:uint256 by:address' },
  CouncilSet: { indexed: 'term:uint64', data: 'members:address[] by:address' },
  Voted: { indexed: 'proposal:bytes32 voter:address', data: 'votes:uint32 needed:uint32' },
  GatewaySet: { indexed: 'gateway:bytes32 signer:address', data: 'status:uint8 by:address' },
  EpochOpened: {
    indexed: 'gateway:bytes32 epoch:bytes8 reason:uint8',
    data: 'firstSeq:uint64 lastKnown:bytes32 closedEpoch:bytes8 closedNext:uint64 closedHead:bytes32'
  },
  Anchored: {
    indexed: 'gateway:bytes32 epoch:bytes8 seq:uint64',
    data: 'slotFrom:uint64 slotTo:uint64 count:uint32 root:bytes32 prev:bytes32 anchorHash:bytes32 by:address'
  },
  AnchorConflict: {
    indexed: 'gateway:bytes32 epoch:bytes8 seq:uint64',
    data: 'stored:bytes32 offered:bytes32 by:address'
  },
  AnchorStale: {
    indexed: 'gateway:bytes32 epoch:bytes8 seq:uint64',
    data: 'offered:bytes32 next:uint64 by:address'
  },
  AnchorRefused: {
    indexed: 'gateway:bytes32 epoch:bytes8 seq:uint64',
    data: 'outcome:uint8 offered:bytes32 next:uint64 head:bytes32'
  },
  Aggregated: {
    indexed: 'aggregator:address seq:uint64 root:bytes32',
    data: 'slotTo:uint64 count:uint32 prev:bytes32 manifest:bytes32 head:bytes32'
  },
  AggregateConflict: { indexed: 'aggregator:address seq:uint64', data: 'stored:bytes32 offered:bytes32' },
  AlarmFiled: { indexed: 'gateway:bytes32 code:bytes32', data: 'raised:uint64 evidence:bytes32 by:address' }
} as const

export type EventName = keyof typeof EVENTS

/** Custom errors; those that carry the head let a sender reconcile without a second read. */
export const ERRORS = {
  NotAllowed: 'role:uint256',
  NotOnCouncil: '',
  AlreadyVoted: '',
  BadArgument: '',
  NotSigner: 'signer:address',
  NotActive: 'gateway:bytes32 status:uint8',
  EpochUnknown: 'current:bytes8 next:uint64 head:bytes32',
  EpochClosed: 'current:bytes8 next:uint64 head:bytes32',
  SeqGap: 'offered:uint64 next:uint64 head:bytes32',
  PrevMismatch: 'offered:bytes32 next:uint64 head:bytes32',
  /** Solidity's own: require() with a text, and arithmetic or enum faults */
  Error: 'text:bytes',
  Panic: 'code:uint256'
} as const

export type ErrorName = keyof typeof ERRORS

/** Bits of `roles(address)`. */
export const ROLE = { admin: 1, registrar: 2, aggregator: 4, regulator: 8 } as const

/** Numbers of the contract's Status, by position. */
export const GATEWAY_STATUS = ['none', 'active', 'suspended', 'retired'] as const
export type GatewayStatus = (typeof GATEWAY_STATUS)[number]

/** What became of an offered anchor, by the contract's number. */
export const ANCHOR_OUTCOME = [
  'accepted',
  'repeated',
  'conflict',
  'stale',
  'notActive',
  'epochUnknown',
  'epochClosed',
  'seqGap',
  'prevMismatch'
] as const
