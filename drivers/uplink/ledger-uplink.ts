import type { LedgerUplink } from '../../agent/ports.ts'
import { BrokerConnection, type ConnectionOptions } from './broker-connection.ts'
import { filterOf, parseTopic, topicOf } from './topics.ts'

export interface LedgerUplinkOptions extends Omit<ConnectionOptions, 'clientId' | 'will'> {
  readonly ledger: string
}

/** The ledger's side of the broker: hears every gateway. @throws UplinkError UPLINK_URL */
export function openLedgerUplink(
  options: LedgerUplinkOptions
): LedgerUplink & { readonly connected: boolean } {
  const { ledger, ...rest } = options
  const connection = new BrokerConnection({ ...rest, clientId: `wattproof-ledger-${ledger}` })
  return {
    get connected() {
      return connection.connected
    },
    async onMessage(callback) {
      connection.onMessage((heard, payload) => {
        const topic = parseTopic(heard)
        if (topic) callback(topic.gateway, topic.name, payload)
      })
      for (const name of ['anchor', 'batch', 'alarm', 'state'] as const)
        await connection.subscribe(filterOf(name))
      connection.start()
    },
    publish: (gateway, topic, payload) => connection.publish(topicOf(gateway, topic), payload, false),
    close: () => connection.close()
  }
}
