/** The text of a replay file: readings in the form of `readings --json`, and what it may say of the meters beside them. */
import { CodecError } from '../../proto/errors.ts'
import type { Reading } from '../../proto/reading.ts'
import { readingFromJson } from '../../proto/reading-json.ts'
import type { TransformerRatio } from '../ports.ts'

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
}

/**
 * Reads the text of a replay file: JSON Lines, an array, or {"meters": [...], "readings": [...]}. A line or element may be a reading,
 * a meter as the configuration has it (no slot), or again a list or a wrapper.
 * @throws CodecError CODEC_SHAPE naming the line or element that is none of these
 */
export function parseReplay(given: string, slotSeconds: number): ReplayInput {
  // editors of another system put a mark before the text
  const text = given.replace(/^\uFEFF/, '')
  const out: ReplayInput = { readings: [], given: new Map() }
  const whole = tryParse(text)
  if (whole !== undefined) takeAny(whole, '', slotSeconds, out)
  else
    text.split('\n').forEach((line, n) => {
      if (line.trim() === '') return
      const at = `line ${n + 1}`
      const entry = tryParse(line)
      if (entry === undefined)
        throw new CodecError('CODEC_SHAPE', 'not JSON', { at, next: 'give one reading a line' })
      takeAny(entry, at, slotSeconds, out)
    })
  return out
}

function takeAny(entry: unknown, at: string, slotSeconds: number, out: ReplayInput): void {
  const within = (name: string) => (at === '' ? name : `${at}, ${name}`)
  if (Array.isArray(entry)) {
    entry.forEach((one, n) => void takeAny(one, within(`element ${n}`), slotSeconds, out))
    return
  }
  const raw = asObject(entry)
  if (raw && ('readings' in raw || 'meters' in raw)) {
    noteMeters(raw['meters'], out.given)
    if (Array.isArray(raw['readings']))
      raw['readings'].forEach((one, n) => void takeAny(one, within(`readings.${n}`), slotSeconds, out))
    return
  }
  if (raw) noteGiven(raw, undefined, out.given)
  if (raw && isMeterOnly(raw)) return
  try {
    const slot = typeof raw?.['slot'] === 'string' ? numberOf(raw['slot']) : undefined
    out.readings.push(readingFromJson(slot === undefined ? entry : { ...raw, slot }, slotSeconds))
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
