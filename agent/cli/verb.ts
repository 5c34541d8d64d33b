import type { ExitCode } from './errors.ts'
import type { Output } from './output.ts'
import type { Lang, Text } from './text.ts'

/** What every verb gets. */
export interface Context {
  readonly out: Output
  readonly lang: Lang
  readonly json: boolean
  /** value of --config */
  readonly configFile: string
  /** aborts on SIGINT and SIGTERM */
  readonly signal: AbortSignal
  /** all of standard input */
  readonly readStdin: () => Promise<string>
}

export interface OptionSpec {
  /** commander's form, e.g. "--port <port>" or "--force" */
  readonly flags: string
  readonly about: Text
  readonly choices?: readonly string[]
  readonly fallback?: string
  /** may be given more than once; the value is an array */
  readonly many?: boolean
}

export interface ArgumentSpec {
  /** commander's form: "<file>" or "[file]" */
  readonly form: string
  readonly about: Text
}

export type Options = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

/** One command of the CLI. Help, completion and the manual are made from this table. */
export interface Verb {
  /** "status", or "keys init" for a verb below another */
  readonly name: string
  readonly summary: Text
  readonly args?: readonly ArgumentSpec[]
  readonly options?: readonly OptionSpec[]
  /** shown at the end of its help */
  readonly examples?: readonly string[]
  run(context: Context, options: Options, args: readonly string[]): Promise<ExitCode>
}

/** A text option; undefined when it was not given. */
export function textOption(options: Options, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

/** The values of an option that may be repeated. */
export function manyOption(options: Options, name: string): readonly string[] {
  const value = options[name]
  return Array.isArray(value) ? value : typeof value === 'string' ? [value] : []
}
