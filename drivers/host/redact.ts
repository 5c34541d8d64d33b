/** Redaction in the log's sink, so that no call site has to remember it (users' logs have leaked passwords on disconnect). */

const SECRET_NAME =
  /passw|passphrase|secret|token|credential|privatekey|private_key|authorization|cookie|saltkey|devicesecret|^pin$|^psk$|^key$|^pass$/i
const CUSTOMER_NAME = /customer/i
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi
const PEM_PRIVATE = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g
const QUERY_SECRET = /([?&](?:token|key|password|secret|access_token)=)[^&\s]*/gi
const MAX_DEPTH = 6
const MAX_TEXT = 4_096
const MAX_OCTETS_SHOWN = 512

/** Text without credentials in URLs and without private keys; cut at 4,096 characters. */
export function redactText(text: string): string {
  const clean = text
    .replace(PEM_PRIVATE, '[redacted key]')
    .replace(URL_CREDENTIALS, '$1[redacted]@')
    .replace(QUERY_SECRET, '$1[redacted]')
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}...` : clean
}

/** A value fit for the log: secrets by name, customers shortened, octets as hex, errors with their code. Total: never throws. */
export function redactValue(value: unknown, name = '', depth = 0): unknown {
  if (value === undefined || value === null || typeof value === 'boolean' || typeof value === 'number')
    return value
  if (SECRET_NAME.test(name)) return '[redacted]'
  if (typeof value === 'string') return CUSTOMER_NAME.test(name) ? maskCustomer(value) : redactText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`
  if (depth >= MAX_DEPTH) return '[deep]'
  if (value instanceof Uint8Array) return Buffer.from(value.subarray(0, MAX_OCTETS_SHOWN)).toString('hex')
  if (value instanceof Error) return redactError(value, depth)
  if (Array.isArray(value)) return value.slice(0, 100).map(entry => redactValue(entry, name, depth + 1))
  const out: Record<string, unknown> = {}
  for (const [key, entry] of Object.entries(value)) out[key] = redactValue(entry, key, depth + 1)
  return out
}

/** First four characters and the length: enough to compare, too little to know. */
export function maskCustomer(text: string): string {
  return text.length <= 4 ? '****' : `${text.slice(0, 4)}${'*'.repeat(text.length - 4)}`
}

function redactError(error: Error, depth: number): unknown {
  const out: Record<string, unknown> = { name: error.name, message: redactText(error.message) }
  for (const key of ['code', 'at', 'next']) {
    const entry: unknown = Reflect.get(error, key)
    if (typeof entry === 'string') out[key] = redactText(entry)
  }
  if (!('code' in error) && error.stack !== undefined) out['stack'] = redactText(error.stack)
  if (error.cause !== undefined) out['cause'] = redactValue(error.cause, '', depth + 1)
  return out
}
