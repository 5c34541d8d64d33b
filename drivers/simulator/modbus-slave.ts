import type { Meter } from './meter-model.ts'
import type { SimulatedProfile } from './modbus-profile.ts'
import { exists, readRegisters } from './modbus-values.ts'

const ILLEGAL_FUNCTION = 0x01
const ILLEGAL_ADDRESS = 0x02
const ILLEGAL_VALUE = 0x03

/**
 * What a Modbus meter says to a request with a good CRC: the reply's octets before its CRC. Meters are read here, never written:
 * everything but 03 and 04 meets exception 01.
 */
export function answerModbus(
  meter: Meter,
  profile: SimulatedProfile,
  request: readonly number[],
  unixS: number
): number[] {
  const [unit = 0, functionCode = 0] = request
  const refuse = (code: number): number[] => [unit, functionCode | 0x80, code]
  const start = ((request[2] ?? 0) << 8) | (request[3] ?? 0)
  const served = profile.values.some(
    ({ function: table, shows, address }) =>
      table === functionCode && (shows.kind !== 'number' || address === start)
  )
  if (!served || functionCode < 3 || functionCode > 4) return refuse(ILLEGAL_FUNCTION)
  if (request.length !== 8) return refuse(ILLEGAL_VALUE)
  const count = ((request[4] ?? 0) << 8) | (request[5] ?? 0)
  const most = meter.setting.maxRegisters ?? profile.maxRegisters
  if (count < 1 || count > most) return refuse(ILLEGAL_VALUE)
  for (let register = start; register < start + count; register++) {
    if (isForbidden(meter, profile, register) || !exists(profile, functionCode, register))
      return refuse(meter.faults.refusal ?? ILLEGAL_ADDRESS)
  }
  return [unit, functionCode, 2 * count, ...readRegisters(meter, profile, functionCode, start, count, unixS)]
}

function isForbidden(meter: Meter, profile: SimulatedProfile, register: number): boolean {
  const ranges = [...profile.holes, ...(meter.setting.holes ?? []).map(parseRange)]
  if (ranges.some(([first, last]) => register >= first && register <= last)) return true
  return (meter.faults.refuse ?? []).some(text => Number(text) === register)
}

/** Range of a text such as "0x0014-0x0017" or "20". */
function parseRange(text: string): [number, number] {
  const [first, last] = text.split('-').map(Number)
  return [first ?? 0, last ?? first ?? 0]
}
