const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000
}
const SIZES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** "15m", "90d", "500ms" to milliseconds; undefined when it is no duration. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text)
  return match ? Number(match[1]) * (DURATION_MS[match[2] as string] as number) : undefined
}

/** "2GiB", "512MiB" to octets; undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+)(B|KiB|MiB|GiB)$/.exec(text)
  return match ? Number(match[1]) * (SIZES[match[2] as string] as number) : undefined
}

/**
 * "150/5" to {primary: 150, secondary: 5}; a bare "30" is 30/1; undefined when it is neither or a part is 0. The standard series has
 * 12.5 A: whole numbers stand for it, 12.5/5 is 125/50 (the wire contract carries no fractions).
 */
export function parseRatio(text: string): { primary: number; secondary: number } | undefined {
  const match = /^(\d{1,7})(?:\.(\d{1,2}))?(?:\/(\d{1,4})(?:\.(\d{1,2}))?)?$/.exec(text.trim())
  if (!match) return undefined
  const [, first = '', firstPart = '', second = '1', secondPart = ''] = match
  const places = Math.max(firstPart.length, secondPart.length)
  const primary = Number(first + firstPart.padEnd(places, '0'))
  const secondary = Number(second + secondPart.padEnd(places, '0'))
  return primary > 0 && secondary > 0 ? { primary, secondary } : undefined
}
