/** One line of the table: what was measured, beside what, and whether the bound held. */
export interface Figure {
  readonly id: string
  readonly what: string
  readonly value: number
  readonly unit: string
  /** how value, peer and spread came about */
  readonly detail: string
  readonly peer?: { readonly what: string; readonly value: number }
  /** peer / value: how many times less than the peer */
  readonly ratio?: number
  readonly bound?: { readonly text: string; readonly holds: boolean }
}

/** @param atMost upper bound of `value`; @param atLeast lower bound of the ratio */
export function figure(
  id: string,
  what: string,
  value: number,
  unit: string,
  more: {
    readonly detail?: string
    readonly peer?: { readonly what: string; readonly value: number }
    readonly atMost?: number
    readonly atLeast?: number
  } = {}
): Figure {
  const ratio = more.peer && more.peer.value / value
  const bounds = [
    ...(more.atMost === undefined
      ? []
      : [{ text: `<= ${more.atMost} ${unit}`, holds: value <= more.atMost }]),
    ...(more.atLeast === undefined
      ? []
      : [{ text: `>= ${more.atLeast} x`, holds: (ratio ?? 0) >= more.atLeast }])
  ]
  return {
    id,
    what,
    value,
    unit,
    detail: more.detail ?? '',
    ...(more.peer ? { peer: more.peer } : {}),
    ...(ratio === undefined ? {} : { ratio }),
    ...(bounds.length === 0
      ? {}
      : {
          bound: {
            text: bounds.map(({ text }) => text).join(', '),
            holds: bounds.every(({ holds }) => holds)
          }
        })
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2
}

/** User and system time of this process, all threads, ms. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

export function printFigures(figures: readonly Figure[], machine: string): void {
  console.log(machine)
  for (const { id, what, value, unit, detail, peer, ratio, bound } of figures) {
    const beside = peer
      ? `; ${peer.what} ${short(peer.value)} ${unit}${ratio === undefined ? '' : ` (${short(ratio)} x)`}`
      : ''
    const verdict = bound ? `  [${bound.text}: ${bound.holds ? 'holds' : 'DOES NOT HOLD'}]` : ''
    console.log(`${id.padEnd(14)} ${what}: ${short(value)} ${unit}${beside}${verdict}`)
    if (detail !== '') console.log(`${' '.repeat(15)}${detail}`)
  }
}

export function short(value: number): string {
  if (Math.abs(value) >= 1000) return String(Math.round(value))
  return String(Number(value.toPrecision(3)))
}
