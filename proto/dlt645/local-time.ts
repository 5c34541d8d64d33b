/** A meter's idea of date and time: no zone, to the second. */
export interface LocalTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeap(year) ? 29 : (MONTH_DAYS[month - 1] ?? 0)
}

/**
 * Reads digits such as "2611230015" by a layout such as "YYMMDDhhmm" (WW, the weekday, is skipped; years are 20YY).
 * Undefined when the layout has no full date or the digits are no date and time (month 13, 31 April, 24:00 ...).
 */
export function parseLocalTime(digits: string, layout: string): LocalTime | undefined {
  const part = (letters: string): number | undefined => {
    const at = layout.indexOf(letters)
    return at < 0 ? undefined : Number(digits.slice(at, at + 2))
  }
  // MM is the month where it stands before DD; minutes are written mm.
  const [yy, month, day] = [part('YY'), part('MM'), part('DD')]
  if (yy === undefined || month === undefined || day === undefined) return undefined
  if (!/^\d+$/.test(digits) || digits.length !== layout.length) return undefined
  const time = {
    year: 2000 + yy,
    month,
    day,
    hour: part('hh') ?? 0,
    minute: part('mm') ?? 0,
    second: part('ss') ?? 0
  }
  const valid =
    month >= 1 &&
    day >= 1 &&
    day <= daysInMonth(time.year, month) &&
    time.hour <= 23 &&
    time.minute <= 59 &&
    time.second <= 59
  return valid ? time : undefined
}

const two = (value: number): string => String(value).padStart(2, '0')

/** Digits of a time by a layout (YY MM DD hh mm ss), high first. */
export function formatDigits(time: LocalTime, layout: string): string {
  const parts: Readonly<Record<string, number>> = {
    YY: time.year % 100,
    MM: time.month,
    DD: time.day,
    hh: time.hour,
    mm: time.minute,
    ss: time.second
  }
  return layout.replace(/YY|MM|DD|hh|mm|ss/g, letters => two(parts[letters] as number))
}

/** "2026-11-23 00:15", with seconds where asked. */
export function formatLocalTime(time: LocalTime, withSeconds = false): string {
  const seconds = withSeconds ? `:${two(time.second)}` : ''
  return `${time.year}-${two(time.month)}-${two(time.day)} ${two(time.hour)}:${two(time.minute)}${seconds}`
}

/** Seconds since 1970-01-01 00:00 as if the meter's zone were UTC: for differences, and for the host to turn into unix time. */
export function localSeconds(time: LocalTime): number {
  let days = 0
  for (let year = 1970; year < time.year; year++) days += isLeap(year) ? 366 : 365
  for (let month = 1; month < time.month; month++) days += daysInMonth(time.year, month)
  days += time.day - 1
  return ((days * 24 + time.hour) * 60 + time.minute) * 60 + time.second
}

/** The inverse of {@link localSeconds}, for times from 1970 on. */
export function fromLocalSeconds(seconds: number): LocalTime {
  let days = Math.floor(seconds / 86_400)
  const rest = Math.floor(seconds - days * 86_400)
  let year = 1970
  while (days >= (isLeap(year) ? 366 : 365)) {
    days -= isLeap(year) ? 366 : 365
    year++
  }
  let month = 1
  while (days >= daysInMonth(year, month)) {
    days -= daysInMonth(year, month)
    month++
  }
  return {
    year,
    month,
    day: days + 1,
    hour: Math.floor(rest / 3600),
    minute: Math.floor(rest / 60) % 60,
    second: rest % 60
  }
}
