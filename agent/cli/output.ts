import { clipDisplay, displayWidth, type Lang, padDisplay, say, type Text } from './text.ts'

/** Where a command writes: people read tables and lines, programs one JSON document or JSON Lines. */
export interface Output {
  readonly json: boolean
  readonly lang: Lang
  /** A line for people; nothing with --json. */
  line(text?: string): void
  /** A line for people in their language. */
  tell(text: Text): void
  /** The one JSON document of the command; nothing without --json. */
  document(value: unknown): void
  /** One line of a JSON Lines stream; nothing without --json. */
  streamed(value: unknown): void
  /** A table for people, clipped to the terminal. */
  table(head: readonly Text[], rows: readonly (readonly string[])[]): void
  /** Raw text on stdout whatever the mode. */
  raw(text: string): void
  /** A line on stderr. */
  complain(text: string): void
}

/** Output on this process's stdout and stderr. */
export function processOutput(json: boolean, lang: Lang): Output {
  const print = (text: string) => process.stdout.write(`${text}\n`)
  const width = () => process.stdout.columns ?? 0
  return {
    json,
    lang,
    line: (text = '') => {
      if (!json) print(text)
    },
    tell: text => {
      if (!json) print(say(text, lang))
    },
    document: value => {
      if (json) print(JSON.stringify(value, toPlain, 2))
    },
    streamed: value => {
      if (json) print(JSON.stringify(value, toPlain))
    },
    table: (head, rows) => {
      if (!json)
        for (const row of layTable(
          head.map(text => say(text, lang)),
          rows,
          width()
        ))
          print(row)
    },
    raw: print,
    complain: text => {
      process.stderr.write(`${text}\n`)
    }
  }
}

/** Octets print as hex, bigints as decimal strings. */
function toPlain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array)
    return Array.from(value, octet => octet.toString(16).padStart(2, '0')).join('')
  return value
}

/**
 * Lays out a table. The last column gives way when the terminal is narrower than the table (0 = not a terminal: nothing is cut).
 */
export function layTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  terminalWidth: number
): string[] {
  const widths = head.map((title, i) =>
    rows.reduce((widest, row) => Math.max(widest, displayWidth(row[i] ?? '')), displayWidth(title))
  )
  const lay = (row: readonly string[]) =>
    row.map((cell, i) => (i === head.length - 1 ? cell : padDisplay(cell, widths[i] as number))).join('  ')
  const clip = (text: string) => (terminalWidth > 0 ? clipDisplay(text, terminalWidth) : text)
  return [
    clip(lay(head).trimEnd()),
    ...rows.map(row => clip(lay(head.map((_, i) => row[i] ?? '')).trimEnd()))
  ]
}
