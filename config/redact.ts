import type { GatewayConfig } from './gateway-config.ts'

/** All but the last four characters as dots (GB/T 35273: display of account numbers). */
export function maskNumber(text: string): string {
  return text.length <= 4 ? '•'.repeat(text.length) : '•'.repeat(text.length - 4) + text.slice(-4)
}

/** A URL without user name and password. */
export function maskUrl(url: string): string {
  return url.replace(/^([a-z+-]+:\/\/)[^/@]*@/i, '$1***@')
}

/** The configuration as it may be shown: customers masked, credentials gone, key files named but never read. */
export function redactConfig(config: GatewayConfig): Record<string, unknown> {
  const { customers, broker, meters, chain, ...rest } = config
  return {
    ...rest,
    meters: meters.map(meter => {
      const customer = customers.get(meter.id)
      return { ...meter, ...(customer === undefined ? {} : { customer: maskNumber(customer) }) }
    }),
    ...(broker
      ? { broker: { ...broker, url: maskUrl(broker.url), ...(broker.username ? { username: '***' } : {}) } }
      : {}),
    ...(chain ? { chain: { ...chain, rpc: chain.rpc.map(maskUrl) } } : {})
  }
}
