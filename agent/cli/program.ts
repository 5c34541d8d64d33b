import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { ConfigError, formatProblem } from '../../config/errors.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { COMMON_OPTIONS, optionsOf } from './common-options.ts'
import { ERROR_TEXTS_ZH } from './error-texts.ts'
import { EXIT, type ExitCode, UsageError } from './errors.ts'
import { processOutput } from './output.ts'
import { chooseLang, displayWidth, type Lang, say, type Text } from './text.ts'
import type { Context, Options, Verb } from './verb.ts'

const GROUPS: Readonly<Record<string, Text>> = {
  keys: ['device identity', '设备身份与密钥'],
  config: ['checks and shows the configuration', '检查并显示配置'],
  ratio: ['CT/PT ratio: archive, register, evidence', 'CT/PT 变比:档案、寄存器与证据'],
  profile: ['Modbus meter profiles', 'Modbus 电表型号文件'],
  bus: ['line tools', '总线工具'],
  alarm: ['acknowledges or shelves an alarm', '确认或搁置告警'],
  chain: ["the regulator's view of the chain", '监管方的链上视图']
}

const SEE_HELP: Text = [
  'wattproof COMMAND --help lists flags and arguments',
  'wattproof COMMAND --help 列出参数与选项'
]

/**
 * Codes of errors that calling again cannot mend, the call or the configuration being wrong (exit code 2). All others mean
 * "cannot reach what it needs" (3): the service manager starts the daemon again, since a disk may be free by then.
 */
const WRONG_CALL =
  /^(USAGE_|CONFIG_|PROFILE_|SIMULATOR_(?!PTY)|HOST_(SECRET|IO)|CODEC_|CRYPTO_|BUS_CONFIG|UPLINK_(URL|FILE)|STORE_(SCHEMA|NOT_FOUND))/

/** What the program needs of its surroundings. */
export interface ProgramHost {
  readonly argv: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly version: string
  readonly signal: AbortSignal
  readonly readStdin: () => Promise<string>
}

/** Runs the command line and gives the exit code. Never throws. */
export async function runProgram(verbs: readonly Verb[], host: ProgramHost): Promise<ExitCode> {
  const lang = chooseLang(flagValue(host.argv, '--lang'), host.env)
  const json = host.argv.includes('--json')
  let exit: ExitCode = EXIT.done
  const program = buildProgram(verbs, lang, host, async code => {
    exit = await code
  })
  try {
    await program.parseAsync([...host.argv], { from: 'user' })
    return exit
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.done
      const isArgument = /missingArgument|excessArguments|unknownCommand|help$/.test(error.code)
      const code = isArgument ? 'USAGE_ARGUMENT' : 'USAGE_FLAG'
      complain(json, lang, usageText(error, verbs, host.argv), code, undefined, say(SEE_HELP, lang))
      return EXIT.usage
    }
    if (host.signal.aborted && error === host.signal.reason) return EXIT.done
    return reportError(error, json, lang)
  }
}

/** commander's words for a wrong call; its own for a missing command are a placeholder for the help it would print. */
function usageText(error: CommanderError, verbs: readonly Verb[], argv: readonly string[]): string {
  if (error.code !== 'commander.help') return error.message.replace(/^error: /, '').replace('\n', ' ')
  const head = argv.find(word => verbs.some(verb => verb.name.startsWith(`${word} `))) ?? ''
  const subs = verbs.flatMap(verb =>
    verb.name.startsWith(`${head} `) ? [verb.name.slice(head.length + 1)] : []
  )
  return subs.length > 0 ? `${head} needs one of: ${subs.join(', ')}` : 'no command was given'
}

function buildProgram(
  verbs: readonly Verb[],
  lang: Lang,
  host: ProgramHost,
  onRun: (code: Promise<ExitCode>) => Promise<void>
): Command {
  const program = takeCommon(quiet(new Command('wattproof')), lang)
  program
    .description(
      say(
        ['Meter readings that can be proved: edge meter-gateway agent', '可证明的电表读数:边缘抄表网关'],
        lang
      )
    )
    .version(host.version, '-V, --version', say(['prints the version', '显示版本'], lang))
    .helpOption('-h, --help', say(['shows help', '显示帮助'], lang))
    .helpCommand(false)
  const groups = new Map<string, Command>()
  for (const verb of verbs) {
    const [head, sub] = verb.name.split(' ') as [string, string | undefined]
    let parent = program
    if (sub !== undefined) {
      parent =
        groups.get(head) ??
        takeCommon(quiet(program.command(head)), lang).description(say(GROUPS[head] ?? ['', ''], lang))
      groups.set(head, parent)
    }
    addVerb(parent, sub ?? head, verb, lang, host, onRun)
  }
  return program
}

function addVerb(
  parent: Command,
  name: string,
  verb: Verb,
  lang: Lang,
  host: ProgramHost,
  onRun: (code: Promise<ExitCode>) => Promise<void>
): void {
  const command = quiet(parent.command(name)).description(say(verb.summary, lang))
  command.helpOption('-h, --help', say(['shows help', '显示帮助'], lang))
  for (const arg of verb.args ?? []) command.argument(arg.form, say(arg.about, lang))
  for (const spec of optionsOf(verb)) {
    const option = new Option(spec.flags, say(spec.about, lang))
    if (spec.choices) option.choices([...spec.choices])
    if (spec.fallback !== undefined) option.default(spec.fallback)
    if (spec.many) {
      option.argParser<string[]>((value, before) => {
        if (spec.choices && !spec.choices.includes(value)) {
          throw new InvalidArgumentError(`Allowed choices are ${spec.choices.join(', ')}.`)
        }
        return [...(before ?? []), value]
      })
    }
    command.addOption(option)
  }
  if (verb.examples?.length) {
    command.addHelpText(
      'after',
      `\n${say(['Examples', '示例'], lang)}:\n${verb.examples.map(example => `  ${example}`).join('\n')}`
    )
  }
  command.action(async (...received: unknown[]) => {
    const options = command.optsWithGlobals() as Options
    const args = received
      .slice(0, (verb.args ?? []).length)
      .flatMap(value => (Array.isArray(value) ? value : value === undefined ? [] : [value]))
    const json = options['json'] === true
    const context: Context = {
      out: processOutput(json, lang),
      lang,
      json,
      configFile: String(options['config']),
      signal: host.signal,
      readStdin: host.readStdin
    }
    await onRun(verb.run(context, options, args.map(String)))
  })
}

/** Lets the options of every command stand before it too; there they have no defaults, so that those after it count. */
function takeCommon(command: Command, lang: Lang): Command {
  for (const spec of COMMON_OPTIONS) {
    const option = new Option(spec.flags, say(spec.about, lang))
    command.addOption(spec.choices ? option.choices([...spec.choices]) : option)
  }
  return command.enablePositionalOptions()
}

/** commander must neither exit nor print errors itself: the contract has its own form for both. */
function quiet(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError(true)
    .allowExcessArguments(false)
    .configureHelp({ displayWidth })
}

function reportError(error: unknown, json: boolean, lang: Lang): ExitCode {
  if (error instanceof ConfigError && error.problems.length > 1 && !json) {
    for (const problem of error.problems)
      processOutput(false, lang).complain(`wattproof: ${formatProblem(problem)} (${error.code})`)
    return EXIT.usage
  }
  if (isWattproofError(error)) {
    const next = error.next ?? (error instanceof UsageError ? say(SEE_HELP, lang) : undefined)
    complain(json, lang, error.message, error.code, error.at, next)
    return WRONG_CALL.test(error.code) ? EXIT.usage : EXIT.unreachable
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  complain(
    json,
    lang,
    message,
    'DEFECT',
    undefined,
    say(['this is a defect: please report it', '这是程序缺陷,请上报'], lang)
  )
  return EXIT.unreachable
}

function complain(
  json: boolean,
  lang: Lang,
  message: string,
  code: string,
  at: string | undefined,
  next: string | undefined
): void {
  const out = processOutput(false, lang)
  if (json) {
    out.complain(
      JSON.stringify({
        error: { code, message, ...(at === undefined ? {} : { at }), ...(next === undefined ? {} : { next }) }
      })
    )
    return
  }
  const place = at !== undefined && !message.includes(at) ? ` [${at}]` : ''
  const meaning = lang === 'zh' ? ERROR_TEXTS_ZH[code] : undefined
  out.complain(`wattproof: ${meaning === undefined ? '' : `${meaning}:`}${message}${place} (${code})`)
  if (next !== undefined && !message.includes(next)) out.complain(`  → ${next}`)
}

function flagValue(argv: readonly string[], flag: string): string | undefined {
  const i = argv.indexOf(flag)
  if (i >= 0) return argv[i + 1]
  return argv.find(word => word.startsWith(`${flag}=`))?.slice(flag.length + 1)
}
