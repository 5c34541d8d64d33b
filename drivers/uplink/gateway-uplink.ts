import type { Uplink } from '../../agent/ports.ts'
import { BrokerConnection, type ConnectionOptions } from './broker-connection.ts'
import { topicOf } from './topics.ts'

export interface GatewayUplinkOptions extends Omit<ConnectionOptions, 'clientId' | 'will'> {
  readonly gateway: string
  /** What the retained `state` topic says when we are gone: the broker's last will, and our own last word. */
  readonly offlineState: Uint8Array
}

/** The gateway's side of the broker. @throws UplinkError UPLINK_URL */
export function openGatewayUplink(options: GatewayUplinkOptions): Uplink & { readonly mqttVersion: string } {
  const { gateway, offlineState, ...rest } = options
  const stateTopic = topicOf(gateway, 'state')
  const connection = new BrokerConnection({
    ...rest,
    clientId: `wattproof-${gateway}`,
    will: { topic: stateTopic, payload: offlineState }
  })
  connection.start()
  return {
    get connected() {
      return connection.connected
    },
    get mqttVersion() {
      return connection.version === 5 ? '5' : '3.1.1'
    },
    publish: (topic, payload, { retain = false } = {}) =>
      connection.publish(topicOf(gateway, topic), payload, retain),
    async subscribe(topic, onMessage) {
      const wanted = topicOf(gateway, topic)
      connection.onMessage((heard, payload) => {
        if (heard === wanted) onMessage(payload)
      })
      await connection.subscribe(wanted)
    },
    onConnect: callback => connection.onConnect(callback),
    async close() {
      if (connection.connected)
        await connection.publish(stateTopic, offlineState, true).catch(() => undefined)
      await connection.close()
    }
  }
}
