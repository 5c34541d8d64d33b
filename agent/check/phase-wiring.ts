/** Phases against each other: reversed current transformers, crossed phases, and a single-phase meter that is bypassed. */
import type { MeterContext } from './context.ts'
import { type Finding, holds, judge, noEvidence, round, violated } from './finding.ts'
import { amps, ID, totalPower } from './item-values.ts'

const COS_120 = (2 * Math.PI) / 3

/** Power over U x I of each phase, signed; undefined unless all three carry enough current. */
function cosines(c: MeterContext, floorAmps: number): number[] | undefined {
  if (c.wiring !== 'three' || !c.live) return undefined
  const u = c.volts
  const i = c.amps
  const p = c.phaseKw
  const pf = c.phasePf
  const out: number[] = []
  for (let n = 0; n < 3; n++) {
    const current = Math.abs(i[n] ?? 0)
    if (current < floorAmps) return undefined
    const power = p[n]
    if (power !== null && power !== undefined && u[n]) out.push((power * 1000) / ((u[n] as number) * current))
    else if (pf[n] !== null && pf[n] !== undefined) out.push(pf[n] as number)
    else return undefined
  }
  return out.every(x => Math.abs(x) <= 1.2) ? out : undefined
}

/** Share by which power over apparent power may miss what one phase flowing back would leave of it. */
const NEAR = 0.05
/** Above this share nothing flows back. */
const WHOLE = 0.75
const BACKWARD_SLOTS = 8
/** of a load nobody gave a factor for; a day must show it then */
const USUAL_FACTOR = 0.92

/**
 * The phase whose transformer seems reversed where phase powers are not read: it takes its own part away from the sum twice.
 * @returns undefined where the powers agree, or disagree in another way
 */
export function backwardPhase(
  c: MeterContext
): { readonly phase: string; readonly share: number } | undefined {
  const p = totalPower(c.values)
  const { amps: i, volts: u } = c
  // where the meter gives no factor, the one the load had in the hours before stands for it, or what loads usually have
  const pf = c.powerFactor ?? c.history.factor ?? USUAL_FACTOR
  const near = c.powerFactor === undefined && c.history.factor === null ? 2 * NEAR : NEAR
  if (p === undefined || pf === 0 || c.wiring !== 'three' || !c.live) return undefined
  if (c.phaseKw.some(x => x !== null)) return undefined
  const apparent = i.map((x, n) => (Math.abs(x ?? 0) * (u[n] ?? 0)) / 1000)
  const sum = apparent.reduce((a, b) => a + b, 0)
  if (sum <= 0 || apparent.some(one => one <= 0.05 * sum)) return undefined
  const share = Math.abs(p) / (sum * Math.abs(pf))
  if (share > WHOLE) return undefined
  const misses = apparent.map(one => Math.abs(share - Math.abs(1 - (2 * one) / sum)))
  const least = Math.min(...misses)
  return least < near ? { phase: 'ABC'[misses.indexOf(least)] as string, share } : undefined
}

/** Rule phase-reversed by the sum of the phases alone. */
function checkBackward(c: MeterContext): Finding {
  const backward = backwardPhase(c)
  if (!backward) return noEvidence('phase-reversed', 'no phase power')
  // generation on one phase looks the same by day
  const guessed = c.powerFactor === undefined && c.history.factor === null
  const needed = c.history.exports || guessed ? 24 / c.slotHours : BACKWARD_SLOTS
  if (c.history.backwardSlots < needed) return noEvidence('phase-reversed', 'may be generation')
  const numbers = { powerShare: round(backward.share, 3), phases: backward.phase }
  return violated('phase-reversed', numbers, { flag: 'phase', cause: 'reversed' })
}

/** Rules phase-reversed, phase-swap and neutral-bypass. */
export function checkWiring(c: MeterContext): Finding[] {
  const out: Finding[] = []
  if (c.wiring === 'single') out.push(checkNeutral(c))
  const full = c.ct > 1 ? c.ctSecondary : 5
  const cos = cosines(c, c.limits.get('phase-reversed', 'floor') * full)
  if (!cos) return [...out, checkBackward(c), noEvidence('phase-swap', 'no phase power')]
  const numbers = () => ({
    cosA: round(cos[0] as number, 3),
    cosB: round(cos[1] as number, 3),
    cosC: round(cos[2] as number, 3)
  })
  const crossed = crossedPair(cos)
  if (crossed)
    return [
      ...out,
      violated('phase-swap', { ...numbers(), phases: crossed }, { flag: 'phase', cause: 'swapped' })
    ]
  out.push(holds('phase-swap'))
  const backward = cos.map((x, n) => (x < -0.3 ? 'ABC'[n] : '')).join('')
  if (backward === '' || backward.length === 3) out.push(holds('phase-reversed'))
  else {
    // generation on one phase looks the same by day: where the meter exports, it must last through a night
    const needed = c.history.exports ? 24 / c.slotHours : 0
    const finding =
      c.history.backwardSlots < needed
        ? noEvidence('phase-reversed', 'may be generation')
        : violated('phase-reversed', { ...numbers(), phases: backward }, { flag: 'phase', cause: 'reversed' })
    out.push(finding)
  }
  return out
}

/** Counts slots with a phase backwards, for the next reading. */
export function noteWiring(c: MeterContext): void {
  if (c.step.kind === 'step' && (c.step.export ?? 0) > 0) c.history.exports = true
  const cos = cosines(c, c.limits.get('phase-reversed', 'floor') * (c.ct > 1 ? c.ctSecondary : 5))
  const isBackward = cos ? cos.some(x => x < -0.3) : backwardPhase(c) !== undefined
  if (cos || totalPower(c.values) !== undefined)
    c.history.backwardSlots = isBackward ? c.history.backwardSlots + 1 : 0
}

/** Two phases crossed: one keeps cos phi, the others show cos(phi +- 120 degrees). */
function crossedPair(cos: readonly number[]): string | undefined {
  for (let n = 0; n < 3; n++) {
    const right = cos[n] as number
    if (right < 0.4) continue
    const phi = Math.acos(Math.min(1, right))
    const a = cos[(n + 1) % 3] as number
    const b = cos[(n + 2) % 3] as number
    for (const lag of [phi, -phi]) {
      const first = Math.cos(lag + COS_120)
      const second = Math.cos(lag - COS_120)
      const off = Math.min(
        Math.max(Math.abs(a - first), Math.abs(b - second)),
        Math.max(Math.abs(a - second), Math.abs(b - first))
      )
      if (off < 0.2) return 'ABC'.replace('ABC'[n] as string, '')
    }
  }
  return undefined
}

/** What goes out on the phase must come back on the neutral of a single-phase meter. */
function checkNeutral(c: MeterContext): Finding {
  const phase = amps(c.values, ID.current[0])
  const neutral = amps(c.values, ID.neutral)
  if (phase === undefined || neutral === undefined || !c.live)
    return noEvidence('neutral-bypass', 'no neutral current')
  const most = Math.max(Math.abs(phase), Math.abs(neutral))
  if (most < c.limits.get('neutral-bypass', 'floor')) return noEvidence('neutral-bypass', 'current too low')
  const share = Math.abs(Math.abs(phase) - Math.abs(neutral)) / most
  const level = share / c.limits.get('neutral-bypass', 'share')
  const numbers = () => ({
    phaseAmps: round(phase),
    neutralAmps: round(neutral),
    percent: round(100 * share)
  })
  return judge('neutral-bypass', level, numbers, { flag: 'phase', cause: 'bypass' })
}
