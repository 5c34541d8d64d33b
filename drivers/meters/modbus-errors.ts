import { WattproofError } from '../../proto/errors.ts'

export type ProfileCode = 'PROFILE_UNKNOWN' | 'PROFILE_UNREADABLE' | 'PROFILE_SYNTAX' | 'PROFILE_INVALID'

/** A Modbus profile that cannot be found, read or meant. */
export class ProfileError extends WattproofError<ProfileCode> {}
