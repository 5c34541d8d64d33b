import type { MeterPoint, ReadFault, ReadOptions } from '../../agent/ports.ts'
import { buildBroadcastTime } from '../../proto/dlt645/broadcast.ts'
import { type BroadcastRefusal, judgeBroadcast, readClock } from './dlt645-clock.ts'
import type { Dlt645Context } from './dlt645-context.ts'

/** A meter's clock before and after; null where it was not had. */
export interface ClockChange {
  readonly meter: string
  /** the meter's clock minus ours, ms */
  readonly beforeMs: number | null
  readonly afterMs: number | null
}

export type BroadcastOutcome =
  | { readonly kind: 'sent'; readonly changes: readonly ClockChange[]; readonly faults: readonly ReadFault[] }
  | { readonly kind: 'refused'; readonly reason: BroadcastRefusal | 'no-clock' | 'clock-untrusted' | 'line' }

export interface BroadcastOptions extends ReadOptions {
  readonly slotSeconds: number
}

/** Characters of 11 bits: start, 8, even parity, stop. */
const BITS = 11

/**
 * Broadcasts the time on one bus, within the standard's limits and ours, and reads the meters' clocks again: nobody answers a broadcast,
 * and meters take it or not as they like. The bus has to have been opened for it; else the request is refused before the line.
 * @throws CodecError CODEC_FORBIDDEN_CONTROL when the operator has not switched it on
 */
export async function broadcastTime(
  context: Dlt645Context,
  meters: readonly MeterPoint[],
  options: BroadcastOptions
): Promise<BroadcastOutcome> {
  const { clock, learned, zone } = context.deps
  if (!clock.trusted()) return { kind: 'refused', reason: 'clock-untrusted' }
  const key = `dlt645/${context.bus.name}/broadcast`
  const faults: ReadFault[] = []
  const before = await readDrifts(context, meters, options, faults)
  const drifts = [...before.values()].filter(drift => drift !== null)
  if (drifts.length === 0) return { kind: 'refused', reason: 'no-clock' }
  const driftMs = drifts.reduce((worst, drift) => (Math.abs(drift) > Math.abs(worst) ? drift : worst))
  const nowMs = clock.nowMs()
  const lastAtMs = Number(learned.get(key) ?? Number.NaN)
  const reason = judgeBroadcast({
    driftMs,
    nowMs,
    local: zone.fromUnixMs(nowMs),
    slotSeconds: options.slotSeconds,
    lastAtMs: Number.isNaN(lastAtMs) ? undefined : lastAtMs
  })
  if (reason) return { kind: 'refused', reason }
  const outcome = await send(context, options)
  if (outcome === 'busDown') return { kind: 'refused', reason: 'line' }
  learned.set(key, String(clock.nowMs()))
  const after = await readDrifts(context, meters, options, faults)
  const changes = meters.map(({ id }) => ({
    meter: id,
    beforeMs: before.get(id) ?? null,
    afterMs: after.get(id) ?? null
  }))
  return { kind: 'sent', changes, faults }
}

/** Sends so that the frame's last octet goes out as the second it names begins. */
async function send(context: Dlt645Context, options: BroadcastOptions): Promise<'sent' | 'busDown'> {
  const { clock, zone } = context.deps
  const wireMs = (buildBroadcastTime(zone.fromUnixMs(0)).octets.length * BITS * 1000) / context.bus.baud
  const leadMs = (1000 - ((clock.nowMs() + wireMs) % 1000)) % 1000
  await clock.wait(leadMs, options.signal)
  const second = Math.round((clock.nowMs() + wireMs) / 1000) * 1000
  const outcome = await context.bus.exchange(buildBroadcastTime(zone.fromUnixMs(second)), {
    meterKey: 'dlt645:999999999999',
    priority: options.priority,
    force: true,
    ...(options.signal && { signal: options.signal })
  })
  return outcome.kind === 'busDown' ? 'busDown' : 'sent'
}

async function readDrifts(
  context: Dlt645Context,
  meters: readonly MeterPoint[],
  options: ReadOptions,
  faults: ReadFault[]
): Promise<Map<string, number | null>> {
  const out = new Map<string, number | null>()
  for (const meter of meters) {
    const dialect = context.dialects(meter, options)[0] ?? '2007'
    const reading = await readClock(context, context.visit(meter, dialect, options))
    faults.push(...reading.faults)
    out.set(meter.id, reading.meterTimeMs === null ? null : reading.meterTimeMs - reading.atMs)
  }
  return out
}
