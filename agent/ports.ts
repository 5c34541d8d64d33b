/**
 * What the agent needs of the world. Drivers implement these; stages see nothing else of the outside.
 * Times: *Ms are milliseconds; unix milliseconds where the name says At or Time, durations elsewhere.
 */
import type { Reading } from '../proto/reading.ts'

// ---------------------------------------------------------------- host

export interface Clock {
  /** Wall clock, unix milliseconds. May step. */
  nowMs(): number
  /** Never steps; only differences mean anything. */
  monotonicMs(): number
  /** Resolves after at least ms; rejects with the signal's reason when it aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<void>
  /** False while the wall clock has no reason to be believed (before 2024, or set back since start). */
  trusted(): boolean
}

/** Structured log; events are kebab-case nouns or verbs, fields never hold secrets (the sink redacts all the same). */
export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
}
export type LogFields = Readonly<Record<string, unknown>>

/** Calls back at the wall-clock edge of every slot. */
export interface SlotSchedule {
  /** @param onSlot gets the number of the slot that has just ended @returns stops the schedule */
  start(slotSeconds: number, onSlot: (endedSlot: number) => void): () => void
}

// ---------------------------------------------------------------- meters

export type Protocol = 'dlt645' | 'dlt645-1997' | 'modbus'

/** Who waits for the line, most urgent first. */
export type Priority = 'technician' | 'slot' | 'backfill' | 'scan' | 'diagnostics'

/** Primary over secondary of a transformer, e.g. 150/5. */
export interface TransformerRatio {
  readonly primary: number
  readonly secondary: number
}

/** One metering point as configured. */
export interface MeterPoint {
  readonly id: string
  readonly bus: string
  readonly protocol: Protocol
  /** 12 decimal digits for DL/T 645, 1..247 for Modbus */
  readonly address: string
  /** Modbus profile name or file; undefined for DL/T 645 */
  readonly profile: string | undefined
  /** Catalogue items wanted each slot, by rising id */
  readonly items: readonly number[]
  /** Wanted beside the catalogue: data identifiers ("di:00010000") or registers ("reg:0x0000:2"); shown by sweep and read, not sealed */
  readonly rawItems: readonly string[]
  readonly ratedKva: number | undefined
  readonly ct: TransformerRatio
  readonly pt: TransformerRatio
  readonly ratioVersion: number
  readonly parent: string | undefined
  /** e.g. per-meter rule limits from the configuration */
  readonly rules: Readonly<Record<string, number>>
  readonly location: { readonly lat: number; readonly lon: number } | undefined
  /** where a slot's energy comes from: read right after its end (when left out), or the meter's own record at its end, live as fallback */
  readonly slotValue?: 'live' | 'profile'
}

/** Why a request brought no value. Silence, an error answer and garbage are three different things. */
export interface ReadFault {
  readonly kind: 'silent' | 'refused' | 'garbage' | 'busDown' | 'skipped' | 'noTime' | 'value'
  /** what was asked: a data identifier or a register range */
  readonly asked: string
  /** error word or exception code, upper-case hex, for 'refused' */
  readonly code?: string
  readonly detail: string
}

/** One value as it came. */
export interface ReadValue {
  /** catalogue id; null for a raw item outside the catalogue */
  readonly item: number | null
  /** catalogue key, or the data identifier / register of a raw item */
  readonly key: string
  /** integer x 10^exponent; null = the meter says it has no such value */
  readonly value: number | null
  readonly exponent: number
  readonly unit: string
  /** where it came from: "00010000" or "0x0048:2" */
  readonly origin: string
  /** value octets as on the wire (DL/T 645 without the +33H), hex */
  readonly raw: string
  /** the meter's own text of the value: ASCII, dates, and numbers with as many decimals as the meter gives */
  readonly text?: string
  /** the register cannot show all digits of the value at this size (quality flag 'resolution') */
  readonly coarse?: boolean
}

/** All that one visit to a meter brought. What a meter does wrong is in `faults`, never thrown. */
export interface MeterAnswer {
  readonly values: readonly ReadValue[]
  readonly faults: readonly ReadFault[]
  /** wall clock when the last energy value had arrived; null when nothing came */
  readonly readAtMs: number | null
  /** the meter's own clock at readAtMs, unix ms; null when not asked or not had */
  readonly meterTimeMs: number | null
  /** replies as received: evidence for alarms */
  readonly frames: readonly Uint8Array[]
}

/** One record of the meter's own load profile or freeze. */
export interface ProfileRecord {
  /** the record's own stamp, unix ms (meter time read in the configured zone) */
  readonly stampMs: number
  readonly values: readonly ReadValue[]
}

export interface ProfileAnswer {
  readonly source: 'loadProfile' | 'hourlyFreeze' | 'dailyFreeze'
  readonly records: readonly ProfileRecord[]
  /** 'none': the meter has nothing there; 'unsupported': it has no such thing at all */
  readonly status: 'ok' | 'none' | 'unsupported' | 'failed'
  readonly faults: readonly ReadFault[]
  /** blocks thrown away for a bad checksum or a missing separator */
  readonly damagedBlocks: number
}

export interface ReadOptions {
  readonly priority: Priority
  readonly signal?: AbortSignal
  /** read the meter's clock too */
  readonly withClock?: boolean
  /** read the ratio registers too (items 450, 451) */
  readonly withRatio?: boolean
}

/** One RS-485 line (or its TCP stand-in) with the meters on it. */
export interface MeterBus {
  readonly name: string
  /** Reads the meter's configured items. */
  readMeter(meter: MeterPoint, options: ReadOptions): Promise<MeterAnswer>
  /** Reads load profile or freezes with stamps in [fromMs, toMs]. */
  readProfile(meter: MeterPoint, fromMs: number, toMs: number, options: ReadOptions): Promise<ProfileAnswer>
  status(): BusStatus
  close(): Promise<void>
}

export interface BusStatus {
  readonly name: string
  readonly port: string
  readonly state: 'open' | 'opening' | 'down'
  readonly detail: string
  /** why the readings of this bus are refused though its port is open: it is another bus */
  readonly refusal?: string
  /** counters by name: exchanges, replies, silent, garbage, late, echo, foreign, parityErrors ... */
  readonly counters: Readonly<Record<string, number>>
  /** meters the breaker holds open: address and wall time of the next try */
  readonly breakers: readonly {
    readonly address: string
    readonly failures: number
    readonly nextTryAtMs: number
  }[]
}

// ---------------------------------------------------------------- store

/** State that survives restarts and is cheap to lose: breakers, refused blocks, editions, drift. */
export interface LearnedStore {
  get(key: string): string | undefined
  set(key: string, value: string): void
  delete(key: string): void
}

export interface ReadingQuery {
  readonly meter?: string
  readonly fromSlot?: number
  readonly toSlot?: number
  readonly limit?: number
  /** true: newest slot first */
  readonly newestFirst?: boolean
}

export interface ReadingStore {
  /** One transaction, durable on return. A (meter, slot, version) already there is left as it is. @returns how many were new */
  appendReadings(bus: string, readings: readonly Reading[]): number
  queryReadings(query: ReadingQuery): Reading[]
  /** Highest version of (meter, slot); 0 when there is none. */
  highestVersion(meter: string, slot: number): number
  /** Readings whose version is in no batch yet, oldest slot first. */
  unsealed(fromSlot: number, toSlot: number): Reading[]
}

/** A sealed batch with its signed anchor: bytes that never change once committed. */
export interface SealedBatch {
  /** 8 octets */
  readonly epoch: Uint8Array
  readonly seq: number
  readonly slotFrom: number
  readonly slotTo: number
  /** one of ANCHOR_REASON in proto/wire */
  readonly reason: number
  readonly count: number
  readonly root: Uint8Array
  /** `batch` of the wire contract */
  readonly batch: Uint8Array
  /** `signed` of the wire contract */
  readonly anchor: Uint8Array
  readonly anchorHash: Uint8Array
  readonly prev: Uint8Array
  /** 16 octets from which the leaf salts derive; kept as long as the readings, for proofs on the device */
  readonly saltKey: Uint8Array
  /** (meter, slot, version) of each leaf, in leaf order */
  readonly leaves: readonly LeafRef[]
  /** unix milliseconds, whole seconds */
  readonly createdAt: number
}

export interface LeafRef {
  readonly meter: string
  readonly slot: number
  readonly version: number
}

export interface ChainHead {
  readonly epoch: Uint8Array
  readonly seq: number
  readonly anchorHash: Uint8Array
  readonly slotTo: number
  /** `signed` of the wire contract: names the key of the epoch */
  readonly anchor: Uint8Array
}

/** 'sealed' until the ledger's signed receipt; 'refused' is kept and alarmed, never dropped. */
export type DeliveryState = 'sealed' | 'delivered' | 'refused'

export interface StoredBatch extends SealedBatch {
  readonly state: DeliveryState
  readonly publishedAt: number | null
  readonly attempts: number
  readonly receipt: Uint8Array | null
  readonly refusal: string | null
}

export interface BatchQuery {
  readonly fromSlot?: number
  readonly toSlot?: number
  readonly state?: DeliveryState
  readonly limit?: number
  readonly newestFirst?: boolean
}

export interface BatchStore {
  head(): ChainHead | undefined
  /** Highest slot that has its slot batch (any reason but supplementary); undefined before the first. */
  lastSealedSlot(): number | undefined
  /**
   * Commits batch, anchor and the membership of its leaves in one durable transaction.
   * Refuses (StoreError STORE_SEQ) unless (epoch, seq) follows the head and prev is the head's hash (or the epoch is new and seq 0).
   */
  commitBatch(batch: SealedBatch): void
  batch(epoch: Uint8Array, seq: number): StoredBatch | undefined
  batchByAnchorHash(anchorHash: Uint8Array): StoredBatch | undefined
  queryBatches(query: BatchQuery): StoredBatch[]
  /** Batches without an accepting receipt, by rising (epoch age, seq); of one state when it is given. */
  undelivered(limit: number, state?: 'sealed' | 'refused'): StoredBatch[]
  notePublished(epoch: Uint8Array, seq: number, atMs: number): void
  /** Marks the one batch delivered, with the receipt's bytes: a later receipt says nothing about an earlier refusal. @returns whether it changed */
  acknowledge(epoch: Uint8Array, seq: number, receipt: Uint8Array): boolean
  refuse(epoch: Uint8Array, seq: number, reason: string): void
  /** The batch and leaf index of (meter, slot, version). Highest version when version is left out. */
  findLeaf(meter: string, slot: number, version?: number): { batch: StoredBatch; index: number } | undefined
}

/** A transaction on its way to the chain: built -> sent -> mined -> final; side exits blocked, conflict. */
export type AnchorState = 'built' | 'sent' | 'mined' | 'final' | 'blocked' | 'conflict'

interface ChainAttempt {
  readonly n: number
  readonly chainId: bigint
  readonly from: string
  readonly nonce: bigint
  /** raw signed transaction: sent again byte for byte; empty where another's transaction had recorded the same (nonce 0) */
  readonly raw: Uint8Array
  readonly txHash: string
  readonly state: AnchorState
  readonly createdAt: number
  readonly blockNumber: bigint | null
  readonly blockHash: string | null
  readonly finalAt: number | null
  readonly detail: string | null
}

/** A transaction that records a batch's anchor. */
export interface AnchorAttempt extends ChainAttempt {
  readonly epoch: Uint8Array
  readonly seq: number
}

/** A transaction that files an alarm as an event. */
export interface AlarmAttempt extends ChainAttempt {
  readonly alarm: number
}

/** The account's transactions are one sequence of nonces, whatever they are for. */
export type Attempt = AnchorAttempt | AlarmAttempt

/** An alarm that is to be an event on chain and is none yet. */
export interface DueAlarm {
  readonly id: number
  /** `signed` alarm of the wire contract: the raise */
  readonly signed: Uint8Array
  /** transactions made for it so far */
  readonly attempts: number
}

/** How far an alarm has come on its way to the chain; 'due': no transaction was made yet. */
export interface AlarmFiling {
  readonly state: AnchorState | 'due'
  readonly txHash: string | null
  readonly blockNumber: bigint | null
  readonly detail: string | null
}

export interface AnchorQuery {
  readonly state?: AnchorState
  readonly limit?: number
  readonly newestFirst?: boolean
}

export interface AnchorStore {
  /**
   * The oldest batch whose anchor is not final and has no live attempt.
   * @param afterEpoch only batches of epochs begun after this one: what is left of it can never be anchored
   */
  nextUnanchored(afterEpoch?: Uint8Array): StoredBatch | undefined
  /** The oldest alarm due for the chain with an id above the one given, live attempt or not. */
  nextDueAlarm(afterId: number): DueAlarm | undefined
  /** The one attempt in flight (built, sent or mined), if any. */
  inFlight(): Attempt | undefined
  /** Writes the attempt with its raw bytes and takes its nonce, in one durable transaction, before anything is sent. */
  saveAttempt(attempt: Attempt): void
  updateAttempt(
    txHash: string,
    change: Partial<Pick<AnchorAttempt, 'state' | 'blockNumber' | 'blockHash' | 'finalAt' | 'detail'>>
  ): void
  attempts(query: AnchorQuery): AnchorAttempt[]
  /** As {@link attempts}, those that file alarms, in the order they were made. */
  alarmAttempts(query: AnchorQuery): AlarmAttempt[]
  /** Transactions of the account with fromNonce <= nonce < belowNonce, lowest first; where two share one, the newer first. */
  transactions(
    account: { readonly chainId: bigint; readonly from: string },
    fromNonce: bigint,
    belowNonce: bigint,
    limit: number
  ): Pick<Attempt, 'nonce' | 'raw' | 'txHash'>[]
  /** Highest nonce ever taken by this account on this chain; undefined when none. */
  lastNonce(chainId: bigint, from: string): bigint | undefined
}

export type AlarmState = 'raised' | 'cleared'

export interface StoredAlarm {
  /** one number for raise and clear of the same alarm */
  readonly id: number
  readonly meter: string | null
  readonly bus: string | null
  readonly rule: string
  readonly state: AlarmState
  readonly class: 'general' | 'serious'
  readonly raisedAt: number
  readonly clearedAt: number | null
  readonly acknowledgedAt: number | null
  readonly shelvedUntil: number | null
  /** numbers behind the verdict, JSON */
  readonly evidence: string
  /** `signed` alarm of the wire contract for the present state */
  readonly signed: Uint8Array
  readonly delivered: boolean
}

export interface AlarmQuery {
  readonly state?: AlarmState
  readonly meter?: string
  readonly rule?: string
  readonly limit?: number
}

export interface AlarmStore {
  nextAlarmId(): number
  /** @param onChain true with a raise: in the same durable transaction it becomes due for the chain */
  saveAlarm(alarm: StoredAlarm, onChain?: boolean): void
  alarms(query: AlarmQuery): StoredAlarm[]
  undeliveredAlarms(limit: number): StoredAlarm[]
  acknowledgeAlarmDelivery(id: number, state: AlarmState, receipt: Uint8Array): void
  /** undefined: the alarm was never to be an event on chain */
  alarmFiling(id: number): AlarmFiling | undefined
}

/** What a store holds, in counts: cheap whatever has piled up. */
export interface StoreSummary {
  readonly undelivered: number
  readonly refused: number
  /** unix milliseconds: when the oldest batch without an accepting receipt was sealed */
  readonly oldestUndeliveredAt: number | null
  /** attempts by state; states without any are left out */
  readonly anchors: Readonly<Partial<Record<AnchorState, number>>>
  readonly alarmsRaised: number
  readonly alarmsSerious: number
}

/** Everything the daemon keeps, over one file. */
export interface AgentStore extends ReadingStore, BatchStore, AnchorStore, AlarmStore, LearnedStore {
  /** Facts that must survive: 'epoch', 'firstSlot', ... */
  getMeta(key: string): string | undefined
  setMeta(key: string, value: string): void
  /** Removes what retention allows: only delivered and anchored history. @returns rows removed by kind */
  prune(limits: {
    readonly readingsBeforeSlot: number
    readonly batchesBeforeSlot: number
    /** false where no chain is configured: delivery alone decides; true when left out */
    readonly requireAnchored?: boolean
  }): Readonly<Record<string, number>>
  summary(): StoreSummary
  sizeBytes(): number
  close(): void
}

// ---------------------------------------------------------------- uplink

export type UplinkTopic = 'anchor' | 'batch' | 'alarm' | 'state' | 'receipt' | 'request'

/** The broker's side of delivery. publish resolves on PUBACK, which is not delivery. */
export interface Uplink {
  readonly connected: boolean
  /** Resolves when the broker took it; rejects (UplinkError) when it did not within the deadline. */
  publish(topic: UplinkTopic, payload: Uint8Array, options?: { readonly retain?: boolean }): Promise<void>
  /** Calls for every message on the gateway's topic of that name. */
  subscribe(topic: UplinkTopic, onMessage: (payload: Uint8Array) => void): Promise<void>
  onConnect(callback: () => void): void
  close(): Promise<void>
}

/** The ledger's side: hears every gateway. */
export interface LedgerUplink {
  onMessage(callback: (gateway: string, topic: UplinkTopic, payload: Uint8Array) => void): Promise<void>
  publish(gateway: string, topic: UplinkTopic, payload: Uint8Array): Promise<void>
  close(): Promise<void>
}

// ---------------------------------------------------------------- chain

export interface ChainReceipt {
  readonly txHash: string
  readonly status: 'success' | 'reverted'
  readonly blockNumber: bigint
  readonly blockHash: string
  readonly logs: readonly {
    readonly address: string
    readonly topics: readonly string[]
    readonly data: string
  }[]
}

/** What a node made of a raw transaction; see docs on sending for the classes. */
export type SubmitOutcome =
  | { readonly kind: 'accepted' | 'known' }
  | {
      readonly kind: 'consumed' | 'occupied' | 'gap' | 'busy' | 'permanent' | 'unknown' | 'suspect'
      readonly detail: string
    }

export interface SimulatedCall {
  readonly kind: 'returned' | 'reverted'
  readonly data: Uint8Array
}

/** A consortium chain behind one or more equal nodes. Every call may reject with ChainError when no node answers. */
export interface ChainNode {
  chainId(): Promise<bigint>
  height(): Promise<bigint>
  submit(raw: Uint8Array, txHash: string): Promise<SubmitOutcome>
  receipt(txHash: string): Promise<ChainReceipt | undefined>
  nonce(address: string): Promise<bigint>
  /** A reading call; rejects (ChainError CHAIN_REVERTED) when the contract reverts it. */
  call(to: string, data: Uint8Array): Promise<Uint8Array>
  /** A call as an account would make it, without sending it: what it would return, or the octets of its revert. */
  simulate(from: string, to: string, data: Uint8Array): Promise<SimulatedCall>
  logs(filter: {
    readonly address: string
    readonly topics: readonly (string | null)[]
    readonly fromBlock: bigint
    readonly toBlock: bigint | 'latest'
  }): Promise<
    readonly (ChainReceipt['logs'][number] & { readonly txHash: string; readonly blockNumber: bigint })[]
  >
}

// ---------------------------------------------------------------- ledger

export interface LedgerKey {
  /** 65 octets, 04 || x || y */
  readonly signKey: Uint8Array
  readonly kid: Uint8Array
}

/** A key of an enrolled gateway; one that was replaced still vouches for what it signed before. */
export interface EnrolledKey extends LedgerKey {
  /** unix seconds: `created` of the first anchor accepted under it; null before that */
  readonly since: number | null
}

export interface LedgerGateway {
  readonly gateway: string
  /** oldest first, at least one */
  readonly keys: readonly EnrolledKey[]
  readonly status: 'active' | 'frozen'
}

export interface LedgerAnchor {
  readonly gateway: string
  readonly epoch: Uint8Array
  readonly seq: number
  readonly anchorHash: Uint8Array
  readonly signed: Uint8Array
  readonly batch: Uint8Array | null
}

export interface LedgerStore {
  gateway(id: string): LedgerGateway | undefined
  /** Admits a gateway, and the key as its newest unless it has it already. Whose key may be admitted is the caller's decision. */
  enrol(entry: LedgerKey & Pick<LedgerGateway, 'gateway' | 'status'>): void
  setStatus(id: string, status: LedgerGateway['status']): void
  /** The last accepted (anchor and batch) of the gateway. */
  head(gateway: string): LedgerAnchor | undefined
  anchor(gateway: string, epoch: Uint8Array, seq: number): LedgerAnchor | undefined
  anchorByHash(gateway: string, anchorHash: Uint8Array): LedgerAnchor | undefined
  /** Anchor seen, batch not yet. */
  savePending(anchor: LedgerAnchor): void
  pending(gateway: string, epoch: Uint8Array, seq: number): LedgerAnchor | undefined
  /**
   * Accepts anchor, batch and its readings in one durable transaction.
   * @param key the one that signed it, with the time from which it counts where this is its first
   */
  accept(
    anchor: LedgerAnchor,
    readings: readonly Reading[],
    key?: { readonly kid: Uint8Array; readonly since: number }
  ): void
  saveAlarm(gateway: string, alarm: Uint8Array, alarmHash: Uint8Array): void
  /** Both anchors of a fork, or any refused object, as evidence. */
  saveEvidence(gateway: string, kind: string, objects: readonly Uint8Array[]): void
  counts(gateway?: string): {
    readonly anchors: number
    readonly readings: number
    readonly alarms: number
    readonly evidence: number
  }
  readings(query: ReadingQuery & { readonly gateway?: string }): Reading[]
  close(): void
}
