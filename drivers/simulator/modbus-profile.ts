import { encodeRegisters, type RegisterCoding, registersOf, type WordOrder } from './modbus-registers.ts'

/** Where a value stands, as a profile file says it. */
interface RawPlace {
  readonly address: number
  readonly type: RegisterCoding
  readonly function?: number
  readonly order?: WordOrder
  readonly count?: number
  readonly bit?: number
  readonly scale?: number | string
  readonly missing?: readonly string[]
}
interface RawRegister extends RawPlace {
  readonly item: string
  readonly unit?: string
  readonly scaleBy?: RawPlace & { readonly as: 'factor' | 'power10' }
  readonly signBy?: RawPlace & { readonly negative: readonly number[] }
}
type RawRatio = RawPlace | { readonly primary: RawPlace; readonly secondary: RawPlace }

/** The part of a profile file (config/meters/modbus) that a simulated meter needs. */
export interface RawProfile {
  readonly name: string
  readonly side: 'primary' | 'secondary'
  readonly function: number
  readonly order: WordOrder
  readonly maxRegisters?: number
  readonly missing?: Readonly<Partial<Record<RegisterCoding, readonly string[]>>>
  readonly holes?: readonly (readonly [number, number])[]
  readonly registers: readonly RawRegister[]
  readonly sums?: readonly { readonly item: string; readonly of: readonly string[] }[]
  readonly ratio?: { readonly ct?: RawRatio; readonly pt?: RawRatio }
  readonly identify?: readonly (RawPlace & { readonly min?: number; readonly text?: string })[]
  readonly identity?: readonly {
    readonly address: number
    readonly count: number
    readonly function?: number
  }[]
}

/** What a register shows: an item, a transformer ratio, or something that never changes. */
export type Shown =
  | { readonly kind: 'item'; readonly key: string; readonly unit: string | undefined }
  | { readonly kind: 'sign'; readonly key: string; readonly negative: number }
  | { readonly kind: 'ratio'; readonly of: 'ct' | 'pt'; readonly part: 'quotient' | 'primary' | 'secondary' }
  | { readonly kind: 'fixed'; readonly value: number | string }
  /** the meter's own number */
  | { readonly kind: 'number' }

/** One value of a simulated register map. */
export interface MappedValue {
  /** 0-based, as on the wire */
  readonly address: number
  readonly registers: number
  readonly function: number
  readonly coding: RegisterCoding
  readonly order: WordOrder
  /** the register holds value / scale */
  readonly scale: number
  readonly shows: Shown
  /** octets that say "no such value" */
  readonly missing: readonly number[]
}

/** A simulated Modbus meter's register map. */
export interface SimulatedProfile {
  readonly name: string
  readonly primary: boolean
  readonly maxRegisters: number
  readonly values: readonly MappedValue[]
  readonly holes: readonly (readonly [number, number])[]
  /** items that the meter keeps only in parts: the last part takes what the others leave */
  readonly remainders: ReadonlyMap<string, { readonly whole: string; readonly others: readonly string[] }>
}

/** Builds the register map of a profile; registers that a profile names twice keep the first meaning. */
export function buildProfile(raw: RawProfile): SimulatedProfile {
  const values: MappedValue[] = []
  const place = (at: RawPlace, shows: Shown, scale = Number(at.scale ?? 1)): void => {
    const registers = at.count ?? registersOf(at.type)
    const taken = values.some(
      v =>
        v.function === (at.function ?? raw.function) &&
        at.address < v.address + v.registers &&
        v.address < at.address + registers
    )
    if (taken) return
    const order = at.order ?? raw.order
    const sentinel = at.missing?.[0] ?? raw.missing?.[at.type]?.[0] ?? 'ff'.repeat(2 * registers)
    values.push({
      address: at.address,
      registers,
      function: at.function ?? raw.function,
      coding: at.type,
      order,
      scale: at.bit === undefined ? scale : scale / 2 ** at.bit,
      shows,
      missing: encodeRegisters(sentinel, 'hex', order, registers)
    })
  }
  for (const register of raw.registers) {
    const { scaleBy, signBy } = register
    // registers that scale others hold "no change"
    if (scaleBy) place(scaleBy, { kind: 'fixed', value: scaleBy.as === 'factor' ? 1 : 0 }, 1)
    if (signBy) place(signBy, { kind: 'sign', key: register.item, negative: signBy.negative[0] ?? 1 }, 1)
    place(register, { kind: 'item', key: register.item, unit: register.unit })
  }
  for (const of of ['ct', 'pt'] as const) {
    const ratio = raw.ratio?.[of]
    if (!ratio) continue
    if ('primary' in ratio) {
      place(ratio.primary, { kind: 'ratio', of, part: 'primary' })
      place(ratio.secondary, { kind: 'ratio', of, part: 'secondary' })
    } else place(ratio, { kind: 'ratio', of, part: 'quotient' })
  }
  for (const mark of raw.identify ?? []) place(mark, { kind: 'fixed', value: mark.text ?? mark.min ?? 0 })
  for (const number of raw.identity ?? [])
    place({ ...number, type: 'ascii', order: 'ABCD' }, { kind: 'number' })
  values.sort((a, b) => a.function - b.function || a.address - b.address)
  return {
    name: raw.name,
    primary: raw.side === 'primary',
    maxRegisters: raw.maxRegisters ?? 125,
    values,
    holes: raw.holes ?? [],
    remainders: new Map(
      (raw.sums ?? []).map(({ item, of }) => [of.at(-1) ?? '', { whole: item, others: of.slice(0, -1) }])
    )
  }
}
