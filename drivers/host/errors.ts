import { WattproofError } from '../../proto/errors.ts'

export type HostCode =
  | 'HOST_SECRET_MISSING'
  | 'HOST_SECRET_MODE'
  | 'HOST_SECRET_EXISTS'
  | 'HOST_SECRET_EMPTY'
  | 'HOST_NOTIFY'
  | 'HOST_IO'

/** The host refuses something the agent needs: a file, a permission, the service manager's socket. */
export class HostError extends WattproofError<HostCode> {}
