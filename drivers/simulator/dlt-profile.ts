import { fromCivil } from './civil-time.ts'
import { energyOctets, stamp } from './dlt-energy.ts'
import { absent, digits, signedDigits } from './dlt-octets.ts'
import { draw } from './draw.ts'
import { shareOf } from './fault-setting.ts'
import type { Meter } from './meter-model.ts'

/** What a load-profile request brings: octets after the data identifier, or a refusal. */
export type ProfileReply = { readonly octets: number[] } | { readonly refused: number }

const DAY_S = 86_400
const DEFAULT_DAYS = 60
const MOST_BLOCKS = 60
const EARLIEST = 0
const FROM_TIME = 1
const LATEST = 2
const NO_SUCH_DATA = 0x02

/** Seconds between records: a slot, but never less than the minute a stamp can tell. */
export function profileIntervalS(slotSeconds: number): number {
  return slotSeconds % 60 === 0 ? slotSeconds : 60
}

/**
 * DI3 = 06. @param data what follows the identifier in the request: N, or N mm hh DD MM YY
 * @param attempt counts the requests, so that a damaged block may come whole when asked again
 */
export function readProfile(
  meter: Meter,
  di: readonly number[],
  data: readonly number[],
  unixS: number,
  attempt: number
): ProfileReply {
  const [, cls = 0, di1 = 0, kind = 0] = di
  const switchedOn = meter.setting.loadProfile?.classes ?? [1, 2, 3, 4, 5, 6]
  const classes = cls === 0 ? switchedOn : switchedOn.filter(n => n === cls)
  if (meter.faults.noLoadProfile === true || di1 !== 0 || kind > LATEST || classes.length === 0)
    return { refused: meter.faults.refusal ?? NO_SUCH_DATA }
  if (data.length !== (kind === FROM_TIME ? 6 : 1)) return { refused: 0x01 }
  const wanted = Math.min(fromDigits(data[0] ?? 1), MOST_BLOCKS)
  const stamps = chooseStamps(meter, kind, data.slice(1), wanted, unixS)
  if (stamps.length === 0 && meter.faults.emptyRefused === true) return { refused: 0x01 }
  return {
    octets: stamps.flatMap((localS, n) => {
      const block = buildBlock(meter, localS, classes, unixS)
      const damaged = draw(meter.seed, 7, localS, attempt) < shareOf(meter.faults.damagedBlocks)
      return damaged ? damage(block, draw(meter.seed, 8, localS, attempt, n)) : block
    })
  }
}

function chooseStamps(
  meter: Meter,
  kind: number,
  from: readonly number[],
  wanted: number,
  unixS: number
): number[] {
  const interval = profileIntervalS(meter.surroundings.slotSeconds)
  const last = Math.floor(meter.clock.localAt(unixS) / interval) * interval
  const days = meter.setting.loadProfile?.days ?? DEFAULT_DAYS
  const first = Math.floor((last - days * DAY_S) / interval) * interval
  const found: number[] = []
  if (kind === LATEST) {
    for (let t = last; t >= first && found.length < wanted; t -= interval) if (has(meter, t)) found.unshift(t)
    return found
  }
  const asked = kind === EARLIEST ? first : Math.max(first, parseStamp(from))
  for (let t = Math.ceil(asked / interval) * interval; t <= last && found.length < wanted; t += interval)
    if (has(meter, t)) found.push(t)
  return found
}

const has = (meter: Meter, localS: number): boolean =>
  draw(meter.seed, 9, localS) >= shareOf(meter.faults.profileHoles)

/** A0 A0, length, stamp, six classes each followed by AA, sum, E5. */
export function buildBlock(
  meter: Meter,
  localS: number,
  classes: readonly number[],
  unixS: number
): number[] {
  const at = meter.clock.instantOf(localS, unixS)
  const body = stamp(localS)
  let begun = false
  for (let cls = 1; cls <= 6; cls++) {
    if (classes.includes(cls)) {
      body.push(...classOctets(meter, cls, at))
      begun = true
    }
    if (begun || meter.faults.noLeadingSeparators !== true) body.push(0xaa)
  }
  const block = [0xa0, 0xa0, body.length, ...body]
  return [...block, block.reduce((sum, octet) => sum + octet, 0) & 0xff, 0xe5]
}

function classOctets(meter: Meter, cls: number, at: number): number[] {
  const now = meter.instant(at)
  const phase = (index: number, octets: number[]): number[] =>
    meter.isAbsent(index) ? absent(octets.length) : octets
  const spread = (list: readonly number[], size: number): number[] =>
    list.flatMap((value, n) => phase(n - 1, signedDigits(value, size)))
  switch (cls) {
    case 1:
      return [
        ...now.voltage.flatMap((value, n) => phase(n, digits(value, 2))),
        ...now.current.flatMap((value, n) => phase(n, signedDigits(value, 3))),
        ...digits(now.frequency, 2)
      ]
    case 2:
      return [...spread(now.active, 3), ...spread(now.reactive, 3)]
    case 3:
      return spread(now.factor, 2)
    case 4:
      return [1, 2, 3, 4].flatMap(item => energyOctets(meter, item, 0, at))
    case 5:
      return [5, 6, 7, 8].flatMap(item => energyOctets(meter, item, 0, at))
    default: {
      const kw = meter.demand.present(at) * 10_000
      const tangent = Math.sqrt(1 - meter.powerFactor ** 2) / meter.powerFactor
      return [...digits(kw, 3), ...digits(kw * tangent, 3)]
    }
  }
}

/** One of the ways in which blocks come broken in the field. */
function damage(block: readonly number[], which: number): number[] {
  const out = [...block]
  if (which < 0.4) out[out.length - 2] = ((out.at(-2) ?? 0) + 1) & 0xff
  else if (which < 0.7) out[out.length - 1] = 0xe4
  else if (which < 0.85) out[0] = out[1] = 0xe0
  else out[8] = (out[8] ?? 0) ^ 0x04
  return out
}

/** Local seconds of mm hh DD MM YY. */
function parseStamp(octets: readonly number[]): number {
  const [mm = 0, hh = 0, day = 1, month = 1, year = 0] = octets.map(fromDigits)
  return fromCivil(2000 + year, month, day, hh, mm)
}

/** BCD, or plain binary where the octet is no BCD. */
function fromDigits(octet: number): number {
  return (octet & 0x0f) > 9 || octet >> 4 > 9 ? octet : (octet >> 4) * 10 + (octet & 0x0f)
}
