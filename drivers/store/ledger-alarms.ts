import { existsSync } from 'node:fs'
import { connect } from './connection.ts'
import { StoreError, toStoreError } from './errors.ts'

/**
 * The signed alarm messages of a gateway that a ledger has accepted, beside the running ledger, in no order.
 * @throws StoreError
 */
export function readLedgerAlarms(path: string, gateway: string): Uint8Array[] {
  if (!existsSync(path)) {
    throw new StoreError('STORE_MISSING', 'there is no such ledger', { at: path, next: 'correct the path' })
  }
  try {
    const sql = connect(path, { readonly: true, timeout: 5_000 })
    try {
      return sql
        .prepare<[string], { signed: Uint8Array }>('SELECT signed FROM alarm WHERE gateway = ?')
        .all(gateway)
        .map(({ signed }) => new Uint8Array(signed))
    } finally {
      sql.close()
    }
  } catch (error) {
    throw toStoreError(error, path)
  }
}
