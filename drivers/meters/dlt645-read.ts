import type { MeterAnswer, MeterPoint, ReadFault, ReadOptions, ReadValue } from '../../agent/ports.ts'
import { catalogueEntry } from '../../proto/dlt645/catalogue.ts'
import { editionOf, parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { findDataItem, usualOctets } from '../../proto/dlt645/data-items.ts'
import { decodeItemValues } from '../../proto/dlt645/item-values.ts'
import { askData } from '../../proto/dlt645/question.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { itemById, itemByKey } from '../../proto/items.ts'
import { readClock } from './dlt645-clock.ts'
import type { Dlt645Context, Visit } from './dlt645-context.ts'
import { type PlanKnowledge, type PlanStep, planReads, splitStep } from './dlt645-plan.ts'
import { type Asked, faultOf } from './dlt645-session.ts'
import { isSameEnergy } from './dlt645-twice.ts'
import { lengthFault, takeRaw, takeUnknown, takeWanted } from './dlt645-values.ts'

const RATIO_ITEMS = ['register-ct-ratio', 'register-pt-ratio'].map(key => itemByKey(key).id)

/** On a doubtful line energy is asked for at most this often. */
const READ_TIMES = 4

/** Silences in a row after which the rest of a visit is not asked. */
const SILENCES_TO_STOP = 2

interface Collected {
  readonly values: ReadValue[]
  readonly faults: ReadFault[]
  energyAtMs: number | null
  lastAtMs: number | null
  answered: boolean
  /** silences since the last answer */
  silences: number
  stopped: boolean
}

/** Reads a meter's items in as few octets as it allows. The first request silent: the rest is not asked. */
export async function readMeter(
  context: Dlt645Context,
  meter: MeterPoint,
  options: ReadOptions
): Promise<MeterAnswer> {
  let answer: MeterAnswer | undefined
  const dialects = [...context.dialects(meter, options)]
  for (let dialect = dialects.shift(); dialect; dialect = dialects.shift()) {
    const visit = context.visit(meter, dialect, options)
    const out = await visitMeter(context, meter, visit, options)
    if (out.answered) context.noteAnswered(meter, visit)
    answer = out.answer
    if (dialect === '2007' && isMisaddressed(visit, out)) {
      // It is there, and calls itself AA: asked with AA in the highest pair its answers are its own.
      dialects.unshift('2007-aa')
      continue
    }
    if (out.answered || !answer.faults.some(fault => fault.kind === 'silent')) return answer
  }
  context.noteSilent(meter)
  return answer ?? { values: [], faults: [], readAtMs: null, meterTimeMs: null, frames: [] }
}

/** All that came so far are answers that name AA. */
function isMisaddressed(visit: Visit, out: { readonly answered: boolean }): boolean {
  return !out.answered && visit.session.answersAsAny
}

async function visitMeter(
  context: Dlt645Context,
  meter: MeterPoint,
  visit: Visit,
  options: ReadOptions
): Promise<{ readonly answer: MeterAnswer; readonly answered: boolean }> {
  const out: Collected = {
    values: [],
    faults: [],
    energyAtMs: null,
    lastAtMs: null,
    answered: false,
    silences: 0,
    stopped: false
  }
  const steps = stepsFor(context, meter, visit, options)
  if (steps.length > 1 && context.bus.probing(`dlt645:${meter.address}`)) shortestFirst(steps)
  for (let step = steps.shift(); step && !out.stopped; step = steps.shift()) {
    steps.unshift(...(await takeStep(context, visit, step, out)))
    out.stopped ||= isMisaddressed(visit, out)
  }
  for (const name of meter.rawItems) if (!out.stopped) await readRaw(context, visit, name, out)
  let meterTimeMs: number | null = null
  const readAtMs = out.energyAtMs ?? out.lastAtMs
  if (options.withClock && !out.stopped) {
    const clock = await readClock(context, visit)
    out.faults.push(...clock.faults)
    if (clock.meterTimeMs !== null) {
      out.answered = true
      meterTimeMs = clock.meterTimeMs + (readAtMs ?? clock.atMs) - clock.atMs
    }
  }
  const { values, faults } = out
  const answer = { values, faults, readAtMs, meterTimeMs, frames: visit.session.frames }
  return { answer, answered: out.answered }
}

function stepsFor(context: Dlt645Context, meter: MeterPoint, visit: Visit, options: ReadOptions): PlanStep[] {
  const { edition, memory } = visit
  const nowMs = context.deps.clock.nowMs()
  const ratio = options.withRatio ? RATIO_ITEMS : []
  const items = [...new Set([...meter.items, ...ratio])].filter(id => catalogueEntry(id, edition))
  return planReads(items, edition, context.table, knowledgeOf(memory, nowMs))
}

function knowledgeOf(memory: Visit['memory'], nowMs: number): PlanKnowledge {
  return {
    isRefused: di => memory.refusal(di, true, nowMs) !== undefined,
    octetsOf: di => memory.octetsOf(di)
  }
}

/** A meter that may be dead is asked the cheapest question first. */
function shortestFirst(steps: PlanStep[]): void {
  const shortest = steps.reduce((a, b) => (b.dataOctets < a.dataOctets ? b : a))
  steps.splice(steps.indexOf(shortest), 1)
  steps.unshift(shortest)
}

/** Reads one step. @returns the steps to take in its place when the meter refuses the block */
async function takeStep(
  context: Dlt645Context,
  visit: Visit,
  step: PlanStep,
  out: Collected
): Promise<PlanStep[]> {
  const { memory } = visit
  const nowMs = context.deps.clock.nowMs()
  const known = step.isBlock ? undefined : memory.refusal(step.di, false, nowMs)
  if (known !== undefined && out.answered) {
    out.faults.push({
      kind: 'refused',
      asked: step.di,
      code: known,
      detail: `the meter answered error word ${known} within the last day and was not asked again`
    })
    return []
  }
  const answer = await askSurely(context, visit, step, out)
  if (answer.kind === 'data') {
    const read = decodeItemValues(context.table, step.di, answer.data)
    if (read.sound) {
      memory.noteGiven(step.di)
      if (step.isBlock && read.match) memory.noteOctets(step.di, answer.data.length, usualOctets(read.match))
      const taken = takeWanted(step.wants, read, context.deps.zone)
      out.values.push(...taken.values)
      out.faults.push(...taken.faults)
      if (step.wants.some(want => itemById(want.item).kind === 'energy')) out.energyAtMs = answer.endAtMs
      return []
    }
    if (!step.isBlock) {
      out.faults.push(lengthFault(step.di, answer.data.length))
      return []
    }
    memory.noteRefused(step.di, 'length', nowMs)
    return splitStep(step, context.table, knowledgeOf(memory, nowMs))
  }
  if (answer.kind === 'refused') {
    if (answer.clean) memory.noteRefused(step.di, answer.word, nowMs)
    if (step.isBlock) return splitStep(step, context.table, knowledgeOf(memory, nowMs))
  }
  if (answer.kind !== 'address') out.faults.push(faultOf(step.di, answer))
  return []
}

/** Asks; energy on a doubtful line is asked for until two answers in a row agree. */
async function askSurely(
  context: Dlt645Context,
  visit: Visit,
  step: PlanStep,
  out: Collected
): Promise<Asked> {
  let answer = await ask(context, visit, step, out)
  if (context.bus.isDoubtful !== true || !step.wants.some(want => itemById(want.item).kind === 'energy'))
    return answer
  for (let times = 2; answer.kind === 'data' && times <= READ_TIMES; times++) {
    const again = await ask(context, visit, step, out)
    if (again.kind !== 'data') return again
    if (isSameEnergy(context.table, step.di, answer.data, again.data)) return again
    answer = again
  }
  if (answer.kind !== 'data') return answer
  return { kind: 'garbage', detail: 'no two answers agree on a line that checks no parity' }
}

async function ask(context: Dlt645Context, visit: Visit, step: PlanStep, out: Collected): Promise<Asked> {
  const { session, memory } = visit
  const options = { table: context.table, expectedData: step.dataOctets }
  // One wake-up octet does for nearly every meter; tried once it has answered, and never again where it does not.
  const trial = out.answered && memory.short === undefined && session.preamble > 1
  const whole = session.preamble
  if (trial) session.preamble = 1
  let answer = await session.ask(askData(visit.address, step.di), options)
  if (trial && answer.kind === 'silent') {
    session.preamble = whole
    answer = await session.ask(askData(visit.address, step.di), options)
    if (answer.kind === 'data' || answer.kind === 'refused') memory.noteShort(false)
  } else if (trial && (answer.kind === 'data' || answer.kind === 'refused')) memory.noteShort(true)
  note(answer, out)
  return answer
}

function note(answer: Asked, out: Collected): void {
  switch (answer.kind) {
    case 'data':
      out.lastAtMs = answer.endAtMs
      out.answered = true
      out.silences = 0
      return
    case 'refused':
    case 'address':
      out.answered = true
      out.silences = 0
      return
    case 'silent':
      out.silences++
      out.stopped = !out.answered || out.silences >= SILENCES_TO_STOP
      return
    case 'garbage':
      return
    case 'skipped':
    case 'busDown':
      out.stopped = true
  }
}

/** Reads 'di:XXXXXXXX' (or four digits in 1997) as it is. */
async function readRaw(context: Dlt645Context, visit: Visit, name: string, out: Collected): Promise<void> {
  if (!name.startsWith('di:')) return
  try {
    const di = parseDataIdentifier(name.slice(3))
    if (editionOf(di) !== visit.edition) {
      out.faults.push({
        kind: 'value',
        asked: name,
        detail: `the meter speaks DL/T 645-${visit.edition}, the identifier is of the other edition`
      })
      return
    }
    const answer = await visit.session.ask(askData(visit.address, di), { table: context.table })
    note(answer, out)
    if (answer.kind !== 'data') {
      if (answer.kind !== 'address') out.faults.push(faultOf(di, answer))
      return
    }
    const read = decodeItemValues(context.table, di, answer.data)
    if (!findDataItem(context.table, di)) {
      out.values.push(takeUnknown(name, di, answer.data))
      return
    }
    if (!read.sound) out.faults.push(lengthFault(di, answer.data.length))
    else {
      const taken = takeRaw(name, di, read)
      out.values.push(...taken.values)
      out.faults.push(...taken.faults)
    }
  } catch (error) {
    if (!isWattproofError(error)) throw error
    out.faults.push({ kind: 'value', asked: name, detail: error.message })
  }
}
