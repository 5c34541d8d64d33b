import { createServer, type Server, type Socket } from 'node:net'
import { UplinkError } from './errors.ts'

export interface EmbeddedBroker {
  /** mqtt://host:port */
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/** What a test may do to the broker's messages: false = the PUBLISH is lost although it is acknowledged. */
export interface BrokerFaults {
  readonly forward?: (topic: string, payload: Uint8Array) => boolean
}

/**
 * Starts the broker of the demo and the tests: no accounts, no disk, this host only unless `host` says otherwise.
 * @throws UplinkError UPLINK_NO_BROKER when aedes is not installed (it is no dependency of the field agent), UPLINK_PORT
 */
export async function startBroker(
  options: { readonly port?: number; readonly host?: string; readonly faults?: BrokerFaults } = {}
): Promise<EmbeddedBroker> {
  const { port = 0, host = '127.0.0.1', faults } = options
  const { Aedes } = await import('aedes').catch((cause: unknown) => {
    throw new UplinkError('UPLINK_NO_BROKER', 'the embedded broker is not installed', {
      next: 'npm install aedes, or use a broker of your own: --broker mqtt://host:1883',
      cause
    })
  })
  const aedes = await Aedes.createBroker({
    authorizeForward: (_client, packet) => {
      const heard = faults?.forward?.(packet.topic, new Uint8Array(Buffer.from(packet.payload)))
      return heard === false ? null : packet
    }
  })
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    aedes.handle(socket)
  })
  const bound = await listen(server, port, host).catch((error: unknown) => {
    aedes.close()
    throw error
  })
  return {
    url: `mqtt://${host}:${bound}`,
    port: bound,
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      await new Promise<void>(resolve => aedes.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    }
  }
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', cause =>
      reject(
        new UplinkError('UPLINK_PORT', 'the embedded broker cannot listen', {
          at: `${host}:${port}`,
          next: 'choose another port',
          cause
        })
      )
    )
    server.listen(port, host, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}
