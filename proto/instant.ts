/** Instants as text: ISO 8601 in UTC, without the host's calendar. Proleptic Gregorian, as POSIX has it. */

export const DAY_MS = 86_400_000

/** "2026-03-01T08:15:00Z", with milliseconds only where there are some. */
export function formatInstant(unixMs: number): string {
  const days = Math.floor(unixMs / DAY_MS)
  const ms = unixMs - days * DAY_MS
  const { year, month, day } = civilOf(days)
  const two = (n: number) => String(n).padStart(2, '0')
  const fraction = ms % 1000
  return (
    `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${two(Math.floor(ms / 3_600_000))}:` +
    `${two(Math.floor(ms / 60_000) % 60)}:${two(Math.floor(ms / 1000) % 60)}` +
    `${fraction ? `.${String(fraction).padStart(3, '0')}` : ''}Z`
  )
}

/** Unix milliseconds of an ISO text with Z or an offset; undefined when it is no such text. */
export function parseInstant(text: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)$/.exec(
    text.trim()
  )
  if (!match) return undefined
  const [year, month, day, hour, minute] = match.slice(1, 6).map(Number) as [
    number,
    number,
    number,
    number,
    number
  ]
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59) return undefined
  const zone = match[8] as string
  const sign = zone.startsWith('-') ? -1 : 1
  const digits = zone.replace(/[^\d]/g, '')
  const offset = digits === '' ? 0 : sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2)))
  const ms = Math.round(Number(`0.${match[7] ?? '0'}`) * 1000)
  const minutes = hour * 60 + minute - offset
  return daysOf(year, month, day) * DAY_MS + minutes * 60_000 + Number(match[6] ?? 0) * 1000 + ms
}

/** Days since 1970-01-01; years are counted from March, so that leap days come last. */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const ofEra = y - era * 400
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
}

function civilOf(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const ofEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365
  )
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const mp = Math.floor((5 * ofYear + 2) / 153)
  const month = mp < 10 ? mp + 3 : mp - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: ofYear - Math.floor((153 * mp + 2) / 5) + 1
  }
}
