/** Date and time as a meter shows it. `weekday` 0 is Sunday. */
export interface CivilTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly weekday: number
}

/** Splits local seconds: seconds since 1970-01-01 00:00 of the local calendar. */
export function toCivil(localS: number): CivilTime {
  const date = new Date(Math.floor(localS) * 1000)
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    weekday: date.getUTCDay()
  }
}

/** Local seconds of a date; months outside 1..12 carry into the year. */
export function fromCivil(
  year: number,
  month: number,
  day: number,
  hour = 0,
  minute = 0,
  second = 0
): number {
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000
}

/** Local seconds of the n-th last start of a month (n = 1: the latest one not after `localS`). */
export function monthStart(localS: number, n: number): number {
  const now = toCivil(localS)
  return fromCivil(now.year, now.month - n + 1, 1)
}
