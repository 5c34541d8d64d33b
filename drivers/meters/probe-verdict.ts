import { scanFrame } from '../../proto/dlt645/frame.ts'

/** What one try at a line setting showed. */
export type ProbeResult =
  | 'answer'
  | 'nothing'
  /** our own octets came back and nothing else */
  | 'echo'
  | 'parity'
  | 'speed'
  /** the head of an answer, spoilt further on: several meters at once */
  | 'collision'
  | 'noise'
  | 'portDown'

/** Rises of the adapter's own error counters during a try; 0 where it keeps none. */
export interface ErrorRises {
  readonly parity: number
  readonly framing: number
}

/**
 * What is wrong when octets came that make no answer.
 *
 * A meter that sends a parity bit to a receiver that expects none: octets with an odd count of ones pass (FE, 68, unit 01), the
 * others lose their stop bit and are dropped or displaced. Another speed leaves octets made of runs (00, 80, E0, F8, FF ...).
 */
export function judgeGarbage(
  octets: Uint8Array,
  protocol: 'dlt645' | 'modbus',
  unit: number,
  rises: ErrorRises
): Extract<ProbeResult, 'parity' | 'speed' | 'collision' | 'noise'> {
  if (rises.parity > 0 && rises.framing === 0) return 'parity'
  if (protocol === 'dlt645') {
    const head = headOf(octets)
    if (head === 'whole') return 'collision'
    if (head === 'start') return 'parity'
    if (scanFrame(octets.map(octet => octet & 0x7f)).kind === 'frame') return 'parity'
  } else if (octets[0] === unit && octets.length > 1) {
    return (octets[1] as number) >= 0x03 && ((octets[1] as number) & 0x7f) <= 0x04 ? 'noise' : 'parity'
  }
  return octets.length < 3 ? 'noise' : 'speed'
}

/** How much of "FE FE 68 A0..A5 68" the octets begin with. */
function headOf(octets: Uint8Array): 'whole' | 'start' | 'none' {
  const at = octets.indexOf(0x68)
  if (at < 0) return 'none'
  if (octets[at + 7] === 0x68) return 'whole'
  // The wake-up octets are what tells a start octet from an accident.
  return at >= 2 && octets.subarray(0, at).every(octet => octet === 0xfe) ? 'start' : 'none'
}
