import type { Sample } from '../../drivers/metrics/endpoint.ts'
import type { MeterAge } from '../control/freshness.ts'
import type { GatewayFigures } from '../control/status.ts'

/** The figures of a scrape. Meters are named by metering point, never by customer. */
export function statusSamples(status: GatewayFigures, meters: readonly MeterAge[]): Sample[] {
  const one = (name: string, help: string, value: number): Sample => ({ name, help, value })
  return [
    one('queue_undelivered', 'batches without an accepting receipt', status.queue.undelivered),
    one('queue_refused', 'batches the ledger refused', status.queue.refused),
    one('alarms_raised', 'alarms that stand', status.alarms.raised),
    one('alarms_serious', 'serious alarms that stand', status.alarms.serious),
    one('store_bytes', 'octets of the store', status.storeBytes),
    one('last_sealed_slot', 'slot of the last sealed batch', status.head?.slotTo ?? 0),
    one('broker_connected', '1 while connected', status.live?.brokerConnected ? 1 : 0),
    one('clock_trusted', '1 while the wall clock is believed', status.clock.trusted ? 1 : 0),
    ...Object.entries(status.anchors).map(([state, value]) => ({
      name: 'anchors',
      help: 'anchors by state',
      value,
      labels: { state }
    })),
    ...(status.live?.buses ?? []).flatMap(bus => [
      {
        name: 'bus_open',
        help: '1 while the port is open',
        value: bus.state === 'open' ? 1 : 0,
        labels: { bus: bus.name }
      },
      ...Object.entries(bus.counters).map(([counter, value]) => ({
        name: 'bus_counter',
        help: 'what happened on the line, by name',
        value,
        labels: { bus: bus.name, counter }
      }))
    ]),
    ...meters.flatMap(({ meter, bus, ageSeconds }) =>
      ageSeconds === null
        ? []
        : {
            name: 'meter_age_seconds',
            help: 'age of the last good reading',
            value: ageSeconds,
            labels: { meter, bus }
          }
    )
  ]
}
