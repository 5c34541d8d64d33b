import { formatScaled } from '../decimal.ts'
import { BYTE_ORDERS, type ByteOrder } from './byte-order.ts'
import { readItem, readLoose, spansOf } from './item-value.ts'
import { CHECKED_ITEMS, checkPlausibility, type PlausibilityCheck } from './plausibility.ts'
import type { MeterProfile, ProfileMark, ProfileRegister } from './profile.ts'
import type { RegisterSpan } from './read-plan.ts'
import type { RegisterImage } from './register-image.ts'

/** A live meter's registers read in one order. */
export interface OrderTrial {
  readonly order: ByteOrder
  readonly plausible: number
  /** values that said something either way */
  readonly judged: number
  readonly values: readonly {
    readonly item: string
    /** decimal text; null when the meter has none or the octets are no value */
    readonly value: string | null
    readonly plausible: boolean | null
  }[]
  /** what speaks for or against it */
  readonly why: string
}

/** How well a profile fits a live meter. */
export interface ProfileVerdict {
  readonly profile: string
  /** the profile's own order */
  readonly order: ByteOrder
  /** the order in which every value is plausible, the profile's own before others; null when none is */
  readonly fits: ByteOrder | null
  /** true when the profile fits as it is: its own order, and none of its marks contradicted */
  readonly holds: boolean
  readonly trials: readonly OrderTrial[]
  readonly marks: readonly {
    readonly about: string
    readonly value: string | null
    readonly holds: boolean
  }[]
  readonly why: string
}

/** The spans a judgement needs. */
export function spansForJudgement(profile: MeterProfile): RegisterSpan[] {
  return [...judgedRegisters(profile).flatMap(spansOf), ...profile.marks.map(mark => mark.span)]
}

/** Reads what a live meter holds by the profile, in all four orders, and says which of them can be true and why. */
export function judgeProfile(profile: MeterProfile, image: RegisterImage): ProfileVerdict {
  const registers = judgedRegisters(profile)
  const trials = BYTE_ORDERS.map(order => tryOrder(registers, image, order, profile.order))
  const fitting = trials.filter(isFit).map(trial => trial.order)
  const fits = fitting.includes(profile.order)
    ? profile.order
    : fitting.length === 1
      ? (fitting[0] as ByteOrder)
      : null
  const marks = profile.marks.flatMap(mark => judgeMark(mark, image) ?? [])
  const contradicted = marks.find(mark => !mark.holds)
  const own = trials.find(trial => trial.order === profile.order) as OrderTrial
  const chosen = trials.find(trial => trial.order === fits)
  const why =
    chosen === undefined
      ? `no order fits: ${own.why}`
      : contradicted
        ? `${chosen.why}; but ${contradicted.about} is contradicted by ${contradicted.value}`
        : chosen.why
  return {
    profile: profile.name,
    order: profile.order,
    fits,
    holds: fits === profile.order && contradicted === undefined,
    trials,
    marks,
    why
  }
}

/** Verdicts of several profiles on one meter, best first: those that hold, then by how many values speak for them. */
export function rankVerdicts(verdicts: readonly ProfileVerdict[]): ProfileVerdict[] {
  const score = (verdict: ProfileVerdict): number => {
    const trial = verdict.trials.find(entry => entry.order === (verdict.fits ?? verdict.order))
    const marks = verdict.marks.filter(mark => mark.holds).length
    return (verdict.holds ? 1000 : verdict.fits === null ? 0 : 500) + (trial?.plausible ?? 0) + marks
  }
  return [...verdicts].sort((a, b) => score(b) - score(a))
}

function judgedRegisters(profile: MeterProfile): ProfileRegister[] {
  return profile.registers.filter(register => CHECKED_ITEMS.includes(register.item.key))
}

/** Something must speak for it, nothing against it. */
function isFit(trial: OrderTrial): boolean {
  return trial.judged > 0 && trial.plausible === trial.judged
}

function tryOrder(
  registers: readonly ProfileRegister[],
  image: RegisterImage,
  order: ByteOrder,
  own: ByteOrder
): OrderTrial {
  const numbers = new Map<string, number>()
  const texts = new Map<string, string | null>()
  const broken: PlausibilityCheck[] = []
  for (const register of registers) {
    // a register with an order of its own keeps it while the others are as the profile says
    const tried = order === own ? register : { ...register, spec: { ...register.spec, order } }
    const { key, exponent } = register.item
    const read = readItem(tried, image)
    if (read.kind === 'unread') continue
    texts.set(key, read.kind === 'value' ? formatScaled(read.value, exponent) : null)
    if (read.kind === 'value') numbers.set(key, looseValue(tried, image) ?? read.value * 10 ** exponent)
    else if (read.kind === 'invalid')
      broken.push({ item: key, plausible: false, why: `${key}: ${read.reason}` })
  }
  const checks = [...broken, ...checkPlausibility(numbers)]
  const judged = checks.filter(check => check.plausible !== null)
  const against = judged.filter(check => !check.plausible)
  const shown = (against.length > 0 ? against : judged).slice(0, 4).map(check => check.why)
  return {
    order,
    plausible: judged.length - against.length,
    judged: judged.length,
    values: [...texts].map(([item, value]) => ({
      item,
      value,
      plausible: checks.find(check => check.item === item)?.plausible ?? null
    })),
    why: `${order}: ${shown.length === 0 ? 'nothing can be said' : shown.join(', ')}`
  }
}

/** The value before it is rounded to the catalogue: a float of 1e-40 must not pass for 0. */
function looseValue(register: ProfileRegister, image: RegisterImage): number | undefined {
  if (register.scaleBy || register.signBy) return undefined
  const value = readLoose(register, image)
  return typeof value === 'number' ? value : undefined
}

function judgeMark(mark: ProfileMark, image: RegisterImage): ProfileVerdict['marks'][number] | undefined {
  const value = readLoose(mark, image)
  if (value === undefined) return undefined
  const holds =
    typeof value === 'string'
      ? mark.text === undefined || value.includes(mark.text)
      : value >= (mark.min ?? Number.NEGATIVE_INFINITY) && value <= (mark.max ?? Number.POSITIVE_INFINITY)
  return { about: mark.about, value: String(value), holds }
}
