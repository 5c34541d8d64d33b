import type { AgentStore, LearnedStore } from '../../agent/ports.ts'
import type { StoreFile } from './database.ts'

/** Facts that must survive: each change is durable on return. */
export function createMeta(file: StoreFile): Pick<AgentStore, 'getMeta' | 'setMeta'> {
  const get = file.sql.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?')
  const set = file.sql.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'
  )
  return {
    getMeta: key => file.read('getMeta', () => get.get(key)?.value),
    setMeta: (key, value) => file.write('setMeta', () => void set.run(key, value))
  }
}

/** What was learned of meters and lines: cheap to lose, so it rides along with the next write instead of causing one. */
export function createLearned(file: StoreFile): LearnedStore & { flush(): void } {
  const { sql } = file
  const known = new Map<string, string>()
  for (const row of sql.prepare<[], { key: string; value: string }>('SELECT key, value FROM learned').all()) {
    known.set(row.key, row.value)
  }
  const set = sql.prepare(
    'INSERT INTO learned (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'
  )
  const remove = sql.prepare('DELETE FROM learned WHERE key = ?')
  const dirty = new Set<string>()
  file.onWrite(() => {
    for (const key of dirty) {
      const value = known.get(key)
      if (value === undefined) remove.run(key)
      else set.run(key, value)
    }
    dirty.clear()
  })
  return {
    get: key => known.get(key),
    set(key, value) {
      if (known.get(key) === value) return
      known.set(key, value)
      dirty.add(key)
    },
    delete(key) {
      if (known.delete(key)) dirty.add(key)
    },
    flush() {
      if (dirty.size > 0) file.writeSoon('learned', () => undefined)
    }
  }
}
