import { itemByKey } from '../items.ts'
import type { Edition } from './address.ts'
import { type DataIdentifier, editionOf, parseDataIdentifier } from './data-identifier.ts'

/**
 * Which data identifier (and field of it) brings an item of the catalogue, for both editions.
 * The tariffs' names (1 sharp, 2 peak, 3 flat, 4 valley) are a convention of the programmed tables, not of the standard.
 */
export interface CatalogueEntry {
  readonly item: number
  readonly di: DataIdentifier
  readonly field: string
}

type Row = readonly [key: string, di2007: string | null, di1997: string | null, field: string]

const tariffs = (key: string, di2: string, di1997: string): Row[] =>
  ['total', 't1', 't2', 't3', 't4'].map(
    (name, n): Row => [`${key}-${name}`, `00${di2}0${n}00`, `${di1997}${n}`, 'energy']
  )

const phases = (key: string, di2s: readonly [string, string, string]): Row[] =>
  ['a', 'b', 'c'].map((name, n): Row => [`${key}-${name}`, `00${di2s[n]}0000`, null, 'energy'])

const withTotal = (key: string, di2: string, di1997: string | null, field: string): Row[] =>
  ['total', 'a', 'b', 'c'].map(
    (name, n): Row => [`${key}-${name}`, `02${di2}0${n}00`, di1997 === null ? null : `${di1997}${n}`, field]
  )

const perPhase = (key: string, di2: string, di1997: string | null, field: string): Row[] =>
  ['a', 'b', 'c'].map(
    (name, n): Row => [
      `${key}-${name}`,
      `02${di2}0${n + 1}00`,
      di1997 === null ? null : `${di1997}${n + 1}`,
      field
    ]
  )

const ROWS: readonly Row[] = [
  ...tariffs('active-import', '01', '901'),
  ...tariffs('active-export', '02', '902'),
  ...tariffs('active-combined', '00', '900'),
  ...tariffs('reactive-combined-1', '03', '911'),
  ...tariffs('reactive-combined-2', '04', '912'),
  ...tariffs('reactive-q1', '05', '913'),
  ...tariffs('reactive-q2', '06', '915'),
  ...tariffs('reactive-q3', '07', '916'),
  ...tariffs('reactive-q4', '08', '914'),
  ...tariffs('apparent-import', '09', '').map(([key, di, , field]): Row => [key, di, null, field]),
  ...tariffs('apparent-export', '0A', '').map(([key, di, , field]): Row => [key, di, null, field]),
  ...phases('active-import', ['15', '29', '3D']),
  ...phases('active-export', ['16', '2A', '3E']),
  ...phases('reactive-combined-1', ['17', '2B', '3F']),
  ...phases('reactive-combined-2', ['18', '2C', '40']),
  ['demand-active-import', '01010000', 'A010', 'demand'],
  ['demand-active-import-time', '01010000', null, 'time'],
  ['demand-active-export', '01020000', 'A020', 'demand'],
  ['demand-active-export-time', '01020000', null, 'time'],
  ['present-demand-active', '02800004', null, 'demand'],
  ['present-demand-reactive', '02800005', null, 'demand'],
  ...perPhase('voltage', '01', 'B61', 'voltage'),
  ...perPhase('current', '02', 'B62', 'current'),
  ['current-n', '02800001', null, 'current'],
  ...withTotal('power-active', '03', 'B63', 'power'),
  ...withTotal('power-reactive', '04', 'B64', 'power'),
  ...withTotal('power-apparent', '05', null, 'power'),
  ...withTotal('power-factor', '06', 'B65', 'factor'),
  ['frequency', '02800002', null, 'frequency'],
  ...perPhase('phase-angle', '07', null, 'angle'),
  ['temperature', '02800007', null, 'temperature'],
  ['clock-battery-voltage', '02800008', null, 'voltage'],
  ['outage-battery-voltage', '02800009', null, 'voltage'],
  ...[1, 2, 3, 4, 5, 6, 7].map((n): Row => [`status-word-${n}`, `0400050${n}`, null, 'word']),
  ['count-power-down', '03110000', null, 'count'],
  ['count-programming', '03300000', 'B212', 'count'],
  ['count-cover-opened', '03300D00', null, 'count'],
  ['count-terminal-cover-opened', '03300E00', null, 'count'],
  ['count-magnetic-field', '03350000', null, 'count'],
  ['count-time-set', '03300400', null, 'count'],
  ['count-demand-cleared', '03300200', 'B213', 'count'],
  ['count-meter-cleared', '03300100', null, 'count'],
  ['count-events-cleared', '03300300', null, 'count'],
  ['count-voltage-loss', '03050000', null, 'count'],
  ['count-voltage-reversed', '03070000', null, 'count'],
  ['count-current-reversed', '03080000', null, 'count'],
  ['count-tariff-programming', '03300500', null, 'count'],
  ['register-ct-ratio', '04000306', null, 'ratio'],
  ['register-pt-ratio', '04000307', null, 'ratio'],
  ['constant-active', '04000409', 'C030', 'const'],
  ['constant-reactive', '0400040A', 'C031', 'const']
]

const entries = (column: 1 | 2): CatalogueEntry[] =>
  ROWS.flatMap(row => {
    const di = row[column]
    return di === null ? [] : [{ item: itemByKey(row[0]).id, di: parseDataIdentifier(di), field: row[3] }]
  })

const ENTRIES: Readonly<Record<Edition, readonly CatalogueEntry[]>> = {
  '2007': entries(1),
  '1997': entries(2)
}

const BY_ITEM: Readonly<Record<Edition, ReadonlyMap<number, CatalogueEntry>>> = {
  '2007': new Map(ENTRIES['2007'].map(entry => [entry.item, entry])),
  '1997': new Map(ENTRIES['1997'].map(entry => [entry.item, entry]))
}

const BY_PLACE: ReadonlyMap<string, number> = new Map(
  [...ENTRIES['2007'], ...ENTRIES['1997']].map(entry => [`${entry.di}/${entry.field}`, entry.item])
)

/** How an item is asked for; undefined when the edition has no identifier for it. */
export function catalogueEntry(item: number, edition: Edition): CatalogueEntry | undefined {
  return BY_ITEM[edition].get(item)
}

/** The catalogue items that an identifier brings; most bring one, maximum demands two, blocks none. */
export function catalogueItemsAt(di: DataIdentifier): number[] {
  return ENTRIES[editionOf(di)].flatMap(entry => (entry.di === di ? [entry.item] : []))
}

/** The catalogue item of a field of an identifier; undefined when it is none. */
export function catalogueItemOf(di: DataIdentifier, field: string): number | undefined {
  return BY_PLACE.get(`${di}/${field}`)
}
