import { completionScript, SHELLS, type Shell } from '../completion.ts'
import { EXIT, UsageError } from '../errors.ts'
import type { Verb } from '../verb.ts'

/** @param verbs all commands, asked for when the script is made: this verb is one of them */
export function completionVerb(verbs: () => readonly Verb[]): Verb {
  return {
    name: 'completion',
    summary: ['prints the completion script of a shell', '输出命令补全脚本'],
    args: [{ form: '<shell>', about: [SHELLS.join(' or '), SHELLS.join(' 或 ')] }],
    examples: [
      'wattproof completion bash > /etc/bash_completion.d/wattproof',
      'wattproof completion zsh > /usr/local/share/zsh/site-functions/_wattproof'
    ],
    async run({ out, lang }, _options, args) {
      const shell = args[0] as Shell
      if (!SHELLS.includes(shell)) {
        throw new UsageError('USAGE_ARGUMENT', `no completion for the shell ${JSON.stringify(args[0])}`, {
          next: `one of ${SHELLS.join(', ')}`
        })
      }
      out.raw(completionScript(verbs(), shell, lang))
      return EXIT.done
    }
  }
}
