import type { LineSetting } from '../../drivers/bus/bus.ts'
import { openBus } from '../../drivers/bus/open-bus.ts'
import {
  PROBE_LINES,
  type ProbeFinding,
  type ProbeProtocol,
  type ProbeTry,
  probeLine
} from '../../drivers/meters/line-probe.ts'
import { quietHost } from './line.ts'

export interface ProbeRequest {
  readonly port: string
  /** try these alone; all usual ones when left out */
  readonly baud: number | undefined
  readonly parity: LineSetting['parity'] | undefined
  readonly stopBits: 1 | 2
  readonly protocols: readonly ProbeProtocol[]
  readonly address: string | undefined
  readonly signal: AbortSignal
  readonly onTry: (one: ProbeTry) => void
}

/** What all tries together say is wrong; null when a meter was found. */
export type ProbeFault = 'nothing' | 'echo' | 'parity' | 'speed' | 'collision' | 'noise' | 'portDown'

export interface ProbeAnswer {
  readonly port: string
  readonly tried: readonly ProbeTry[]
  readonly found: (ProbeFinding & { readonly dataBits: 8; readonly stopBits: 1 | 2 }) | null
  readonly fault: ProbeFault | null
}

const PARITIES = ['even', 'none', 'odd'] as const
/** What says most about the fault first: meters that answer at once leave some answers that look like wrong parity, not the other way round. */
const FAULTS: readonly ProbeFault[] = ['portDown', 'collision', 'parity', 'speed', 'noise', 'echo', 'nothing']

/** Finds out how the meters of a line want to be spoken to. The port must not be in use by a daemon. */
export async function probePort(request: ProbeRequest): Promise<ProbeAnswer> {
  const { port, stopBits } = request
  const usual =
    request.baud === undefined
      ? PROBE_LINES
      : PARITIES.map(parity => ({ baud: request.baud as number, parity }))
  const wanted = usual.filter(line => line.parity === (request.parity ?? line.parity))
  const asked = { baud: request.baud ?? 9600, parity: request.parity ?? 'none' }
  // Behind TCP the settings are the serial server's own: there is one try to make.
  const lines = port.startsWith('serial:') ? wanted : [asked]
  const first = lines[0] ?? asked
  const bus = openBus({ name: 'line', port, stopBits, ...first }, quietHost())
  try {
    const { tried, found } = await probeLine(bus, {
      lines,
      protocols: port.startsWith('modbus-tcp:') ? ['modbus'] : request.protocols,
      ...(request.address === undefined ? {} : { address: request.address }),
      signal: request.signal,
      onTry: request.onTry
    })
    return {
      port,
      tried,
      found: found && { ...found, dataBits: 8, stopBits },
      fault: found ? null : (FAULTS.find(fault => tried.some(one => one.result === fault)) ?? 'nothing')
    }
  } finally {
    await bus.close()
  }
}
