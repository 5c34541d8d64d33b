import { flagNames, optionsOf } from './common-options.ts'
import { type Lang, say } from './text.ts'
import type { OptionSpec, Verb } from './verb.ts'

export const SHELLS = ['bash', 'zsh'] as const
export type Shell = (typeof SHELLS)[number]

/** The words of a place where a command may stand: after the program's name, or after a group such as "keys". */
interface Level {
  readonly path: string
  readonly words: readonly { readonly word: string; readonly about: string }[]
}

/** A completion script made from the table of commands: commands, sub-commands, flags, choices; files elsewhere. */
export function completionScript(verbs: readonly Verb[], shell: Shell, lang: Lang): string {
  return shell === 'bash' ? bashScript(verbs) : zshScript(verbs, lang)
}

/** Every flag a command takes. */
const allOptions = (verb: Verb): OptionSpec[] => [
  ...optionsOf(verb),
  { flags: '--help', about: ['shows help', '显示帮助'] }
]

const takesValue = (spec: OptionSpec) => /[<[]/.test(spec.flags)

/** Values that name something in the file system; all others are the user's own words. */
const isPath = (spec: OptionSpec) => /<(file|dir|port|profile)>/.test(spec.flags)

function levelsOf(verbs: readonly Verb[], lang: Lang): Level[] {
  const top = new Map<string, string>()
  const groups = new Map<string, { word: string; about: string }[]>()
  for (const verb of verbs) {
    const [head, sub] = verb.name.split(' ') as [string, string | undefined]
    if (sub === undefined) top.set(head, say(verb.summary, lang))
    else {
      top.set(head, top.get(head) ?? '')
      groups.set(head, [...(groups.get(head) ?? []), { word: sub, about: say(verb.summary, lang) }])
    }
  }
  const about = (word: string, text: string) =>
    text === '' ? (groups.get(word) ?? []).map(entry => entry.word).join(', ') : text
  return [
    { path: '', words: [...top].map(([word, text]) => ({ word, about: about(word, text) })) },
    ...[...groups].map(([path, words]) => ({ path, words }))
  ]
}

function bashScript(verbs: readonly Verb[]): string {
  const levels = levelsOf(verbs, 'en').map(
    ({ path, words }) => `    ${quote(path)}) words=${quote(words.map(({ word }) => word).join(' '))} ;;`
  )
  const flags = verbs.map(
    verb => `    ${quote(verb.name)}) words=${quote(allOptions(verb).flatMap(flagNames).join(' '))} ;;`
  )
  const values = verbs.flatMap(verb =>
    optionsOf(verb)
      .filter(takesValue)
      .flatMap(spec => {
        const patterns = flagNames(spec).map(name => quote(`${verb.name} ${name}`))
        const then = spec.choices
          ? `words=${quote(spec.choices.join(' '))}`
          : isPath(spec)
            ? 'files=1'
            : 'return'
        return `    ${patterns.join('|')}) ${then} ;;`
      })
  )
  return `# bash completion of wattproof; made by: wattproof completion bash
_wattproof() {
  local cur prev word path='' words='' files='' i
  COMPREPLY=()
  cur=\${COMP_WORDS[COMP_CWORD]}
  prev=\${COMP_WORDS[COMP_CWORD-1]}
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == -* ]] && break
    case "$path\${path:+ }$word" in
    ${verbs
      .flatMap(verb => [verb.name, verb.name.split(' ')[0] as string])
      .filter((name, n, all) => all.indexOf(name) === n)
      .map(quote)
      .join('|')}) path="$path\${path:+ }$word" ;;
    *) break ;;
    esac
  done
  case "$path $prev" in
${values.join('\n')}
  esac
  if [[ -z $words && -z $files ]]; then
    if [[ $cur == -* ]]; then
      case "$path" in
${flags.join('\n')}
      esac
    else
      case "$path" in
${levels.join('\n')}
      'completion') words='bash zsh' ;;
      *) files=1 ;;
      esac
    fi
  fi
  if [[ -n $files ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  fi
}
complete -o filenames -F _wattproof wattproof`
}

function zshScript(verbs: readonly Verb[], lang: Lang): string {
  const levels = levelsOf(verbs, lang).map(
    ({ path, words }) =>
      `    ${quote(path)})\n      words_here=(${words.map(({ word, about }) => quote(`${word}:${about}`)).join(' ')})\n      _describe -t commands command words_here ;;`
  )
  const flags = verbs.map(verb => {
    const specs = allOptions(verb).flatMap(spec =>
      flagNames(spec).map(name => {
        const about = say(spec.about, lang).replace(/[[\]]/g, '')
        const value = !takesValue(spec)
          ? ''
          : spec.choices
            ? `:value:(${spec.choices.join(' ')})`
            : isPath(spec)
              ? ':file:_files'
              : ':value: '
        return quote(`${spec.many ? '*' : ''}${name}[${about}]${value}`)
      })
    )
    const rest = verb.name === 'completion' ? '*:shell:(bash zsh)' : '*:file:_files'
    return `    ${quote(verb.name)}) _arguments -S ${[...specs, quote(rest)].join(' ')} ;;`
  })
  const groups = levelsOf(verbs, lang).flatMap(({ path }) => (path === '' ? [] : [quote(path)]))
  return `#compdef wattproof
# zsh completion of wattproof; made by: wattproof completion zsh
_wattproof() {
  local verb=$words[2] depth=2
  local -a words_here
  case "$verb" in
    ${groups.join('|')}) verb="$verb $words[3]"; depth=3 ;;
  esac
  if (( CURRENT <= depth )); then
    case "\${words[2,CURRENT-1]}" in
${levels.join('\n')}
    esac
    return
  fi
  shift $(( depth - 1 )) words
  (( CURRENT -= depth - 1 ))
  case "$verb" in
${flags.join('\n')}
  esac
}
if [[ $funcstack[1] == _wattproof ]]; then
  _wattproof "$@"
else
  compdef _wattproof wattproof
fi`
}

/** A word that no shell looks into. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
