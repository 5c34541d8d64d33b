import type { MeterPoint, ProfileAnswer, ProfileRecord, ReadFault, ReadValue } from '../../agent/ports.ts'
import { catalogueItemOf } from '../../proto/dlt645/catalogue.ts'
import { type DataIdentifier, octetOf, parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { type FreezeKind, type FreezePart, freezeIdentifier } from '../../proto/dlt645/freeze.ts'
import { decodeItemValues, type ItemElement } from '../../proto/dlt645/item-values.ts'
import { fromLocalSeconds, localSeconds, parseLocalTime } from '../../proto/dlt645/local-time.ts'
import { askData } from '../../proto/dlt645/question.ts'
import type { Dlt645Context, Visit } from './dlt645-context.ts'
import { type Asked, faultOf } from './dlt645-session.ts'
import { catalogueValue } from './dlt645-values.ts'

const SPACING_S: Readonly<Record<'hourly' | 'daily', number>> = { hourly: 3_600, daily: 86_400 }
const SOURCE_OF = { hourly: 'hourlyFreeze', daily: 'dailyFreeze' } as const
/** Freezes are numbered back from the newest; a power cut leaves some out, so that the number is found by trial. */
const SEARCH_TRIES = 8
const MAX_BACK = 254

type Freezes = 'hourly' | 'daily'
type Failure = Exclude<Asked, { kind: 'data' | 'address' }>

/** Hourly freezes with stamps in [fromMs, toMs]; where the meter has none of those, daily ones. */
export async function readFreezes(
  context: Dlt645Context,
  visit: Visit,
  meter: MeterPoint,
  fromMs: number,
  toMs: number
): Promise<ProfileAnswer> {
  const hourly = await readKind(context, visit, meter, fromMs, toMs, 'hourly')
  if (hourly.status === 'ok' || hourly.status === 'failed') return hourly
  const daily = await readKind(context, visit, meter, fromMs, toMs, 'daily')
  return daily.status === 'unsupported' ? hourly : daily
}

async function readKind(
  context: Dlt645Context,
  visit: Visit,
  meter: MeterPoint,
  fromMs: number,
  toMs: number,
  kind: Freezes
): Promise<ProfileAnswer> {
  const { zone } = context.deps
  const spacing = SPACING_S[kind]
  const from = localSeconds(zone.fromUnixMs(fromMs))
  const to = localSeconds(zone.fromUnixMs(toMs))
  const answer = (
    status: ProfileAnswer['status'],
    records: readonly ProfileRecord[],
    faults: readonly ReadFault[]
  ): ProfileAnswer => ({ source: SOURCE_OF[kind], records, status, faults, damagedBlocks: 0 })
  const mark = freezeIdentifier(kind, 'time', 1)
  const nowMs = context.deps.clock.nowMs()
  if (visit.memory.refusal(mark, false, nowMs) !== undefined) return answer('unsupported', [], [])
  const newest = await readStamp(context, visit, kind, 1)
  if (typeof newest === 'object' && newest !== null) {
    if (newest.kind !== 'refused') return answer('failed', [], [faultOf(mark, newest)])
    if (newest.clean) visit.memory.noteRefused(mark, newest.word, nowMs)
    return answer('unsupported', [], [faultOf(mark, newest)])
  }
  if (newest === null) return answer('none', [], [])
  const index = new FreezeIndex(kind, newest, back => readStamp(context, visit, kind, back))
  const records: ProfileRecord[] = []
  // Newest first: what is found on the way bounds the search for the older ones.
  for (let target = Math.floor(to / spacing) * spacing; target >= from; target -= spacing) {
    const back = await index.find(target)
    const found =
      typeof back === 'number' ? await readValues(context, visit, meter, kind, back, target) : back
    if (found && 'kind' in found) {
      const faults = [faultOf(freezeIdentifier(kind, 'forward', 1), found)]
      return answer(records.length > 0 ? 'ok' : 'failed', records, faults)
    }
    if (found) records.unshift(found)
  }
  return answer(records.length > 0 ? 'ok' : 'none', records, [])
}

/**
 * Finds the number of the freeze with a stamp. Freezes count back from the newest; where a power cut left some out,
 * older ones have lower numbers than their age says.
 */
class FreezeIndex {
  readonly #spacing: number
  readonly #read: (back: number) => Promise<number | null | Failure>
  readonly #stamps = new Map<number, number | null>()
  /** the oldest freeze known to be newer than what is looked for */
  #newer: { readonly back: number; readonly stamp: number }

  constructor(kind: Freezes, newest: number, read: (back: number) => Promise<number | null | Failure>) {
    this.#spacing = SPACING_S[kind]
    this.#read = read
    this.#newer = { back: 1, stamp: newest }
    this.#stamps.set(1, newest)
  }

  /** Undefined when there is none. Stamps have to be asked for in falling order. */
  async find(target: number): Promise<number | Failure | undefined> {
    if (target > this.#newer.stamp) return undefined
    let back = this.#newer.back + Math.round((this.#newer.stamp - target) / this.#spacing)
    let absentFrom = MAX_BACK + 1
    for (
      let attempt = 0;
      attempt < SEARCH_TRIES && back >= this.#newer.back && back < absentFrom;
      attempt++
    ) {
      const stamp = await this.#stamp(back)
      if (typeof stamp === 'object' && stamp !== null) return stamp
      if (stamp === target) return back
      if (stamp === null) {
        absentFrom = back
        back = Math.floor((this.#newer.back + back) / 2)
      } else {
        if (stamp > target) this.#newer = { back, stamp }
        else absentFrom = back
        const step = Math.round((stamp - target) / this.#spacing)
        // A freeze between two hours: the clock was set. It is not the one looked for.
        back += step === 0 ? Math.sign(stamp - target) : step
      }
    }
    return undefined
  }

  async #stamp(back: number): Promise<number | null | Failure> {
    const known = this.#stamps.get(back)
    if (known !== undefined) return known
    const stamp = await this.#read(back)
    if (typeof stamp === 'object' && stamp !== null) {
      if (stamp.kind !== 'refused') return stamp
      this.#stamps.set(back, null)
      return null
    }
    this.#stamps.set(back, stamp)
    return stamp
  }
}

/** Stamp of a freeze in local seconds; null when it is empty; the failure otherwise. */
async function readStamp(
  context: Dlt645Context,
  visit: Visit,
  kind: Freezes,
  back: number
): Promise<number | null | Failure> {
  const read = await readPart(context, visit, kind, 'time', back)
  if ('kind' in read) return read
  const [element] = read.elements
  if (element?.value.kind !== 'time') return null
  const time = parseLocalTime(element.value.text, element.value.layout)
  return time ? localSeconds(time) : null
}

/** The values, then the stamp once more: a new freeze in between moves all numbers up by one. */
async function readValues(
  context: Dlt645Context,
  visit: Visit,
  meter: MeterPoint,
  kind: Freezes,
  back: number,
  stamp: number
): Promise<ProfileRecord | Failure | undefined> {
  const values: ReadValue[] = []
  for (const part of ['forward', 'reverse'] as const) {
    const prefix = part === 'forward' ? '0001' : '0002'
    if (!meter.items.some(item => isOf(item, prefix))) continue
    const read = await readPart(context, visit, kind, part, back)
    if ('kind' in read) {
      if (read.kind === 'refused') continue
      return read
    }
    values.push(...registersOf(context, read.elements, prefix, meter, freezeIdentifier(kind, part, back)))
  }
  const again = await readStamp(context, visit, kind, back)
  if (typeof again === 'object' && again !== null) return again
  if (again !== stamp || values.length === 0) return undefined
  return { stampMs: context.deps.zone.toUnixMs(fromLocalSeconds(stamp)), values }
}

async function readPart(
  context: Dlt645Context,
  visit: Visit,
  kind: FreezeKind,
  part: FreezePart,
  back: number
): Promise<{ readonly elements: readonly ItemElement[] } | Failure> {
  const di = freezeIdentifier(kind, part, back)
  const answer = await visit.session.ask(askData(visit.address, di), { table: context.table })
  if (answer.kind === 'address') return { kind: 'garbage', detail: 'an address where a freeze was asked for' }
  if (answer.kind !== 'data') return answer
  const read = decodeItemValues(context.table, di, answer.data)
  return { elements: read.sound ? read.elements : [] }
}

/** Total and tariffs of a frozen register stand in the order of the tariffs. */
function registersOf(
  context: Dlt645Context,
  elements: readonly ItemElement[],
  prefix: string,
  meter: MeterPoint,
  origin: DataIdentifier
): ReadValue[] {
  return elements.flatMap((element, tariff) => {
    const item = registerItem(prefix, tariff)
    if (item === undefined || !meter.items.includes(item) || element.value.kind === 'invalid') return []
    return [catalogueValue(item, origin, element.value, element.raw, context.deps.zone)]
  })
}

function registerItem(prefix: string, tariff: number): number | undefined {
  const pair = tariff.toString(16).padStart(2, '0')
  return catalogueItemOf(parseDataIdentifier(`${prefix}${pair}00`), 'energy')
}

function isOf(item: number, prefix: string): boolean {
  for (let tariff = 0; tariff <= octetOf(parseDataIdentifier('00000400'), 1); tariff++) {
    if (registerItem(prefix, tariff) === item) return true
  }
  return false
}
