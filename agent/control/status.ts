import { isGap, type Reading } from '../../proto/reading.ts'
import { slotEndMs, slotOf } from '../../proto/slot.ts'
import { lastDriftMs } from '../acquire/clock-table.ts'
import type { AgentStore, BusStatus, LearnedStore } from '../ports.ts'

/** The part of a gateway's configuration that a status speaks of. */
export interface StatusSubject {
  readonly gateway: string
  readonly slotSeconds: number
  readonly meters: readonly { readonly id: string; readonly bus: string }[]
  readonly buses: readonly { readonly name: string; readonly port: string }[]
}

/** What only a running daemon knows. */
export interface LiveStatus {
  readonly pid: number
  readonly startedAt: string
  readonly buses: readonly BusStatus[]
  readonly brokerConnected: boolean
  readonly clockTrusted: boolean
  readonly rssBytes: number
}

export interface MeterStatus {
  readonly meter: string
  readonly bus: string
  /** end of the last slot with values; null when there is none in the span looked at */
  readonly lastGood: string | null
  readonly ageSeconds: number | null
  readonly gapsInSpan: number
  /** the meter's clock minus ours when it was last read; null when it never was */
  readonly clockDriftSeconds: number | null
}

export interface GatewayStatus {
  readonly gateway: string
  readonly now: string
  readonly slot: number
  readonly slotSeconds: number
  readonly daemon: 'running' | 'stopped'
  readonly live: LiveStatus | null
  readonly buses: readonly (BusStatus | { readonly name: string; readonly port: string })[]
  /** worst first: longest without a good reading */
  readonly meters: readonly MeterStatus[]
  readonly queue: {
    readonly undelivered: number
    readonly refused: number
    readonly oldestUndelivered: string | null
  }
  readonly anchors: Readonly<Record<string, number>>
  readonly head: { readonly epoch: string; readonly seq: number; readonly slotTo: number } | null
  readonly alarms: { readonly raised: number; readonly serious: number }
  readonly clock: { readonly trusted: boolean | null }
  readonly storeBytes: number
}

/** A status without its meters: what costs the same whatever has piled up in the store. */
export type GatewayFigures = Omit<GatewayStatus, 'meters'>

/** Slots looked back over for the age of the last good reading: one day of 15-minute slots. */
export const SPAN_SLOTS = 96

/** The state of a gateway from its store, with what the daemon adds where one runs. Decodes a day of readings. */
export function buildStatus(
  subject: StatusSubject,
  store: AgentStore,
  nowMs: number,
  live: LiveStatus | null
): GatewayStatus {
  const figures = gatewayFigures(subject, store, nowMs, live)
  const readings = store.queryReadings({ fromSlot: figures.slot - SPAN_SLOTS })
  return { ...figures, meters: meterStates(subject, readings, store, nowMs) }
}

/** The state of a gateway but for its meters. */
export function gatewayFigures(
  subject: StatusSubject,
  store: Pick<AgentStore, 'summary' | 'head' | 'sizeBytes'>,
  nowMs: number,
  live: LiveStatus | null
): GatewayFigures {
  const { undelivered, refused, oldestUndeliveredAt, anchors, alarmsRaised, alarmsSerious } = store.summary()
  const head = store.head()
  return {
    gateway: subject.gateway,
    now: new Date(nowMs).toISOString(),
    slot: slotOf(nowMs, subject.slotSeconds),
    slotSeconds: subject.slotSeconds,
    daemon: live ? 'running' : 'stopped',
    live,
    buses: live?.buses ?? subject.buses.map(({ name, port }) => ({ name, port })),
    queue: {
      undelivered,
      refused,
      oldestUndelivered: oldestUndeliveredAt === null ? null : new Date(oldestUndeliveredAt).toISOString()
    },
    anchors,
    head: head ? { epoch: hex(head.epoch), seq: head.seq, slotTo: head.slotTo } : null,
    alarms: { raised: alarmsRaised, serious: alarmsSerious },
    clock: { trusted: live?.clockTrusted ?? null },
    storeBytes: store.sizeBytes()
  }
}

/** Seconds since the end of the slot of the last good reading; null when there is none. */
export function ageOf(slot: number | undefined, slotSeconds: number, nowMs: number): number | null {
  return slot === undefined ? null : Math.max(0, Math.round((nowMs - slotEndMs(slot, slotSeconds)) / 1000))
}

function meterStates(
  subject: StatusSubject,
  readings: readonly Reading[],
  learned: Pick<LearnedStore, 'get'>,
  nowMs: number
): MeterStatus[] {
  const lastGood = new Map<string, number>()
  const good = new Map<string, Set<number>>()
  const seen = new Map<string, Set<number>>()
  for (const reading of readings) {
    remember(seen, reading)
    if (isGap(reading)) continue
    remember(good, reading)
    lastGood.set(reading.meter, Math.max(lastGood.get(reading.meter) ?? 0, reading.slot))
  }
  const states = subject.meters.map(meter => {
    const slot = lastGood.get(meter.id)
    const endMs = slot === undefined ? null : slotEndMs(slot, subject.slotSeconds)
    const driftMs = lastDriftMs(learned, meter.id)
    return {
      meter: meter.id,
      bus: meter.bus,
      lastGood: endMs === null ? null : new Date(endMs).toISOString(),
      ageSeconds: ageOf(slot, subject.slotSeconds, nowMs),
      gapsInSpan: (seen.get(meter.id)?.size ?? 0) - (good.get(meter.id)?.size ?? 0),
      clockDriftSeconds: driftMs === undefined ? null : Math.round(driftMs / 1000)
    }
  })
  const badness = (state: MeterStatus) => state.ageSeconds ?? Number.POSITIVE_INFINITY
  return states.sort((a, b) =>
    badness(a) === badness(b) ? b.gapsInSpan - a.gapsInSpan : badness(b) - badness(a)
  )
}

function remember(slots: Map<string, Set<number>>, reading: Reading): void {
  const known = slots.get(reading.meter)
  if (known) known.add(reading.slot)
  else slots.set(reading.meter, new Set([reading.slot]))
}

const hex = (octets: Uint8Array) => Array.from(octets, octet => octet.toString(16).padStart(2, '0')).join('')
