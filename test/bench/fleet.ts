/**
 * A fleet of meters over labelled curves: areas with a parent and children, registers with their resolution, instruments with
 * noise, and faults with their ground truth. Emits readings as the agent would have them.
 */
import type { MeterPoint, TransformerRatio } from '../../agent/ports.ts'
import { gapRecord, type ItemValue, type Reading } from '../../proto/reading.ts'
import { type Calendar, type Kind, makeCalendar, makeLoad, type Random, random } from './curves.ts'

export interface SimMeter {
  readonly point: MeterPoint
  readonly kind: Kind | 'parent'
  readonly trueCt: number
  readonly truePt: number
  /** phase voltage on the meter's side */
  readonly volts: number
  readonly single: boolean
  /** the meter's ratio register; 1 = unset */
  readonly ctRegister: number
  readonly ptRegister: number
  /** true primary kW by slot */
  load: Float64Array
  readonly pf: number
  /** share of each phase by slot wanders around this */
  readonly shares: readonly [number, number, number]
  readonly wander: number
  /** scatter of the moment against the mean of the slot */
  readonly jitter: number
  readonly fault: Fault | undefined
}

export type FaultKind =
  | 'ratio'
  | 'one-phase'
  | 'squared'
  | 'spike'
  | 'register-leap'
  | 'overload'
  | 'power-factor'
  | 'drop'
  | 'night-bypass'
  | 'drift'
  | 'phase-bypass'
  | 'phase-reversed'
  | 'phase-swap'
  | 'flat-line'
  | 'zero-energy'
  | 'phase-loss'
  | 'negative'
  | 'reset'
  | 'swap'
  | 'rollover'
  | 'clock'
  | 'gap'
  | 'event'
  | 'tariff-sum'
  | 'neutral-bypass'

/** What is wrong, from when to when, and by how much: the ground truth. */
export interface Fault {
  readonly kind: FaultKind
  readonly from: number
  readonly to: number
  readonly factor: number
  readonly phase: number
  /** ratio faults: which number is wrong in the archive */
  readonly label: string
  /** whether a test can see it at all */
  readonly evidence: boolean
}

export interface Fleet {
  readonly meters: readonly SimMeter[]
  readonly calendar: Calendar
  readonly firstSlot: number
  readonly slotSeconds: number
  /** readings of all meters for the n-th slot */
  readingsAt(n: number): Reading[]
}

const CT_SERIES = [50, 75, 100, 150, 200, 300, 400, 600]

export interface FleetOptions {
  readonly seed: number
  readonly days: number
  readonly areas: number
  readonly children: number
  readonly dayOfYear: number
  /** chooses the fault of each meter; undefined = sound */
  readonly faultFor?: (rnd: Random, meter: SimMeter, slots: number) => Fault | undefined
}

export function makeFleet(options: FleetOptions): Fleet {
  const rnd = random(options.seed)
  const firstDay = 20_500
  const calendar = makeCalendar(rnd, options.days, firstDay, options.dayOfYear)
  const meters: SimMeter[] = []
  for (let area = 0; area < options.areas; area++) {
    const parentId = `A${area}-P`
    const children: SimMeter[] = []
    for (let n = 0; n < options.children; n++) {
      const kind = rnd.pick<Kind>([
        'residential',
        'residential',
        'shop',
        'shop',
        'factory',
        'irrigation',
        'photovoltaic'
      ])
      children.push(makeChild(rnd, `A${area}-${kind}-${n}`, kind, parentId, calendar))
    }
    meters.push(makeParent(rnd, parentId, children, calendar), ...children)
  }
  const sound = options.faultFor
    ? meters.map(meter => {
        const fault = options.faultFor?.(rnd, meter, calendar.slots)
        return fault ? withFault(meter, fault, rnd) : meter
      })
    : meters
  const states = sound.map((meter, n) => newState(meter, random(options.seed * 7919 + n)))
  // local midnight of firstDay at +08:00
  const firstSlot = firstDay * 96 - 32
  return {
    meters: sound,
    calendar,
    firstSlot,
    slotSeconds: 900,
    readingsAt: n => sound.flatMap((meter, i) => emit(meter, states[i] as EmitState, n, firstSlot, calendar))
  }
}

function point(
  id: string,
  rated: number,
  ct: TransformerRatio,
  pt: TransformerRatio,
  parent: string | undefined
): MeterPoint {
  return {
    id,
    bus: id.split('-')[0] as string,
    protocol: 'dlt645',
    address: '000000000001',
    profile: undefined,
    items: [],
    rawItems: [],
    ratedKva: rated,
    ct,
    pt,
    ratioVersion: 1,
    parent,
    rules: {},
    location: undefined
  }
}

function makeChild(rnd: Random, id: string, kind: Kind, parent: string, calendar: Calendar): SimMeter {
  const house = kind === 'residential' || kind === 'photovoltaic'
  const high = kind === 'factory' && rnd.next() < 0.3
  const ctPrimary = house ? 1 : high ? rnd.pick([20, 30, 50, 100]) : rnd.pick(CT_SERIES)
  const kvPerPhase = high ? 10 / Math.sqrt(3) : 0.22
  const rated = house ? rnd.pick([8, 12]) : Math.round(3 * kvPerPhase * ctPrimary * 0.9)
  const ct = house ? { primary: 1, secondary: 1 } : { primary: ctPrimary, secondary: 5 }
  const pt = high ? { primary: 10000, secondary: 100 } : { primary: 1, secondary: 1 }
  const even = kind === 'factory' || kind === 'irrigation'
  const offset = even ? 0.04 : 0.15
  const raw = [1 + offset * rnd.normal(), 1 + offset * rnd.normal(), 1 + offset * rnd.normal()].map(x =>
    Math.max(0.4, x)
  )
  const sum = raw.reduce((a, b) => a + b, 0)
  const trueCt = ct.primary / ct.secondary
  const truePt = pt.primary / pt.secondary
  const set = rnd.next() < 0.6
  return {
    point: point(id, rated, ct, pt, parent),
    kind,
    trueCt,
    truePt,
    volts: high ? 57.7 : 222 + 6 * rnd.normal() * 0.5,
    single: house,
    ctRegister: set ? trueCt : 1,
    ptRegister: set ? truePt : 1,
    load: makeLoad(rnd, kind, calendar, rated),
    pf: even ? rnd.between(0.88, 0.97) : rnd.between(0.93, 0.99),
    shares: [(raw[0] as number) / sum, (raw[1] as number) / sum, (raw[2] as number) / sum],
    wander: even ? 0.03 : 0.15,
    jitter: house ? 0.25 : 0.08,
    fault: undefined
  }
}

function makeParent(rnd: Random, id: string, children: readonly SimMeter[], calendar: Calendar): SimMeter {
  const load = new Float64Array(calendar.slots)
  for (let n = 0; n < load.length; n++) {
    let sum = 0
    for (const child of children) sum += child.load[n] as number
    load[n] = sum
  }
  const most = load.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
  const rated = Math.ceil((most * 1.2) / 50) * 50
  const fixed = 0.004 * rated
  const copper = 0.03 / rated
  for (let n = 0; n < load.length; n++)
    load[n] = (load[n] as number) + fixed + copper * (load[n] as number) ** 2
  const amps = (rated / (3 * 0.22)) * 1.1
  const primary =
    [50, 75, 100, 150, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 4000, 5000].find(x => x >= amps) ??
    6000
  return {
    point: point(id, rated, { primary, secondary: 5 }, { primary: 1, secondary: 1 }, undefined),
    kind: 'parent',
    trueCt: primary / 5,
    truePt: 1,
    volts: 225,
    single: false,
    ctRegister: rnd.next() < 0.6 ? primary / 5 : 1,
    ptRegister: 1,
    load,
    pf: 0.95,
    shares: [0.34, 0.33, 0.33],
    wander: 0.06,
    jitter: 0.05,
    fault: undefined
  }
}

/** Puts a fault on a meter. Ratio faults change the archive; thefts leave the true load and change what is measured. */
function withFault(meter: SimMeter, fault: Fault, _rnd: Random): SimMeter {
  if (fault.kind !== 'ratio') return { ...meter, fault }
  const { ct, pt } = meter.point
  const swapped: Partial<MeterPoint> =
    fault.label === 'swapped'
      ? { ct: { primary: ct.secondary, secondary: ct.primary } }
      : fault.label === 'exchanged'
        ? { ct: pt, pt: ct }
        : fault.label.startsWith('pt')
          ? { pt: scaled(pt, fault.factor) }
          : { ct: scaled(ct, fault.factor) }
  return { ...meter, point: { ...meter.point, ...swapped }, fault }
}

function scaled(ratio: TransformerRatio, factor: number): TransformerRatio {
  const primary = ratio.primary * factor
  return Number.isInteger(primary)
    ? { primary, secondary: ratio.secondary }
    : { primary: Math.round(primary * 1000), secondary: ratio.secondary * 1000 }
}

interface EmitState {
  readonly rnd: Random
  /** kWh on the meter's side, unrounded */
  imported: number
  exported: number
  reactive: number
  readonly tariff: number[]
  share: [number, number, number]
  covers: number
  offset: number
  frozen: ItemValue[] | undefined
  readonly start: number
}

function newState(meter: SimMeter, rnd: Random): EmitState {
  const start =
    meter.fault?.kind === 'rollover' ? 999_999 - rnd.between(0, 5) : Math.floor(rnd.between(100, 9000))
  return {
    rnd,
    imported: start,
    exported: 0,
    reactive: start / 3,
    tariff: [start * 0.1, start * 0.3, start * 0.35, start * 0.25],
    share: [...meter.shares],
    covers: 0,
    offset: Math.round(rnd.between(-20, 20)),
    frozen: undefined,
    start
  }
}

const tariffAt = (hour: number) =>
  hour >= 19 && hour < 21
    ? 0
    : (hour >= 8 && hour < 12) || (hour >= 17 && hour < 22)
      ? 1
      : hour < 7 || hour >= 23
        ? 3
        : 2
const cut = (kwh: number) => Math.floor(kwh * 100 + 1e-6) * 10

/** The reading of a meter for slot n; none for a lost reading. */
function emit(
  meter: SimMeter,
  state: EmitState,
  n: number,
  firstSlot: number,
  calendar: Calendar
): Reading[] {
  const { rnd } = state
  const { fault } = meter
  const active = fault !== undefined && n >= fault.from && n < fault.to
  const is = (kind: FaultKind) => active && fault?.kind === kind
  const factor = fault?.factor ?? 1
  const hour = ((n % calendar.slotsPerDay) / 4 + 24) % 24
  const day = Math.floor(n / calendar.slotsPerDay)
  let mean = meter.load[n] as number
  if (is('spike') || is('overload')) mean = Math.max(mean, factor * meter.point.ratedKva!)
  if (is('drop')) mean *= factor
  if (is('night-bypass') && (hour >= 22 || hour < 5)) mean *= factor
  if (is('drift')) mean *= Math.max(0.3, 1 - factor * ((n - (fault?.from ?? 0)) / 96))
  const k = meter.trueCt * meter.truePt
  let pf = Math.min(0.999, meter.pf + 0.01 * rnd.normal())
  if (is('power-factor')) pf = factor
  const squared = fault?.kind === 'squared' ? k : 1

  for (let p = 0; p < 3; p++)
    state.share[p] = Math.max(
      0.1,
      0.9 * (state.share[p] as number) + 0.1 * (meter.shares[p] as number) * (1 + meter.wander * rnd.normal())
    )
  const total = state.share.reduce((a, b) => a + b, 0)
  const shares = meter.single ? [1, 0, 0] : state.share.map(x => x / total)
  const seen = shares.map((share, p) => {
    if (is('phase-bypass') && p === fault?.phase) return share * factor
    if (fault?.kind === 'one-phase' && p === fault.phase) return share * factor
    if (is('phase-reversed') && p === fault?.phase) return -share
    return share
  })
  let measured = seen.reduce((a, b) => a + b, 0)
  const phi = Math.acos(pf)
  if (is('phase-swap'))
    measured =
      (shares[0] as number) +
      ((shares[1] as number) * Math.cos(phi + 2.0944) + (shares[2] as number) * Math.cos(phi - 2.0944)) / pf

  const slotKw = (mean * measured * squared) / k
  const energy = is('zero-energy') || is('flat-line') ? 0 : slotKw / 4
  if (energy >= 0) {
    state.imported += energy
    const t = tariffAt(hour)
    state.tariff[t] = (state.tariff[t] as number) + energy
  } else state.exported -= energy
  state.reactive += Math.abs(slotKw / 4) * Math.tan(phi)
  if (fault?.kind === 'reset' && n === fault.from) {
    state.imported = 0
    state.tariff.fill(0)
    state.reactive = 0
  }
  if (fault?.kind === 'swap' && n === fault.from) {
    state.imported = state.start * factor
    state.tariff.splice(
      0,
      4,
      state.imported * 0.1,
      state.imported * 0.3,
      state.imported * 0.35,
      state.imported * 0.25
    )
    state.reactive = state.imported / 3
  }
  if (is('gap')) return [gapRecord(meter.point.id, firstSlot + n, 1, 'silent', null)]
  const moment = (mean * squared * (1 + meter.jitter * rnd.normal())) / k
  const volts = meter.volts * (1 + 0.008 * Math.sin((2 * Math.PI * hour) / 24) + 0.003 * rnd.normal())
  const scale = fault?.kind === 'squared' && meter.truePt > 1 ? meter.truePt : 1
  const u = [0, 1, 2].map(p => (meter.single && p > 0 ? 0 : volts * scale * (1 + 0.002 * rnd.normal())))
  if (is('phase-loss')) u[fault?.phase ?? 0] = (u[fault?.phase ?? 0] as number) * 0.1
  const values: [number, number | null][] = []
  let power = 0
  for (let p = 0; p < 3; p++) {
    if (meter.single && p > 0) continue
    const share = seen[p] as number
    let watts = moment * share
    const amps =
      (Math.abs(moment * (fault?.kind === 'phase-reversed' ? Math.abs(share) : share)) * 1000) /
      (Math.max(1, volts * scale) * pf)
    if (is('phase-swap') && p > 0)
      watts = (moment * (shares[p] as number) * Math.cos(p === 1 ? phi + 2.0944 : phi - 2.0944)) / pf
    if (is('phase-loss') && p === fault?.phase) watts *= 0.1
    power += watts
    values.push(
      [301 + p, Math.round((u[p] as number) * 100)],
      [311 + p, Math.round(amps * 1e4)],
      [321 + p, Math.round(watts * 1e5)]
    )
    if (!is('phase-swap')) values.push([351 + p, Math.round(Math.sign(watts || 1) * pf * 1e4)])
  }
  if (meter.single) {
    const a = values.find(([item]) => item === 311)?.[1] ?? 0
    values.push([314, Math.round(is('neutral-bypass') ? a / factor : a * (1 + 0.01 * rnd.normal()))])
  }
  values.push(
    [320, Math.round(power * 1e5)],
    [350, Math.round(Math.sign(power || 1) * pf * 1e4)],
    [360, 50_000 + Math.round(20 * rnd.normal())]
  )
  const leap = fault?.kind === 'register-leap' && n === fault.from ? factor : 0
  const back = fault?.kind === 'negative' && n === fault.from ? factor : 0
  values.push([100, cut((state.imported + leap - back) % 1_000_000)], [130, cut(state.reactive)])
  if (meter.kind === 'photovoltaic') values.push([110, cut(state.exported)])
  const lost = is('tariff-sum') ? 1.5 * factor : 0
  const rolled = state.imported >= 1_000_000 || meter.fault?.kind === 'rollover'
  if (!leap && !back && !rolled)
    state.tariff.forEach((kwh, t) => void values.push([101 + t, cut(kwh - (t === 0 ? lost : 0))]))
  if (is('event') && n === fault?.from) state.covers++
  values.push([412, state.covers])
  if (n % 16 === 0)
    values.push([450, Math.round(meter.ctRegister * 1000)], [451, Math.round(meter.ptRegister * 1000)])
  values.sort((a, b) => a[0] - b[0])
  if (is('flat-line')) state.frozen ??= values
  else state.frozen = undefined
  const { ct, pt, ratioVersion } = meter.point
  void day
  return [
    {
      meter: meter.point.id,
      slot: firstSlot + n,
      version: 1,
      quality: 0,
      source: 1,
      readAt: Math.round(1500 + 500 * rnd.next()),
      meterTime: state.offset + (is('clock') ? factor : 0),
      ratio: {
        version: ratioVersion,
        ctPrimary: ct.primary,
        ctSecondary: ct.secondary,
        ptPrimary: pt.primary,
        ptSecondary: pt.secondary
      },
      values: state.frozen ?? values
    }
  ]
}
