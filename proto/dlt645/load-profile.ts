import { itemByKey } from '../items.ts'
import { encodeDigits } from './bcd.ts'
import { type DataIdentifier, octetOf, parseDataIdentifier } from './data-identifier.ts'
import {
  decodeField,
  type FieldFormat,
  type FieldValue,
  isPadding,
  parseFieldFormat
} from './field-format.ts'
import { formatDigits, type LocalTime, parseLocalTime } from './local-time.ts'

/** Classes of the load profile, as the mode word 04000901 switches them on. */
export type ProfileClass = 1 | 2 | 3 | 4 | 5 | 6

interface ProfileField {
  readonly key: string
  readonly format: FieldFormat
  readonly unit: string
  /** catalogue item */
  readonly item: number
}

const field = (key: string, format: string, unit: string, item: string): ProfileField => ({
  key,
  format: parseFieldFormat(format),
  unit,
  item: itemByKey(item).id
})

const CLASSES: Readonly<Record<ProfileClass, readonly ProfileField[]>> = {
  1: [
    field('Ua', 'XXX.X', 'V', 'voltage-a'),
    field('Ub', 'XXX.X', 'V', 'voltage-b'),
    field('Uc', 'XXX.X', 'V', 'voltage-c'),
    field('Ia', '±XXX.XXX', 'A', 'current-a'),
    field('Ib', '±XXX.XXX', 'A', 'current-b'),
    field('Ic', '±XXX.XXX', 'A', 'current-c'),
    field('f', 'XX.XX', 'Hz', 'frequency')
  ],
  2: [
    field('P', '±XX.XXXX', 'kW', 'power-active-total'),
    field('Pa', '±XX.XXXX', 'kW', 'power-active-a'),
    field('Pb', '±XX.XXXX', 'kW', 'power-active-b'),
    field('Pc', '±XX.XXXX', 'kW', 'power-active-c'),
    field('Q', '±XX.XXXX', 'kvar', 'power-reactive-total'),
    field('Qa', '±XX.XXXX', 'kvar', 'power-reactive-a'),
    field('Qb', '±XX.XXXX', 'kvar', 'power-reactive-b'),
    field('Qc', '±XX.XXXX', 'kvar', 'power-reactive-c')
  ],
  3: [
    field('PF', '±X.XXX', '', 'power-factor-total'),
    field('PFa', '±X.XXX', '', 'power-factor-a'),
    field('PFb', '±X.XXX', '', 'power-factor-b'),
    field('PFc', '±X.XXX', '', 'power-factor-c')
  ],
  4: [
    field('fwdActive', 'XXXXXX.XX', 'kWh', 'active-import-total'),
    field('revActive', 'XXXXXX.XX', 'kWh', 'active-export-total'),
    field('combReactive1', '±XXXXXX.XX', 'kvarh', 'reactive-combined-1-total'),
    field('combReactive2', '±XXXXXX.XX', 'kvarh', 'reactive-combined-2-total')
  ],
  5: [
    field('reactiveQ1', 'XXXXXX.XX', 'kvarh', 'reactive-q1-total'),
    field('reactiveQ2', 'XXXXXX.XX', 'kvarh', 'reactive-q2-total'),
    field('reactiveQ3', 'XXXXXX.XX', 'kvarh', 'reactive-q3-total'),
    field('reactiveQ4', 'XXXXXX.XX', 'kvarh', 'reactive-q4-total')
  ],
  6: [
    field('demandActive', '±XX.XXXX', 'kW', 'present-demand-active'),
    field('demandReactive', '±XX.XXXX', 'kvar', 'present-demand-reactive')
  ]
}

const ALL: readonly ProfileClass[] = [1, 2, 3, 4, 5, 6]

const sizeOf = (cls: ProfileClass): number => CLASSES[cls].reduce((sum, f) => sum + f.format.octets, 0)

const AA = 0xaa
const HEAD = 0xa0
const INVALID_HEAD = 0xe0
const TAIL = 0xe5

/** One value of a record. */
export interface ProfileValue {
  readonly key: string
  readonly item: number
  readonly unit: string
  readonly value: FieldValue
  readonly raw: Uint8Array
}

export interface ProfileBlock {
  readonly time: LocalTime
  readonly classes: readonly ProfileClass[]
  readonly values: readonly ProfileValue[]
}

/** Why a block was thrown away. */
export type BlockFault =
  /** head E0 E0: the meter itself says the record is not valid */
  | 'invalid'
  | 'checksum'
  /** E5 is not where the length says */
  | 'end'
  /** separators or class lengths do not add up */
  | 'layout'
  | 'time'
  /** the data ends inside the block */
  | 'truncated'
  | 'garbage'

export interface ProfileBlocks {
  readonly blocks: readonly ProfileBlock[]
  readonly faults: readonly { readonly at: number; readonly fault: BlockFault }[]
}

/** Octets of one block when only this class is asked for: 33, 40, 24, 32, 32, 22. */
export function blockOctets(cls: ProfileClass): number {
  return 16 + sizeOf(cls)
}

/** How many blocks of a class fit one frame, kept under 10 so that it does not matter whether the count is BCD. */
export function blocksPerFrame(cls: ProfileClass): number {
  return Math.min(9, Math.floor(196 / blockOctets(cls)))
}

/** The class that holds a catalogue item; undefined when no class does. */
export function profileClassOf(item: number): ProfileClass | undefined {
  return ALL.find(cls => CLASSES[cls].some(f => f.item === item))
}

/** Identifier and request data for `count` (1-9) blocks of a class (0 = all) from a time on, or the earliest, or the latest. */
export function profileRequest(
  cls: ProfileClass | 0,
  count: number,
  from: LocalTime | 'earliest' | 'latest'
): { readonly di: DataIdentifier; readonly detail: Uint8Array } {
  const kind = from === 'earliest' ? '00' : from === 'latest' ? '02' : '01'
  const di = parseDataIdentifier(`060${cls}00${kind}`)
  if (typeof from === 'string') return { di, detail: Uint8Array.of(count) }
  const detail = new Uint8Array(6)
  detail[0] = count
  detail.set(encodeDigits(formatDigits(from, 'YYMMDDhhmm')), 1)
  return { di, detail }
}

/** True for the identifiers of load-profile requests. */
export function isProfileIdentifier(di: string): boolean {
  return /^060[0-6]000[0-2]$/.test(di)
}

/**
 * Takes the data of a load-profile answer (behind the identifier, follow-up parts joined) apart.
 * Total: damaged blocks are left out and listed; the search goes on at the next head.
 */
export function parseProfileBlocks(di: DataIdentifier, data: Uint8Array): ProfileBlocks {
  const asked = octetOf(di, 2) as ProfileClass | 0
  const blocks: ProfileBlock[] = []
  const faults: { at: number; fault: BlockFault }[] = []
  let at = 0
  while (at < data.length) {
    if (blocks.length > 0 && isPadding(data.subarray(at))) break
    const result = parseBlock(data, at, asked)
    if (typeof result === 'object') {
      blocks.push(result.block)
      at = result.end
      continue
    }
    if (!(result === 'garbage' && faults.at(-1)?.fault === 'garbage')) faults.push({ at, fault: result })
    at = nextHead(data, at)
  }
  return { blocks, faults }
}

function isHead(data: Uint8Array, at: number): boolean {
  const b = data[at]
  return (b === HEAD || b === INVALID_HEAD) && data[at + 1] === b
}

/**
 * Where to go on after a bad block: its length octet may be what is wrong, so the next head counts.
 * Inside a block none can stand: data is BCD or FF.
 */
function nextHead(data: Uint8Array, at: number): number {
  let next = at + 2
  while (next < data.length && !isHead(data, next)) next++
  return next
}

function parseBlock(
  data: Uint8Array,
  at: number,
  asked: ProfileClass | 0
): { readonly block: ProfileBlock; readonly end: number } | BlockFault {
  if (!isHead(data, at)) return 'garbage'
  if (data[at] === INVALID_HEAD) return 'invalid'
  const length = data[at + 2]
  if (length === undefined || at + length + 5 > data.length) return 'truncated'
  const end = at + length + 5
  if (data[end - 1] !== TAIL) return 'end'
  let sum = 0
  for (let i = at; i < end - 2; i++) sum += data[i] as number
  if ((sum & 0xff) !== data[end - 2]) return 'checksum'
  const time = decodeField({ kind: 'time', octets: 5, layout: 'YYMMDDhhmm' }, data.subarray(at + 3, at + 8))
  const local = time.kind === 'time' ? parseLocalTime(time.text, time.layout) : undefined
  if (length < 5 || local === undefined) return 'time'
  const body = data.subarray(at + 8, end - 2)
  const parts =
    splitStandard(body, asked) ?? splitWithoutLeading(body, asked) ?? splitUnseparated(body, asked)
  if (!parts) return 'layout'
  const values = parts.flatMap(([cls, octets]) => decodeClass(cls, octets))
  return { block: { time: local, classes: parts.map(([cls]) => cls), values }, end }
}

type ClassPart = readonly [cls: ProfileClass, octets: Uint8Array]

/** Six classes in order, each its octets or nothing, each closed by AA. Never by searching AA: only lengths count. */
function splitStandard(body: Uint8Array, asked: ProfileClass | 0): ClassPart[] | undefined {
  const parts: ClassPart[] = []
  let at = 0
  for (const cls of ALL) {
    if (body[at] !== AA) {
      if (asked !== 0 && asked !== cls) return undefined
      const size = sizeOf(cls)
      parts.push([cls, body.subarray(at, at + size)])
      at += size
    }
    if (body[at] !== AA) return undefined
    at++
  }
  return at === body.length ? parts : undefined
}

/** Quirk: one class asked for, and the separators of the classes in front of it (or behind it) left out. */
function splitWithoutLeading(body: Uint8Array, asked: ProfileClass | 0): ClassPart[] | undefined {
  if (asked === 0) return undefined
  let at = 0
  while (body[at] === AA && at < 6) at++
  const size = sizeOf(asked)
  const octets = body.subarray(at, at + size)
  const rest = body.subarray(at + size)
  if (octets.length < size || octets.includes(AA) || rest.length > 6) return undefined
  return rest.every(b => b === AA) ? [[asked, octets]] : undefined
}

/** Quirk: all six classes, and not one separator. */
function splitUnseparated(body: Uint8Array, asked: ProfileClass | 0): ClassPart[] | undefined {
  const total = ALL.reduce((sum, cls) => sum + sizeOf(cls), 0)
  if (asked !== 0 || body.length !== total || body.includes(AA)) return undefined
  let at = 0
  return ALL.map(cls => {
    const octets = body.subarray(at, at + sizeOf(cls))
    at += sizeOf(cls)
    return [cls, octets]
  })
}

function decodeClass(cls: ProfileClass, octets: Uint8Array): ProfileValue[] {
  let at = 0
  return CLASSES[cls].map(({ key, item, unit, format }) => {
    const raw = octets.slice(at, at + format.octets)
    at += format.octets
    return { key, item, unit, value: decodeField(format, raw), raw }
  })
}
