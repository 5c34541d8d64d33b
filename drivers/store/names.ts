import type { StoreFile } from './database.ts'
import { StoreError } from './errors.ts'

/** Small numbers for names that repeat in every block: metering points, buses, gateways. */
export interface Names {
  /** Takes a new number when the name is new; only inside a write. */
  take(name: string): number
  /** undefined when the name was never taken. */
  find(name: string): number | undefined
  nameOf(number: number): string
}

/** @param table a table (id INTEGER PRIMARY KEY, name TEXT UNIQUE) */
export function createNames(file: StoreFile, table: 'meter' | 'source'): Names {
  const insert = file.sql.prepare(`INSERT INTO ${table} (name) VALUES (?)`)
  const byName = file.sql.prepare<[string], { id: number }>(`SELECT id FROM ${table} WHERE name = ?`)
  const byNumber = file.sql.prepare<[number], { name: string }>(`SELECT name FROM ${table} WHERE id = ?`)
  const numbers = new Map<string, number>()
  const names = new Map<number, string>()
  const remember = (name: string, number: number): number => {
    numbers.set(name, number)
    names.set(number, name)
    return number
  }
  file.onFailure(() => {
    numbers.clear()
    names.clear()
  })
  const find = (name: string): number | undefined => {
    const known = numbers.get(name)
    if (known !== undefined) return known
    const row = byName.get(name)
    return row && remember(name, row.id)
  }
  return {
    find,
    take: name => find(name) ?? remember(name, Number(insert.run(name).lastInsertRowid)),
    nameOf(number) {
      const known = names.get(number) ?? byNumber.get(number)?.name
      if (known === undefined) {
        throw new StoreError('STORE_CORRUPT', `a stored block names the unknown ${table} ${number}`, {
          at: file.path,
          next: 'restart: the damaged file is set aside and a new epoch begins'
        })
      }
      remember(known, number)
      return known
    }
  }
}
