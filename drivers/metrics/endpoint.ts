import { createServer } from 'node:http'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { MetricsError } from './errors.ts'

/** One figure at the moment of a scrape. */
export interface Sample {
  /** Prometheus name without the `wattproof_` in front */
  readonly name: string
  readonly help: string
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

export interface MetricsEndpoint {
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves GET /metrics in the Prometheus text format. Figures are asked for at each scrape, so an idle endpoint costs nothing.
 * @param listen "host:port"; port 0 takes any free one
 * @throws MetricsError METRICS_LISTEN
 */
export async function serveMetrics(
  listen: string,
  collect: () => readonly Sample[]
): Promise<MetricsEndpoint> {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'wattproof_' })
  const gauges = new Map<string, Gauge>()
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end('GET /metrics\n')
      return
    }
    fill(registry, gauges, collect())
    registry.metrics().then(
      text => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end()
    )
  })
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '')
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause =>
      reject(
        new MetricsError('METRICS_LISTEN', `cannot listen for scrapes: ${cause.message}`, {
          at: listen,
          next: 'name a free address of this host in metrics.listen',
          cause
        })
      )
    )
    server.listen(Number(listen.slice(colon + 1)), host, resolve)
  })
  // a scrape that hangs must not keep the process alive
  server.unref()
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      })
  }
}

function fill(registry: Registry, gauges: Map<string, Gauge>, samples: readonly Sample[]): void {
  for (const gauge of gauges.values()) gauge.reset()
  for (const { name, help, value, labels = {} } of samples) {
    const known = gauges.get(name)
    const gauge =
      known ??
      new Gauge({ name: `wattproof_${name}`, help, labelNames: Object.keys(labels), registers: [registry] })
    gauges.set(name, gauge)
    gauge.set({ ...labels }, value)
  }
}
