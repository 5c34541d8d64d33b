import type { Clock, LearnedStore, Log, MeterPoint, ReadOptions } from '../../agent/ports.ts'
import {
  type Edition,
  type MeterAddress,
  padWithWildcards,
  parseAddress
} from '../../proto/dlt645/address.ts'
import type { ItemTable } from '../../proto/dlt645/data-items.ts'
import { REQUEST_PREAMBLE } from '../../proto/dlt645/request.ts'
import type { Bus } from '../bus/bus.ts'
import { type Dialect, MeterMemory } from './dlt645-memory.ts'
import { Dlt645Session } from './dlt645-session.ts'
import type { MeterZone } from './dlt645-zone.ts'

/** What the DL/T 645 reader needs of the world. */
export interface Dlt645Deps {
  readonly clock: Clock
  readonly log: Log
  readonly learned: LearnedStore
  /** the zone the meters' clocks are set to */
  readonly zone: MeterZone
  /** the standard's items, with those of the user; the standard's alone when left out */
  readonly table?: ItemTable
  /** wake-up octets FE in front of requests, at most (4 when left out); one is tried and kept where it does */
  readonly preamble?: number
}

/** One visit to one meter. */
export interface Visit {
  readonly address: MeterAddress
  readonly edition: Edition
  readonly dialect: Dialect
  readonly memory: MeterMemory
  readonly session: Dlt645Session
}

/** Dialects in the order they are tried while a meter has not answered, one a visit: a dead meter costs one request. */
const TRIES: readonly Dialect[] = ['2007', '2007', '1997', '2007', '1997-aa']
/** A known meter that has been silent this often is tried in the other dialects too: it may have been replaced. */
const DOUBT_AFTER = 16

/** Opens visits, and keeps what was learned of the meters of one bus. */
export class Dlt645Context {
  readonly bus: Bus
  readonly deps: Dlt645Deps
  readonly table: ItemTable
  readonly #memories = new Map<string, MeterMemory>()
  readonly #silences = new Map<string, number>()

  constructor(bus: Bus, deps: Dlt645Deps, table: ItemTable) {
    this.bus = bus
    this.deps = deps
    this.table = table
  }

  memory(address: string): MeterMemory {
    let memory = this.#memories.get(address)
    if (!memory) {
      memory = new MeterMemory(this.deps.learned, this.bus.name, address)
      this.#memories.set(address, memory)
    }
    return memory
  }

  /** The dialects to try on this visit: one, but all of them for a person who waits and an unknown meter. */
  dialects(meter: MeterPoint, options: ReadOptions): readonly Dialect[] {
    const known = this.memory(meter.address).dialect
    const silences = this.#silences.get(meter.address) ?? 0
    const configured = meter.protocol === 'dlt645-1997' ? (['1997', '1997-aa'] as const) : TRIES
    const tries = configured.filter(dialect => dialect !== '1997-aa' || isPadded(meter.address))
    if (known !== undefined && silences < DOUBT_AFTER) return [known]
    if (options.priority === 'technician' || options.priority === 'diagnostics') return [...new Set(tries)]
    return [tries[silences % tries.length] as Dialect]
  }

  visit(meter: MeterPoint, dialect: Dialect, options: ReadOptions): Visit {
    const memory = this.memory(meter.address)
    const session = new Dlt645Session(this.bus, this.deps.clock, {
      meterKey: meterKey(meter.address),
      priority: options.priority,
      ...(options.signal && { signal: options.signal })
    })
    const most = this.deps.preamble ?? REQUEST_PREAMBLE
    const isShort = memory.short === true && !this.#silences.has(meter.address)
    session.preamble = isShort ? Math.min(1, most) : most
    if (memory.tail) session.leavePause()
    return {
      address: dialectAddress(meter.address, dialect),
      edition: dialect.startsWith('2007') ? '2007' : '1997',
      dialect,
      memory,
      session
    }
  }

  /** The meter gave an answer of some kind. */
  noteAnswered(meter: MeterPoint, visit: Visit): void {
    this.#silences.delete(meter.address)
    visit.memory.noteDialect(visit.dialect)
    if (visit.session.hasTail) visit.memory.noteTail()
  }

  noteSilent(meter: MeterPoint): void {
    this.#silences.set(meter.address, (this.#silences.get(meter.address) ?? 0) + 1)
  }
}

/** The bus's name for a meter, the same in both editions. */
function meterKey(address: string): string {
  return `dlt645:${address}`
}

function isPadded(address: string): boolean {
  return parseAddress(address).startsWith('00')
}

function dialectAddress(address: string, dialect: Dialect): MeterAddress {
  const parsed = parseAddress(address)
  if (dialect === '2007-aa') return `AA${parsed.slice(2)}` as MeterAddress
  return dialect === '1997-aa' ? padWithWildcards(parsed) : parsed
}
