import { utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/digest.ts'
import type { AbiValue } from './abi.ts'
import { safeInteger } from './anchor-record.ts'
import type { ContractCodec, ContractLog } from './contract-codec.ts'

/** An alarm as the contract files it: enough to find the signed alarm that was delivered, and nothing of its content. */
export interface AlarmRecord {
  /** 32 octets: see gatewayKey */
  readonly gateway: Uint8Array
  /** 32 octets: see {@link alarmCode} */
  readonly code: Uint8Array
  /** unix seconds at which it was raised */
  readonly raised: number
  /** 32 octets: alarmHash of the signed raise, the hash its receipt names */
  readonly evidence: Uint8Array
}

/** An alarm found in the logs. */
export interface AlarmFiledEvent extends AlarmRecord {
  /** account that filed it: the gateway's signer or a regulator */
  readonly by: Uint8Array
}

/**
 * A rule's id as the contract's bytes32: its characters from the left, zeros behind, so that a log can be read by eye.
 * An id of more than 32 octets is its SHA-256.
 */
export function alarmCode(rule: string): Uint8Array {
  const octets = utf8(rule)
  if (octets.length > 32) return sha256(octets)
  const code = new Uint8Array(32)
  code.set(octets)
  return code
}

/** The arguments of `fileAlarm`, in their order. */
export function alarmArguments({ gateway, code, raised, evidence }: AlarmRecord): AbiValue[] {
  return [gateway, code, BigInt(raised), evidence]
}

/** The alarm a transaction files; undefined when it calls another function. */
export function decodeAlarmCall(codec: ContractCodec, data: Uint8Array): AlarmRecord | undefined {
  const call = codec.decodeCall(data)
  if (call?.name !== 'fileAlarm') return undefined
  const [gateway, code, raised, evidence] = call.values
  return {
    gateway: gateway as Uint8Array,
    code: code as Uint8Array,
    raised: safeInteger(raised),
    evidence: evidence as Uint8Array
  }
}

/** The alarm in a log, or undefined when it is another event. */
export function decodeAlarmFiled(codec: ContractCodec, log: ContractLog): AlarmFiledEvent | undefined {
  const event = codec.decodeEvent(log)
  if (event?.name !== 'AlarmFiled') return undefined
  const { fields } = event
  return {
    gateway: fields['gateway'] as Uint8Array,
    code: fields['code'] as Uint8Array,
    raised: safeInteger(fields['raised']),
    evidence: fields['evidence'] as Uint8Array,
    by: fields['by'] as Uint8Array
  }
}
