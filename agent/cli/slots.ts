import { slotEndMs, slotOf, slotStartMs } from '../../proto/slot.ts'
import { UsageError } from './errors.ts'
import { type OptionSpec, type Options, textOption } from './verb.ts'

/** Options of every verb that takes a span of slots. */
export const SPAN_OPTIONS: readonly OptionSpec[] = [
  { flags: '--meter <id>', about: ['one metering point', '计量点'] },
  { flags: '--from <time>', about: ['slot number or ISO time, first', '起始时段号或 ISO 时间'] },
  { flags: '--to <time>', about: ['slot number or ISO time, last', '结束时段号或 ISO 时间'] },
  { flags: '--limit <n>', about: ['newest n only', '最多 n 条(最新)'], fallback: '1000' }
]

export interface Span {
  readonly meter?: string
  readonly fromSlot?: number
  readonly toSlot?: number
  readonly limit: number
}

/** The span of slots that the options name. @throws UsageError USAGE_FLAG */
export function spanOf(options: Options, slotSeconds: number): Span {
  const meter = textOption(options, 'meter')
  const from = textOption(options, 'from')
  const to = textOption(options, 'to')
  return {
    ...(meter === undefined ? {} : { meter }),
    ...(from === undefined ? {} : { fromSlot: parseSlot(from, slotSeconds, '--from') }),
    ...(to === undefined ? {} : { toSlot: parseSlot(to, slotSeconds, '--to') }),
    limit: parseCount(textOption(options, 'limit') ?? '1000', '--limit')
  }
}

/**
 * A slot by its number or by a time inside it; a time without zone is UTC.
 * @throws UsageError USAGE_FLAG naming the flag
 */
export function parseSlot(text: string, slotSeconds: number, flag: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text)
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text.length === 10 ? `${text}T00:00` : text}Z`
  // Date.parse takes "-1" for a year: only ISO dates count
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(zoned) : Number.NaN
  if (Number.isNaN(ms)) {
    throw new UsageError('USAGE_FLAG', `neither a slot number nor a time: ${JSON.stringify(text)}`, {
      at: flag,
      next: 'e.g. 1990848 or 2026-11-22T23:45Z'
    })
  }
  return slotOf(ms, slotSeconds)
}

/** A whole number of at least 1. @throws UsageError USAGE_FLAG */
export function parseCount(text: string, flag: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new UsageError('USAGE_FLAG', `not a whole number of at least 1: ${JSON.stringify(text)}`, {
      at: flag
    })
  }
  return count
}

/** ISO time of a slot's start, the slot's label. */
export function slotLabel(slot: number, slotSeconds: number): string {
  return new Date(slotStartMs(slot, slotSeconds)).toISOString().replace('.000', '')
}

/** ISO time of a slot's end, to which its register values belong. */
export function slotEndLabel(slot: number, slotSeconds: number): string {
  return new Date(slotEndMs(slot, slotSeconds)).toISOString().replace('.000', '')
}
