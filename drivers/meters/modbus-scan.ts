import type { Priority } from '../../agent/ports.ts'
import type { ReadFunction } from '../../proto/modbus/function-code.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import type { Bus, BusOutcome, LineSetting } from '../bus/bus.ts'

/** A unit that answers. */
export interface ModbusFinding {
  readonly unit: number
  readonly line: LineSetting
  /** its answers are garbled every time: two units have the number, or the line is bad */
  readonly isDuplicate: boolean
}

export interface ModbusScanOptions {
  readonly line: LineSetting
  /** also asks with function 04, and waits as long as the standard allows */
  readonly isThorough?: boolean
  readonly priority?: Priority
  readonly signal?: AbortSignal
  readonly onFinding?: (finding: ModbusFinding) => void
  /** called before every unit */
  readonly onProgress?: (unit: number) => void
}

const LAST_UNIT = 247
/** Meters answer a one-register question within this; the usual wait for the slow ones would make an empty line last four minutes. */
const SHORT_MS = 250
const LONG_MS = 550
/** A garbled answer is asked for again this often before it counts as two units speaking at once. */
const CONFIRMATIONS = 2
/** Names the requests go by on the bus: so few that a search leaves little behind. */
const SCAN_KEYS = 64

/**
 * Finds the units of a line: one register of each number from 1 to 247. An exception is an answer too.
 * Stops early when the line is down. Rejects only when the signal aborts.
 */
export async function scanModbus(bus: Bus, options: ModbusScanOptions): Promise<ModbusFinding[]> {
  const findings: ModbusFinding[] = []
  for (let unit = 1; unit <= LAST_UNIT; unit++) {
    options.onProgress?.(unit)
    const answer = await probe(bus, unit, options)
    if (answer === 'lineDown') break
    if (answer === 'silent') continue
    const finding = { unit, line: options.line, isDuplicate: answer === 'garbled' }
    findings.push(finding)
    options.onFinding?.(finding)
  }
  return findings
}

async function probe(
  bus: Bus,
  unit: number,
  options: ModbusScanOptions
): Promise<'there' | 'silent' | 'garbled' | 'lineDown'> {
  const codes: readonly ReadFunction[] = options.isThorough ? [3, 4] : [3]
  for (const code of codes) {
    let outcome = await ask(bus, unit, code, options)
    let garbled = 0
    while (outcome.kind === 'garbage' && ++garbled <= CONFIRMATIONS)
      outcome = await ask(bus, unit, code, options)
    if (outcome.kind === 'reply') return 'there'
    if (outcome.kind === 'garbage') return 'garbled'
    if (outcome.kind === 'busDown') return 'lineDown'
  }
  return 'silent'
}

function ask(
  bus: Bus,
  unit: number,
  code: ReadFunction,
  { line, isThorough, priority, signal }: ModbusScanOptions
): Promise<BusOutcome> {
  const request = encodeReadRequest({ unit, function: code, address: 0, count: 1 })
  return bus.exchange(request, {
    meterKey: `modbus-scan:${unit % SCAN_KEYS}`,
    priority: priority ?? 'scan',
    line,
    force: true,
    patienceMs: isThorough ? LONG_MS : SHORT_MS,
    ...(signal && { signal })
  })
}
