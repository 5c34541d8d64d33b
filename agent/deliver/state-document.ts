import { utf8 } from '../../proto/bytes.ts'

/** The retained `state` message: whether the gateway is there. A convenience for dashboards, signed by nobody, proving nothing. */
export function stateDocument(
  gateway: string,
  state: 'online' | 'offline',
  details: Readonly<Record<string, string | number>> = {}
): Uint8Array {
  return utf8(JSON.stringify({ gateway, state, ...details }))
}
