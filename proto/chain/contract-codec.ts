import { concatBytes, equalBytes, fromHex, toHex, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/digest.ts'
import { CodecError } from '../errors.ts'
import {
  type AbiType,
  type AbiValue,
  type ChainHash,
  decodeAbi,
  encodeAbi,
  parseTypes,
  selector
} from './abi.ts'
import {
  ERRORS,
  type ErrorName,
  EVENTS,
  type EventName,
  FUNCTIONS,
  type FunctionName
} from './contract-tables.ts'

/** A log as nodes give it. */
export interface ContractLog {
  readonly topics: readonly string[]
  readonly data: string
}

/** An event of the contract with its fields by name. */
export interface ContractEvent {
  readonly name: EventName
  readonly fields: Readonly<Record<string, AbiValue>>
}

/** Why a call was reverted; 'unknown' where the octets are no error of ours. */
export interface ContractRevert {
  readonly name: ErrorName | 'unknown'
  readonly fields: Readonly<Record<string, AbiValue>>
}

/**
 * Calls, results, events and errors of MeterAnchor.sol as octets.
 * One is made per chain, for its hash decides the selectors.
 */
export interface ContractCodec {
  encodeCall(name: FunctionName, ...values: AbiValue[]): Uint8Array
  /** @throws CodecError when the octets are not this function's result; an empty answer means no contract is there */
  decodeResult(name: FunctionName, octets: Uint8Array): AbiValue[]
  /** What a transaction asks of the contract; undefined for a function this program does not know. */
  decodeCall(octets: Uint8Array): { readonly name: FunctionName; readonly values: AbiValue[] } | undefined
  /** First topic of an event, 0x-hex. */
  topic(name: EventName): string
  /** undefined for logs of other contracts. @throws CodecError for one of ours that is damaged */
  decodeEvent(log: ContractLog): ContractEvent | undefined
  decodeRevert(octets: Uint8Array): ContractRevert
}

/** The gateway's number on chain: SHA-256 of its id in UTF-8, the same on every kind of chain. */
export function gatewayKey(id: string): Uint8Array {
  return sha256(utf8(id))
}

/** An indexed value as a log filter wants it. */
export function encodeTopic(type: string, value: AbiValue): string {
  return `0x${toHex(encodeAbi(parseTypes(type), [value]))}`
}

/** @param hash what the chain hashes signatures with: keccak256, or SM3 on a guomi chain */
export function createContractCodec(hash: ChainHash): ContractCodec {
  const calls = mapTable(FUNCTIONS, (name, entry) => ({
    selector: selector(`${name}(${entry.takes})`, hash),
    takes: parseTypes(entry.takes),
    gives: parseTypes(entry.gives)
  }))
  const events = mapTable(EVENTS, (name, entry) => {
    const indexed = parseFields(entry.indexed)
    const data = parseFields(entry.data)
    const types = [...indexed, ...data].map(field => field.text).join(',')
    return { topic: `0x${toHex(hash(utf8(`${name}(${types})`)))}`, indexed, data }
  })
  const errors = mapTable(ERRORS, (name, entry) => {
    const fields = parseFields(entry)
    const types = name === 'Error' ? 'string' : fields.map(field => field.text).join(',')
    return { selector: selector(`${name}(${types})`, hash), fields }
  })

  return {
    encodeCall: (name, ...values) => concatBytes(calls[name].selector, encodeAbi(calls[name].takes, values)),
    decodeResult: (name, octets) => decodeAbi(calls[name].gives, octets),
    decodeCall: octets => {
      const name = names(FUNCTIONS).find(candidate =>
        equalBytes(calls[candidate].selector, octets.subarray(0, 4))
      )
      return name && { name, values: decodeAbi(calls[name].takes, octets.subarray(4)) }
    },
    topic: name => events[name].topic,
    decodeEvent: log => {
      const first = log.topics[0]?.toLowerCase()
      const name = names(EVENTS).find(candidate => events[candidate].topic === first)
      if (name === undefined) return undefined
      const { indexed, data } = events[name]
      if (log.topics.length !== indexed.length + 1) {
        throw new CodecError('CODEC_SHAPE', `${name} has ${indexed.length} indexed fields`, { at: 'topics' })
      }
      const topics = concatBytes(...log.topics.slice(1).map(fromHex))
      return { name, fields: { ...nameFields(indexed, topics), ...nameFields(data, fromHex(log.data)) } }
    },
    decodeRevert: octets => {
      const name = names(ERRORS).find(candidate =>
        equalBytes(errors[candidate].selector, octets.subarray(0, 4))
      )
      if (name === undefined) return { name: 'unknown', fields: { data: octets } }
      try {
        return { name, fields: nameFields(errors[name].fields, octets.subarray(4)) }
      } catch (error) {
        if (error instanceof CodecError) return { name: 'unknown', fields: { data: octets } }
        throw error
      }
    }
  }
}

interface Field {
  readonly name: string
  readonly text: string
  readonly type: AbiType
}

function parseFields(list: string): Field[] {
  return list
    .split(' ')
    .filter(part => part !== '')
    .map(part => {
      const colon = part.indexOf(':')
      const text = part.slice(colon + 1)
      return { name: part.slice(0, colon), text, type: parseTypes(text)[0] as AbiType }
    })
}

function nameFields(fields: readonly Field[], octets: Uint8Array): Record<string, AbiValue> {
  const values = decodeAbi(
    fields.map(field => field.type),
    octets
  )
  return Object.fromEntries(fields.map((field, i) => [field.name, values[i] as AbiValue]))
}

function names<Name extends string>(table: Readonly<Record<Name, unknown>>): Name[] {
  return Object.keys(table) as Name[]
}

function mapTable<Name extends string, In, Out>(
  table: Readonly<Record<Name, In>>,
  map: (name: Name, entry: In) => Out
): Record<Name, Out> {
  return Object.fromEntries(names(table).map(name => [name, map(name, table[name])])) as Record<Name, Out>
}
