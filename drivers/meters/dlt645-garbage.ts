import { toHex } from '../../proto/bytes.ts'
import { CONTROL } from '../../proto/dlt645/control-code.ts'
import { decodeDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { decodeFrame, FRAME_OVERHEAD, scanFrame } from '../../proto/dlt645/frame.ts'
import type { Question } from '../../proto/dlt645/question.ts'
import { parseReply } from '../../proto/dlt645/reply.ts'
import { isWattproofError } from '../../proto/errors.ts'

const START = 0x68
const SHOWN_OCTETS = 16

/** What is wrong with octets that came in place of an answer, for a technician. */
export function describeGarbage(question: Question, octets: Uint8Array): string {
  const scan = scanFrame(octets)
  if (scan.kind === 'frame') {
    const frame = decodeFrame(octets.subarray(scan.start, scan.end))
    if ((frame.control & CONTROL.fromMeter) === 0)
      return `another master's question to meter ${frame.address}`
    const reply = parseReply(question, frame)
    if (reply.kind === 'mismatch' && reply.reason === 'foreign') return `a frame of meter ${frame.address}`
    const di = question.di && decodeDataIdentifier(frame.data, question.edition)
    return `an answer to another question${di === undefined ? '' : ` (${di})`}`
  }
  return damage(octets) ?? `${octets.length} octets that are no frame: ${shown(octets)}`
}

/** The fault of the first thing that begins like a frame. */
function damage(octets: Uint8Array): string | undefined {
  const at = octets.findIndex((octet, i) => octet === START && octets[i + 7] === START)
  if (at < 0) return undefined
  const frame = octets.subarray(at, at + FRAME_OVERHEAD + (octets[at + 9] ?? 0))
  try {
    decodeFrame(frame)
  } catch (error) {
    if (isWattproofError(error)) return `a damaged frame: ${error.message}`
    throw error
  }
  return undefined
}

function shown(octets: Uint8Array): string {
  const hex = toHex(octets.subarray(0, SHOWN_OCTETS))
  return octets.length > SHOWN_OCTETS ? `${hex}…` : hex
}
