/**
 * Labelled load curves: what five kinds of customer draw, slot by slot, over seasons, week-ends, holidays and weather.
 * Seeded: the same seed gives the same curves. Loads are true primary kW, mean of the slot.
 */

export type Kind = 'residential' | 'shop' | 'factory' | 'irrigation' | 'photovoltaic'

export interface Random {
  /** uniform in [0, 1) */
  next(): number
  normal(): number
  between(low: number, high: number): number
  pick<T>(list: readonly T[]): T
}

/** mulberry32 with a Box-Muller normal. */
export function random(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return {
    next,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    between: (low, high) => low + (high - low) * next(),
    pick: list => list[Math.floor(next() * list.length)] as (typeof list)[number]
  }
}

export interface Calendar {
  readonly slots: number
  readonly slotsPerDay: number
  /** local day number of day 0, so that week-ends fall right */
  readonly firstDay: number
  readonly restDay: readonly boolean[]
  readonly holiday: readonly boolean[]
  /** degrees C by slot */
  readonly temperature: Float64Array
  /** 0..1, share of clear-sky sun by slot; 0 at night */
  readonly sun: Float64Array
}

/** Weather, week-ends and holidays of a stretch of days. @param dayOfYear of the first day */
export function makeCalendar(rnd: Random, days: number, firstDay: number, dayOfYear: number): Calendar {
  const slotsPerDay = 96
  const slots = days * slotsPerDay
  const temperature = new Float64Array(slots)
  const sun = new Float64Array(slots)
  const restDay: boolean[] = []
  const holiday = new Array<boolean>(days).fill(false)
  let weather = 0
  let cloud = 0.3
  for (let day = 0; day < days; day++) {
    const weekday = (((firstDay + day + 4) % 7) + 7) % 7
    restDay.push(weekday === 0 || weekday === 6)
    if (!holiday[day] && rnd.next() < 0.012) {
      const length = rnd.pick([1, 1, 3, 3, 7])
      for (let n = 0; n < length && day + n < days; n++) holiday[day + n] = true
    }
    weather = 0.8 * weather + 2 * rnd.normal()
    cloud = Math.max(0, Math.min(0.9, 0.6 * cloud + 0.4 * rnd.next()))
    const season = 13 - 14 * Math.cos((2 * Math.PI * (dayOfYear + day - 15)) / 365)
    const half = 3 + 1.3 * -Math.cos((2 * Math.PI * (dayOfYear + day + 10)) / 365) + 3
    for (let n = 0; n < slotsPerDay; n++) {
      const hour = n / 4
      temperature[day * slotsPerDay + n] = season + weather + 5 * Math.sin((2 * Math.PI * (hour - 9)) / 24)
      const height = Math.cos((Math.PI * (hour - 12.3)) / (2 * half))
      const up = Math.abs(hour - 12.3) < half ? Math.max(0, height) : 0
      sun[day * slotsPerDay + n] = up * Math.max(0.05, 1 - cloud * (0.7 + 0.5 * rnd.next()))
    }
  }
  return { slots, slotsPerDay, firstDay, restDay, holiday, temperature, sun }
}

const bump = (hour: number, middle: number, width: number) => Math.exp(-(((hour - middle) / width) ** 2))

/** Load of one customer. @param rated kVA the curve is made for */
export function makeLoad(rnd: Random, kind: Kind, calendar: Calendar, rated: number): Float64Array {
  switch (kind) {
    case 'residential':
      return residential(rnd, calendar, rated)
    case 'shop':
      return shop(rnd, calendar, rated)
    case 'factory':
      return factory(rnd, calendar, rated)
    case 'irrigation':
      return irrigation(rnd, calendar, rated)
    case 'photovoltaic': {
      const house = residential(rnd, calendar, rated)
      const size = rated * rnd.between(0.4, 0.8)
      return house.map((load, n) => load - size * (calendar.sun[n] as number))
    }
  }
}

function residential(rnd: Random, c: Calendar, rated: number): Float64Array {
  const out = new Float64Array(c.slots)
  const base = rated * rnd.between(0.02, 0.04)
  const morning = rnd.between(6.3, 8)
  const evening = rnd.between(18.5, 21)
  const activity = rated * rnd.between(0.1, 0.18)
  const cooling = rated * rnd.between(0.008, 0.02)
  let appliance = 0
  let left = 0
  let away = 0
  for (let n = 0; n < c.slots; n++) {
    const day = Math.floor(n / c.slotsPerDay)
    const hour = (n % c.slotsPerDay) / 4
    const rest = c.restDay[day] || c.holiday[day]
    if (n % c.slotsPerDay === 0 && away === 0 && rnd.next() < (c.holiday[day] ? 0.1 : 0.006))
      away = Math.floor(rnd.between(2, 8))
    else if (n % c.slotsPerDay === 0 && away > 0) away--
    const awake =
      0.15 +
      bump(hour, morning + (rest ? 1.5 : 0), 1.2) * 0.8 +
      bump(hour, evening, 2.6) * 1.4 +
      (rest ? 0.5 : 0.2) * bump(hour, 13, 3)
    if (left > 0) left--
    else appliance = 0
    if (left === 0 && rnd.next() < 0.025 * awake) {
      appliance = rated * rnd.between(0.08, 0.28)
      left = Math.floor(rnd.between(1, 6))
    }
    const t = c.temperature[n] as number
    const climate = cooling * (Math.max(0, t - 25) + 0.5 * Math.max(0, 6 - t)) * (0.4 + 0.6 * awake)
    const person = away > 0 ? 0 : activity * awake * (0.8 + 0.4 * rnd.next()) + appliance + climate
    out[n] = base * (0.9 + 0.2 * rnd.next()) + person
  }
  return out
}

function shop(rnd: Random, c: Calendar, rated: number): Float64Array {
  const out = new Float64Array(c.slots)
  const open = rnd.between(7.5, 9.5)
  const close = rnd.between(20, 22.5)
  const base = rated * rnd.between(0.06, 0.12)
  const light = rated * rnd.between(0.25, 0.4)
  const climate = rated * rnd.between(0.01, 0.02)
  const closedOnHolidays = rnd.next() < 0.3
  let drift = 0
  for (let n = 0; n < c.slots; n++) {
    const day = Math.floor(n / c.slotsPerDay)
    const hour = (n % c.slotsPerDay) / 4
    const shut = closedOnHolidays && c.holiday[day]
    const on = shut ? 0 : 1 / (1 + Math.exp(-(hour - open) * 4)) / (1 + Math.exp((hour - close) * 4))
    drift = 0.97 * drift + 0.012 * rnd.normal()
    const t = c.temperature[n] as number
    const air = climate * (Math.max(0, t - 24) + 0.7 * Math.max(0, 8 - t))
    const busy = c.restDay[day] ? 1.15 : 1
    out[n] = base * (0.95 + 0.1 * rnd.next()) + on * (light * busy * (1 + drift + 0.05 * rnd.normal()) + air)
  }
  return out.map(load => Math.max(0.01 * rated, load))
}

function factory(rnd: Random, c: Calendar, rated: number): Float64Array {
  const out = new Float64Array(c.slots)
  const start = rnd.pick([7, 7.5, 8, 8.5])
  const end = start + rnd.pick([9, 10, 12])
  const twoShifts = rnd.next() < 0.25
  const base = rated * rnd.between(0.05, 0.12)
  const full = rated * rnd.between(0.45, 0.7)
  const saturdays = rnd.next() < 0.5
  let machine = 0
  let overtime = false
  for (let n = 0; n < c.slots; n++) {
    const day = Math.floor(n / c.slotsPerDay)
    const hour = (n % c.slotsPerDay) / 4
    const weekday = (((c.firstDay + day + 4) % 7) + 7) % 7
    const works = !c.holiday[day] && weekday !== 0 && (weekday !== 6 || saturdays)
    if (n % c.slotsPerDay === 0) overtime = rnd.next() < 0.15
    const until = twoShifts ? 23 : end + (overtime ? 2 : 0)
    let on = works && hour >= start && hour < until ? 1 : 0
    if (on && hour >= 12 && hour < 13) on = 0.45
    machine = 0.8 * machine + 0.05 * rnd.normal()
    out[n] = base * (0.95 + 0.1 * rnd.next()) + on * full * Math.max(0.3, 1 + machine)
  }
  return out
}

function irrigation(rnd: Random, c: Calendar, rated: number): Float64Array {
  const out = new Float64Array(c.slots)
  const pump = rated * rnd.between(0.6, 0.85)
  let season = rnd.next() < 0.7
  let on = 0
  for (let n = 0; n < c.slots; n++) {
    if (n % c.slotsPerDay === 0) {
      if (rnd.next() < 0.03) season = !season
      on = 0
    }
    const hour = (n % c.slotsPerDay) / 4
    if (season && on === 0 && hour > 4 && hour < 12 && rnd.next() < 0.03) on = Math.floor(rnd.between(16, 48))
    if (on > 0) on--
    out[n] = 0.01 * rated + (on > 0 ? pump * (0.98 + 0.04 * rnd.next()) : 0)
  }
  return out
}
