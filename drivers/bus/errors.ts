import { WattproofError } from '../../proto/errors.ts'

export type BusCode =
  | 'BUS_CONFIG'
  | 'BUS_OPEN'
  | 'BUS_LOCKED'
  | 'BUS_MISSING'
  | 'BUS_PERMISSION'
  | 'BUS_HANGUP'
  | 'BUS_WRITE'
  | 'BUS_CLOSED'
  | 'BUS_NOT_A_REQUEST'

/** A line that cannot be had or was lost. What a meter does wrong is an outcome, never an error. */
export class BusError extends WattproofError<BusCode> {}

/** True when the line, not the meter, is at fault: worth opening again. */
export function isLineFault(error: unknown): error is BusError {
  return error instanceof BusError && error.code !== 'BUS_CONFIG' && error.code !== 'BUS_NOT_A_REQUEST'
}
