import { type ErrorPlace, WattproofError } from '../proto/errors.ts'

export type ConfigCode = 'CONFIG_UNREADABLE' | 'CONFIG_SYNTAX' | 'CONFIG_INVALID'

/** One thing wrong with a configuration file: where, what, and the mend. */
export interface ConfigProblem {
  readonly file: string
  /** 1-based; 0 when the place is unknown */
  readonly line: number
  readonly column: number
  /** dotted path of the key, e.g. "meters.2.address" */
  readonly key: string
  readonly message: string
  readonly next: string
}

/** A configuration that cannot be used. Carries all problems found, not just the first. */
export class ConfigError extends WattproofError<ConfigCode> {
  readonly problems: readonly ConfigProblem[]

  constructor(
    code: ConfigCode,
    message: string,
    place: ErrorPlace & { readonly problems?: readonly ConfigProblem[] } = {}
  ) {
    super(code, message, place)
    this.problems = place.problems ?? []
  }
}

/** "gateway.yaml:12:5 meters.0.address: must be 12 digits" */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}:${problem.column}` : problem.file
  return `${place} ${problem.key ? `${problem.key}: ` : ''}${problem.message}${problem.next ? ` (${problem.next})` : ''}`
}
