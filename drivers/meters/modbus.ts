import type {
  Clock,
  LearnedStore,
  Log,
  MeterAnswer,
  MeterPoint,
  ProfileAnswer,
  ReadFault,
  ReadOptions,
  ReadValue
} from '../../agent/ports.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { MAX_REGISTERS } from '../../proto/modbus/function-code.ts'
import type { MeterProfile } from '../../proto/modbus/profile.ts'
import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'
import { DEFAULT_TURNAROUND_MAX_MS } from '../../proto/modbus/request.ts'
import type { Bus } from '../bus/bus.ts'
import type { MeterReader } from './meter-bus.ts'
import { ModbusClient } from './modbus-client.ts'
import { UnitMemory } from './modbus-memory.ts'
import { loadProfile } from './modbus-profiles.ts'
import { UnitTrust } from './modbus-trust.ts'
import { ModbusVisit, type VisitResult } from './modbus-visit.ts'
import { collectWants, type Want } from './modbus-wants.ts'

export interface ModbusReaderOptions {
  readonly clock: Clock
  readonly log: Log
  readonly learned: LearnedStore
  /** finds a profile by name or file; the built-in ones when left out */
  readonly profiles?: (nameOrFile: string) => MeterProfile
}

/** Reads Modbus meters on one bus. */
export interface ModbusReader extends MeterReader {
  /** Registers outside any profile, for `profile check`: all spans in the fewest requests. */
  readRegisters(
    unit: number,
    spans: readonly RegisterSpan[],
    options: ReadOptions
  ): Promise<Pick<VisitResult, 'image' | 'faults'>>
  /** exceptions by code ("exception02"), canary reads ("canary") */
  counters(): Readonly<Record<string, number>>
}

/** A reader over the bus; it keeps per unit what was refused, how fast it answers and which answers are still owed. */
export function createModbusReader(bus: Bus, options: ModbusReaderOptions): ModbusReader {
  const trusts = new Map<number, UnitTrust>()
  const memories = new Map<string, UnitMemory>()
  const counters: Record<string, number> = {}
  const profiles = options.profiles ?? loadProfile

  const memoryOf = (unit: number, profile: string): UnitMemory => {
    const key = `modbus/${bus.name}/${unit}/${profile}`
    const known = memories.get(key) ?? new UnitMemory(options.learned, key)
    memories.set(key, known)
    return known
  }
  const trustOf = (unit: number): UnitTrust => {
    const known = trusts.get(unit) ?? new UnitTrust(bus.baud)
    trusts.set(unit, known)
    return known
  }
  const visit = (
    unit: number,
    profile: MeterProfile | undefined,
    spans: readonly RegisterSpan[],
    read: ReadOptions
  ): Promise<VisitResult> => {
    const meterKey = `modbus:${unit}`
    const { priority, signal } = read
    // The visit asks for no range that a late answer could pass for.
    const exchange = { meterKey, priority, tellsLate: true, ...(signal === undefined ? {} : { signal }) }
    return new ModbusVisit(
      {
        client: new ModbusClient(bus, exchange),
        memory: memoryOf(unit, profile?.name ?? ''),
        trust: trustOf(unit),
        clock: options.clock,
        log: options.log,
        unit,
        baud: bus.baud,
        limits: { maxRegisters: profile?.maxRegisters ?? MAX_REGISTERS, holes: profile?.holes ?? [] },
        turnaroundMaxMs: profile?.turnaroundMaxMs ?? DEFAULT_TURNAROUND_MAX_MS,
        insist: priority === 'technician',
        probing: bus.probing(meterKey),
        signal,
        count: event => {
          counters[event] = (counters[event] ?? 0) + 1
        }
      },
      spans
    ).run()
  }

  return {
    async readMeter(meter: MeterPoint, read: ReadOptions): Promise<MeterAnswer> {
      const unit = Number(meter.address)
      if (!Number.isInteger(unit) || unit < 1 || unit > 247)
        return failed('', `unit ${JSON.stringify(meter.address)} is not in 1..247`)
      let profile: MeterProfile | undefined
      try {
        profile = meter.profile === undefined ? undefined : profiles(meter.profile)
      } catch (error) {
        if (!isWattproofError(error)) throw error
        return failed(meter.profile ?? '', `${error.message}${error.at ? ` (${error.at})` : ''}`)
      }
      const { wants, faults } = collectWants(meter, profile, read.withRatio ?? false)
      const result = await visit(
        unit,
        profile,
        wants.flatMap(want => want.spans),
        read
      )
      return assemble(wants, faults, result)
    },

    /** Modbus meters here have no load profile that could be read the same way. */
    async readProfile(): Promise<ProfileAnswer> {
      return { source: 'loadProfile', records: [], status: 'unsupported', faults: [], damagedBlocks: 0 }
    },

    readRegisters: (unit, spans, read) => visit(unit, undefined, spans, read),
    counters: () => ({ ...counters })
  }
}

function assemble(wants: readonly Want[], before: readonly ReadFault[], result: VisitResult): MeterAnswer {
  const values: ReadValue[] = []
  const faults: ReadFault[] = [...before, ...result.faults]
  let energyAtMs = 0
  let anyAtMs = 0
  let index = 0
  for (const want of wants) {
    const found = want.resolve(result.image)
    const arrivals = want.spans.map((_, i) => result.arrivals.get(index + i) ?? 0)
    index += want.spans.length
    if (found === undefined) continue
    if ('asked' in found) faults.push(found)
    else values.push(found)
    const atMs = Math.max(0, ...arrivals)
    anyAtMs = Math.max(anyAtMs, atMs)
    if (want.isEnergy) energyAtMs = Math.max(energyAtMs, atMs)
  }
  const readAtMs = energyAtMs || anyAtMs || null
  return { values, faults, readAtMs, meterTimeMs: null, frames: result.frames }
}

function failed(asked: string, detail: string): MeterAnswer {
  const faults: ReadFault[] = [{ kind: 'value', asked, detail }]
  return { values: [], faults, readAtMs: null, meterTimeMs: null, frames: [] }
}
