import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Rule, RuleBook, RuleLimit } from '../agent/check/rule-book.ts'
import { ConfigError, type ConfigProblem } from './errors.ts'
import { packageRoot } from './locate.ts'
import { validateSource } from './validate.ts'
import { parseYamlSource } from './yaml-source.ts'

interface RawRule extends Omit<Rule, 'flag' | 'limits' | 'alarm' | 'hiddenBy'> {
  readonly quality?: Rule['flag']
  readonly limits?: Readonly<Record<string, Omit<RuleLimit, 'alias'> & { readonly alias?: string }>>
  readonly alarm?: Rule['alarm']
  readonly hiddenBy?: readonly string[]
}

/**
 * The rule book: every *.yaml of a folder (config/rules of the package by default).
 * @throws ConfigError CONFIG_INVALID with file, line and column of each problem
 */
export function loadRules(folder = join(packageRoot(), 'config/rules')): RuleBook {
  const schema = JSON.parse(readFileSync(join(packageRoot(), 'config/rules.schema.json'), 'utf8'))
  const rules = new Map<string, Rule>()
  const problems: ConfigProblem[] = []
  const files = readdirSync(folder)
    .filter(name => name.endsWith('.yaml'))
    .sort()
  for (const name of files) {
    const source = parseYamlSource(readFileSync(join(folder, name), 'utf8'), join(folder, name))
    const wrong = validateSource(source, schema)
    problems.push(...wrong)
    if (wrong.length > 0) continue
    const raw = (source.value as { rules: RawRule[] }).rules
    raw.forEach((rule, index) => {
      const say = (message: string, next: string) =>
        problems.push({ file: source.file, ...source.place(['rules', index]), key: rule.id, message, next })
      if (rules.has(rule.id)) say('the id is used twice', 'give every rule its own id')
      for (const [key, limit] of Object.entries(rule.limits ?? {}))
        if (limit.default < limit.min || limit.default > limit.max)
          say(`default of ${key} is outside min and max`, 'mend the bounds')
      rules.set(rule.id, toRule(rule))
    })
  }
  for (const rule of rules.values())
    for (const other of rule.hiddenBy)
      if (!rules.has(other))
        problems.push({
          file: folder,
          line: 0,
          column: 0,
          key: rule.id,
          message: `hiddenBy names ${other}, which is no rule`,
          next: 'name a rule of the book'
        })
  const first = problems[0]
  if (first)
    throw new ConfigError('CONFIG_INVALID', `the rules have ${problems.length} problem(s)`, {
      at: `${first.file}:${first.line}:${first.column}`,
      next: first.next,
      problems
    })
  return { rules }
}

function toRule(raw: RawRule): Rule {
  const limits: Record<string, RuleLimit> = {}
  for (const [name, limit] of Object.entries(raw.limits ?? {}))
    limits[name] = { ...limit, alias: limit.alias }
  const { quality, hiddenBy, alarm, ...rest } = raw
  return { ...rest, flag: quality, limits, alarm, hiddenBy: hiddenBy ?? [], onChain: raw.onChain ?? false }
}
