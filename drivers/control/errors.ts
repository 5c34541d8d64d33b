import { WattproofError } from '../../proto/errors.ts'

export type ControlCode = 'CONTROL_UNREACHABLE' | 'CONTROL_PROTOCOL' | 'CONTROL_REMOTE' | 'CONTROL_IN_USE'

/** Speaking to a running daemon through its sockets. */
export class ControlError extends WattproofError<ControlCode> {}
