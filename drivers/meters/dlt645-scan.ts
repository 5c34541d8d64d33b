import type { Clock, Log, Priority } from '../../agent/ports.ts'
import {
  type Edition,
  isMeterAddress,
  type MeterAddress,
  WILDCARD_ADDRESS
} from '../../proto/dlt645/address.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { askAddress, askData, type Question } from '../../proto/dlt645/question.ts'
import type { Bus, LineSetting } from '../bus/bus.ts'
import { type Asked, Dlt645Session } from './dlt645-session.ts'

/** What a search found. */
export type ScanFinding =
  | {
      readonly kind: 'meter'
      readonly protocol: 'dlt645' | 'dlt645-1997'
      readonly address: string
      readonly line: LineSetting
      /** answers to its own address are garbled: two meters have it, or the line is bad */
      readonly isDuplicate: boolean
    }
  /** something answers under this pattern (AA: any), but never clearly enough to be told apart */
  | { readonly kind: 'unclear'; readonly pattern: string; readonly line: LineSetting }

export interface ScanOptions {
  /** settings to try, one after another */
  readonly lines: readonly LineSetting[]
  readonly editions?: readonly Edition[]
  /** search on below a clear answer: a weaker meter may hide behind it. Costs a hundred requests a level. */
  readonly isThorough?: boolean
  readonly priority?: Priority
  readonly signal?: AbortSignal
  readonly onFinding?: (finding: ScanFinding) => void
  /** called before every request */
  readonly onProgress?: (progress: { readonly pattern: string; readonly asked: number }) => void
}

const ENERGY_2007 = parseDataIdentifier('00010000')
const ENERGY_1997 = parseDataIdentifier('9010')
/** A clear answer is asked for again this often, to see whether two meters answer as one. */
const CONFIRMATIONS = 2
/** Silence below a collision may be bad luck: each node of the tree is asked twice before it counts as empty. */
const SILENT_TRIES = 2

/**
 * Names the requests go by on the bus: so many that it never learns from quick meters to be too short of patience for slow ones,
 * so few that a search leaves little behind.
 */
const SCAN_KEYS = 64

/**
 * Finds the meters of a bus by shrinking wildcards over the tree of addresses: AA in the high pairs means any, so that the low pair
 * is fixed first. Several meters answering at once garble each other; then the next pair is tried, 00 to 99.
 */
export async function scanDlt645(
  bus: Bus,
  host: { readonly clock: Clock; readonly log: Log },
  options: ScanOptions
): Promise<ScanFinding[]> {
  const search = new Search(bus, host, options)
  for (const line of options.lines) {
    for (const edition of options.editions ?? (['2007', '1997'] as const)) {
      await search.run(edition, line)
    }
  }
  return search.findings
}

class Search {
  readonly findings: ScanFinding[] = []
  readonly #bus: Bus
  readonly #host: { readonly clock: Clock; readonly log: Log }
  readonly #options: ScanOptions
  #asked = 0

  constructor(bus: Bus, host: { readonly clock: Clock; readonly log: Log }, options: ScanOptions) {
    this.#bus = bus
    this.#host = host
    this.#options = options
  }

  async run(edition: Edition, line: LineSetting): Promise<void> {
    await this.#descend(WILDCARD_ADDRESS, 0, edition, line)
    this.#host.log.debug('scanned', {
      bus: this.#bus.name,
      edition,
      baud: line.baud,
      found: this.findings.length
    })
  }

  /** @param fixed low pairs of the pattern that are no longer AA @returns whether anything answered */
  async #descend(
    pattern: MeterAddress,
    fixed: number,
    edition: Edition,
    line: LineSetting
  ): Promise<boolean> {
    const answer = await this.#probe(pattern, fixed, edition, line)
    if (answer.kind === 'silent') return false
    if (answer.kind === 'busDown' || answer.kind === 'skipped') return false
    const address = 'address' in answer ? answer.address : undefined
    if (address !== undefined && isMeterAddress(address) && !address.includes('AA')) {
      // Two answers on top of each other can make a third that is valid: an address nobody answers to is none.
      const isThere = await this.#confirm(address, edition, line)
      if (isThere && (!this.#options.isThorough || fixed === 6)) return true
    }
    if (fixed === 6) {
      // A meter that answers AA as its own address is found when the whole of its address is fixed.
      if (address !== undefined) await this.#confirm(pattern, edition, line)
      else
        this.#add({ kind: 'meter', protocol: protocolOf(edition), address: pattern, line, isDuplicate: true })
      return true
    }
    let found = false
    for (let pair = 0; pair < 100; pair++) {
      const at = 10 - 2 * fixed
      const digits = String(pair).padStart(2, '0')
      const next = `${pattern.slice(0, at)}${digits}${pattern.slice(at + 2)}` as MeterAddress
      found = (await this.#descend(next, fixed + 1, edition, line)) || found
    }
    if (!found) this.#add({ kind: 'unclear', pattern, line })
    return true
  }

  async #probe(pattern: MeterAddress, fixed: number, edition: Edition, line: LineSetting): Promise<Asked> {
    const energy = askData(pattern, edition === '2007' ? ENERGY_2007 : ENERGY_1997)
    // Meters that know no shortened address answer the plain question for an address all the same.
    const questions = fixed === 0 && edition === '2007' ? [askAddress(), energy] : [energy, energy]
    let last: Asked = { kind: 'silent', detail: '' }
    for (const question of questions.slice(0, fixed === 6 ? 1 : SILENT_TRIES)) {
      last = await this.#ask(question, pattern, line)
      if (last.kind !== 'silent') return last
      if (fixed > 0 && !this.#options.isThorough) return last
    }
    return last
  }

  async #ask(question: Question, pattern: string, line: LineSetting): Promise<Asked> {
    const { priority, signal, onProgress } = this.#options
    this.#asked++
    onProgress?.({ pattern, asked: this.#asked })
    const session = new Dlt645Session(this.#bus, this.#host.clock, {
      meterKey: `dlt645-scan:${this.#asked % SCAN_KEYS}`,
      priority: priority ?? 'scan',
      ...(signal && { signal }),
      line,
      force: true
    })
    return session.ask(question)
  }

  /** Asks the address itself, and files it when something answers. */
  async #confirm(address: MeterAddress, edition: Edition, line: LineSetting): Promise<boolean> {
    const protocol = protocolOf(edition)
    const known = this.findings.some(
      finding =>
        finding.kind === 'meter' &&
        finding.address === address &&
        finding.protocol === protocol &&
        finding.line.baud === line.baud &&
        finding.line.parity === line.parity
    )
    if (known) return true
    let garbled = 0
    let silent = 0
    for (let i = 0; i < CONFIRMATIONS; i++) {
      const energy = askData(address, edition === '2007' ? ENERGY_2007 : ENERGY_1997)
      const answer = await this.#ask(energy, address, line)
      if (answer.kind === 'garbage') garbled++
      if (answer.kind === 'silent') silent++
    }
    if (silent === CONFIRMATIONS) return false
    this.#add({ kind: 'meter', protocol, address, line, isDuplicate: garbled === CONFIRMATIONS })
    return true
  }

  #add(finding: ScanFinding): void {
    this.findings.push(finding)
    this.#options.onFinding?.(finding)
  }
}

function protocolOf(edition: Edition): 'dlt645' | 'dlt645-1997' {
  return edition === '2007' ? 'dlt645' : 'dlt645-1997'
}
