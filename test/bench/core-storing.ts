import { type Figure, figure, median, short } from './core-figures.ts'
import { METERS, SLOTS_A_DAY } from './core-parts.ts'
import { openSide, type Side } from './core-sides.ts'
import type { SteadySample } from './core-steady.ts'
import type { StoreSample } from './core-store-side.ts'

/** A day of slots through the agent's store and, in turn, through a row for every value. */
export async function measureStore(folder: string, slots = SLOTS_A_DAY): Promise<Figure[]> {
  const names = { plain: ['store', false], chain: ['store', true], rows: ['rows', false] } as const
  const sides: Record<string, Side> = Object.fromEntries(
    await Promise.all(
      Object.entries(names).map(async ([name, [role, chain]]) => [
        name,
        await openSide(role, { folder, chain })
      ])
    )
  )
  const last: Record<string, StoreSample> = {}
  try {
    for (let done = 0; done < slots; done += 8)
      for (const name of Object.keys(names)) await (sides[name] as Side).round(Math.min(8, slots - done))
    for (const name of Object.keys(names)) last[name] = await (sides[name] as Side).round(0)
  } finally {
    for (const name of Object.keys(names)) (sides[name] as Side).end()
  }
  const readings = slots * METERS
  const per = (name: string): number => (last[name] as StoreSample).writtenOctets / readings
  const cpu = (name: string): number => (last[name] as StoreSample).cpuMs / slots
  const size = (name: string): number => (last[name] as StoreSample).fileOctets
  return [
    figure('flash', 'written per reading: record, seal, deliver', per('plain'), 'octets', {
      peer: { what: 'a row per value', value: per('rows') },
      atMost: 200,
      detail: `${slots} slots; write_bytes of /proc/self/io, file system's own journal not counted; CPU a slot ${short(cpu('plain'))} against ${short(cpu('rows'))} ms`
    }),
    figure('flash-chain', 'the same with an anchor transaction a batch', per('chain'), 'octets', {
      atMost: 200
    }),
    figure('flash-day', 'written a day, with anchoring', (per('chain') * METERS * SLOTS_A_DAY) / 1e6, 'MB', {
      peer: { what: 'a row per value', value: (per('rows') * METERS * SLOTS_A_DAY) / 1e6 },
      atMost: 20
    }),
    figure(
      'store-30d',
      'store after 30 days, extrapolated',
      (size('chain') * 30 * SLOTS_A_DAY) / slots / 1e6,
      'MB',
      {
        peer: { what: 'a row per value', value: (size('rows') * 30 * SLOTS_A_DAY) / slots / 1e6 },
        detail: 'readings, batches, receipts and transactions; the peer has values only'
      }
    )
  ]
}

/** Three days of slots without the waiting: what memory does between the first day and the last. */
export async function measureSteady(folder: string, days: number): Promise<Figure[]> {
  const side = await openSide('steady', { folder })
  const samples: SteadySample[] = []
  try {
    for (let i = 0; i < days * 4; i++) samples.push(await side.round<SteadySample>(SLOTS_A_DAY / 4))
  } finally {
    side.end()
  }
  const mb = (pick: (sample: SteadySample) => number, from: number): number =>
    median(samples.slice(from, from + 4).map(pick)) / 1e6
  const end = samples.length - 4
  const last = samples.at(-1) as SteadySample
  if (last.delivered !== last.slots)
    throw new Error(`${last.delivered} of ${last.slots} batches were delivered`)
  return [
    figure(
      'memory-flat',
      `RSS growth from day 2 to day ${days} of slots without waiting`,
      mb(s => s.rssOctets, end) - mb(s => s.rssOctets, 4),
      'MB',
      {
        atMost: 5,
        detail:
          `heap ${short(mb(s => s.heapOctets, end) - mb(s => s.heapOctets, 4))} MB; ` +
          `${last.slots} slots of 500 meters sealed, delivered, pruned; CPU ${short(median(samples.map(s => s.cpuMsPerSlot)))} ms a slot`
      }
    )
  ]
}
