import type { GatewayConfig } from '../../config/gateway-config.ts'
import { openEvmChain } from '../../drivers/chain/evm.ts'
import { StoreError } from '../../drivers/store/errors.ts'
import { concatBytes, equalBytes, toHex } from '../../proto/bytes.ts'
import { createContractCodec, gatewayKey } from '../../proto/chain/contract-codec.ts'
import { keccak256 } from '../../proto/crypto/digest.ts'
import { keyId } from '../../proto/crypto/sm2-curve.ts'
import { buildProof } from '../../proto/envelope/prove.ts'
import { isWattproofError } from '../../proto/errors.ts'
import type { Reading } from '../../proto/reading.ts'
import { type ReadingJson, readingToJson } from '../../proto/reading-json.ts'
import {
  type ChainAnchor,
  type Finding,
  type OpenedProof,
  openProof,
  verifyProof
} from '../../proto/verify.ts'
import { decodeSigned } from '../../proto/wire/signed.ts'
import { suiteOf } from '../../proto/wire/suite.ts'
import { createContractReader } from '../anchor/contract-reader.ts'
import type { AgentStore, StoredBatch } from '../ports.ts'
import { type GatewayKeys, readGatewayKeys, readPublicKeyFile } from './keys.ts'
import { quietHost } from './line.ts'
import { openStoreForReading } from './stores.ts'

export interface StoredProof {
  readonly octets: Uint8Array
  readonly epoch: Uint8Array
  readonly seq: number
  readonly leafIndex: number
  readonly hasReceipt: boolean
}

/** Evidence for one reading out of the gateway's own store. @throws StoreError STORE_NOT_FOUND */
export function proofFromStore(
  config: GatewayConfig,
  meter: string,
  slot: number,
  version: number | undefined
): StoredProof {
  const store = openStoreForReading(config)
  try {
    return buildStoredProof(store, meter, slot, version)
  } finally {
    store.close()
  }
}

/** As {@link proofFromStore}, over an open store. */
export function buildStoredProof(
  store: AgentStore,
  meter: string,
  slot: number,
  version: number | undefined
): StoredProof {
  const found = store.findLeaf(meter, slot, version)
  if (!found) {
    throw new StoreError('STORE_NOT_FOUND', `no sealed reading of ${meter} in slot ${slot}`, {
      at: `${meter} slot ${slot}`,
      next: 'wattproof readings shows what there is; the slot may not be sealed yet, or retention has removed it'
    })
  }
  const { batch, index } = found
  const octets = buildProof({
    anchor: batch.anchor,
    saltKey: batch.saltKey,
    readings: leavesOf(store, batch),
    leafIndex: index,
    receipt: batch.receipt
  })
  return { octets, epoch: batch.epoch, seq: batch.seq, leafIndex: index, hasReceipt: batch.receipt !== null }
}

/** The readings of a batch in leaf order. */
function leavesOf(store: AgentStore, batch: StoredBatch): Reading[] {
  const readings = store.queryReadings({ fromSlot: batch.slotFrom, toSlot: batch.slotTo })
  const byName = new Map(
    readings.map(reading => [`${reading.meter}\n${reading.slot}\n${reading.version}`, reading])
  )
  return batch.leaves.map(({ meter, slot, version }) => {
    const reading = byName.get(`${meter}\n${slot}\n${version}`)
    if (reading) return reading
    throw new StoreError(
      'STORE_NOT_FOUND',
      `a reading of the batch is no longer in the store: ${meter} slot ${slot} version ${version}`,
      { next: 'ask the ledger for the proof: it keeps what retention removed here' }
    )
  })
}

const FIELD_SLOT_SECONDS = 900

export interface VerifyInputs {
  readonly rpc: string | undefined
  readonly contract: string | undefined
  readonly gatewayKeyFile: string | undefined
  readonly ledgerKeyFile: string | undefined
  /** undefined: 900, or what a slot of a demo must be to lie before its anchor */
  readonly slotSeconds: number | undefined
}

export interface VerifyResult {
  readonly holds: boolean
  readonly findings: readonly VerifyFinding[]
  readonly reading: ReadingJson | null
  readonly gateway: string | null
  readonly epoch: string | null
  readonly seq: number | null
  readonly root: string | null
}

/** A finding of verifyProof, or of the contract's own check. */
export interface VerifyFinding {
  readonly check: Finding['check'] | 'chain-leaf' | 'gateway-name'
  readonly verdict: Finding['verdict']
  readonly detail: string
}

/** Checks a proof with what the caller trusts. Only a chain that cannot be reached is thrown (ChainError); all else is a finding. */
export async function verifyEvidence(
  octets: Uint8Array,
  inputs: VerifyInputs,
  signal: AbortSignal
): Promise<VerifyResult> {
  signal.throwIfAborted()
  const key = inputs.gatewayKeyFile === undefined ? undefined : readGatewayKeys(inputs.gatewayKeyFile)
  const ledgerKey = inputs.ledgerKeyFile === undefined ? undefined : readPublicKeyFile(inputs.ledgerKeyFile)
  const opened = tryOpen(octets)
  const onChain =
    opened && inputs.rpc !== undefined && inputs.contract !== undefined
      ? await askChain(opened, inputs.rpc, inputs.contract)
      : undefined
  const findings: VerifyFinding[] = verifyProof(octets, {
    ...(key ? { gatewayKey: keyThatSigned(key, opened) } : {}),
    ...(ledgerKey ? { ledgerKey } : {}),
    ...(onChain ? { chainAnchor: onChain.anchor } : {})
  })
  if (opened && key?.gateway !== undefined && key.gateway !== opened.anchor.gateway) {
    findings.push({
      check: 'gateway-name',
      verdict: 'fails',
      detail: `the key is of ${key.gateway}, the anchor of ${opened.anchor.gateway}`
    })
  }
  if (onChain) {
    findings.push({
      check: 'chain-leaf',
      ...leafVerdict(onChain.leafHolds)
    })
  }
  return {
    holds: isProved(findings),
    findings,
    reading: opened ? readingToJson(opened.reading, inputs.slotSeconds ?? slotSecondsOf(opened)) : null,
    gateway: opened?.anchor.gateway ?? null,
    epoch: opened ? toHex(opened.anchor.epoch) : null,
    seq: opened?.anchor.seq ?? null,
    root: opened ? toHex(opened.anchor.root) : null
  }
}

/** Of the keys that the bundle vouches for, the one the anchor names: a proof outlives the key that signed it. */
function keyThatSigned({ publicKey, earlier }: GatewayKeys, opened: OpenedProof | undefined): Uint8Array {
  if (!opened) return publicKey
  const { kid } = decodeSigned(opened.proof.signed)
  return earlier.find(key => equalBytes(keyId(key), kid)) ?? publicKey
}

/** Nothing fails, the leaf is under the root, and somebody other than the file itself vouches for the root. */
function isProved(findings: readonly VerifyFinding[]): boolean {
  const holds = (check: VerifyFinding['check']) =>
    findings.some(finding => finding.check === check && finding.verdict === 'holds')
  return (
    findings.every(finding => finding.verdict !== 'fails') &&
    holds('inclusion') &&
    (holds('anchor-signature') || holds('chain'))
  )
}

function leafVerdict(holds: boolean | undefined): Pick<VerifyFinding, 'verdict' | 'detail'> {
  if (holds === undefined) {
    return { verdict: 'not-checked', detail: 'the contract checks trees of SHA-256 (suite 1) only' }
  }
  return holds
    ? { verdict: 'holds', detail: 'the contract found the leaf under the root' }
    : { verdict: 'fails', detail: 'the contract did not find the leaf under the root' }
}

/** An anchor does not say how long a slot is: in the field 900 s; a slot that would then lie after its anchor is a shorter one. */
function slotSecondsOf({ anchor }: OpenedProof): number {
  const slots = anchor.slotTo + 1
  const isField = slots * FIELD_SLOT_SECONDS <= anchor.created + FIELD_SLOT_SECONDS
  return isField ? FIELD_SLOT_SECONDS : Math.max(1, Math.round(anchor.created / slots))
}

function tryOpen(octets: Uint8Array): OpenedProof | undefined {
  try {
    return openProof(octets)
  } catch (error) {
    if (isWattproofError(error)) return undefined
    throw error
  }
}

async function askChain(
  opened: OpenedProof,
  rpc: string,
  contract: string
): Promise<{ anchor: ChainAnchor | null; leafHolds: boolean | undefined }> {
  const { clock, log } = quietHost()
  const reader = createContractReader(
    openEvmChain({ rpc: [rpc], clock, log }),
    contract,
    createContractCodec(keccak256)
  )
  const { anchor, proof } = opened
  const found = await reader.findAnchored(gatewayKey(anchor.gateway), anchor.epoch, anchor.seq)
  const leafHolds =
    suiteOf(anchor.suite).hash === 'sha256'
      ? await reader.verifyLeaf({
          root: anchor.root,
          entry: concatBytes(proof.salt, proof.reading),
          index: proof.leafIndex,
          size: anchor.count,
          path: proof.path
        })
      : undefined
  if (!found) return { anchor: null, leafHolds }
  const { anchorHash, root, count, seq } = found.anchor
  return { anchor: { anchorHash, root, count: Number(count), seq: Number(seq) }, leafHolds }
}
