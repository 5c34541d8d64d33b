import { toHex } from '../bytes.ts'
import { crc16, hasValidCrc } from './crc.ts'
import { exceptionName } from './exception.ts'
import { bodyFields, type FrameDirection, frameSize } from './frame-shape.ts'
import { FUNCTION_NAMES } from './function-code.ts'

/** What `wattproof decode --json` says of one Modbus RTU frame. Numbers are numbers; octets are upper-case hexadecimal. */
export interface ModbusExplanation {
  readonly protocol: 'modbus-rtu'
  readonly direction: FrameDirection | 'unknown'
  readonly unit: number | null
  /** function code without the exception bit */
  readonly function: number | null
  readonly functionName?: string
  /** first register or coil of a request or of a confirmed write */
  readonly address?: number
  readonly addressHex?: string
  /** registers or coils asked for or written */
  readonly count?: number
  /** registers of an answer, four digits each */
  readonly words?: readonly string[]
  readonly value?: string
  readonly data?: string
  readonly exception?: number
  readonly exceptionName?: string
  readonly note?: string
  /** octets around the frame that belong to no frame */
  readonly discarded?: { readonly before: string; readonly after: string }
  readonly error: string | null
}

/**
 * Explains one frame, or the first whole frame inside noise. Total: whatever the octets are, the answer says what is wrong with them.
 * Requests and answers look alike, so the direction decides where it is known; where it is not, the shape that fits.
 */
export function explainModbus(
  octets: Uint8Array,
  direction: FrameDirection | undefined = undefined
): ModbusExplanation {
  const directions: readonly FrameDirection[] =
    direction === 'response' ? ['response', 'request'] : ['request', 'response']
  for (const tried of directions) {
    if (frameSize(octets, 0, tried) === octets.length && hasValidCrc(octets))
      return explainFrame(octets, 0, octets.length, tried)
  }
  return (
    findInside(octets, directions) ??
    explainOdd(octets, direction) ?? {
      ...headOf(octets, direction),
      error: describeFault(octets, directions[0] as FrameDirection)
    }
  )
}

/** An undriven line adds 00 or FF before and after a frame; a CRC may itself end in 00, so the CRC decides, not the octets. */
function findInside(
  octets: Uint8Array,
  directions: readonly FrameDirection[]
): ModbusExplanation | undefined {
  for (let at = 0; at + 5 <= octets.length; at++) {
    const unit = octets[at] as number
    if (unit > 247) continue
    for (const tried of directions) {
      const size = frameSize(octets, at, tried)
      if (size === undefined || at + size > octets.length || !hasValidCrc(octets, at, at + size)) continue
      const discarded = {
        before: hex(octets.subarray(0, at)),
        after: hex(octets.subarray(at + size))
      }
      return { ...explainFrame(octets, at, size, tried), discarded }
    }
  }
  return undefined
}

/** The CRC holds, the shape is none we know: a vendor's function, or a byte count that lies. */
function explainOdd(
  octets: Uint8Array,
  direction: FrameDirection | undefined
): ModbusExplanation | undefined {
  if (!hasValidCrc(octets)) return undefined
  const code = (octets[1] as number) & 0x7f
  const known = FUNCTION_NAMES[code] !== undefined
  return {
    ...headOf(octets, direction),
    data: hex(octets.subarray(2, -2)),
    error: known ? `a frame of ${octets.length} octets does not fit ${FUNCTION_NAMES[code]}` : null
  }
}

function explainFrame(
  octets: Uint8Array,
  at: number,
  size: number,
  direction: FrameDirection
): ModbusExplanation {
  const frame = octets.subarray(at, at + size)
  const code = frame[1] as number
  const head = headOf(frame, direction)
  if (code & 0x80) {
    const exception = frame[2] as number
    return {
      ...head,
      direction: 'response',
      exception,
      exceptionName: exceptionName(exception),
      error: null
    }
  }
  return { ...head, ...bodyFields(frame, direction), error: null }
}

function headOf(octets: Uint8Array, direction: FrameDirection | undefined) {
  const code = octets[1] === undefined ? null : octets[1] & 0x7f
  const name = code === null ? undefined : FUNCTION_NAMES[code]
  return {
    protocol: 'modbus-rtu' as const,
    direction: direction ?? ('unknown' as const),
    unit: octets[0] ?? null,
    function: code,
    ...(name === undefined ? {} : { functionName: name })
  }
}

function describeFault(octets: Uint8Array, direction: FrameDirection): string {
  if (octets.length < 4) return `${octets.length} octets are no frame: the shortest has 4`
  const size = frameSize(octets, 0, direction)
  if (size !== undefined && size > octets.length)
    return `truncated: ${octets.length} of ${size} octets, and the CRC does not hold`
  const crc = crc16(octets, 0, octets.length - 2)
  return `the CRC is wrong: ${hex(octets.subarray(-2))}, should be ${hex(Uint8Array.of(crc & 0xff, crc >>> 8))}`
}

function hex(octets: Uint8Array): string {
  return toHex(octets).toUpperCase()
}
