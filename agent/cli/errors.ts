import { WattproofError } from '../../proto/errors.ts'

export type UsageCode = 'USAGE_FLAG' | 'USAGE_ARGUMENT' | 'USAGE_NOT_FOUND' | 'USAGE_NEEDS_DAEMON'

/** The command was called wrongly; exit code 2. */
export class UsageError extends WattproofError<UsageCode> {}

export type ReadCode = 'READ_SILENT' | 'READ_GARBAGE'

/** A meter gave nothing that could be used; exit code 3. What it did wrong stands in the answer. */
export class ReadError extends WattproofError<ReadCode> {}

export type RunCode = 'RUN_FAILED'

/** The daemon ran and could not go on; exit code 3, so that it is started again. */
export class RunError extends WattproofError<RunCode> {}

/** Exit codes of the CLI contract. */
export const EXIT = {
  done: 0,
  /** the thing checked does not hold */
  doesNotHold: 1,
  /** usage or configuration error */
  usage: 2,
  /** cannot reach what it needs */
  unreachable: 3
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
