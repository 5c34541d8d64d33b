import Database from 'better-sqlite3'

/**
 * Every connection and statement of this process, never let go. better-sqlite3 12 takes a statement off Node's clean-up list when it is
 * collected, and Node 24 aborts when that happens outside a JavaScript context. There are some eighty statements a file, all made at opening.
 */
const KEPT = new Set<object>()

/** Opens a SQLite file so that neither the connection nor any statement or pragma of it is ever collected. */
export function connect(path: string, options?: Database.Options): Database.Database {
  const sql = new Database(path, options)
  const prepare = sql.prepare.bind(sql) as (source: string) => Database.Statement
  const pragmas = new Map<string, Database.Statement>()
  const keep = (source: string): Database.Statement => {
    const statement = prepare(source)
    KEPT.add(statement)
    return statement
  }
  KEPT.add(sql)
  sql.prepare = keep as typeof sql.prepare
  sql.pragma = (source, pragmaOptions) => {
    const statement = pragmas.get(source) ?? keep(`PRAGMA ${source}`)
    pragmas.set(source, statement)
    if (!statement.reader) {
      statement.run()
      return pragmaOptions?.simple === true ? undefined : []
    }
    const rows = statement.all() as Record<string, unknown>[]
    return pragmaOptions?.simple === true ? Object.values(rows[0] ?? {})[0] : rows
  }
  return sql
}
