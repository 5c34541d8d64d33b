import type { GatewayConfig } from '../../config/gateway-config.ts'
import type { LineSetting } from '../../drivers/bus/bus.ts'
import { type ScanFinding, scanDlt645 } from '../../drivers/meters/dlt645-scan.ts'
import { scanModbus } from '../../drivers/meters/modbus-scan.ts'
import type { Clock, Log, Protocol } from '../ports.ts'
import { askIfRunning } from './control.ts'
import { type AdhocLine, quietHost } from './line.ts'
import { type OpenedLine, openMeterBus, requireOpen } from './lines.ts'

/** What is searched for, and how. */
export interface ScanRequest {
  readonly protocols: readonly Protocol[]
  /** only this; the usual ones of each protocol when left out */
  readonly baud?: number | undefined
  readonly parity?: LineSetting['parity'] | undefined
  readonly thorough: boolean
}

/** A meter that answers. */
export interface FoundMeter {
  readonly protocol: Protocol
  readonly address: string
  readonly baud: number
  readonly parity: LineSetting['parity']
  /** answers to its address are garbled every time: two meters have it, or the line is bad */
  readonly duplicate: boolean
}

/** How far a search is. */
export type ScanProgress =
  | { readonly kind: 'line'; readonly protocol: Protocol; readonly baud: number; readonly parity: string }
  | { readonly kind: 'asked'; readonly what: string; readonly asked: number }
  | { readonly kind: 'found'; readonly meter: FoundMeter }
  /** something answers there, but never clearly enough to be told apart */
  | { readonly kind: 'unclear'; readonly pattern: string; readonly baud: number; readonly parity: string }

export interface ScanWatch {
  readonly signal: AbortSignal
  readonly onProgress: (progress: ScanProgress) => void
}

/** Line settings meters leave the factory with or are set to, the usual one first. */
const USUAL: Readonly<Record<Protocol, readonly LineSetting[]>> = {
  dlt645: [2400, 9600, 4800, 1200].map(baud => ({ baud, parity: 'even' })),
  'dlt645-1997': [1200, 2400, 9600, 4800].map(baud => ({ baud, parity: 'even' })),
  modbus: [
    { baud: 9600, parity: 'none' },
    { baud: 9600, parity: 'even' },
    { baud: 19200, parity: 'even' },
    { baud: 4800, parity: 'none' }
  ]
}
/** Progress is told this often, not at every request. */
const TELL_EVERY = 10
/** Without a sign of life for so long the daemon is taken for gone: one level of the address tree behind a long sweep. */
const PATIENCE_MS = 120_000

/**
 * Searches a line, as the one who has it. What was found before the signal aborts has been told to the watch.
 * @param own setting the line's meters are known to have
 */
export async function scanLine(
  opened: OpenedLine,
  host: { readonly clock: Clock; readonly log: Log },
  request: ScanRequest,
  { signal, onProgress }: ScanWatch,
  own?: LineSetting
): Promise<FoundMeter[]> {
  const found: FoundMeter[] = []
  const take = (meter: FoundMeter): void => {
    found.push(meter)
    onProgress({ kind: 'found', meter })
  }
  let asked = 0
  const count = (what: string): void => {
    if (asked++ % TELL_EVERY === 0) onProgress({ kind: 'asked', what, asked })
  }
  for (const protocol of request.protocols) {
    for (const line of linesFor(protocol, opened, request, own)) {
      onProgress({ kind: 'line', protocol, ...line })
      if (protocol === 'modbus') {
        await scanModbus(opened.line, {
          line,
          signal,
          isThorough: request.thorough,
          onFinding: one =>
            take({ protocol, address: String(one.unit), ...line, duplicate: one.isDuplicate }),
          onProgress: unit => count(String(unit))
        })
        continue
      }
      await scanDlt645(opened.line, host, {
        lines: [line],
        editions: [protocol === 'dlt645' ? '2007' : '1997'],
        isThorough: request.thorough,
        signal,
        onFinding: finding => noteDlt645(finding, take, onProgress),
        onProgress: ({ pattern }) => count(pattern)
      })
    }
  }
  return found
}

function noteDlt645(
  finding: ScanFinding,
  take: (meter: FoundMeter) => void,
  onProgress: (progress: ScanProgress) => void
): void {
  const { baud, parity } = finding.line
  if (finding.kind === 'unclear') onProgress({ kind: 'unclear', pattern: finding.pattern, baud, parity })
  else {
    const { protocol, address, isDuplicate } = finding
    take({ protocol, address, baud, parity, duplicate: isDuplicate })
  }
}

/** The settings that are tried: those named, else the line's own and then the usual ones. Behind TCP a serial server has its own. */
function linesFor(
  protocol: Protocol,
  { config }: OpenedLine,
  { baud, parity }: ScanRequest,
  own: LineSetting | undefined
): LineSetting[] {
  if (!config.port.startsWith('serial:')) return [{ baud: config.baud, parity: config.parity }]
  const usual = USUAL[protocol]
  const known = [...(own ? [{ baud: own.baud, parity: own.parity }] : []), ...usual]
  // a speed that is not among the usual ones is tried with every parity that is
  const lines = baud === undefined ? known : known.map(line => ({ baud, parity: line.parity }))
  const wanted = parity === undefined ? lines : lines.map(line => ({ baud: line.baud, parity }))
  const byName = new Map(wanted.map(line => [`${line.baud} ${line.parity}`, line]))
  return [...byName.values()]
}

/** Searches a port: through the daemon beside its polling where it has the port, else directly. @throws BusError, ControlError */
export async function scanPort(
  settings: AdhocLine,
  request: ScanRequest,
  config: GatewayConfig | undefined,
  watch: ScanWatch
): Promise<readonly FoundMeter[]> {
  const bus = config?.buses.find(({ port }) => port === settings.port)
  if (config && bus) {
    const answer = await askIfRunning(
      config,
      'admin',
      'scan',
      { bus: bus.name, ...request },
      {
        timeoutMs: PATIENCE_MS,
        signal: watch.signal,
        onProgress: value => watch.onProgress(value as ScanProgress)
      }
    )
    if (answer !== undefined) return answer as FoundMeter[]
  }
  const host = quietHost()
  const opened = openMeterBus({ name: 'line', preamble: 4, ...settings }, 'Asia/Shanghai', host)
  try {
    await requireOpen(opened, host.clock)
    return await scanLine(opened, host, request, watch)
  } finally {
    await opened.close()
  }
}
