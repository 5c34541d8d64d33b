import { CONTROL } from './control-code.ts'
import { FRAME_OVERHEAD } from './frame.ts'

/** A data octet of zero as it stands on the line. */
const BLANK = 0x33
const CONTROL_AT = 8
const DATA_AT = 10

/**
 * Octets of the data field that may hold a password, by control code, both editions in one table: a write has PA P0 P1 P2 behind
 * its identifier (14 in 2007, 04 in 1997), a change of password two of them, commands begin with one. Authentication (03) carries
 * ciphers and keys.
 */
const SECRETS: Readonly<Record<number, readonly [from: number, to: number]>> = {
  3: [4, 255],
  4: [2, 6],
  15: [0, 255],
  16: [0, 255],
  20: [4, 8],
  24: [4, 255],
  25: [0, 4],
  26: [0, 4],
  27: [0, 4],
  28: [0, 4],
  29: [0, 255]
}
/** Identifiers 04000Cxx are the passwords themselves, low octet first on the line: nothing behind them is shown. */
const PASSWORD_CLASS = [0x0c, 0x00, 0x04]

/**
 * The frame with whatever may be a password in it blanked, checksum made right again; the frame itself where there is none.
 * @param frame exactly one frame, without preamble
 */
export function redactDlt645(frame: Uint8Array): Uint8Array {
  const span = secretSpan(frame)
  if (!span) return frame
  const out = frame.slice()
  out.fill(BLANK, span[0], span[1])
  let sum = 0
  for (let i = 0; i < out.length - 2; i++) sum += out[i] as number
  out[out.length - 2] = sum & 0xff
  return out
}

/** Octets of one damaged frame or of none: everything behind the head of what may be a write is blanked. */
export function redactDamaged(octets: Uint8Array): Uint8Array {
  for (let at = 0; at + CONTROL_AT < octets.length; at++) {
    if (octets[at] !== 0x68 || octets[at + 7] !== 0x68) continue
    if (!isSecretive(octets[at + CONTROL_AT] as number)) continue
    return octets.slice().fill(BLANK, at + DATA_AT)
  }
  return octets
}

function isSecretive(control: number): boolean {
  return (control & CONTROL.fromMeter) === 0 && SECRETS[control & CONTROL.function] !== undefined
}

function secretSpan(frame: Uint8Array): readonly [number, number] | undefined {
  const length = frame.length - FRAME_OVERHEAD
  if (length <= 0) return undefined
  const control = frame[CONTROL_AT] as number
  const known = isSecretive(control) ? SECRETS[control & CONTROL.function] : undefined
  const from = namesPassword(frame) ? 4 : known?.[0]
  if (from === undefined || from >= length) return undefined
  const to = namesPassword(frame) ? length : Math.min(length, known?.[1] ?? length)
  return [DATA_AT + from, DATA_AT + to]
}

function namesPassword(frame: Uint8Array): boolean {
  const octet = (i: number) => ((frame[DATA_AT + i] as number) - BLANK) & 0xff
  return PASSWORD_CLASS.every((value, i) => octet(i + 1) === value)
}
