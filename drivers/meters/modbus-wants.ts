import type { MeterPoint, ReadFault, ReadValue } from '../../agent/ports.ts'
import { toHex } from '../../proto/bytes.ts'
import { formatScaled } from '../../proto/decimal.ts'
import { type Item, itemById, itemByKey } from '../../proto/items.ts'
import type { ReadFunction } from '../../proto/modbus/function-code.ts'
import { type ItemReadout, ratioSpans, readItem, readRatio, spansOf } from '../../proto/modbus/item-value.ts'
import type { MeterProfile, ProfileRegister, ProfileSum } from '../../proto/modbus/profile.ts'
import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'
import type { RegisterImage } from '../../proto/modbus/register-image.ts'
import { formatRange } from '../../proto/modbus/request.ts'

/** Integers of more registers are given as text only: they may leave the safe integers. */
const MAX_NUMBER_REGISTERS = 3

/** One value to be had: the spans it needs and what to make of them once they are read. */
export interface Want {
  readonly spans: readonly RegisterSpan[]
  /** an energy register: its arrival is the reading's time */
  readonly isEnergy: boolean
  /** the value, or what is wrong with it; undefined when its registers have not been read */
  resolve(image: RegisterImage): ReadValue | ReadFault | undefined
}

/** Everything a visit to the meter is to bring. What cannot even be asked for is in `faults`. */
export function collectWants(
  meter: MeterPoint,
  profile: MeterProfile | undefined,
  withRatio: boolean
): { readonly wants: readonly Want[]; readonly faults: readonly ReadFault[] } {
  const wants: Want[] = []
  const faults: ReadFault[] = []
  for (const id of meter.items) {
    const item = itemById(id)
    if (!profile) faults.push({ kind: 'value', asked: item.key, detail: 'the meter has no profile' })
    else wants.push(wantItem(item, profile))
  }
  for (const name of meter.rawItems) {
    const want = parseRawItem(name, profile?.function ?? 3)
    if (want) wants.push(want)
    else
      faults.push({
        kind: 'value',
        asked: name,
        detail: 'not a register as "reg:0x0048:2" or "reg:4:0x0048:2"'
      })
  }
  if (withRatio && profile?.ratio.ct) wants.push(wantRatio('register-ct-ratio', profile.ratio.ct))
  if (withRatio && profile?.ratio.pt) wants.push(wantRatio('register-pt-ratio', profile.ratio.pt))
  return { wants, faults }
}

function wantItem(item: Item, profile: MeterProfile): Want {
  const register = profile.registers.find(entry => entry.item === item)
  if (register) return wantRegister(register)
  const sum = profile.sums.find(entry => entry.item === item)
  if (sum) return wantSum(sum, profile)
  // an item of a set that this meter does not have
  return { spans: [], isEnergy: false, resolve: () => noValue(item, '', '') }
}

function wantRegister(register: ProfileRegister): Want {
  const { item, origin } = register
  return {
    spans: spansOf(register),
    isEnergy: item.kind === 'energy',
    resolve: image => resolveReadout(item, origin, readItem(register, image))
  }
}

/** A total the meter only has by tariff: exact, and had only when all its parts are. */
function wantSum(sum: ProfileSum, profile: MeterProfile): Want {
  const parts = sum.of.map(item => profile.registers.find(entry => entry.item === item) as ProfileRegister)
  const origin = parts.map(part => part.origin).join('+')
  return {
    spans: parts.flatMap(spansOf),
    isEnergy: sum.item.kind === 'energy',
    resolve: image => {
      const reads = parts.map(part => readItem(part, image))
      const odd = reads.find(read => read.kind !== 'value')
      if (odd) return resolveReadout(sum.item, origin, odd)
      const had = reads.filter(read => read.kind === 'value')
      const value = had.reduce((total, read) => total + read.value, 0)
      return itemValue(sum.item, origin, {
        value,
        decimals: Math.max(...had.map(read => read.decimals)),
        coarse: had.some(read => read.coarse),
        raw: had.map(read => read.raw).join('')
      })
    }
  }
}

function wantRatio(key: string, ratio: NonNullable<MeterProfile['ratio']['ct']>): Want {
  const spans = ratioSpans(ratio)
  const origin = spans.map(span => formatRange(span.address, span.count)).join('/')
  return {
    spans,
    isEnergy: false,
    resolve: image => resolveReadout(itemByKey(key), origin, readRatio(ratio, image))
  }
}

function resolveReadout(item: Item, origin: string, read: ItemReadout): ReadValue | ReadFault | undefined {
  switch (read.kind) {
    case 'value':
      return itemValue(item, origin, read)
    case 'missing':
      return noValue(item, origin, read.raw)
    case 'invalid':
      return { kind: 'value', asked: origin, detail: `${item.key}: ${read.reason}; registers ${read.raw}` }
    case 'unread':
      return undefined
  }
}

function itemValue(
  item: Item,
  origin: string,
  read: Omit<Extract<ItemReadout, { kind: 'value' }>, 'kind'>
): ReadValue {
  const { id, key, exponent, unit } = item
  const { value, decimals, coarse, raw } = read
  const text = formatScaled(value / 10 ** (-decimals - exponent), -decimals)
  return { item: id, key, value, exponent, unit, origin, raw, text, ...(coarse ? { coarse } : {}) }
}

function noValue(item: Item, origin: string, raw: string): ReadValue {
  const { id, key, exponent, unit } = item
  return { item: id, key, value: null, exponent, unit, origin, raw }
}

/** "reg:0x0048:2" or, with the function code, "reg:4:0x0048:2". */
function parseRawItem(name: string, usual: ReadFunction): Want | undefined {
  const match = /^reg:(?:([34]):)?(0x[0-9a-f]{1,4}|\d{1,5}):(\d{1,3})$/i.exec(name)
  if (!match) return undefined
  const address = Number(match[2])
  const count = Number(match[3])
  if (count < 1 || count > 125 || address + count > 0x10000) return undefined
  const table = match[1] === undefined ? usual : (Number(match[1]) as ReadFunction)
  const span: RegisterSpan = { function: table, address, count }
  return {
    spans: [span],
    isEnergy: false,
    resolve: image => {
      const octets = image.get(span)
      return octets && rawValue(name, span, octets)
    }
  }
}

function rawValue(name: string, span: RegisterSpan, octets: Uint8Array): ReadValue {
  const raw = toHex(octets)
  const isNumber = span.count <= MAX_NUMBER_REGISTERS
  return {
    item: null,
    key: name,
    value: isNumber ? Number.parseInt(raw, 16) : null,
    exponent: 0,
    unit: '',
    origin: formatRange(span.address, span.count),
    raw,
    ...(isNumber ? {} : { text: raw })
  }
}
