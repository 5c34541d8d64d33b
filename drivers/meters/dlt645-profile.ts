import type {
  MeterPoint,
  ProfileAnswer,
  ProfileRecord,
  ReadFault,
  ReadOptions,
  ReadValue
} from '../../agent/ports.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import {
  blockOctets,
  blocksPerFrame,
  type ProfileBlock,
  type ProfileClass,
  parseProfileBlocks,
  profileClassOf,
  profileRequest
} from '../../proto/dlt645/load-profile.ts'
import { fromLocalSeconds, localSeconds } from '../../proto/dlt645/local-time.ts'
import { askData } from '../../proto/dlt645/question.ts'
import type { Dlt645Context, Visit } from './dlt645-context.ts'
import { readFreezes } from './dlt645-freeze.ts'
import { faultOf } from './dlt645-session.ts'
import { catalogueValue } from './dlt645-values.ts'

/** Records are expected every 15 minutes until the meter shows otherwise; only the count asked for depends on it. */
const USUAL_INTERVAL_S = 900
/** A frame with damaged blocks is asked for again this often: what was noise comes whole the next time. */
const DAMAGE_TRIES = 5
/** A silent or garbled answer, likewise. */
const LINE_TRIES = 3
/** Most frames of one class in one call: a meter whose time does not move on is left alone. */
const MAX_FRAMES = 400

/** Marks in the memory of refusals that a class of the profile is not there. */
const classMark = (cls: ProfileClass) => parseDataIdentifier(`060${cls}0001`)

/**
 * Reads records with stamps in [fromMs, toMs] from the meter's memory: the load profile; where it has none (or nothing for that time)
 * its hourly freezes, then its daily ones. The record's own stamp decides where it belongs; holes are left as holes.
 */
export async function readProfile(
  context: Dlt645Context,
  meter: MeterPoint,
  fromMs: number,
  toMs: number,
  options: ReadOptions
): Promise<ProfileAnswer> {
  const dialect = context.memory(meter.address).dialect ?? (meter.protocol === 'dlt645' ? '2007' : '1997')
  if (!dialect.startsWith('2007')) {
    // The 1997 edition has no load profile; makers' own ones differ too much to be trusted.
    return { source: 'loadProfile', records: [], status: 'unsupported', faults: [], damagedBlocks: 0 }
  }
  const visit = context.visit(meter, dialect, options)
  const profile = await readLoadProfile(context, visit, meter, fromMs, toMs)
  if (profile.status === 'ok' || profile.status === 'failed') return profile
  const freezes = await readFreezes(context, visit, meter, fromMs, toMs)
  if (freezes.status === 'ok' || freezes.status === 'failed') return freezes
  return profile.status === 'none' || freezes.status === 'none'
    ? { ...profile, status: 'none' }
    : { ...profile, status: 'unsupported' }
}

/** The classes that hold what is wanted; the registers' class always. */
function classesFor(meter: MeterPoint): ProfileClass[] {
  const wanted = new Set(meter.items.map(profileClassOf))
  return ([4, 1, 2, 3, 5, 6] as const).filter(cls => cls === 4 || wanted.has(cls))
}

interface ClassRead {
  readonly blocks: ReadonlyMap<number, ProfileBlock>
  readonly faults: readonly ReadFault[]
  readonly damaged: number
  readonly status: ProfileAnswer['status']
}

async function readLoadProfile(
  context: Dlt645Context,
  visit: Visit,
  meter: MeterPoint,
  fromMs: number,
  toMs: number
): Promise<ProfileAnswer> {
  const from = localSeconds(context.deps.zone.fromUnixMs(fromMs))
  const to = localSeconds(context.deps.zone.fromUnixMs(toMs))
  const faults: ReadFault[] = []
  const byStamp = new Map<number, ReadValue[]>()
  let damagedBlocks = 0
  let status: ProfileAnswer['status'] = 'unsupported'
  for (const cls of classesFor(meter)) {
    const read = await readClass(context, visit, cls, from, to)
    damagedBlocks += read.damaged
    faults.push(...read.faults)
    for (const [stamp, block] of read.blocks) {
      byStamp.set(stamp, [...(byStamp.get(stamp) ?? []), ...valuesOf(context, cls, block, meter, faults)])
    }
    if (cls === 4) status = read.status
    // Without the registers there is no reading; what is not there for them is not looked for elsewhere.
    if (cls === 4 && read.status !== 'ok') break
  }
  const records: ProfileRecord[] = [...byStamp]
    .sort((a, b) => a[0] - b[0])
    .map(([stamp, values]) => ({ stampMs: context.deps.zone.toUnixMs(fromLocalSeconds(stamp)), values }))
  return { source: 'loadProfile', records, status, faults, damagedBlocks }
}

async function readClass(
  context: Dlt645Context,
  visit: Visit,
  cls: ProfileClass,
  from: number,
  to: number
): Promise<ClassRead> {
  const blocks = new Map<number, ProfileBlock>()
  const nowMs = context.deps.clock.nowMs()
  if (visit.memory.refusal(classMark(cls), false, nowMs) !== undefined) {
    return { blocks, faults: [], damaged: 0, status: 'unsupported' }
  }
  // Requests carry minutes: what begins within one is not asked for.
  let next = Math.ceil(from / 60) * 60
  let damaged = 0
  for (let frame = 0; next <= to && frame < MAX_FRAMES; frame++) {
    const read = await readFrame(visit, cls, next, to)
    damaged += read.damaged
    if (read.kind === 'refused') {
      // Refused after records were had means: nothing further.
      if (blocks.size > 0) break
      // Some makers refuse a time behind their newest record with the very word they have for a class they lack.
      if (read.clean && (await hasRecords(visit, cls))) return { blocks, faults: [], damaged, status: 'none' }
      if (read.clean) visit.memory.noteRefused(classMark(cls), read.fault.code ?? '', nowMs)
      return { blocks, faults: [read.fault], damaged, status: 'unsupported' }
    }
    if (read.kind === 'failed') {
      return { blocks, faults: [read.fault], damaged, status: blocks.size > 0 ? 'ok' : 'failed' }
    }
    for (const [stamp, block] of read.blocks) if (stamp >= from && stamp <= to) blocks.set(stamp, block)
    const last = Math.max(...read.blocks.keys())
    if (read.blocks.size === 0 && read.damaged === 0) break
    // Every block of the frame damaged, five times: step over the first of them.
    next = read.blocks.size === 0 ? next + USUAL_INTERVAL_S : Math.max(next, last) + 60
  }
  return { blocks, faults: [], damaged, status: blocks.size > 0 ? 'ok' : 'none' }
}

/** Whether the class holds any record at all. */
async function hasRecords(visit: Visit, cls: ProfileClass): Promise<boolean> {
  const { di, detail } = profileRequest(cls, 1, 'latest')
  const answer = await visit.session.ask(askData(visit.address, di, detail), {
    expectedData: blockOctets(cls)
  })
  return answer.kind === 'data' && parseProfileBlocks(di, answer.data).blocks.length > 0
}

type FrameRead =
  | { readonly kind: 'blocks'; readonly blocks: ReadonlyMap<number, ProfileBlock>; readonly damaged: number }
  | { readonly kind: 'refused'; readonly fault: ReadFault; readonly clean: boolean; readonly damaged: number }
  | { readonly kind: 'failed'; readonly fault: ReadFault; readonly damaged: number }

/** One request, again while blocks come damaged or the line disturbs; blocks of all tries count. */
async function readFrame(visit: Visit, cls: ProfileClass, from: number, to: number): Promise<FrameRead> {
  const due = Math.floor((to - from) / USUAL_INTERVAL_S) + 1
  const count = Math.min(blocksPerFrame(cls), due)
  const blocks = new Map<number, ProfileBlock>()
  let damaged = 0
  let missing = 0
  let failures = 0
  for (let attempt = 1; attempt <= DAMAGE_TRIES; attempt++) {
    const { di, detail } = profileRequest(cls, count, fromLocalSeconds(from))
    const answer = await visit.session.ask(askData(visit.address, di, detail), {
      expectedData: count * blockOctets(cls)
    })
    if (answer.kind === 'refused') {
      return { kind: 'refused', fault: faultOf(di, answer), clean: answer.clean, damaged: missing }
    }
    if (answer.kind !== 'data') {
      failures++
      const fault = answer.kind === 'address' ? undefined : faultOf(di, answer)
      const passing = answer.kind === 'silent' || answer.kind === 'garbage'
      if (fault && (!passing || failures === LINE_TRIES)) return { kind: 'failed', fault, damaged: missing }
      continue
    }
    const read = parseProfileBlocks(di, answer.data)
    for (const block of read.blocks) blocks.set(localSeconds(block.time), block)
    damaged = read.faults.length
    // Seen whole in another try: not lost.
    missing = Math.min(damaged, Math.max(0, read.blocks.length + damaged - blocks.size))
    if (missing === 0) break
  }
  return { kind: 'blocks', blocks, damaged: missing }
}

/** The wanted values of a block. A field with digits above 9 is a fault and no value. */
function valuesOf(
  context: Dlt645Context,
  cls: ProfileClass,
  block: ProfileBlock,
  meter: MeterPoint,
  faults: ReadFault[]
): ReadValue[] {
  const di = classMark(cls)
  const out: ReadValue[] = []
  for (const { item, value, raw } of block.values) {
    if (!meter.items.includes(item)) continue
    if (value.kind === 'invalid') {
      faults.push({ kind: 'value', asked: di, detail: `not decimal digits: ${value.text}` })
    } else out.push(catalogueValue(item, di, value, raw, context.deps.zone))
  }
  return out
}
