/** Hours at which the tariff changes, with the tariff from then on: 1 sharp, 2 peak, 3 flat, 4 valley. */
export const TARIFF_SWITCHES: readonly (readonly [hour: number, tariff: number])[] = [
  [0, 4],
  [7, 3],
  [8, 2],
  [11, 3],
  [17, 2],
  [19, 1],
  [21, 2],
  [22, 3],
  [23, 4]
]

/** Tariff in force at the hour of the day, 1..4. */
export function tariffAt(hour: number): number {
  let found = 4
  for (const [from, tariff] of TARIFF_SWITCHES) if (hour >= from) found = tariff
  return found
}
