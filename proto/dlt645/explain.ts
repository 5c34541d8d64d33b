import { toHex } from '../bytes.ts'
import { isWattproofError } from '../errors.ts'
import { addressKind, decodeAddress, type Edition } from './address.ts'
import { printHigh } from './bcd.ts'
import { CONTROL, editionOfControl, errorBits, functionName } from './control-code.ts'
import { createItemTable, type ItemTable } from './data-items.ts'
import { explainAnswer, explainRequest } from './explain-data.ts'
import { type Dlt645Frame, decodeFrame, scanFrame } from './frame.ts'

/** Who sent a frame. */
export type FrameDirection = 'request' | 'response'

/**
 * One frame in words: the document of `wattproof decode --json`. Fields that do not apply are left out;
 * `error` is null for a frame with right checksum and end, whatever the meter says in it.
 */
export interface Dlt645Explanation {
  readonly protocol: 'dlt645' | 'dlt645-1997'
  readonly direction: FrameDirection | null
  readonly error: string | null
  readonly [field: string]: unknown
}

const STANDARD = createItemTable()

/**
 * Explains the frame in the octets; junk before and after it is shown, octets without a frame give a document with `error`.
 * Never throws. Of several frames the first of the asked direction counts.
 * @param edition the editions differ in function codes; found from the control code when left out
 */
export function explainDlt645(
  octets: Uint8Array,
  direction?: FrameDirection,
  edition?: 'dlt645' | 'dlt645-1997',
  table: ItemTable = STANDARD
): Dlt645Explanation {
  const found = findFrame(octets, direction)
  if (!found) {
    return {
      protocol: edition ?? 'dlt645',
      direction: direction ?? null,
      error: whyNoFrame(octets)
    }
  }
  const raw = octets.subarray(found.start, found.end)
  const frame = decodeFrame(raw)
  const version: Edition = editionOfControl(frame.control) ?? (edition === 'dlt645-1997' ? '1997' : '2007')
  const fromMeter = (frame.control & CONTROL.fromMeter) !== 0
  const before = octets.subarray(0, found.start - found.preambleFE)
  const after = octets.subarray(found.end)
  const kind = addressKind(frame.address)
  return {
    protocol: version === '1997' ? 'dlt645-1997' : 'dlt645',
    version,
    direction: fromMeter ? 'response' : 'request',
    preambleFE: found.preambleFE,
    ...(before.length > 0 && { junkBefore: toHex(before).toUpperCase() }),
    ...(after.length > 0 && { junkAfter: toHex(after).toUpperCase() }),
    address: frame.address,
    addressWire: toHex(raw.subarray(1, 7)).toUpperCase(),
    ...(kind !== 'single' && { addressKind: kind }),
    control: printHigh(Uint8Array.of(frame.control)),
    function: functionName(frame.control, version),
    abnormal: fromMeter && (frame.control & CONTROL.abnormal) !== 0,
    followUp: fromMeter && (frame.control & CONTROL.followUp) !== 0,
    length: frame.data.length,
    dataPlain: toHex(frame.data).toUpperCase(),
    ...explainData(frame, version, fromMeter, table),
    ...(direction !== undefined &&
      (direction === 'response') !== fromMeter && {
        note: `the direction bit says this is a ${fromMeter ? 'response' : 'request'}`
      }),
    error: null
  }
}

function explainData(
  frame: Dlt645Frame,
  edition: Edition,
  fromMeter: boolean,
  table: ItemTable
): Record<string, unknown> {
  if (!fromMeter) return explainRequest(frame, edition, table)
  if ((frame.control & CONTROL.abnormal) === 0) return explainAnswer(frame, edition, table)
  // Two octets only where the supplement has them: security authentication and relay control.
  const code = frame.control & CONTROL.function
  const size = edition === '2007' && (code === 0x03 || code === 0x1c) ? 2 : 1
  const octets = frame.data.subarray(0, size)
  if (octets.length === 0) return { note: 'an error answer without an error word' }
  const errorWord = printHigh(octets)
  return { errorWord, errorBits: errorBits(Number.parseInt(errorWord, 16), octets.length) }
}

interface FoundFrame {
  readonly start: number
  readonly end: number
  readonly preambleFE: number
}

function findFrame(octets: Uint8Array, direction: FrameDirection | undefined): FoundFrame | undefined {
  let first: FoundFrame | undefined
  for (let offset = 0; ; ) {
    const scan = scanFrame(octets.subarray(offset))
    if (scan.kind === 'more') return first
    const start = offset + scan.start
    const end = offset + scan.end
    let preamble = start
    while (preamble > offset && octets[preamble - 1] === 0xfe) preamble--
    const found = { start, end, preambleFE: start - preamble }
    const fromMeter = ((octets[start + 8] as number) & CONTROL.fromMeter) !== 0
    if (direction === undefined || fromMeter === (direction === 'response')) return found
    first ??= found
    offset = end
  }
}

/** The nearest thing to a frame, and what is wrong with it. */
function whyNoFrame(octets: Uint8Array): string {
  let start = 0
  while (octets[start] === 0xfe) start++
  if (start === octets.length) return octets.length === 0 ? 'no octets' : 'only preamble, no frame'
  for (let i = start; i + 7 < octets.length; i++) {
    if (octets[i] !== 0x68 || octets[i + 7] !== 0x68) continue
    const length = octets[i + 9]
    const rest = octets.subarray(i, length === undefined ? octets.length : i + 12 + length)
    try {
      decodeFrame(rest)
    } catch (error) {
      if (!isWattproofError(error)) throw error
      return `${error.message}${error.at ? ` (${error.at} of the frame at ${i})` : ''}, address ${decodeAddress(rest.subarray(1, 7))}`
    }
  }
  return 'no frame: nowhere 68, six octets of address, 68'
}
