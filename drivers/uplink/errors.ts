import { WattproofError } from '../../proto/errors.ts'

export type UplinkCode =
  | 'UPLINK_URL'
  | 'UPLINK_FILE'
  | 'UPLINK_OFFLINE'
  | 'UPLINK_REFUSED'
  | 'UPLINK_TLS'
  | 'UPLINK_TIMEOUT'
  | 'UPLINK_CLOSED'
  | 'UPLINK_NO_BROKER'
  | 'UPLINK_PORT'

/** The broker cannot be had or does not take a message. Addresses in messages never carry credentials. */
export class UplinkError extends WattproofError<UplinkCode> {}

/** True when trying again later can help without anybody's hand. */
export function isUplinkRetryable(error: unknown): boolean {
  return error instanceof UplinkError && (error.code === 'UPLINK_OFFLINE' || error.code === 'UPLINK_TIMEOUT')
}
