import { type LocalTime, localSeconds } from '../../proto/dlt645/local-time.ts'

/** Turns a meter's date and time, which name no zone, into unix time and back. */
export interface MeterZone {
  toUnixMs(time: LocalTime): number
  fromUnixMs(unixMs: number): LocalTime
}

/**
 * The zone the meters of a site are set to, by its IANA name.
 * @throws RangeError when the name is unknown to the host
 */
export function createMeterZone(timeZone: string): MeterZone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric'
  })
  const localOf = (unixMs: number): LocalTime => {
    const parts = new Map(format.formatToParts(unixMs).map(({ type, value }) => [type, Number(value)]))
    const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0
    return {
      year: part('year'),
      month: part('month'),
      day: part('day'),
      hour: part('hour'),
      minute: part('minute'),
      second: part('second')
    }
  }
  const offsetSeconds = (unixMs: number): number => localSeconds(localOf(unixMs)) - Math.floor(unixMs / 1000)
  return {
    fromUnixMs: localOf,
    toUnixMs(time) {
      const asUtcMs = localSeconds(time) * 1000
      // Where clocks are set back an hour exists twice: the later reading of the offset is taken.
      const first = asUtcMs - offsetSeconds(asUtcMs) * 1000
      return asUtcMs - offsetSeconds(first) * 1000
    }
  }
}
