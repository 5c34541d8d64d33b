/** What the bench injects, which rules answer for it, and whether any test can see it: the ground truth. */
import type { Random } from './curves.ts'
import type { Fault, FaultKind, SimMeter } from './fleet.ts'

export interface Scenario {
  /** name in the table */
  readonly name: string
  /** rules any of which finds it */
  readonly rules: readonly string[]
  /** days the fleet runs */
  readonly days: number
  /** slots after the end of the fault in which a raise still counts */
  readonly grace: number
  readonly fits: (meter: SimMeter) => boolean
  readonly make: (rnd: Random, meter: SimMeter, slots: number) => Fault
  /** factors the finding may name, archive over true */
  readonly factor?: (fault: Fault, meter: SimMeter) => readonly number[]
  readonly bound: 'ratio' | 'theft' | 'fact'
}

const DAY = 96

function fault(kind: FaultKind, from: number, to: number, more: Partial<Fault> = {}): Fault {
  return { kind, from, to, factor: 1, phase: 0, label: '', evidence: true, ...more }
}

/** Slot at a random time of day, on a day between the two. */
const at = (rnd: Random, fromDay: number, toDay: number) => Math.floor(rnd.between(fromDay, toDay) * DAY)

const three = (meter: SimMeter) => !meter.single && meter.kind !== 'parent'
const withCt = (meter: SimMeter) => three(meter)
const child = (meter: SimMeter) => meter.kind !== 'parent'
/** Share of the slots in which the meter carries a load that instruments can tell. */
const carries = (meter: SimMeter) =>
  meter.load.reduce((n, load) => n + (Math.abs(load) > 0.05 * (meter.point.ratedKva ?? 1) ? 1 : 0), 0) /
  meter.load.length
const steady = (meter: SimMeter) => meter.kind !== 'irrigation' && meter.kind !== 'parent'

/** Largest load within a window, to place a spike above what the meter usually does there. */
function usualTop(meter: SimMeter, n: number): number {
  let top = 0
  for (let day = 1; day <= 7; day++)
    for (let d = -2; d <= 2; d++) top = Math.max(top, meter.load[n - day * DAY + d] ?? 0)
  return top
}

function ratioScenario(
  name: string,
  label: string,
  factor: number,
  fits: (meter: SimMeter) => boolean
): Scenario {
  return {
    name,
    rules: ['ratio'],
    days: 12,
    grace: 0,
    fits,
    make: (_rnd, meter, slots) => {
      const register = label.startsWith('pt') ? meter.ptRegister : meter.ctRegister
      // without a register only physics is left: a PT off the ladder, or the balance of a large enough child
      const voltage = label.startsWith('pt') && !ladderHides(meter, factor)
      const load = meter.load.reduce((a, b) => a + Math.abs(b), 0) / meter.load.length
      const telling = !label.startsWith('pt') && load > 0.04 * areaLoad.value && carries(meter) > 0.1
      return fault('ratio', 0, slots, { factor, label, evidence: register !== 1 || voltage || telling })
    },
    factor: fault => [fault.factor],
    bound: 'ratio'
  }
}

/** Mean load of the area's parent, set by the runner before faults are made: how large a child must be to be seen. */
export const areaLoad = { value: 1 }

/** A PT wrong by a factor between two system voltages looks right to the ladder. */
function ladderHides(meter: SimMeter, factor: number): boolean {
  const u = meter.volts * meter.truePt * factor
  const phase = [
    220,
    230,
    240,
    ...[3000, 6000, 10000, 20000, 35000, 66000, 110000].map(x => x / Math.sqrt(3))
  ]
  return phase.some(n => Math.abs(u / n - 1) < 0.11)
}

const RATIO: Scenario[] = [
  ratioScenario('ratio CT x2', 'ct', 2, withCt),
  ratioScenario('ratio CT x0.5', 'ct', 0.5, withCt),
  ratioScenario('ratio CT x20', 'ct', 20, withCt),
  ratioScenario('ratio CT x1/20', 'ct', 0.05, withCt),
  ratioScenario('ratio CT root 3', 'ct', Math.sqrt(3), withCt),
  ratioScenario('ratio PT x2', 'pt', 2, three),
  ratioScenario('ratio PT x0.5', 'pt', 0.5, three),
  ratioScenario('ratio PT root 3', 'pt', Math.sqrt(3), three),
  {
    ...ratioScenario('ratio swapped', 'swapped', 1, withCt),
    make: (_rnd, meter, slots) =>
      fault('ratio', 0, slots, { label: 'swapped', factor: 1 / meter.trueCt ** 2 })
  },
  {
    ...ratioScenario('ratio CT-PT exchanged', 'exchanged', 1, meter => meter.truePt > 1),
    make: (_rnd, _meter, slots) => fault('ratio', 0, slots, { label: 'exchanged', factor: 1 }),
    factor: () => []
  },
  {
    ...ratioScenario('ratio squared', 'squared', 1, withCt),
    make: (_rnd, meter, slots) =>
      fault('squared', 0, slots, { factor: meter.trueCt * meter.truePt, evidence: carries(meter) > 0.05 }),
    // a light load shows only one of the two sides
    factor: (_fault, meter) => [meter.trueCt, meter.truePt, meter.trueCt * meter.truePt]
  },
  {
    ...ratioScenario(
      'ratio one phase',
      'one-phase',
      2,
      meter => meter.kind === 'factory' || meter.kind === 'irrigation'
    ),
    make: (rnd, meter, slots) => {
      // a load that leans by itself hides the lean of a transformer
      const even = meter.shares.every(share => Math.abs(Math.log(share * 3)) < 0.05)
      const evidence = even && carries(meter) > 0.3
      return fault('one-phase', 0, slots, {
        factor: rnd.pick([2, 0.5]),
        phase: rnd.pick([0, 1, 2]),
        evidence
      })
    }
  }
]

const THEFT: Scenario[] = [
  {
    name: 'spike',
    rules: ['spike', 'swing', 'overload'],
    days: 35,
    grace: 1,
    fits: steady,
    make: (rnd, meter) => {
      const from = at(rnd, 15, 34)
      const level =
        Math.max(3 * usualTop(meter, from), 0.5 * (meter.point.ratedKva ?? 1)) * rnd.between(1, 1.5)
      return fault('spike', from, from + rnd.pick([1, 1, 2, 3]), {
        factor: level / (meter.point.ratedKva ?? 1)
      })
    },
    bound: 'theft'
  },
  {
    name: 'overload',
    rules: ['overload'],
    days: 12,
    grace: 1,
    fits: child,
    make: rnd => {
      const from = at(rnd, 2, 11)
      return fault('overload', from, from + 4, { factor: rnd.between(1.65, 2.5) })
    },
    bound: 'fact'
  },
  {
    name: 'bypass (drop)',
    rules: ['pattern', 'line-loss-trend', 'line-loss'],
    days: 45,
    grace: 0,
    fits: steady,
    make: (rnd, _meter, slots) => fault('drop', at(rnd, 22, 30), slots, { factor: rnd.between(0.3, 0.6) }),
    bound: 'theft'
  },
  {
    name: 'night bypass',
    rules: ['pattern', 'line-loss-trend'],
    days: 45,
    grace: 0,
    fits: steady,
    make: (rnd, _meter, slots) =>
      fault('night-bypass', at(rnd, 22, 30), slots, { factor: rnd.between(0.1, 0.4) }),
    bound: 'theft'
  },
  {
    name: 'slow drift',
    rules: ['pattern', 'line-loss-trend'],
    days: 84,
    grace: 0,
    fits: meter => meter.kind === 'shop' || meter.kind === 'residential',
    make: (rnd, _meter, slots) =>
      fault('drift', at(rnd, 20, 25), slots, { factor: rnd.between(0.007, 0.012) }),
    bound: 'theft'
  },
  {
    name: 'phase bypass',
    rules: ['pattern'],
    days: 40,
    grace: 0,
    fits: three,
    make: (rnd, _meter, slots) =>
      fault('phase-bypass', at(rnd, 20, 28), slots, {
        factor: rnd.between(0.1, 0.5),
        phase: rnd.pick([0, 1, 2])
      }),
    bound: 'theft'
  },
  {
    name: 'phase reversed',
    rules: ['phase-reversed'],
    days: 10,
    grace: 0,
    fits: three,
    make: (rnd, meter, slots) =>
      fault('phase-reversed', at(rnd, 2, 5), slots, {
        phase: rnd.pick([0, 1, 2]),
        evidence: carries(meter) > 0.1
      }),
    bound: 'theft'
  },
  {
    name: 'phases crossed',
    rules: ['phase-swap'],
    days: 10,
    grace: 0,
    fits: three,
    make: (rnd, meter, slots) =>
      fault('phase-swap', at(rnd, 2, 5), slots, { evidence: carries(meter) > 0.1 }),
    bound: 'theft'
  },
  {
    name: 'neutral bypass',
    rules: ['neutral-bypass'],
    days: 10,
    grace: 0,
    fits: meter => meter.single,
    make: (rnd, _meter, slots) =>
      fault('neutral-bypass', at(rnd, 2, 5), slots, { factor: rnd.between(0.3, 0.6) }),
    bound: 'theft'
  },
  {
    name: 'flat line',
    rules: ['flat-line', 'zero-energy'],
    days: 10,
    grace: 0,
    fits: child,
    make: (rnd, _meter, slots) => fault('flat-line', at(rnd, 2, 5), slots),
    bound: 'theft'
  },
  {
    name: 'zero energy',
    rules: ['zero-energy'],
    days: 10,
    grace: 0,
    fits: steady,
    make: (rnd, _meter, slots) => fault('zero-energy', at(rnd, 2, 5), slots),
    bound: 'theft'
  }
]

const FACT: Scenario[] = [
  {
    name: 'register negative',
    rules: ['register'],
    days: 8,
    grace: 1,
    fits: child,
    make: rnd => one(rnd, 'negative', rnd.between(0.05, 500)),
    bound: 'fact'
  },
  {
    name: 'register leap',
    rules: ['physical', 'spike'],
    days: 8,
    grace: 1,
    fits: child,
    make: rnd => one(rnd, 'register-leap', rnd.between(2000, 90000)),
    bound: 'fact'
  },
  {
    name: 'register reset',
    rules: ['register'],
    days: 8,
    grace: 1,
    fits: child,
    make: rnd => one(rnd, 'reset', 1),
    bound: 'fact'
  },
  {
    name: 'meter swap',
    rules: ['register', 'physical'],
    days: 8,
    grace: 2,
    fits: child,
    make: rnd => one(rnd, 'swap', rnd.pick([0.3, 0.6, 40])),
    bound: 'fact'
  },
  {
    name: 'low power factor',
    rules: ['power-factor'],
    days: 8,
    grace: 0,
    fits: meter => meter.kind === 'factory' || meter.kind === 'shop',
    make: (rnd, _m, slots) => fault('power-factor', at(rnd, 2, 4), slots, { factor: rnd.between(0.6, 0.82) }),
    bound: 'fact'
  },
  {
    name: 'phase loss',
    rules: ['phase-loss'],
    days: 8,
    grace: 0,
    fits: three,
    make: (rnd, _m, slots) => fault('phase-loss', at(rnd, 2, 4), slots, { phase: rnd.pick([0, 1, 2]) }),
    bound: 'fact'
  },
  {
    name: 'meter clock',
    rules: ['meter-clock'],
    days: 8,
    grace: 0,
    fits: child,
    make: (rnd, _m, slots) =>
      fault('clock', at(rnd, 2, 4), slots, { factor: Math.round(rnd.between(360, 1800)) }),
    bound: 'fact'
  },
  {
    name: 'no readings',
    rules: ['gap'],
    days: 8,
    grace: 0,
    fits: child,
    make: rnd => {
      const from = at(rnd, 2, 6)
      return fault('gap', from, from + 24)
    },
    bound: 'fact'
  },
  {
    name: 'cover opened',
    rules: ['event-cover'],
    days: 8,
    grace: 1,
    fits: child,
    make: rnd => one(rnd, 'event', 1),
    bound: 'fact'
  },
  {
    name: 'tariff sum',
    rules: ['tariff-sum'],
    days: 8,
    grace: 0,
    fits: child,
    make: (rnd, _m, slots) => fault('tariff-sum', at(rnd, 2, 4), slots, { factor: rnd.between(0.2, 5) }),
    bound: 'fact'
  }
]

function one(rnd: Random, kind: FaultKind, factor: number): Fault {
  const from = at(rnd, 2, 7)
  return fault(kind, from, from + 1, { factor })
}

export const SCENARIOS: readonly Scenario[] = [...RATIO, ...THEFT, ...FACT]
