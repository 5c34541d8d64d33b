import { addressOctets } from './dlt-octets.ts'

export type Addressing = 'own' | 'wildcard' | 'broadcast' | 'other'

/**
 * How a frame's address concerns a meter: its own (padded with 0 or AA in the high octets), shortened with AA in the high octets,
 * broadcast (99 everywhere), or somebody else's.
 */
export function addressing(asked: readonly number[], own: string): Addressing {
  const mine = addressOctets(own)
  if (asked.every(octet => octet === 0x99)) return 'broadcast'
  let wild = false
  for (let n = 0; n < 6; n++) {
    if (asked[n] === 0xaa) wild = true
    else if (wild || asked[n] !== mine[n]) return 'other'
  }
  return wild ? 'wildcard' : 'own'
}
