import { draw } from './draw.ts'
import { type FaultSetting, type Share, shareOf } from './fault-setting.ts'

/** A reply that can still be made wrong in ways that keep its checksum right. */
export interface Reply {
  /** own: as it should be; stranger: under another meter's address; foreign: another meter's reply to another question */
  encode(as: 'own' | 'stranger' | 'foreign'): number[]
  /** where the frame's checksum starts, counted from the end */
  readonly checksumFromEnd: number
  /** place of the first 68, for DL/T 645 */
  readonly start68: number | undefined
}

/** What goes onto the line, and how much later than usual. */
export interface Utterance {
  readonly octets: number[]
  readonly delayMs: number
}

const JUNK = [0x00, 0xff, 0x55, 0xfe, 0x00]

/** Puts the meter's faults on its k-th reply. @returns undefined when the meter keeps silent */
export function applyFaults(
  reply: Reply,
  faults: FaultSetting,
  seed: number,
  nth: number
): Utterance | undefined {
  let kind = 0
  const hits = (share: Share | undefined): boolean => draw(seed, nth, kind++) < shareOf(share)
  const random = (count: number): number[] =>
    Array.from({ length: count }, (_, n) => Math.floor(256 * draw(seed, nth, 100 + kind, n)))
  if (hits(faults.mute)) return undefined
  const as = hits(faults.foreignReply) ? 'foreign' : hits(faults.wrongAddress) ? 'stranger' : 'own'
  let octets = reply.encode(as)
  if (hits(faults.badChecksum)) {
    const at = octets.length - reply.checksumFromEnd
    octets[at] = ((octets[at] ?? 0) + 1) & 0xff
  }
  if (hits(faults.doubled68) && reply.start68 !== undefined) octets.splice(reply.start68, 0, 0x68)
  if (hits(faults.garbage)) octets = random(octets.length)
  if (hits(faults.truncated))
    octets = octets.slice(0, 1 + Math.floor(draw(seed, nth, 90) * (octets.length - 1)))
  if (hits(faults.duplicate)) octets = [...octets, ...octets]
  if (hits(faults.noiseBefore)) octets = [...random(3), ...octets]
  if (hits(faults.noiseAfter)) octets = [...octets, ...random(3)]
  if (hits(faults.trailingJunk)) octets = [...octets, ...JUNK]
  const late = faults.late
  const delayMs = late && hits(late.share ?? true) ? late.ms : 0
  return { octets: flipBits(octets, faults.bitErrors ?? 0, seed, nth), delayMs }
}

function flipBits(octets: number[], share: number, seed: number, nth: number): number[] {
  if (share === 0) return octets
  return octets.map((octet, n) => {
    const chance = draw(seed, nth, 200, n)
    return chance < share ? octet ^ (1 << Math.floor((chance / share) * 8)) : octet
  })
}
