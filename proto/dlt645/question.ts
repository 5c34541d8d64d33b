import { concatBytes } from '../bytes.ts'
import { type Edition, type MeterAddress, WILDCARD_ADDRESS } from './address.ts'
import { FUNCTION_1997, FUNCTION_2007 } from './control-code.ts'
import { type DataIdentifier, editionOf, encodeDataIdentifier } from './data-identifier.ts'

/** What is asked of a meter: everything an answer is held against. */
export interface Question {
  readonly edition: Edition
  readonly address: MeterAddress
  /** function code: the low five bits of the control code */
  readonly function: number
  readonly di: DataIdentifier | undefined
  /** number of the follow-up frame asked for (2007) */
  readonly seq: number | undefined
  /** data behind the identifier, without +33H */
  readonly detail: Uint8Array
}

const NOTHING = new Uint8Array(0)

/** Reads an item. @param detail data behind the identifier: count and time of a load profile (2007 only) */
export function askData(address: MeterAddress, di: DataIdentifier, detail: Uint8Array = NOTHING): Question {
  const edition = editionOf(di)
  const code = edition === '1997' ? FUNCTION_1997.read : FUNCTION_2007.read
  return { edition, address, function: code, di, seq: undefined, detail }
}

/** Reads the next part of an answer that said it has more. @param seq 1 for the first part after the answer; not used in 1997 */
export function askFollowUp(asked: Question, seq: number): Question {
  if (asked.edition === '1997') {
    return { ...asked, function: FUNCTION_1997.readFollowUp, seq: undefined, detail: NOTHING }
  }
  return { ...asked, function: FUNCTION_2007.readFollowUp, seq, detail: Uint8Array.of(seq) }
}

/** Asks whichever meter hears it for its address (2007 only; in 1997 any read with a wildcard does). */
export function askAddress(address: MeterAddress = WILDCARD_ADDRESS): Question {
  return {
    edition: '2007',
    address,
    function: FUNCTION_2007.readAddress,
    di: undefined,
    seq: undefined,
    detail: NOTHING
  }
}

/** Data of the request frame, without +33H. */
export function questionData(question: Question): Uint8Array {
  const di = question.di === undefined ? NOTHING : encodeDataIdentifier(question.di)
  return concatBytes(di, question.detail)
}
