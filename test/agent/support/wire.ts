import type { LedgerUplink, Uplink, UplinkTopic } from '../../../agent/ports.ts'
import { UplinkError } from '../../../drivers/uplink/errors.ts'

type Fate = 'pass' | 'drop' | 'twice' | Uint8Array

/** Two uplinks with a broker between them that does what a test says. Every publish is acknowledged, as brokers do. */
export interface Wire {
  readonly uplink: Uplink
  readonly ledgerUplink: LedgerUplink
  /** fate of each message on its way */
  fate: (topic: UplinkTopic, payload: Uint8Array) => Fate
  /** how often each kind was published */
  readonly sent: Record<string, number>
  connect(connected: boolean): void
  /** Speaks to the gateway as if from the ledger. */
  toGateway(topic: UplinkTopic, payload: Uint8Array): void
  settle(): Promise<void>
}

export function createWire(gateway: string): Wire {
  const handlers = new Map<UplinkTopic, (payload: Uint8Array) => void>()
  const connects: (() => void)[] = []
  let ledgerHandler: ((gateway: string, topic: UplinkTopic, payload: Uint8Array) => void) | undefined
  let connected = true
  let moving = 0
  const carry = (topic: UplinkTopic, payload: Uint8Array, deliver: (payload: Uint8Array) => void): void => {
    wire.sent[topic] = (wire.sent[topic] ?? 0) + 1
    const fate = wire.fate(topic, payload)
    const copies =
      fate === 'drop' ? [] : fate === 'twice' ? [payload, payload] : [fate === 'pass' ? payload : fate]
    for (const copy of copies) {
      moving++
      setImmediate(() => {
        deliver(copy)
        moving--
      })
    }
  }
  const wire: Wire = {
    sent: {},
    fate: () => 'pass',
    uplink: {
      get connected() {
        return connected
      },
      async publish(topic, payload) {
        if (!connected) throw new UplinkError('UPLINK_OFFLINE', 'offline')
        carry(topic, payload, copy => ledgerHandler?.(gateway, topic, copy))
      },
      async subscribe(topic, onMessage) {
        handlers.set(topic, onMessage)
      },
      onConnect(callback) {
        connects.push(callback)
        if (connected) callback()
      },
      async close() {}
    },
    ledgerUplink: {
      async onMessage(callback) {
        ledgerHandler = callback
      },
      async publish(_gateway, topic, payload) {
        if (connected) carry(topic, payload, copy => handlers.get(topic)?.(copy))
      },
      async close() {}
    },
    connect(value) {
      connected = value
      if (value) for (const callback of connects) callback()
    },
    toGateway(topic, payload) {
      handlers.get(topic)?.(payload)
    },
    async settle() {
      let calm = 0
      while (calm < 3) {
        await new Promise(resolve => setImmediate(resolve))
        calm = moving === 0 ? calm + 1 : 0
      }
    }
  }
  return wire
}
