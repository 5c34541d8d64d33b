import { UplinkError } from './errors.ts'

/** MQTT 3.1.1 return code 1 and MQTT 5 reason 0x84: unsupported protocol version. */
const VERSION_CODES = [1, 0x84]
/** Return codes and reasons that say "not you": bad credentials, identifier, not authorised, banned. */
const REFUSED_CODES = [2, 4, 5, 0x85, 0x86, 0x87, 0x8a]
const TLS_CODE = /^(ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO)/

/**
 * True when the broker may not speak the version that was tried. Old brokers answer in their own format or just hang up,
 * so everything but a failure of the network below counts.
 */
export function isVersionFault(error: unknown): boolean {
  const code = codeOf(error)
  if (typeof code === 'number') return VERSION_CODES.includes(code)
  return error instanceof Error && code === undefined && !(error instanceof UplinkError)
}

/** Any failure of the library in the uplink's words. */
export function toConnectError(error: unknown, at: string): UplinkError {
  if (error instanceof UplinkError) return error
  const code = codeOf(error)
  const detail = code ?? (error instanceof Error ? error.message : 'unknown')
  if (typeof code === 'number' && REFUSED_CODES.includes(code)) {
    return new UplinkError('UPLINK_REFUSED', `the broker refuses this client (reason ${code})`, {
      at,
      next: 'check user, password or certificate and the access list of the broker',
      cause: error
    })
  }
  if (typeof code === 'string' && TLS_CODE.test(code)) {
    return new UplinkError('UPLINK_TLS', `no trusted connection to the broker (${code})`, {
      at,
      next: 'check broker.ca, the certificates, their dates and the clock',
      cause: error
    })
  }
  return new UplinkError('UPLINK_OFFLINE', `the broker cannot be reached (${detail})`, {
    at,
    next: 'check the address of the broker and the line',
    cause: error
  })
}

function codeOf(error: unknown): number | string | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
  return typeof code === 'number' || typeof code === 'string' ? code : undefined
}
