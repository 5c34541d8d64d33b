import { CodecError } from '../errors.ts'
import { findItem, type Item, itemByKey } from '../items.ts'
import { type Decimal, multiplyDecimals, parseDecimal } from './decimal-value.ts'
import { MAX_REGISTERS } from './function-code.ts'
import type {
  GoldenSource,
  IdentifySource,
  PlaceSource,
  ProfileSource,
  RatioSource,
  RegisterSource
} from './profile-source.ts'
import type { RegisterSpan } from './read-plan.ts'
import { REGISTERS_OF, type RegisterSpec } from './register.ts'
import { DEFAULT_TURNAROUND_MAX_MS, formatRange } from './request.ts'
import { powerToCatalogue } from './unit.ts'

/** Registers, how to read them, and the exact factor that leads to the wanted unit. */
export interface ProfilePlace {
  readonly span: RegisterSpan
  readonly spec: RegisterSpec
  readonly multiplier: Decimal
}

/** One item of a meter. */
export interface ProfileRegister extends ProfilePlace {
  readonly item: Item
  /** "0x0048:2" */
  readonly origin: string
  /** least step of the meter's own register, in the catalogue's unit */
  readonly resolution: number | undefined
  readonly scaleBy: (ProfilePlace & { readonly as: 'factor' | 'power10' }) | undefined
  readonly signBy: (ProfilePlace & { readonly negative: readonly number[] }) | undefined
}

export interface ProfileRatio {
  readonly primary: ProfilePlace
  /** undefined when one register holds the quotient */
  readonly secondary: ProfilePlace | undefined
}

export interface ProfileMark extends ProfilePlace {
  readonly about: string
  readonly min: number | undefined
  readonly max: number | undefined
  readonly text: string | undefined
}

export interface ProfileSum {
  readonly item: Item
  readonly of: readonly Item[]
}

/** A register profile ready for use. */
export interface MeterProfile
  extends Pick<
    ProfileSource,
    'name' | 'maker' | 'models' | 'source' | 'confidence' | 'side' | 'notes' | 'function' | 'order' | 'line'
  > {
  readonly maxRegisters: number
  readonly turnaroundMaxMs: number
  readonly holes: readonly RegisterSpan[]
  readonly registers: readonly ProfileRegister[]
  readonly sums: readonly ProfileSum[]
  readonly ratio: { readonly ct: ProfileRatio | undefined; readonly pt: ProfileRatio | undefined }
  readonly marks: readonly ProfileMark[]
  /** registers of the maker's number of the single meter; empty where they are not known */
  readonly identity: readonly RegisterSpan[]
  readonly golden: readonly GoldenSource[]
}

/**
 * Compiles a profile of the right shape (the loader checks that against the schema) and refuses what cannot be meant:
 * unknown items, units of another quantity, values past the last register, items twice, holes over values.
 * @throws CodecError CODEC_SHAPE, CODEC_RANGE or CODEC_UNKNOWN_ITEM; `at` is the place as "/registers/3/unit"
 */
export function compileProfile(source: ProfileSource): MeterProfile {
  const registers = source.registers.map((entry, i) => compileRegister(entry, source, `/registers/${i}`))
  const sums = (source.sums ?? []).map((sum, i) => compileSum(sum, registers, `/sums/${i}`))
  assertOnce(registers.map(entry => entry.item.key).concat(sums.map(sum => sum.item.key)))
  const holes = (source.holes ?? []).map(([from, to], i) => compileHole(from, to, source, registers, i))
  return {
    name: source.name,
    maker: source.maker,
    models: source.models,
    source: source.source,
    confidence: source.confidence,
    side: source.side,
    ...(source.notes === undefined ? {} : { notes: source.notes }),
    function: source.function,
    order: source.order,
    ...(source.line === undefined ? {} : { line: source.line }),
    maxRegisters: source.maxRegisters ?? MAX_REGISTERS,
    turnaroundMaxMs: source.turnaroundMaxMs ?? DEFAULT_TURNAROUND_MAX_MS,
    holes,
    registers,
    sums,
    ratio: {
      ct: source.ratio?.ct && compileRatio(source.ratio.ct, source, '/ratio/ct'),
      pt: source.ratio?.pt && compileRatio(source.ratio.pt, source, '/ratio/pt')
    },
    marks: (source.identify ?? []).map((entry, i) => compileMark(entry, source, `/identify/${i}`)),
    identity: (source.identity ?? []).map(({ address, count, function: table }, i) => {
      if (address + count > 0x10000)
        throw shape('the number reaches past register 0xFFFF', `/identity/${i}/address`)
      return { function: table ?? source.function, address, count }
    }),
    golden: source.golden
  }
}

/** Every item a profile can give, by rising id. */
export function itemsOf(profile: MeterProfile): Item[] {
  const items = [...profile.registers, ...profile.sums].map(entry => entry.item)
  return items.sort((a, b) => a.id - b.id)
}

function compilePlace(place: PlaceSource, profile: ProfileSource, at: string): ProfilePlace {
  const count = REGISTERS_OF[place.type] || (place.count ?? (place.type === 'bits' ? 1 : 0))
  if (count < 1) throw shape(`type ${place.type} needs a count of registers`, at)
  if (place.count !== undefined && place.count !== count)
    throw shape(`type ${place.type} has ${count} registers, not ${place.count}`, `${at}/count`)
  if (place.address + count > 0x10000) throw shape('the value reaches past register 0xFFFF', `${at}/address`)
  if (place.type === 'bits' && (place.bit ?? 0) + (place.width ?? 1) > 16 * count)
    throw shape(`bit ${place.bit} and ${place.width} more are not in ${16 * count} bits`, `${at}/bit`)
  const missing = (place.missing ?? profile.missing?.[place.type] ?? []).map(text => text.toLowerCase())
  const odd = missing.find(text => text.length !== 4 * count)
  if (odd !== undefined) throw shape(`"${odd}" is not ${4 * count} hexadecimal digits`, `${at}/missing`)
  return {
    span: { function: place.function ?? profile.function, address: place.address, count },
    spec: {
      type: place.type,
      order: place.order ?? profile.order,
      count,
      ...(place.type === 'bits' ? { bit: place.bit ?? 0, width: place.width ?? 1 } : {}),
      missing
    },
    multiplier: parseDecimal(String(place.scale ?? 1))
  }
}

function compileRegister(entry: RegisterSource, profile: ProfileSource, at: string): ProfileRegister {
  if (entry.type === 'ascii') throw shape('an item is a number, not text', `${at}/type`)
  const item = findItem(entry.item)
  if (!item)
    throw new CodecError('CODEC_UNKNOWN_ITEM', `no item is called ${JSON.stringify(entry.item)}`, {
      at: `${at}/item`,
      next: 'take a key of `wattproof items`'
    })
  const place = compilePlace(entry, profile, at)
  const power = powerToCatalogue(entry.unit ?? item.unit, item.unit, `${at}/unit`)
  const { scaleBy, signBy } = entry
  return {
    ...place,
    multiplier: multiplyDecimals(place.multiplier, { digits: 1n, exponent: power }),
    item,
    origin: formatRange(place.span.address, place.span.count),
    resolution: entry.resolution === undefined ? undefined : entry.resolution * 10 ** power,
    scaleBy: scaleBy && { ...compilePlace(scaleBy, profile, `${at}/scaleBy`), as: scaleBy.as },
    signBy: signBy && { ...compilePlace(signBy, profile, `${at}/signBy`), negative: signBy.negative }
  }
}

function compileSum(
  sum: { readonly item: string; readonly of: readonly string[] },
  registers: readonly ProfileRegister[],
  at: string
): ProfileSum {
  const item = itemByKey(sum.item)
  const of = sum.of.map((key, i) => {
    const part = registers.find(entry => entry.item.key === key)?.item
    if (!part || part.unit !== item.unit || part.exponent !== item.exponent)
      throw shape(`${JSON.stringify(key)} is no register of this profile in ${item.unit}`, `${at}/of/${i}`)
    return part
  })
  return { item, of }
}

function compileHole(
  from: number,
  to: number,
  profile: ProfileSource,
  registers: readonly ProfileRegister[],
  index: number
): RegisterSpan {
  const at = `/holes/${index}`
  if (to < from) throw shape(`the hole ends at ${to} before it begins at ${from}`, at)
  const covered = registers.find(
    ({ span }) => span.function === profile.function && span.address <= to && span.address + span.count > from
  )
  if (covered) throw shape(`the hole covers ${covered.item.key} at ${covered.origin}`, at)
  return { function: profile.function, address: from, count: to - from + 1 }
}

function compileRatio(ratio: RatioSource, profile: ProfileSource, at: string): ProfileRatio {
  if ('primary' in ratio)
    return {
      primary: compilePlace(ratio.primary, profile, `${at}/primary`),
      secondary: compilePlace(ratio.secondary, profile, `${at}/secondary`)
    }
  return { primary: compilePlace(ratio, profile, at), secondary: undefined }
}

function compileMark(entry: IdentifySource, profile: ProfileSource, at: string): ProfileMark {
  return {
    ...compilePlace(entry, profile, at),
    about: entry.about,
    min: entry.min,
    max: entry.max,
    text: entry.text
  }
}

function assertOnce(keys: readonly string[]): void {
  const twice = keys.find((key, i) => keys.indexOf(key) !== i)
  if (twice !== undefined) throw shape(`item ${JSON.stringify(twice)} stands twice`, '/registers')
}

function shape(what: string, at: string): CodecError {
  return new CodecError('CODEC_SHAPE', what, { at })
}
