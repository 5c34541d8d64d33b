/** A text in both languages of the product. */
export type Text = readonly [en: string, zh: string]
export type Lang = 'en' | 'zh'

/** The text in a language. */
export function say(text: Text, lang: Lang): string {
  return lang === 'zh' ? text[1] : text[0]
}

/** Language from `--lang` or the locale variables: zh where LC_ALL, LC_MESSAGES or LANG starts with zh, else en. */
export function chooseLang(flag: string | undefined, env: NodeJS.ProcessEnv): Lang {
  if (flag === 'zh' || flag === 'en') return flag
  const locale = env['LC_ALL'] || env['LC_MESSAGES'] || env['LANG'] || ''
  return locale.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

/** Columns a text takes on a terminal: CJK and full-width characters take two. */
export function displayWidth(text: string): number {
  let width = 0
  for (const char of text)
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/.test(
        char
      )
        ? 2
        : 1
  return width
}

/** Pads with spaces to a display width. */
export function padDisplay(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

/** Cuts to a display width, marking the cut with "…". */
export function clipDisplay(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let out = ''
  for (const char of text) {
    if (displayWidth(out + char) > width - 1) break
    out += char
  }
  return `${out}…`
}
