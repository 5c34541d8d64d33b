import type { ByteOrder } from './byte-order.ts'
import type { ReadFunction } from './function-code.ts'
import type { RegisterType } from './register.ts'

/** A register profile as written in YAML; config/meters/modbus.schema.json says the same to editors. Addresses are those on the wire. */
export interface ProfileSource {
  readonly name: string
  readonly maker: string
  readonly models: readonly string[]
  /** where the map was had */
  readonly source: string
  /** A read off a meter or its manual, B from code in use, C from one secondary source */
  readonly confidence: 'A' | 'B' | 'C'
  /** the side of the instrument transformers the registers speak of */
  readonly side: 'primary' | 'secondary'
  readonly notes?: string
  readonly function: ReadFunction
  readonly order: ByteOrder
  readonly maxRegisters?: number
  readonly turnaroundMaxMs?: number
  readonly line?: LineSource
  /** per type: big-endian octets that mean "no such value" */
  readonly missing?: Readonly<Partial<Record<RegisterType, readonly string[]>>>
  /** first and last register of ranges no request may cover in passing */
  readonly holes?: readonly (readonly [number, number])[]
  readonly registers: readonly RegisterSource[]
  /** items the meter only has in parts */
  readonly sums?: readonly { readonly item: string; readonly of: readonly string[] }[]
  readonly ratio?: { readonly ct?: RatioSource; readonly pt?: RatioSource }
  readonly identify?: readonly IdentifySource[]
  /** where the maker's number of the single meter stands; read as octets, never decoded */
  readonly identity?: readonly NumberSource[]
  readonly golden: readonly GoldenSource[]
}

/** Line settings as delivered; for `profile list` and for proposals, never applied by themselves. */
export interface LineSource {
  readonly baud: number
  readonly parity: 'even' | 'none' | 'odd'
  readonly stopBits?: 1 | 2
  readonly address?: number
}

/** Where a value stands and how it is written. */
export interface PlaceSource {
  readonly address: number
  readonly type: RegisterType
  readonly function?: ReadFunction
  readonly order?: ByteOrder
  /** registers, for types without a length of their own */
  readonly count?: number
  readonly bit?: number
  readonly width?: number
  readonly scale?: number | string
  readonly missing?: readonly string[]
}

export interface RegisterSource extends PlaceSource {
  /** key of the item catalogue */
  readonly item: string
  /** unit of the register after `scale`; the catalogue's own when left out */
  readonly unit?: string
  /** least step of the meter's own register in `unit`, to tell when a float can no longer show it */
  readonly resolution?: number
  readonly scaleBy?: PlaceSource & { readonly as: 'factor' | 'power10' }
  readonly signBy?: PlaceSource & { readonly negative: readonly number[] }
}

/** A ratio in one register, or as primary and secondary. */
export type RatioSource = PlaceSource | { readonly primary: PlaceSource; readonly secondary: PlaceSource }

/** A register whose value tells this meter from its relatives. */
export interface IdentifySource extends PlaceSource {
  readonly about: string
  readonly min?: number
  readonly max?: number
  readonly text?: string
}

/** Registers of a number, and where that was had. */
export interface NumberSource {
  readonly address: number
  readonly count: number
  readonly function?: ReadFunction
  readonly source: string
}

/** An exchange that a test replays: values as decimal text in the catalogue's unit, null where the meter says it has none. */
export interface GoldenSource {
  readonly source: string
  readonly request: string
  readonly reply: string
  readonly values: Readonly<Record<string, string | null>>
}
