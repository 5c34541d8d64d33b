import { type Lang, say } from './text.ts'
import type { Verb } from './verb.ts'

const BEGIN = '<!-- commands -->'
const END = '<!-- /commands -->'

/** The table of commands as the README shows it. */
export function commandTable(verbs: readonly Verb[], lang: Lang): string {
  const rows = verbs.map(verb => {
    const args = (verb.args ?? []).map(arg => ` ${arg.form}`).join('')
    return `| \`${verb.name}${args}\` | ${say(verb.summary, lang)} |`
  })
  return [lang === 'zh' ? '| 命令 | 作用 |' : '| command | does |', '| --- | --- |', ...rows].join('\n')
}

/**
 * A page with the table between its markers brought up to date.
 * @throws RangeError when the page has no markers: a defect of the page
 */
export function updateCommands(page: string, verbs: readonly Verb[], lang: Lang): string {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new RangeError(`the page has no ${BEGIN} ... ${END}`)
  return `${page.slice(0, from + BEGIN.length)}\n\n${commandTable(verbs, lang)}\n\n${page.slice(to)}`
}
