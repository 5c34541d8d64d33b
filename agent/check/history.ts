import { decodePattern, emptyPattern, encodePattern, type PatternState } from './pattern-state.ts'

/** What the checks remember of one meter: at most 4 KiB as text, no raw history. */

/** 'single': one phase; 'three': three elements on phase voltages; 'two': two elements on line voltages (no B) */
export type Wiring = 'single' | 'three' | 'two' | 'unknown'

export interface MeterHistory {
  /** Slot of the last reading whose registers were believed; -1 before the first. */
  lastSlot: number
  /** Registers at the end of lastSlot, 0.001 kWh. */
  registers: Record<number, number>
  /** Slot of the last reading that had a reactive register; -1 before the first. They may be read less often. */
  reactiveSlot: number
  /** How the meter is wired by the last reading that had voltages. */
  wiring: Wiring
  /** Registers that did not follow from those, waiting for the next reading. */
  doubt: { slot: number; moved: number; registers: Record<number, number> } | null
  /** Leaps in a row: more than one is no bad value but a register on another side. */
  leaps: number
  /** Resolution of the registers in 0.001 kWh, learned: 1000 until an increment shows finer. */
  resolution: number
  /** Event counters as last seen. */
  counters: Record<number, number>
  /** Load of the last slot, primary kW (registers) or kVA (moment); null before the first. */
  load: number | null
  /** power factor under load, mean of the last hours; null before the first */
  factor: number | null
  /** |kW| of the moment, meter's side, at the last live reading */
  power: number | null
  /** Meter clock minus ours at the last live reading, s */
  drift: number | null
  /** the meter's own stamp then, s from the slot's end */
  stamp: number | null
  still: StillState
  level: LevelState
  /** Highest load that was no finding, decaying slowly; 0 before the first. */
  peak: number
  /** The export register has moved: there is generation. */
  exports: boolean
  /** power integral since the registers last moved, 0.001 kWh on the meter's side */
  unmet: number
  /** energy flowed back in the last slot */
  fedBack: boolean
  /** rises of swing's size lately, decaying: what starts and stops like that by itself */
  rises: number
  /** the largest swing lately, load after over before less one, decaying slowly */
  mostSwing: number
  /** Voltage this meter has where it is on the ladder of system voltages, meter's side, V: running mean; 0 before the first, or under another PT */
  usualVolts: number
  /** Slots in a row with a phase backwards. */
  backwardSlots: number
  /** Readings with values so far. */
  seen: number
  day: DayState
  /** Last values of the ratio tests, as logarithms. */
  ratio: RatioState
  archive: ArchiveState
  pattern: PatternState
}

/** What the archive said lately: CT x PT, and its last change. */
export interface ArchiveState {
  /** CT x PT of the last reading; 0 before the first */
  k: number
  /** CT x PT after over before its last change, and the local day of that; 1 and 0 while none was seen */
  step: number
  day: number
  /** a test contradicted the ratio at the last reading, and before the last change */
  doubted: boolean
  doubtedBefore: boolean
  /** readings, at most 12, with a current above what the secondary side carries; those over 8 are forgotten in days */
  primaryAmps: number
}

/** The day so far, for the sum check and the read-success rate. */
export interface DayState {
  /** day number, local */
  number: number
  /** registers at the start, sum of increments since, 0.001 kWh */
  start: number
  sum: number
  /** a rollover, swap or reset fell into the day */
  broken: boolean
}

/** For values that stand still. */
export interface StillState {
  /** a number made of the moving digits, and of the voltages alone; -1 before the first */
  digits: number
  volts: number
  /** readings in a row with the same digits */
  slots: number
  /** pairs of unlike readings, and those whose voltage moved */
  pairs: number
  moved: number
  /** increments in a row that were alike, the least and the most of them, and the longest such run lately */
  load: number
  increment: number
  most: number
  longestLoad: number
}

/** ln of each phase's current over the other two. */
export interface PhaseState {
  /** slots at load, since the last change; a reading stands for those before it that had no currents, up to an hour */
  n: number
  /** slot of the last reading with currents; not kept over a restart */
  at?: number | undefined
  /** running mean and variance */
  mean: number[]
  var: number[]
  /** running middle value, middle distance from it, and share of the slots near it */
  middle?: number[]
  off?: number[]
  inside?: number
  /** slots far from the middle as it was: their count, what is left of it after slots that were not, and their sum */
  run?: { usual: number[]; bounds: number[]; n: number; left: number; sum: number[] }
  /** the last time the phases came to another level: the level before, and that right after */
  change?: { before: number[]; after: number[] }
  /** sum of the currents, A: readings, running mean of its square, and mean and variance of its logarithm at load */
  load?: { n: number; square: number; mean: number; var: number }
  /** how each ln moves with the ln of that sum: their covariance where most slots lie */
  tilt?: number[]
  /** a phase that has had no current yet, and the slots at load that show it; absent where all carry */
  gone?: { p: number; n: number }
}

/** Learned: how increments follow the power; and the run of like increments that is on. Energies in 0.001 kWh, meter's side. */
export interface LevelState {
  /** slots in a row whose increment was alike, and the increment of the first */
  run: number
  size: number
  /** increments less power integral, summed over the run, and the variance that chance would give it */
  lead: number
  variance: number
  /** the most by which |lead| passed what chance, resolution and the meter's class explain; over the run */
  excess: number
  /** usual |increment - integral| as a share of the larger */
  miss: number
  /** decaying sums of increments and integrals: their ratio is 1 unless the two are on different sides */
  energy: number
  integral: number
  /** slots learned from, at most 96 */
  seen: number
}

/** A lasting step of the load by just a factor. */
export interface LevelStep {
  /** first whole day after it */
  readonly day: number
  /** what is recorded over what was, and the named factor that is */
  readonly ratio: number
  readonly factor: number
  /** wander of the days before (ln) */
  readonly wander: number
  /** kWh of a high day after it, to see it end */
  readonly kwh: number
}

export interface RatioState {
  /** ln of P / sum(U I PF), newest last, at most 24 */
  identity: number[]
  /** median phase or line voltage on the meter's side, newest last, at most 24 */
  voltage: number[]
  /** highest phase current on the meter's side, newest last, at most 24 */
  amps: number[]
  /** medians of the rings, and the spread of identity: worked out now and then */
  middles: { identity: number; identitySpread: number; voltage: number; amps: number }
  /** sums for energy against power: e, p, ee, pp, ep, n (0.001 kWh) */
  energy: number[]
  /** the same lately, for a change: e, p, pp of about eight slots; absent until they begin */
  recent?: number[]
  /** slots by load over rated load, half-octave bins */
  loads: number[]
  phases: PhaseState
  /** local day of the last swap or programming; 0 = none seen */
  changedDay: number
  /** local days with an outage lately; absent until there is one */
  outages?: number[]
  /** a lasting step of the load by just a factor; absent where there is none */
  step?: LevelStep
  /** CT and PT registers as last read, 0 = never */
  ctRegister: number
  ptRegister: number
  /** constant, programming count and registers in one text: the fingerprint */
  fingerprint: string
  version: number
}

export function emptyHistory(): MeterHistory {
  return {
    lastSlot: -1,
    registers: {},
    reactiveSlot: -1,
    wiring: 'unknown',
    doubt: null,
    leaps: 0,
    resolution: 1000,
    counters: {},
    load: null,
    factor: null,
    power: null,
    drift: null,
    stamp: null,
    still: {
      digits: -1,
      volts: -1,
      slots: 0,
      pairs: 0,
      moved: 0,
      load: 0,
      increment: 0,
      most: 0,
      longestLoad: 0
    },
    level: {
      run: 0,
      size: -1,
      lead: 0,
      variance: 0,
      excess: 0,
      miss: 0,
      energy: 0,
      integral: 0,
      seen: 0
    },
    peak: 0,
    exports: false,
    unmet: 0,
    fedBack: false,
    rises: 0,
    mostSwing: 0,
    usualVolts: 0,
    backwardSlots: 0,
    seen: 0,
    day: { number: -1, start: 0, sum: 0, broken: false },
    ratio: {
      identity: [],
      voltage: [],
      amps: [],
      middles: { identity: 0, identitySpread: 0, voltage: 0, amps: 0 },
      energy: [0, 0, 0, 0, 0, 0],
      loads: [],
      phases: { n: 0, mean: [0, 0, 0], var: [0, 0, 0] },
      changedDay: 0,
      ctRegister: 0,
      ptRegister: 0,
      fingerprint: '',
      version: 0
    },
    archive: { k: 0, step: 1, day: 0, doubted: false, doubtedBefore: false, primaryAmps: 0 },
    pattern: emptyPattern()
  }
}

/** Version of the text form; another version is forgotten, not guessed at. */
const FORM = 2
/** Significant digits kept of what is measured or learned: more than any rule looks at. */
const PRECISION = 4

/** Each part of an empty history as text. */
const EMPTY = new Map(Object.entries(emptyHistory()).map(([key, value]) => [key, JSON.stringify(value)]))

/** The last values of a rule are kept in whole steps of this. */
const STEPS = { identity: 1e-4, voltage: 1e-2, amps: 1e-3 } as const

function inSteps(ratio: RatioState, into: (value: number, step: number) => number): RatioState {
  const of = (name: keyof typeof STEPS) => ratio[name].map(value => into(value, STEPS[name]))
  return { ...ratio, identity: of('identity'), voltage: of('voltage'), amps: of('amps') }
}

/** The history as text, at most 4 KiB. What is as in an empty history is left out. */
export function encodeHistory(history: MeterHistory): string {
  const { pattern, ...others } = history
  const steps = inSteps(others.ratio, (value, step) => Math.round(value / step))
  const rest = { ...others, ratio: { ...steps, phases: { ...steps.phases, at: undefined } } }
  const isAsEmpty = (key: string, value: unknown) => JSON.stringify(value) === EMPTY.get(key)
  const kept = Object.fromEntries(Object.entries(rest).filter(([key, value]) => !isAsEmpty(key, value)))
  const short = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(PRECISION)) : value
  return JSON.stringify([FORM, kept, encodePattern(pattern)], short)
}

/** The history of a text, or an empty one when it is damaged or of another form: state that is cheap to lose. */
export function decodeHistory(text: string | undefined): MeterHistory {
  if (text === undefined) return emptyHistory()
  try {
    const parsed: unknown = JSON.parse(text)
    if (!Array.isArray(parsed) || parsed[0] !== FORM) return emptyHistory()
    // what this version keeps and the one that wrote it did not begins empty
    const kept = { ...emptyHistory(), ...(parsed[1] as Omit<MeterHistory, 'pattern'>) }
    const ratio = inSteps(kept.ratio, (value, step) => Math.round(value) * step)
    return { ...kept, ratio, pattern: decodePattern(parsed[2]) }
  } catch {
    return emptyHistory()
  }
}
