import type {
  Clock,
  Log,
  MeterAnswer,
  MeterBus,
  MeterPoint,
  Priority,
  ReadFault,
  ReadOptions
} from '../ports.ts'

export interface SweepOptions {
  readonly priority: Priority
  /** clock.monotonicMs() after which no further meter is begun */
  readonly deadlineMs: number
  readonly signal?: AbortSignal
  /** whose clocks are read too */
  readonly withClock?: (meter: MeterPoint) => boolean
  readonly withRatio?: boolean
  /** where the answers are kept; what is in it when the sweep is cut short was read */
  readonly answers?: Map<string, MeterAnswer>
  /** called after the first visit of each meter, and again when a later pass brought more */
  readonly onAnswer?: (meter: MeterPoint, answer: MeterAnswer) => void
}

/** Passes over one bus at the most: the first, one second chance for all, two more for meters known to be there. */
const MAX_PASSES = 4
/**
 * A breaker leaves a meter that is there alone for two seconds at first, or until it is heard late. Where all that is missing waits
 * for that, so does the sweep, looking again this often.
 */
const BREATH_MS = 450
const MAX_BREATHS = 5

/**
 * Visits every meter of one bus once, then gives those that missed something a second chance at the end, while the window lasts.
 * A silent meter costs one request a pass; what was read is never thrown away.
 */
export async function sweepBus(
  bus: MeterBus,
  meters: readonly MeterPoint[],
  host: { readonly clock: Clock; readonly log: Log },
  options: SweepOptions
): Promise<Map<string, MeterAnswer>> {
  const answers = options.answers ?? new Map<string, MeterAnswer>()
  let todo: readonly MeterPoint[] = meters
  let breaths = 0
  for (let pass = 1; pass <= MAX_PASSES && todo.length > 0; pass++) {
    for (const meter of todo) {
      options.signal?.throwIfAborted()
      const before = answers.get(meter.id)
      if (host.clock.monotonicMs() >= options.deadlineMs) {
        if (!before) answers.set(meter.id, noTime())
        continue
      }
      const answer = await bus.readMeter(remainder(meter, before), readOptions(options, meter, before))
      const merged = before ? mergeAnswers(before, answer) : answer
      answers.set(meter.id, merged)
      options.onAnswer?.(meter, merged)
    }
    todo = todo.filter(meter => deservesAnother(answers.get(meter.id), pass))
    if (todo.length === 0 || !todo.every(meter => isSkipped(answers.get(meter.id)))) continue
    if (breaths++ === MAX_BREATHS || host.clock.monotonicMs() + BREATH_MS >= options.deadlineMs) break
    await host.clock.wait(BREATH_MS, options.signal)
    pass--
  }
  const missed = [...answers.values()].filter(answer => answer.faults.length > 0).length
  if (missed > 0) host.log.debug('sweep-incomplete', { bus: bus.name, meters: meters.length, missed })
  return answers
}

function readOptions(options: SweepOptions, meter: MeterPoint, before: MeterAnswer | undefined): ReadOptions {
  return {
    priority: options.priority,
    ...(options.signal ? { signal: options.signal } : {}),
    withClock: (options.withClock?.(meter) ?? false) && before?.meterTimeMs == null,
    withRatio: (options.withRatio ?? false) && before === undefined
  }
}

/** Silence and garbage may pass; an error answer or a dead port will not within this sweep, nor a breaker but of a meter that is there. */
function deservesAnother(answer: MeterAnswer | undefined, pass: number): boolean {
  if (!answer) return false
  const isSilenced = isSkipped(answer) && answer.values.length > 0
  const retryable =
    isSilenced || answer.faults.some(fault => fault.kind === 'silent' || fault.kind === 'garbage')
  const hopeless = answer.faults.some(fault => fault.kind === 'busDown') || (isSkipped(answer) && !isSilenced)
  const isThere =
    answer.values.length > 0 ||
    answer.faults.some(fault => fault.kind === 'garbage' || fault.kind === 'refused')
  return retryable && !hopeless && (pass === 1 || isThere)
}

function isSkipped(answer: MeterAnswer | undefined): boolean {
  return answer?.faults.some(fault => fault.kind === 'skipped') ?? false
}

/** The meter with only what is still wanted of it. */
function remainder(meter: MeterPoint, before: MeterAnswer | undefined): MeterPoint {
  if (!before) return meter
  const had = new Set(before.values.flatMap(value => (value.item === null ? [] : [value.item])))
  const raw = new Set(before.values.flatMap(value => (value.item === null ? [value.key] : [])))
  return {
    ...meter,
    items: meter.items.filter(id => !had.has(id)),
    rawItems: meter.rawItems.filter(name => !raw.has(name))
  }
}

/** Both visits as one: values add up, faults are those that remain after the later one. */
export function mergeAnswers(before: MeterAnswer, after: MeterAnswer): MeterAnswer {
  const settled = before.faults.filter(fault => fault.kind === 'refused' || fault.kind === 'value')
  const asked = new Set(after.faults.map(fault => fault.asked))
  return {
    values: [...before.values, ...after.values],
    faults: [...settled.filter(fault => !asked.has(fault.asked)), ...after.faults],
    readAtMs: after.readAtMs ?? before.readAtMs,
    meterTimeMs: after.meterTimeMs ?? before.meterTimeMs,
    frames: [...before.frames, ...after.frames]
  }
}

function noTime(): MeterAnswer {
  const fault: ReadFault = { kind: 'noTime', asked: '', detail: "the sweep ended before this meter's turn" }
  return { values: [], faults: [fault], readAtMs: null, meterTimeMs: null, frames: [] }
}
