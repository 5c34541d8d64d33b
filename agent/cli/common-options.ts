import type { OptionSpec, Verb } from './verb.ts'

/** Options of every command. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--config <file>',
    about: ['configuration', '配置文件'],
    fallback: '/etc/wattproof/gateway.yaml'
  },
  { flags: '--json', about: ['one JSON document on stdout', '标准输出为 JSON'] },
  { flags: '--lang <lang>', about: ['language', '语言'], choices: ['en', 'zh'] }
]

/** "-o" and "--output" of "-o, --output <file>". */
export function flagNames(spec: OptionSpec): string[] {
  return spec.flags.split(/[\s,]+/).filter(word => word.startsWith('-'))
}

/** A command's own options, then the common ones it does not define otherwise. */
export function optionsOf(verb: Verb): OptionSpec[] {
  const own = verb.options ?? []
  const taken = new Set(own.flatMap(flagNames))
  return [...own, ...COMMON_OPTIONS.filter(spec => !flagNames(spec).some(name => taken.has(name)))]
}
