/** Test 10 of peers-features.md C, the change: the daily energy steps at the day the meter or its archive was changed. */
import type { MeterContext } from './context.ts'
import { type Finding, holds, noEvidence, round, violated } from './finding.ts'
import type { DayFeatures } from './pattern-days.ts'
import { sumOf } from './pattern-days.ts'
import { kindOf } from './pattern-profile.ts'
import { isRare, snapFactor } from './ratio-factors.ts'
import { median, spread } from './statistics.ts'

const BEFORE_MIN = 5
const AFTER_MIN = 3
/** Least wander of a day's energy (ln), and how many of it half a step must be to be clear after one day. */
const LEAST_WANDER = 0.06
const CLEAR = 4
/** How far the only two days of a kind may differ to be a usual one. */
const ALIKE = 1.3
/** ln by which a step may miss a named factor and still be it. */
const CLOSE = 0.06

/**
 * After a swap a step by a known factor means that the archive was not brought up to date. After a change of the archive, a step by
 * just that factor means that only the archive changed: the meter went on as before.
 */
export function testChange(c: MeterContext): Finding {
  const { archive } = c.history
  if (archive.day > 0) return testArchiveChange(c)
  const { changedDay } = c.history.ratio
  if (changedDay === 0) return testStep(c)
  const stepped = stepAt(c.history.pattern.days, changedDay)
  if (!stepped) return testStep(c)
  const named =
    Math.abs(Math.log(stepped.ratio)) < 0.35 ? undefined : snapFactor(stepped.ratio, 0.08, c.ct, c.pt)
  const numbers = { ...stepped, ratio: round(stepped.ratio) }
  // half the energy behind an archive that stayed: the archive is half of what is fitted now
  if (!named) return holds('ratio-change', numbers)
  // by just a step of the series, on the day of the exchange, and far beyond what the days do by themselves
  const step = Math.log(named.value)
  const certain =
    !isRare(named.name) &&
    Math.abs(step) > CLEAR * stepped.wander &&
    Math.abs(Math.log(stepped.ratio) - step) < CLOSE + stepped.wander / 2
  return violated('ratio-change', numbers, {
    factor: round(named.value, 6),
    ...(certain ? { cause: 'certain' } : {})
  })
}

/** A step by just a factor that lasts, though nothing of the meter changed. In an area the balance tells, and of a load that came as well. */
function testStep(c: MeterContext): Finding {
  const { step } = c.history.ratio
  if (!step || c.meter.parent) return noEvidence('ratio-change', 'no change of the meter seen')
  const numbers = { ratio: round(step.ratio), wander: round(step.wander), day: step.day }
  return violated('ratio-change', numbers, { factor: round(step.factor, 6), cause: 'certain' })
}

function testArchiveChange(c: MeterContext): Finding {
  const { archive } = c.history
  const step = Math.log(archive.step)
  const stepped = stepAt(c.history.pattern.days, archive.day, Math.abs(step))
  if (!stepped) return noEvidence('ratio-change', 'too few days')
  const numbers = { ...stepped, ratio: round(stepped.ratio), archiveStep: round(archive.step) }
  const moved = Math.log(stepped.ratio)
  if (Math.abs(moved) < Math.min(0.35, Math.abs(step) / 2)) return holds('ratio-change', numbers)
  if (Math.abs(step) < 0.35 || Math.abs(moved - step) > 0.2)
    return { ...noEvidence('ratio-change', 'the load changed'), numbers }
  // an archive that was contradicted before was mended, not broken
  return archive.doubtedBefore
    ? holds('ratio-change', numbers)
    : violated('ratio-change', numbers, { factor: round(archive.step, 6), cause: 'certain' })
}

/**
 * Energy of the days after the day over that of earlier days of the same kind; undefined while there are too few.
 * @param expected ln of a step looked for: fewer days will do where the days before wandered by much less
 */
function stepAt(days: readonly DayFeatures[], day: number, expected = 0) {
  const before = days.filter(one => one.day < day)
  const after = days.filter(one => one.day > day)
  if (before.length < BEFORE_MIN || after.length === 0) return undefined
  const over = (of: readonly DayFeatures[], except: boolean) => {
    const ratios: number[] = []
    for (const one of of) {
      const alike = before
        .filter(other => kindOf(other.day) === kindOf(one.day) && !(except && other === one))
        .map(other => sumOf(other.bands))
      // of two days that differ one was a holiday, and which is not known
      const known =
        alike.length > 2 || (alike.length === 2 && Math.max(...alike) < ALIKE * Math.min(...alike))
      const usual = known ? median(alike) : 0
      if (usual > 0) ratios.push(sumOf(one.bands) / usual)
    }
    return ratios
  }
  const ratios = over(after, false)
  const wander = Math.max(
    LEAST_WANDER,
    spread(
      over(before, true).map(x => Math.log(Math.max(1e-6, x))),
      0
    )
  )
  // half of the step must stand out of what the days do by themselves
  const needed = expected / 2 > CLEAR * wander ? 1 : AFTER_MIN
  return ratios.length < needed
    ? undefined
    : {
        ratio: Math.max(1e-6, median(ratios)),
        wander: round(wander),
        daysAfter: after.length,
        daysBefore: before.length
      }
}

/** Takes CT x PT of the reading into memory. @param day local day of the reading */
export function noteArchive(c: MeterContext, day: number): void {
  const { archive } = c.history
  const k = c.ct * c.pt
  if (archive.k > 0 && Math.abs(Math.log(k / archive.k)) > 0.01) {
    archive.step = k / archive.k
    archive.day = day
    archive.doubtedBefore = archive.doubted
    archive.primaryAmps = 0
  }
  archive.k = k
}
