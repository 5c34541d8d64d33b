/** The text of a replay file: readings in the form of `readings --json`, and what it may say of the meters beside them. */
import { CodecError } from '../../proto/errors.ts'
import type { Reading } from '../../proto/reading.ts'
import { readingFromJson } from '../../proto/reading-json.ts'
import type { TransformerRatio } from '../ports.ts'
import { type SlotTiming, slotTiming } from './replay-slots.ts'

/** Metadata that a file may carry beside its readings, by the names of the configuration. */
export interface GivenMeter {
  ratedKva?: number
  ct?: TransformerRatio
  pt?: TransformerRatio
  parent?: string
  bus?: string
}

export interface ReplayInput {
  readonly readings: Reading[]
  readonly given: Map<string, GivenMeter>
  readonly timing: SlotTiming
}

/** A reading, meter, list or wrapper as parsed, and where in the text it stands. */
interface Entry {
  /** undefined where the text is no JSON */
  readonly raw: unknown
  readonly at: string
}

/** readings that tell how long a slot is: some days of a large site, a year of one meter */
const TIMING_SAMPLE = 20_000

/**
 * Reads the text of a replay file: JSON Lines, an array, or {"meters": [...], "readings": [...]}. A line or element may be a reading,
 * a meter as the configuration has it (no slot), or again a list or a wrapper.
 * @param given text, or its octets in UTF-8: a text of more than 512 MiB cannot be one string
 * @param slotSeconds length of a slot; found out from the readings where it is not given
 * @throws CodecError CODEC_SHAPE naming the line or element that is none of these
 */
export function parseReplay(given: string | Uint8Array, slotSeconds?: number): ReplayInput {
  const octets =
    typeof given === 'string' ? Buffer.from(given) : Buffer.from(given.buffer, given.byteOffset, given.length)
  // editors of another system put a mark before the text
  const start = octets.subarray(0, 3).toString() === '\uFEFF' ? 3 : 0
  const whole = parseWhole(octets, start)
  const entries = () => (whole === undefined ? linesOf(octets, start) : spread({ raw: whole, at: '' }))
  const timing = slotTiming(sampleOf(entries()), slotSeconds)
  const out: ReplayInput = { readings: [], given: new Map(), timing }
  for (const entry of entries()) take(entry, out)
  return out
}

const NEW_LINE = 10
/** octets that are safely one string */
const ONE_STRING = 0x1fff_0000

/** The document where it is one over several lines, or a single line; undefined where every line speaks for itself. */
function parseWhole(octets: Buffer, start: number): unknown {
  const stop = octets.indexOf(NEW_LINE, start)
  const isSingle = stop < 0 || octets.subarray(stop).toString('latin1', 0, 100).trim() === ''
  if (!isSingle && tryParse(octets.toString('utf8', start, stop)) !== undefined) return undefined
  return octets.length - start <= ONE_STRING ? tryParse(octets.toString('utf8', start)) : undefined
}

function* linesOf(octets: Buffer, from: number): Generator<Entry> {
  let n = 0
  for (let start = from; start < octets.length; ) {
    const found = octets.indexOf(NEW_LINE, start)
    const stop = found < 0 ? octets.length : found
    const line = octets.toString('utf8', start, stop)
    start = stop + 1
    n++
    if (line.trim() === '') continue
    yield* spread({ raw: tryParse(line), at: `line ${n}` })
  }
}

/** Lists and wrappers taken apart, to readings and meters. */
function* spread(entry: Entry): Generator<Entry> {
  const within = (name: string) => (entry.at === '' ? name : `${entry.at}, ${name}`)
  if (Array.isArray(entry.raw)) {
    for (const [n, raw] of entry.raw.entries()) yield* spread({ raw, at: within(`element ${n}`) })
    return
  }
  const raw = asObject(entry.raw)
  if (!raw || !('readings' in raw || 'meters' in raw)) {
    yield entry
    return
  }
  yield { raw: { meters: raw['meters'] }, at: entry.at }
  if (Array.isArray(raw['readings']))
    for (const [n, one] of raw['readings'].entries()) yield* spread({ raw: one, at: within(`readings.${n}`) })
}

function* sampleOf(entries: Iterable<Entry>): Generator<Readonly<Record<string, unknown>>> {
  let left = TIMING_SAMPLE
  for (const { raw } of entries) {
    const one = asObject(raw)
    if (one && ('slot' in one || 'slotStart' in one)) yield one
    if (--left === 0) return
  }
}

function take({ raw: entry, at }: Entry, out: ReplayInput): void {
  if (entry === undefined)
    throw new CodecError('CODEC_SHAPE', 'not JSON', { at, next: 'give one reading a line' })
  const raw = asObject(entry)
  if (raw && 'meters' in raw) {
    noteMeters(raw['meters'], out.given)
    return
  }
  if (raw) noteGiven(raw, undefined, out.given)
  if (raw && isMeterOnly(raw)) return
  try {
    const slot = typeof raw?.['slot'] === 'string' ? numberOf(raw['slot']) : undefined
    out.readings.push(readingFromJson(slot === undefined ? entry : { ...raw, slot }, out.timing.slotSeconds))
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'not a reading'
    throw new CodecError('CODEC_SHAPE', message, { ...(at === '' ? {} : { at }), cause })
  }
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function asObject(given: unknown): Record<string, unknown> | undefined {
  return typeof given === 'object' && given !== null && !Array.isArray(given)
    ? (given as Record<string, unknown>)
    : undefined
}

/** A line about a meter instead of a reading: it names neither a time nor values. */
const isMeterOnly = (raw: Readonly<Record<string, unknown>>) =>
  !('slot' in raw) && !('slotStart' in raw) && !('values' in raw) && nameOf(raw) !== undefined

function nameOf(raw: Readonly<Record<string, unknown>>): string | undefined {
  const name = raw['meter'] ?? raw['id']
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** Meters as a list, or as a mapping from their ids. */
function noteMeters(given: unknown, out: Map<string, GivenMeter>): void {
  if (Array.isArray(given)) {
    for (const one of given) noteGiven(asObject(one) ?? {}, undefined, out)
    return
  }
  for (const [id, one] of Object.entries(asObject(given) ?? {})) noteGiven(asObject(one) ?? {}, id, out)
}

function noteGiven(
  raw: Readonly<Record<string, unknown>>,
  id: string | undefined,
  given: Map<string, GivenMeter>
): void {
  const name = nameOf(raw) ?? id
  if (name === undefined) return
  const known = given.get(name) ?? {}
  const rated = numberOf(raw['ratedKva'])
  if (rated !== undefined && rated > 0) known.ratedKva = rated
  const ct = ratioOf(raw['ct'])
  if (ct) known.ct = ct
  const pt = ratioOf(raw['pt'])
  if (pt) known.pt = pt
  if (typeof raw['parent'] === 'string' && raw['parent'] !== '') known.parent = raw['parent']
  if (typeof raw['bus'] === 'string') known.bus = raw['bus']
  given.set(name, known)
}

function numberOf(given: unknown): number | undefined {
  const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : given
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** "150/5", 30, "30" or {primary, secondary}; undefined for anything else. */
function ratioOf(given: unknown): TransformerRatio | undefined {
  const raw = asObject(given)
  const [first, second] = raw
    ? [raw['primary'], raw['secondary']]
    : typeof given === 'string'
      ? given.split('/')
      : [given]
  const primary = numberOf(first)
  const secondary = second === undefined ? 1 : numberOf(second)
  return primary !== undefined && secondary !== undefined && primary > 0 && secondary > 0
    ? { primary, secondary }
    : undefined
}
